// What a seed stands for: the shape of the world, how its functions behave, and
// which faults strike.
#pragma once

#include <string>
#include <vector>

#include "dice.h"
#include "triggers/mapping.h"

namespace millrace::simulation {

// How a function answers. Probabilities are per invocation and checked in this
// order.
struct Behaviour {
  double throttled = 0;
  double missing = 0;
  double hangs = 0;  // until its timeout of 15 minutes
  double throws = 0;
  double partial = 0;      // names some records of the batch as failed
  double lies = 0;         // names records that are not there, or answers what is no answer
  double slow = 0;         // answers after up to a minute instead of at once
  bool poison = false;     // fails whenever a poison record is in the batch
  double large_state = 0;  // with a tumbling window: hands on a state over 1 MB
  bool is_pure() const { return throttled + missing + hangs + throws + partial + lies == 0; }
};

struct MappingPlan {
  triggers::Mapping mapping;  // without UUID and start
  int table = 0;
  Behaviour behaviour;
};

struct Plan {
  explicit Plan(std::uint64_t seed);

  std::uint64_t seed = 0;
  int tables = 1;
  int shards = 1;  // of a stream when it is enabled
  int keys = 8;
  int steps = 300;
  double poison = 0;    // share of the records
  double expiring = 0;  // share of the items that have a TTL
  double kills = 0;     // per step, as are the following
  double disk_errors = 0;
  double read_errors = 0;
  double reshapes = 0;              // splits and roll-overs
  double updates = 0;               // of mappings
  double jumps = 0;                 // of the clock, by hours
  double births = 0;                // of mappings
  double deaths = 0;                // of mappings
  double rewinds = 0;               // of mappings, also letting single records go
  double upheavals = 0;             // a table is deleted and made anew, or its stream
  double replacements = 0;          // of functions by others
  std::uint64_t split_rate = 1000;  // of the streams, records per second
  int pad = 0;                      // bytes of the items; large ones fill events of 6 MB
  bool refusing_destination = false;
  std::vector<MappingPlan> mappings;

  std::string describe() const;

 private:
  void make_heavy(Dice& dice);
};

// Options as a user might combine them; also for updates of a mapping that is
// at work.
void roll_options(Dice& dice, triggers::Mapping& mapping);
// A mapping of function f<number>, and how that behaves.
MappingPlan roll_mapping(Dice& dice, int tables, int number);
Behaviour roll_behaviour(Dice& dice);

}  // namespace millrace::simulation
