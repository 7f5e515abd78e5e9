#include "plan.h"

#include <sstream>

namespace millrace::simulation {
namespace {

double sometimes(Dice& dice, double share, double most) {
  return dice.chance(share) ? most * static_cast<double>(dice.between(1, 10)) / 10 : 0;
}

}  // namespace

Behaviour roll_behaviour(Dice& dice) {
  Behaviour out;
  out.large_state = sometimes(dice, 0.2, 0.2);
  out.poison = dice.chance(0.6);
  out.slow = sometimes(dice, 0.4, 0.5);
  if (dice.chance(0.4))
    return out;  // no failures but those of poison: bisecting can be judged
                 // exactly
  out.throttled = sometimes(dice, 0.4, 0.5);
  out.missing = sometimes(dice, 0.2, 0.3);
  out.hangs = sometimes(dice, 0.2, 0.1);
  out.throws = sometimes(dice, 0.5, 0.6);
  out.partial = sometimes(dice, 0.5, 0.6);
  out.lies = sometimes(dice, 0.3, 0.3);
  return out;
}

void roll_options(Dice& dice, triggers::Mapping& mapping) {
  mapping.batch_size = dice.pick<std::int64_t>({1, 2, 3, 7, 10, 100, 10'000});
  mapping.window_s = dice.pick<std::int64_t>({0, 0, 0, 1, 5, 60, 300});
  mapping.parallelization_factor = dice.pick<std::int64_t>({1, 1, 1, 2, 3, 10});
  mapping.record_age_max_s = dice.pick<std::int64_t>({-1, -1, -1, 60, 600, 7200});
  mapping.retries_max = dice.pick<std::int64_t>({-1, 0, 1, 2, 5});
  mapping.bisect = dice.chance(0.5);
  mapping.report_failures = dice.chance(0.5);
  mapping.tumbling_s = dice.chance(0.25) ? dice.pick<std::int64_t>({5, 30, 300}) : 0;
  mapping.filters.clear();
  if (mapping.tumbling_s > 0) {  // AWS: refuses other combinations
    mapping.parallelization_factor = 1;
    return;
  }
  if (dice.chance(0.3)) mapping.filters.push_back(R"({"eventName":["INSERT","MODIFY"]})");
  if (dice.chance(0.2)) mapping.filters.push_back(R"({"dynamodb":{"NewImage":{"g":{"S":["a"]}}}})");
}

MappingPlan roll_mapping(Dice& dice, int tables, int number) {
  MappingPlan plan;
  plan.table = static_cast<int>(dice.below(static_cast<std::uint64_t>(tables)));
  plan.mapping.function_arn = "arn:aws:lambda:us-east-1:000000000000:function:f" + std::to_string(number);
  plan.mapping.starting_position = dice.chance(0.7) ? "TRIM_HORIZON" : "LATEST";
  if (dice.chance(0.7)) plan.mapping.destination = "arn:aws:sqs:us-east-1:000000000000:q" + std::to_string(number);
  roll_options(dice, plan.mapping);
  plan.behaviour = roll_behaviour(dice);
  return plan;
}

Plan::Plan(std::uint64_t the_seed) : seed(the_seed) {
  Dice dice(seed);
  tables = dice.chance(0.3) ? 2 : 1;
  shards = dice.pick<int>({1, 1, 2, 4});
  keys = dice.pick<int>({1, 4, 16, 40});
  steps = static_cast<int>(dice.between(60, 400));
  poison = sometimes(dice, 0.6, 0.2);
  expiring = sometimes(dice, 0.5, 0.7);
  kills = sometimes(dice, 0.6, 0.05);
  disk_errors = sometimes(dice, 0.3, 0.01);
  read_errors = sometimes(dice, 0.4, 0.05);
  reshapes = sometimes(dice, 0.5, 0.05);
  updates = sometimes(dice, 0.4, 0.05);
  jumps = sometimes(dice, 0.2, 0.01);
  refusing_destination = dice.chance(0.1);
  births = sometimes(dice, 0.2, 0.02);
  deaths = sometimes(dice, 0.2, 0.01);
  rewinds = sometimes(dice, 0.3, 0.04);
  upheavals = sometimes(dice, 0.2, 0.01);
  replacements = sometimes(dice, 0.2, 0.02);
  split_rate = dice.chance(0.2) ? 1 : 1000;
  const int count = static_cast<int>(dice.between(1, 4));
  for (int i = 0; i < count; ++i) mappings.push_back(roll_mapping(dice, tables, i));
  if (dice.chance(0.02)) make_heavy(dice);
}

// Few records, so large that an event holds no more than some of them.
void Plan::make_heavy(Dice& dice) {
  pad = 150'000;
  keys = 4;
  steps = 60;
  mappings.resize(1);
  mappings[0].mapping.batch_size = 100;
  mappings[0].mapping.window_s = 60;
  mappings[0].behaviour.large_state = dice.chance(0.5) ? 0.3 : 0;
}

std::string Plan::describe() const {
  std::ostringstream out;
  out << "seed " << seed << ": " << tables << " tables of " << shards << " shards, " << keys << " keys, " << steps
      << " steps; poison " << poison << ", expiring " << expiring << ", kills " << kills << ", disk errors "
      << disk_errors << ", read errors " << read_errors << ", reshapes " << reshapes << ", updates " << updates
      << ", jumps " << jumps << ", births " << births << ", deaths " << deaths << ", rewinds " << rewinds
      << ", upheavals " << upheavals << ", replacements " << replacements << ", split rate " << split_rate << ", pad "
      << pad;
  for (const MappingPlan& each : mappings) {
    const auto& m = each.mapping;
    const Behaviour& b = each.behaviour;
    out << "\n  table " << each.table << " " << m.starting_position << " batch " << m.batch_size << " window "
        << m.window_s << " s, lanes " << m.parallelization_factor << ", age " << m.record_age_max_s << ", retries "
        << m.retries_max << ", tumbling " << m.tumbling_s << (m.bisect ? ", bisect" : "")
        << (m.report_failures ? ", report" : "") << ", filters " << m.filters.size()
        << (m.destination.empty() ? "" : ", destination") << "; function: throttled " << b.throttled << ", missing "
        << b.missing << ", hangs " << b.hangs << ", throws " << b.throws << ", partial " << b.partial << ", lies "
        << b.lies << ", slow " << b.slow << (b.poison ? ", poison" : "");
  }
  return out.str();
}

}  // namespace millrace::simulation
