#include "api/lambda/service.h"

#include "api/lambda/functions_operations.h"
#include "wire/generated/lambda.h"
#include "wire/refusals.h"

namespace millrace::api_lambda {

void register_function_operations(wire::Service& service, functions::Functions& engine) {
  using Operation = Result<wire::Reply> (*)(functions::Functions&, const wire::RequestContext&, const wire::Document&);
  using Slow = void (*)(functions::Functions&, const wire::RequestContext&, const wire::Document&, wire::Conversation);
  const auto last_commit = [&engine] { return engine.last_commit(); };
  const auto serve = [&](std::string_view name, Operation operation) {
    service.on(name, wire::hold_refusals(
                         [&engine, operation](const wire::RequestContext& context, const wire::Document& input) {
                           return operation(engine, context, input);
                         },
                         last_commit));
  };
  const auto serve_slow = [&](std::string_view name, Slow operation) {
    service.on_async(name, wire::hold_refusals(
                               [&engine, operation](const wire::RequestContext& context, const wire::Document& input,
                                                    wire::Conversation conversation) {
                                 operation(engine, context, input, std::move(conversation));
                               },
                               last_commit));
  };
  serve_slow("CreateFunction", create_function);
  serve_slow("UpdateFunctionCode", update_function_code);
  serve_slow("Invoke", invoke_function);
  serve("InvokeAsync", invoke_function_async);
  serve("UpdateFunctionConfiguration", update_function_configuration);
  serve("GetFunction", get_function);
  serve("GetFunctionConfiguration", get_function_configuration);
  serve("ListFunctions", list_functions);
  serve("ListVersionsByFunction", list_versions_by_function);
  serve("DeleteFunction", delete_function);
  serve("GetAccountSettings", get_account_settings);
  serve("PublishVersion", publish_version);
  serve("CreateAlias", create_alias);
  serve("UpdateAlias", update_alias);
  serve("GetAlias", get_alias);
  serve("ListAliases", list_aliases);
  serve("DeleteAlias", delete_alias);
  serve("AddPermission", add_permission);
  serve("RemovePermission", remove_permission);
  serve("GetPolicy", get_policy);
  serve("CreateFunctionUrlConfig", create_function_url_config);
  serve("UpdateFunctionUrlConfig", update_function_url_config);
  serve("GetFunctionUrlConfig", get_function_url_config);
  serve("ListFunctionUrlConfigs", list_function_url_configs);
  serve("DeleteFunctionUrlConfig", delete_function_url_config);
  serve_slow("PublishLayerVersion", publish_layer_version);
  serve("GetLayerVersion", get_layer_version);
  serve("GetLayerVersionByArn", get_layer_version_by_arn);
  serve("ListLayerVersions", list_layer_versions);
  serve("ListLayers", list_layers);
  serve("DeleteLayerVersion", delete_layer_version);
  serve("AddLayerVersionPermission", add_layer_version_permission);
  serve("RemoveLayerVersionPermission", remove_layer_version_permission);
  serve("GetLayerVersionPolicy", get_layer_version_policy);
  serve("PutFunctionConcurrency", put_function_concurrency);
  serve("GetFunctionConcurrency", get_function_concurrency);
  serve("DeleteFunctionConcurrency", delete_function_concurrency);
  serve("PutFunctionEventInvokeConfig", put_function_event_invoke_config);
  serve("UpdateFunctionEventInvokeConfig", update_function_event_invoke_config);
  serve("GetFunctionEventInvokeConfig", get_function_event_invoke_config);
  serve("ListFunctionEventInvokeConfigs", list_function_event_invoke_configs);
  serve("DeleteFunctionEventInvokeConfig", delete_function_event_invoke_config);
  serve("TagResource", tag_function);
  serve("UntagResource", untag_function);
  serve("ListTags", list_function_tags);
}

std::unique_ptr<wire::Service> make_lambda_service(functions::Functions& engine,
                                                   const std::function<void(wire::Service&)>& add_mappings) {
  auto service = std::make_unique<wire::Service>(wire::lambda::kModel);
  register_function_operations(*service, engine);
  if (add_mappings) add_mappings(*service);
  return service;
}

}  // namespace millrace::api_lambda
