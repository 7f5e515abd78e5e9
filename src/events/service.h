// The rules of this server: schedules that fire by the movable clock, patterns that events are matched with.
//
// What a rule sends is staged with local targets through `delivery`, in one commit with the schedule's next occurrence:
// each occurrence is delivered once, whenever the server is killed. One that came due while the server did not run is
// made up for if it is at most kLate old; older ones are skipped, with a line in the log.
//
//   kCatalogue  events/rules/ text(account) text(region) text(name)   JSON {"v":1,...}
//
// Thread-safe; answers must be held until last_commit() is durable. Schedules fire on the control thread.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "delivery/delivery.h"
#include "events/rule.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "storage/service_commits.h"
#include "storage/store.h"

namespace millrace::events {

// kResourceNotFound: what is said of a rule that is not there.
Error no_rule(std::string_view name);

class Events {
 public:
  struct Resources {
    storage::Store& store;
    storage::Commits& commits;
    platform::Scheduler& scheduler;
    platform::Random& random;
    delivery::Delivery& delivery;
  };
  explicit Events(const Resources& resources);
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;
  // Before anything else, and when the store refused a change.
  Result<void> load();
  // Schedules run from now on. Once, when the scheduler runs.
  void start();
  storage::CommitNumber last_commit() const { return commits_.last(); }

  // A new rule, or another definition of one, whose targets and tags stay. Errors: derive()'s, kLimitExceeded.
  Result<Rule> put(Rule definition);
  std::optional<Rule> find(const Scope& scope, std::string_view name) const;
  std::vector<Rule> list(const Scope& scope) const;  // by name
  // Success where there is none; kValidation while it has targets.
  Result<void> remove(const Scope& scope, std::string_view name);
  Result<void> set_enabled(const Scope& scope, std::string_view name, bool enabled);  // kResourceNotFound
  // Replaces targets of the same id. Errors: kResourceNotFound, kLimitExceeded.
  Result<void> put_targets(const Scope& scope, std::string_view name, std::vector<Target> targets);
  // Gives the ids that the rule does not have. kResourceNotFound.
  Result<std::vector<std::string>> remove_targets(const Scope& scope, std::string_view name,
                                                  const std::vector<std::string>& ids);
  // kResourceNotFound.
  Result<void> change_tags(const Scope& scope, std::string_view name,
                           const std::function<Result<void>(std::map<std::string, std::string, std::less<>>&)>& change);
  // Sends each event to the targets of every rule of the scope whose pattern it matches; one commit for all.
  void publish(const Scope& scope, const std::vector<codec::Json>& events);

  void reset(std::string_view account);

 private:
  using Name = std::pair<Scope, std::string>;
  struct Entry {
    Rule rule;
    platform::Timer timer;
  };

  // All below: REQUIRES mutex_ held, but fire().
  Result<Entry*> find_entry(const Scope& scope, std::string_view name);
  Result<void> check_room(const Scope& scope) const;
  void reschedule(Rule& rule, Time after) const;
  void arm(const Name& name, Entry& entry);
  void arm_all();
  void fire(const Name& name, Time due);
  void send(const Rule& rule, const codec::Json& event, storage::WriteBatch& batch,
            std::vector<delivery::AfterCommit>& after);
  void dead_letter(const Rule& rule, const Target& target, const std::string& body, const Error& error,
                   storage::WriteBatch& batch, std::vector<delivery::AfterCommit>& after);
  void save(const Rule& rule, storage::WriteBatch& batch) const;
  void store(const Rule& rule);  // save() and submit()
  void submit(storage::WriteBatch batch, std::vector<delivery::AfterCommit> after = {});

  const Resources resources_;
  storage::ServiceCommits commits_;
  mutable std::mutex mutex_;  // guards below
  bool started_ = false;
  std::map<Name, Entry> rules_;
};

}  // namespace millrace::events
