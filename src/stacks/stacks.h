// Stacks: created, updated, deleted; their events and change sets.
//
//   Stacks stacks({store, commits, scheduler, random, calls, types, read_template});
//   stacks.load(); ... stacks.start();          continues or rolls back what a stopped server left in progress
//   stacks.create(caller, input);               inputs and outputs are CloudFormation's documents
//
// Every operation runs on a thread of its own, resource by resource; each step is stored before the next. What is
// stored, in kCatalogue: `stacks/stack/<uuid>` (JSON, "v":1), `stacks/event/<uuid>/<number>`. Thread-safe. The calls
// may block on the services they ask (SSM parameters, templates in S3): not for I/O or control threads.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "platform/clock.h"
#include "platform/random.h"
#include "stacks/resource_type.h"
#include "stacks/state.h"
#include "stacks/transform.h"
#include "storage/committer.h"
#include "storage/store.h"

namespace millrace::stacks {

struct Services {
  storage::Store& store;
  storage::Commits& commits;
  platform::Scheduler& scheduler;
  platform::Random& random;
  wire::Calls& calls;
  const TypeRegistry& types;
  // The object behind a TemplateURL's bucket and key.
  std::function<Result<std::string>(const Scope&, const std::string& bucket, const std::string& key)> read_object;
  Transformer* transformer = nullptr;  // nullptr: transforms are refused
};

class Stacks {
 public:
  explicit Stacks(Services services);
  ~Stacks();
  Result<void> load();
  void start();
  // Waits for the running step of each operation; the rest continues after the next start(). REQUIRES: wire::Operations
  // has been stopped.
  void stop();
  storage::CommitNumber last_commit() const;

  // Runs `work` on the engine's own thread, then `done` on the control thread; busy meanwhile. For the operations that
  // change stacks or read templates: they follow each other, and a transform takes a second. false: too many wait.
  bool run(std::function<void()> work, std::function<void()> done);

  // As the operations of their names; kValidation and the other errors of errors.h.
  using Operation = Result<Document> (Stacks::*)(const wire::Caller&, const Document&);
  Result<Document> create(const wire::Caller& caller, const Document& input);
  Result<Document> update(const wire::Caller& caller, const Document& input);
  Result<Document> remove(const wire::Caller& caller, const Document& input);
  Result<Document> describe(const wire::Caller& caller, const Document& input);
  Result<Document> describe_events(const wire::Caller& caller, const Document& input);
  Result<Document> describe_resource(const wire::Caller& caller, const Document& input);
  Result<Document> describe_resources(const wire::Caller& caller, const Document& input);
  Result<Document> list_resources(const wire::Caller& caller, const Document& input);
  Result<Document> list(const wire::Caller& caller, const Document& input);
  Result<Document> get_template(const wire::Caller& caller, const Document& input);
  Result<Document> template_summary(const wire::Caller& caller, const Document& input);
  Result<Document> validate_template(const wire::Caller& caller, const Document& input);
  Result<Document> create_change_set(const wire::Caller& caller, const Document& input);
  Result<Document> describe_change_set(const wire::Caller& caller, const Document& input);
  Result<Document> execute_change_set(const wire::Caller& caller, const Document& input);
  Result<Document> delete_change_set(const wire::Caller& caller, const Document& input);
  Result<Document> list_change_sets(const wire::Caller& caller, const Document& input);
  Result<Document> list_exports(const wire::Caller& caller, const Document& input);
  Result<Document> list_imports(const wire::Caller& caller, const Document& input);
  Result<Document> cancel_update(const wire::Caller& caller, const Document& input);
  Result<Document> continue_rollback(const wire::Caller& caller, const Document& input);
  Result<Document> rollback(const wire::Caller& caller, const Document& input);
  Result<Document> protect(const wire::Caller& caller, const Document& input);

  // Forgets the stacks of an account in all regions, with their events, not what they own. Error: kValidation while a
  // stack of the account is being changed; nothing is forgotten then.
  Result<void> reset(std::string_view account);

  // {"NotInEffect": [{"LogicalResourceId", "ResourceType", "Properties": [name, ...]} or, where nothing of the resource
  // is in effect, {..., "Reason": text}]} of input.StackName. Error: kValidation when there is no such stack.
  Result<Document> not_in_effect(const wire::Caller& caller, const Document& input);

  // Where functions reach this server; before start().
  void set_endpoint(std::string endpoint);
  // Posts `then` to the control thread once no operation of the stack is running, at once if none is. The stack is told
  // by name, id, or the id of the change set that was executed last. Dropped, not run, when the server stops before.
  void when_settled(const Scope& scope, const std::string& stack, std::function<void()> then);

  // What a custom resource's function sent for `token` (Work::open_answer); a text instead of an object says why it
  // cannot be read. false: nobody waits for it.
  bool answer(const std::string& token, Document document);

 private:
  // Rolls a stack back that is in one of the statuses.
  Result<Document> go_back(const wire::Caller& caller, const Document& input, const std::set<std::string>& statuses);

  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::stacks
