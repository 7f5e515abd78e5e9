#include "api/cloudformation/service.h"

#include "api/cloudformation/aws_form.h"
#include "wire/generated/cloudformation.h"

namespace millrace::api_cloudformation {

using stacks::Stacks;
using wire::Document;
using wire::Reply;

std::unique_ptr<wire::Service> make_cloudformation_service(Stacks& engine, platform::Scheduler& scheduler) {
  auto service = std::make_unique<wire::Service>(wire::cloudformation::kModel);
  // On the pool: they may read templates and parameters from other services.
  const auto serve = [&](std::string_view name, Stacks::Operation operation) {
    service->on_async(name, [&engine, &scheduler, operation](const wire::RequestContext& context, const Document& input,
                                                             wire::Conversation conversation) {
      const auto answer = std::make_shared<std::optional<Result<Document>>>();
      scheduler.offload([&engine, operation, answer, caller = context.caller,
                         input] { *answer = (engine.*operation)(caller, input); },
                        [&engine, answer, conversation, region = context.caller.scope.region,
                         aws_form = context.service_host.starts_with("https://")] {
                          if (!(*answer)->ok()) return conversation.done((*answer)->error());
                          Reply reply;
                          reply.output = std::move(**answer).value();
                          if (aws_form) use_aws_queue_urls(reply.output, region);
                          reply.after = engine.last_commit();
                          conversation.done(std::move(reply));
                        });
    });
  };
  serve("CreateStack", &Stacks::create);
  serve("UpdateStack", &Stacks::update);
  serve("DeleteStack", &Stacks::remove);
  serve("DescribeStacks", &Stacks::describe);
  serve("DescribeStackEvents", &Stacks::describe_events);
  serve("DescribeStackResource", &Stacks::describe_resource);
  serve("DescribeStackResources", &Stacks::describe_resources);
  serve("ListStackResources", &Stacks::list_resources);
  serve("ListStacks", &Stacks::list);
  serve("GetTemplate", &Stacks::get_template);
  serve("GetTemplateSummary", &Stacks::template_summary);
  serve("ValidateTemplate", &Stacks::validate_template);
  serve("CreateChangeSet", &Stacks::create_change_set);
  serve("DescribeChangeSet", &Stacks::describe_change_set);
  serve("ExecuteChangeSet", &Stacks::execute_change_set);
  serve("DeleteChangeSet", &Stacks::delete_change_set);
  serve("ListChangeSets", &Stacks::list_change_sets);
  serve("ListExports", &Stacks::list_exports);
  serve("ListImports", &Stacks::list_imports);
  serve("UpdateTerminationProtection", &Stacks::protect);
  return service;
}

}  // namespace millrace::api_cloudformation
