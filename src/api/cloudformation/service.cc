#include "api/cloudformation/service.h"

#include "api/cloudformation/aws_form.h"
#include "wire/generated/cloudformation.h"
#include "wire/refusals.h"

namespace millrace::api_cloudformation {

using stacks::Stacks;
using wire::Document;
using wire::Reply;

namespace {

// How long what starts an operation waits for its end: the tools look at once afterwards, and then only every five
// seconds.
constexpr Milliseconds kSettleLimit{2500};
constexpr ErrorType kThrottling{"Throttling", 400, ErrorKind::kThrottled};

// Answers when the stack has settled, or when the limit has passed. Control thread only.
class Settling : public std::enable_shared_from_this<Settling> {
 public:
  explicit Settling(std::function<void()> then) : then_(std::move(then)) {}

  void wait(Stacks& engine, platform::Scheduler& scheduler, const Scope& scope, const std::string& stack) {
    limit_ = scheduler.at(scheduler.now() + kSettleLimit, [self = shared_from_this()] { self->finish(); });
    engine.when_settled(scope, stack, [self = shared_from_this()] { self->finish(); });
  }

 private:
  void finish() {
    limit_.cancel();
    if (then_) std::exchange(then_, nullptr)();
  }

  std::function<void()> then_;
  platform::Timer limit_;
};

std::string stack_named_in(const Document& input) {
  const std::string_view stack = input.string_or("StackName", "");
  return std::string(stack.empty() ? input.string_or("ChangeSetName", "") : stack);
}

}  // namespace

std::unique_ptr<wire::Service> make_cloudformation_service(Stacks& engine, platform::Scheduler& scheduler) {
  auto service = std::make_unique<wire::Service>(wire::cloudformation::kModel);
  // What only looks runs on the pool, the rest on the engine's thread: a transform must not keep others waiting. What
  // starts an operation of the stack is answered when that has settled.
  enum class Kind { kLook, kChange, kStart };
  const auto serve = [&](std::string_view name, Stacks::Operation operation, Kind kind = Kind::kLook) {
    service->on_async(name,
                      [&engine, &scheduler, operation, kind](const wire::RequestContext& context, const Document& input,
                                                             wire::Conversation conversation) {
                        const auto answer = std::make_shared<std::optional<Result<Document>>>();
                        auto work = [&engine, operation, answer, caller = context.caller, input] {
                          *answer = (engine.*operation)(caller, input);
                        };
                        auto done = [&engine, &scheduler, answer, conversation, scope = context.caller.scope,
                                     started = kind == Kind::kStart ? stack_named_in(input) : std::string(),
                                     aws_form = context.service_host.starts_with("https://")] {
                          if (!(*answer)->ok()) return conversation.done((*answer)->error());
                          const auto finish = [&engine, answer, conversation, region = scope.region, aws_form] {
                            Reply reply;
                            reply.output = std::move(**answer).value();
                            if (aws_form) use_aws_queue_urls(reply.output, region);
                            reply.after = engine.last_commit();
                            conversation.done(std::move(reply));
                          };
                          if (started.empty()) return finish();
                          std::make_shared<Settling>(finish)->wait(engine, scheduler, scope, started);
                        };
                        if (kind == Kind::kLook) return scheduler.offload(std::move(work), std::move(done));
                        if (!engine.run(std::move(work), std::move(done)))
                          conversation.done(Error(kThrottling, "Rate exceeded"));
                      });
  };
  serve("CreateStack", &Stacks::create, Kind::kStart);
  serve("UpdateStack", &Stacks::update, Kind::kStart);
  serve("DeleteStack", &Stacks::remove, Kind::kStart);
  serve("DescribeStacks", &Stacks::describe);
  serve("DescribeStackEvents", &Stacks::describe_events);
  serve("DescribeStackResource", &Stacks::describe_resource);
  serve("DescribeStackResources", &Stacks::describe_resources);
  serve("ListStackResources", &Stacks::list_resources);
  serve("ListStacks", &Stacks::list);
  serve("GetTemplate", &Stacks::get_template);
  serve("GetTemplateSummary", &Stacks::template_summary);
  serve("ValidateTemplate", &Stacks::validate_template, Kind::kChange);
  serve("CreateChangeSet", &Stacks::create_change_set, Kind::kChange);
  serve("DescribeChangeSet", &Stacks::describe_change_set);
  serve("ExecuteChangeSet", &Stacks::execute_change_set, Kind::kStart);
  serve("DeleteChangeSet", &Stacks::delete_change_set, Kind::kChange);
  serve("ListChangeSets", &Stacks::list_change_sets);
  serve("ListExports", &Stacks::list_exports);
  serve("ListImports", &Stacks::list_imports);
  serve("CancelUpdateStack", &Stacks::cancel_update, Kind::kChange);
  serve("ContinueUpdateRollback", &Stacks::continue_rollback, Kind::kStart);
  serve("RollbackStack", &Stacks::rollback, Kind::kStart);
  serve("UpdateTerminationProtection", &Stacks::protect, Kind::kChange);
  wire::hold_refusals(*service, [&engine] { return engine.last_commit(); });
  return service;
}

}  // namespace millrace::api_cloudformation
