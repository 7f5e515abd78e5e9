// Functions that answer as their plan says: at once or late, wholly, partly,
// wrongly, or not at all.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "dice.h"
#include "ledger.h"
#include "plan.h"
#include "platform/clock.h"
#include "triggers/ports.h"

namespace millrace::simulation {

class Functions final : public triggers::Invoker {
 public:
  Functions(Dice& dice, Ledger& ledger) : dice_(dice), ledger_(ledger) {}

  void set_scheduler(platform::Scheduler& scheduler) { scheduler_ = &scheduler; }
  void add(const std::string& uuid, const Behaviour& behaviour) { behaviours_[uuid] = behaviour; }
  // FunctionResponseTypes of the mapping: without it, answers' bodies mean
  // nothing.
  void set_report(const std::string& uuid, bool report) { report_[uuid] = report; }
  void heal();    // from now on everything succeeds at once
  void forget();  // what is running, as after a kill

  void invoke(triggers::InvokeRequest request, std::function<void(triggers::InvokeResult)> done) override;

 private:
  struct Answer {
    triggers::InvokeResult result;
    std::size_t done = 0;
    bool attempted = true;
    bool final_done = false;  // of a final invocation, which has no records
    Milliseconds after{0};
  };
  Answer decide(const Call& call);
  void hand_on_state(Answer& answer, const Call& call, const Behaviour& behaviour);
  void name_failures(Answer& answer, const std::vector<Stamp>& stamps, bool report);
  void lie(Answer& answer, const std::vector<Stamp>& stamps, bool report);

  Dice& dice_;
  Ledger& ledger_;
  platform::Scheduler* scheduler_ = nullptr;
  std::map<std::string, Behaviour> behaviours_;
  std::map<std::string, bool> report_;
  bool healthy_ = false;
  std::uint64_t epoch_ = 0;
};

}  // namespace millrace::simulation
