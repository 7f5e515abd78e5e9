// The inside of Stacks: memory, storage, execution.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "stacks/plan.h"
#include "stacks/stacks.h"

namespace millrace::stacks {

class Stacks::Impl {
 public:
  explicit Impl(Services given) : services(given) {}

  // Memory and storage (storage.cc).
  Result<void> load();
  void save(const Stack& stack);  // REQUIRES: mutex is held
  // REQUIRES: mutex is held; the caller saves.
  void emit(Stack& stack, const std::string& logical_id, const std::string& physical_id, const std::string& type,
            const std::string& status, const std::string& reason, const Document* properties = nullptr);
  void set_status(Stack& stack, const std::string& status, const std::string& reason = "");  // with its event
  Stack* find(const Scope& scope, std::string_view name_or_id);                              // REQUIRES: mutex is held
  Result<Document> exported(const Scope& scope, const std::string& name);
  std::vector<std::string> importers(const Scope& scope, const std::string& name);

  // Execution (execution.cc): on the operation's own thread.
  void begin(const std::string& uuid);
  void run(const std::string& uuid);
  void deploy(const std::string& uuid);
  void roll_back(const std::string& uuid);
  void remove_all(const std::string& uuid, bool is_rollback);
  void clean_up(const std::string& uuid, const std::string& final_status);
  Result<void> apply(const std::string& uuid, const Environment& environment, const std::string& id);
  Result<void> make(const std::string& uuid, const Document& declared, const std::string& id, Document properties,
                    const std::string& why);
  Result<void> change(const std::string& uuid, const std::string& id, const Document& properties);
  Result<void> drop(const std::string& uuid, Owned owned);
  Result<Document> await(const std::string& token, std::chrono::seconds timeout);
  Work work_for(const Stack& stack, const Owned& owned, bool is_new);
  const ResourceType* type_of(const Owned& owned) const;  // nullptr: not served any more
  // What the events of a resource say of it: "Recorded, not in effect in millrace: VpcConfig", ""
  std::string effect_text(const Owned& owned) const;
  Result<void> set_outputs(const std::string& uuid, const Environment& environment);
  Stack copy(const std::string& uuid);
  template <typename Edit>
  void edit(const std::string& uuid, Edit edit_stack) {
    const std::lock_guard lock(mutex);
    const auto found = stacks.find(uuid);
    if (found == stacks.end()) return;
    edit_stack(found->second);
    save(found->second);
  }
  bool stopping() const { return stopped.load(); }

  // Planning (prepare.cc).
  struct Prepared {
    std::string text;
    Document document;
    std::vector<Parameter> parameters;
    std::vector<Change> changes;
    bool outputs_differ = false;
  };
  Result<std::string> template_text(const wire::Caller& caller, const Document& input, const Stack* previous);
  Result<Prepared> prepare(const wire::Caller& caller, const Document& input, const Stack& stack);
  Result<Environment> environment_of(const Stack& stack, const Document& document,
                                     const std::vector<Parameter>& parameters);
  Stack new_stack(const wire::Caller& caller, const std::string& name);

  Services services;
  std::mutex api_mutex;                                 // one mutating call at a time; taken before `mutex`
  std::mutex mutex;                                     // guards below
  std::map<std::string, Stack> stacks;                  // by uuid
  std::map<std::string, std::vector<Document>> events;  // by uuid, oldest first
  std::map<std::string, std::thread> threads;
  std::map<std::string, std::vector<std::function<void()>>> when_settled;  // by uuid
  std::condition_variable answered;
  // What is waited for, by token. Waiting does not count as busy; what ends it does, until the waiting thread goes on.
  struct Answer {
    std::optional<Document> document;
    bool late = false;
    platform::Busy busy;
  };
  std::map<std::string, Answer> answers;
  std::string endpoint = "http://127.0.0.1:4566";
  std::atomic<bool> stopped{false};
  std::atomic<storage::CommitNumber> last_commit{0};
};

}  // namespace millrace::stacks
