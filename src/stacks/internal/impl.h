// The inside of Stacks: memory, storage, execution.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "stacks/internal/walk.h"
#include "stacks/internal/worker.h"
#include "stacks/plan.h"
#include "stacks/stacks.h"
#include "storage/service_commits.h"

namespace millrace::stacks {

// The Tags of a request.
std::map<std::string, std::string> tags_of(const Document& input);

class Stacks::Impl {
 public:
  explicit Impl(Services given) : services(given), nested(*this), commits(given.commits, "stacks") {
    commits.set_restore([this] { return restore(); });
  }

  // Memory and storage (storage.cc).
  Result<void> load();
  // Makes memory what the store holds. Operations in progress end as when the server stops, and are shown as far as
  // they had come; the restart goes on with them.
  Result<void> restore();
  Result<void> read_all();        // REQUIRES: mutex is held
  void save(const Stack& stack);  // REQUIRES: mutex is held
  void forget_old();              // stacks that were deleted long ago
  // REQUIRES: mutex is held; the caller saves.
  void emit(Stack& stack, const std::string& logical_id, const std::string& physical_id, const std::string& type,
            const std::string& status, const std::string& reason, const Document* properties = nullptr);
  void set_status(Stack& stack, const std::string& status, const std::string& reason = "");  // with its event
  Stack* find(const Scope& scope, std::string_view name_or_id);                              // REQUIRES: mutex is held
  // One without anything in it: a refused commit has taken the stack away. REQUIRES: mutex is held.
  const Stack& kept(const std::string& uuid) const;
  Result<Document> exported(const Scope& scope, const std::string& name);
  std::vector<std::string> importers(const Scope& scope, const std::string& name);
  std::string export_in_use(const Stack& stack);  // why the stack cannot be deleted; "": none is in use

  // The template of an operation, parsed once and shared by its steps.
  struct Blueprint {
    Document document;
    Environment environment;  // points at `document`
    Environment shown;        // the same with **** for what is hidden from events
    std::set<std::string> wanted;
    Waits waits;
  };
  // What steps need to know of their stack.
  struct Facts {
    std::string uuid, name, id;
    Scope scope;
    std::map<std::string, std::string> tags;
  };
  // A resource on its way to what the template wants.
  struct Step {
    Facts stack;
    std::string id;
    const Document& declared;
    std::vector<std::string> depends;
    bool is_skipped = false;
    Document properties = Document::object();
    Document shown = Document::object();  // the same as events show them
  };

  // Operations (execution.cc): on a thread of their own, resources on threads of theirs.
  void begin(const std::string& uuid);
  void run(const std::string& uuid, const std::string& status);
  void deploy(const std::string& uuid);
  std::string interrupted(const std::string& uuid);
  void forget_imports(const std::string& uuid, const std::string& reason);
  void go_back(const std::string& uuid, const std::string& reason);
  void roll_back(const std::string& uuid);
  void remove_all(const std::string& uuid, bool is_rollback);
  void clean_up(const std::string& uuid, const std::string& final_status);
  std::set<std::string> remove_leftovers(const std::string& uuid, const std::function<bool(const Owned&)>& is_kept);
  std::string failures(const std::string& uuid, const std::set<std::string>& failed);
  std::set<std::string> take_steps(const std::string& uuid, const Waits& waits,
                                   const std::function<bool(const std::string&)>& step, bool cancels_others);
  Result<std::unique_ptr<Blueprint>> blueprint(const Stack& stack);
  Result<void> set_outputs(const std::string& uuid, const Environment& environment);  // outputs.cc
  // Ends the waiting of the steps of a running creation or update; it begins no more of them.
  void cancel(const std::string& uuid, const std::string& reason);
  std::optional<std::string> cancelled(const std::string& uuid);

