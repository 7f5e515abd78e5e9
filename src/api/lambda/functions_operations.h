// The operations on functions, one handler each, and what they share. The functions themselves live in
// functions::Functions; here is only decoding, the order of checks, and the form of the answers.
#pragma once

#include <string_view>

#include "base/result.h"
#include "functions/service.h"
#include "wire/service.h"

namespace millrace::api_lambda {

// operations/functions_registry.cc
void create_function(functions::Functions& engine, const wire::RequestContext& context, const wire::Document& input,
                     wire::Conversation conversation);
void update_function_code(functions::Functions& engine, const wire::RequestContext& context,
                          const wire::Document& input, wire::Conversation conversation);
Result<wire::Reply> update_function_configuration(functions::Functions& engine, const wire::RequestContext& context,
                                                  const wire::Document& input);

// operations/functions_read.cc
Result<wire::Reply> get_function(functions::Functions& engine, const wire::RequestContext& context,
                                 const wire::Document& input);
Result<wire::Reply> get_function_configuration(functions::Functions& engine, const wire::RequestContext& context,
                                               const wire::Document& input);
Result<wire::Reply> list_functions(functions::Functions& engine, const wire::RequestContext& context,
                                   const wire::Document& input);
Result<wire::Reply> list_versions_by_function(functions::Functions& engine, const wire::RequestContext& context,
                                              const wire::Document& input);
Result<wire::Reply> delete_function(functions::Functions& engine, const wire::RequestContext& context,
                                    const wire::Document& input);
Result<wire::Reply> get_account_settings(functions::Functions& engine, const wire::RequestContext& context,
                                         const wire::Document& input);

// operations/functions_invoke.cc
void invoke_function(functions::Functions& engine, const wire::RequestContext& context, const wire::Document& input,
                     wire::Conversation conversation);
Result<wire::Reply> invoke_function_async(functions::Functions& engine, const wire::RequestContext& context,
                                          const wire::Document& input);

// operations/functions_settings.cc
Result<wire::Reply> put_function_concurrency(functions::Functions& engine, const wire::RequestContext& context,
                                             const wire::Document& input);
Result<wire::Reply> get_function_concurrency(functions::Functions& engine, const wire::RequestContext& context,
                                             const wire::Document& input);
Result<wire::Reply> delete_function_concurrency(functions::Functions& engine, const wire::RequestContext& context,
                                                const wire::Document& input);
Result<wire::Reply> put_function_event_invoke_config(functions::Functions& engine, const wire::RequestContext& context,
                                                     const wire::Document& input);
Result<wire::Reply> update_function_event_invoke_config(functions::Functions& engine,
                                                        const wire::RequestContext& context,
                                                        const wire::Document& input);
Result<wire::Reply> get_function_event_invoke_config(functions::Functions& engine, const wire::RequestContext& context,
                                                     const wire::Document& input);
Result<wire::Reply> list_function_event_invoke_configs(functions::Functions& engine,
                                                       const wire::RequestContext& context,
                                                       const wire::Document& input);
Result<wire::Reply> delete_function_event_invoke_config(functions::Functions& engine,
                                                        const wire::RequestContext& context,
                                                        const wire::Document& input);
Result<wire::Reply> tag_function(functions::Functions& engine, const wire::RequestContext& context,
                                 const wire::Document& input);
Result<wire::Reply> untag_function(functions::Functions& engine, const wire::RequestContext& context,
                                   const wire::Document& input);
Result<wire::Reply> list_function_tags(functions::Functions& engine, const wire::RequestContext& context,
                                       const wire::Document& input);

// operations/functions_versions.cc
Result<wire::Reply> publish_version(functions::Functions& engine, const wire::RequestContext& context,
                                    const wire::Document& input);
Result<wire::Reply> create_alias(functions::Functions& engine, const wire::RequestContext& context,
                                 const wire::Document& input);
Result<wire::Reply> update_alias(functions::Functions& engine, const wire::RequestContext& context,
                                 const wire::Document& input);
Result<wire::Reply> get_alias(functions::Functions& engine, const wire::RequestContext& context,
                              const wire::Document& input);
Result<wire::Reply> list_aliases(functions::Functions& engine, const wire::RequestContext& context,
                                 const wire::Document& input);
Result<wire::Reply> delete_alias(functions::Functions& engine, const wire::RequestContext& context,
                                 const wire::Document& input);

// operations/functions_policy.cc
Result<wire::Reply> add_permission(functions::Functions& engine, const wire::RequestContext& context,
                                   const wire::Document& input);
Result<wire::Reply> remove_permission(functions::Functions& engine, const wire::RequestContext& context,
                                      const wire::Document& input);
Result<wire::Reply> get_policy(functions::Functions& engine, const wire::RequestContext& context,
                               const wire::Document& input);

// operations/functions_urls.cc
Result<wire::Reply> create_function_url_config(functions::Functions& engine, const wire::RequestContext& context,
                                               const wire::Document& input);
Result<wire::Reply> update_function_url_config(functions::Functions& engine, const wire::RequestContext& context,
                                               const wire::Document& input);
Result<wire::Reply> get_function_url_config(functions::Functions& engine, const wire::RequestContext& context,
                                            const wire::Document& input);
Result<wire::Reply> list_function_url_configs(functions::Functions& engine, const wire::RequestContext& context,
                                              const wire::Document& input);
Result<wire::Reply> delete_function_url_config(functions::Functions& engine, const wire::RequestContext& context,
                                               const wire::Document& input);

// operations/layers.cc
void publish_layer_version(functions::Functions& engine, const wire::RequestContext& context,
                           const wire::Document& input, wire::Conversation conversation);
Result<wire::Reply> get_layer_version(functions::Functions& engine, const wire::RequestContext& context,
                                      const wire::Document& input);
Result<wire::Reply> get_layer_version_by_arn(functions::Functions& engine, const wire::RequestContext& context,
                                             const wire::Document& input);
Result<wire::Reply> list_layer_versions(functions::Functions& engine, const wire::RequestContext& context,
                                        const wire::Document& input);
Result<wire::Reply> list_layers(functions::Functions& engine, const wire::RequestContext& context,
                                const wire::Document& input);
Result<wire::Reply> delete_layer_version(functions::Functions& engine, const wire::RequestContext& context,
                                         const wire::Document& input);
Result<wire::Reply> add_layer_version_permission(functions::Functions& engine, const wire::RequestContext& context,
                                                 const wire::Document& input);
Result<wire::Reply> remove_layer_version_permission(functions::Functions& engine, const wire::RequestContext& context,
                                                    const wire::Document& input);
Result<wire::Reply> get_layer_version_policy(functions::Functions& engine, const wire::RequestContext& context,
                                             const wire::Document& input);

}  // namespace millrace::api_lambda