  // Single resources (steps.cc). false, or an error: failed, and events say why, unless the server is stopping.
  bool apply(const std::string& uuid, const Blueprint& print, const std::string& id);
  bool make(const Step& step, const std::string& why);
  bool import(const Step& step, const std::string& physical_id);
  bool fail_to_make(const Step& step, const Owned& owned, bool is_taken, std::string reason);
  bool change(const Step& step, const Owned& owned, const Document& old_properties);
  Result<void> resolve(Step& step, const Blueprint& print, const std::map<std::string, Owned>& known);
  bool revert(const std::string& uuid, const std::string& id);
  Result<void> drop(const std::string& uuid, const Owned& owned);
  Facts facts(const std::string& uuid);
  Work work_for(const Facts& stack, const Owned& owned);
  Result<Document> await(const std::string& uuid, const std::string& token, std::chrono::seconds timeout);
  const ResourceType* type_of(const Owned& owned) const;  // nullptr: not served any more
  // What the events of a resource say of it: "Recorded, not in effect in millrace: VpcConfig", ""
  std::string effect_text(const Owned& owned) const;
  std::string words(const std::string& type, const Error& error);
  std::string taken_text(const Facts& facts, const Owned& owned);
  Stack copy(const std::string& uuid);
  template <typename Edit>
  void edit(const std::string& uuid, Edit edit_stack) {
    const std::lock_guard lock(mutex);
    const auto found = stacks.find(uuid);
    if (found == stacks.end() || frozen.load()) return;
    edit_stack(found->second);
    save(found->second);
  }
  // Whether operations end here, to be continued by the next start.
  bool stopping() const { return stopped.load() || frozen.load(); }

  // Nested stacks (nested.cc).
  class Nested final : public NestedStacks {
   public:
    explicit Nested(Impl& impl) : impl_(impl) {}
    Result<Resource> create(const Work& work) override;
    Result<Resource> update(const Work& work) override;
    Result<void> remove(const Work& work) override;

   private:
    Result<Stack> child_of(const Work& work);
    // Waits until nothing happens to the child by itself. Errors: kCancelled, kUnavailable.
    Result<Stack> settled(const Work& work, const std::string& uuid);
    Result<Resource> described(const Stack& child);
    Impl& impl_;
  };
  // Cleans up what an update of a nested stack has left until its parent is done.
  void finish_nested(const std::string& stack_id);
  void roll_back_nested(const std::string& uuid);

  // Planning (prepare.cc).
  struct Prepared {
    Inputs inputs;
    Document document;  // of inputs.template_text
    std::vector<Change> changes;
    bool is_same = false;  // neither resources nor outputs nor tags would change
  };
  Result<std::string> template_text(const wire::Caller& caller, const Document& input, const Stack* previous);
  // What the template's transforms make of it; the document itself when there are none. Takes a second.
  Result<Document> transformed(const Scope& scope, const Document& document,
                               const std::map<std::string, std::string>& parameters);
  Result<Prepared> prepare(const wire::Caller& caller, const Document& input, const Stack& stack);
  Result<Environment> environment_of(const Stack& stack, const Document& document,
                                     const std::vector<Parameter>& parameters);
  Stack new_stack(const wire::Caller& caller, const std::string& name);

  // Change sets (change_sets.cc): what of the additions is imported, logical id -> physical id ("": by its name); marks
  // these changes. Errors: kValidation.
  Result<std::map<std::string, std::string>> imports_of(const wire::Caller& caller, const Document& input,
                                                        const Stack& stack, Prepared& prepared);
  std::string owner_of(const Scope& scope, const std::string& type, const std::string& physical_id);

  // What a call that changes stacks of an account has: one at a time, and none of the account's is forgotten meanwhile.
  // REQUIRES: `mutex` is not held at either end.
  class Turn {
   public:
    Turn(Impl& impl, const Scope& scope) : impl_(impl), one_(impl.api_mutex) { note(scope.account); }
    ~Turn() { note(""); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    void note(const std::string& account) {
      const std::lock_guard lock(impl_.mutex);
      impl_.changing = account;
    }
    Impl& impl_;
    std::lock_guard<std::mutex> one_;
  };

  Services services;
  Nested nested;
  std::mutex api_mutex;                                 // of Turn; taken before `mutex`
  std::mutex mutex;                                     // guards below
  std::string changing;                                 // the account of the Turn; "": nobody has it
  std::map<std::string, Stack> stacks;                  // by uuid
  std::map<std::string, std::vector<Document>> events;  // by uuid, oldest first
  std::map<std::string, std::thread> threads;
  std::map<std::string, std::vector<std::function<void()>>> when_settled;  // by uuid
  std::condition_variable answered;                                        // an answer, a cancellation, the end
  std::map<std::string, std::string> cancels;  // why the running operation begins no more steps, by uuid
  // What is waited for, by token. Waiting does not count as busy; what ends it does, until the waiting thread goes on.
  struct Answer {
    std::optional<Document> document;
    bool late = false;
    platform::Busy busy;
  };
  std::map<std::string, Answer> answers;
  std::string endpoint = "http://127.0.0.1:4566";
  std::atomic<bool> stopped{false};
  std::atomic<bool> frozen{false};  // a commit was refused: nothing is written before the next start
  Worker worker;
  storage::ServiceCommits commits;
};

}  // namespace millrace::stacks
