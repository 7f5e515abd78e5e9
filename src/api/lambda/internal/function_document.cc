#include "api/lambda/internal/function_document.h"

#include <algorithm>

#include "functions/errors.h"

namespace millrace::api_lambda {
namespace {

using wire::Document;

// AWS: 2026-09-17T13:29:12.967+0000
std::string modified_text(Time time) {
  std::string text = format_iso_ms(time);
  text.pop_back();
  return text + "+0000";
}

Document logging_document(const functions::Function& function) {
  const auto& settings = function.settings;
  Document logging = Document::object({{"LogFormat", settings.log_format}, {"LogGroup", function.log_group()}});
  if (settings.log_format == "JSON") {
    const auto or_info = [](const std::string& level) { return level.empty() ? std::string("INFO") : level; };
    logging.set("ApplicationLogLevel", or_info(settings.application_log_level));
    logging.set("SystemLogLevel", or_info(settings.system_log_level));
  }
  return logging;
}

bool is_empty(const Document& value) {
  if (value.is_null()) return true;
  if (value.is_string()) return value.as_string().empty();
  if (value.is_array()) return value.as_array().empty();
  if (value.is_bool()) return !value.as_bool();
  if (!value.is_object()) return false;
  for (const auto& [name, member] : value.as_object()) {
    if (!is_empty(member)) return false;
  }
  return true;
}

}  // namespace

Result<functions::FunctionReference> requested_function(const wire::RequestContext& context, const Document& input) {
  const auto text = input.string_or("FunctionName", "");
  auto reference = functions::parse_reference(context.caller.scope, text);
  if (!reference) return Error(functions::kInvalidParameterValue, "Invalid function name: " + std::string(text));
  const auto qualifier = input.string_or("Qualifier", "");
  if (!qualifier.empty()) {
    if (!reference->qualifier.empty() && reference->qualifier != qualifier) {
      return Error(functions::kInvalidParameterValue,
                   "The derived qualifier from the function name does not match the specified qualifier.");
    }
    reference->qualifier = qualifier;
  }
  return *std::move(reference);
}

Result<functions::Function> existing_function(const functions::Functions& engine, const wire::RequestContext& context,
                                              const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto reference, requested_function(context, input));
  return engine.get(reference);
}

Result<functions::FunctionName> unqualified_function(const wire::RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(auto reference, requested_function(context, input));
  if (!reference.qualifier.empty()) {
    return Error(functions::kInvalidParameterValue,
                 "This operation is permitted on Lambda functions only. Aliases and versions do not support this "
                 "operation. Please specify either a function name or an unqualified function ARN.");
  }
  return std::move(reference.function);
}

Document function_configuration(const functions::Function& function, const std::string& qualifier) {
  const auto& settings = function.settings;
  Document document = Document::object({{"FunctionName", function.name.name},
                                        {"FunctionArn", functions::FunctionReference{function.name, qualifier}.arn()},
                                        {"Runtime", settings.runtime},
                                        {"Role", settings.role},
                                        {"Handler", settings.handler},
                                        {"CodeSize", function.code.bytes},
                                        {"Description", settings.description},
                                        {"Timeout", settings.timeout_seconds},
                                        {"MemorySize", settings.memory_mb},
                                        {"LastModified", modified_text(function.last_modified)},
                                        {"CodeSha256", function.code.sha256},
                                        {"Version", function.version}});
  if (!settings.dead_letter_arn.empty()) {
    document.set("DeadLetterConfig", Document::object({{"TargetArn", settings.dead_letter_arn}}));
  }
  if (!settings.variables.empty()) {
    Document variables = Document::object();
    for (const auto& [name, value] : settings.variables) variables.set(name, value);
    document.set("Environment", Document::object({{"Variables", std::move(variables)}}));
  }
  if (!settings.layers.empty()) {
    Document layers = Document::array();
    for (const auto& use : settings.layers) {
      layers.push(Document::object({{"Arn", use.arn}, {"CodeSize", use.bytes}}));
    }
    document.set("Layers", std::move(layers));
  }
  document.set("TracingConfig", Document::object({{"Mode", settings.tracing}}));
  document.set("RevisionId", function.revision);
  document.set("State", "Active");
  document.set("LastUpdateStatus", "Successful");
  document.set("PackageType", "Zip");
  document.set("Architectures", Document::array({settings.architecture}));
  document.set("EphemeralStorage", Document::object({{"Size", settings.ephemeral_storage_mb}}));
  document.set("SnapStart", Document::object({{"ApplyOn", "None"}, {"OptimizationStatus", "Off"}}));
  document.set("LoggingConfig", logging_document(function));
  return document;
}

Document event_invoke_document(const functions::FunctionName& name, const std::string& key,
                               const functions::EventInvokeConfig& config) {
  Document document = Document::object({{"LastModified", static_cast<double>(to_unix_ms(config.last_modified)) / 1000},
                                        {"FunctionArn", functions::FunctionReference{name, key}.arn()}});
  if (config.retries_max) document.set("MaximumRetryAttempts", *config.retries_max);
  if (config.age_seconds_max) document.set("MaximumEventAgeInSeconds", *config.age_seconds_max);
  const auto destination = [](const std::string& arn) {
    return arn.empty() ? Document::object() : Document::object({{"Destination", arn}});
  };
  document.set("DestinationConfig", Document::object({{"OnSuccess", destination(config.on_success)},
                                                      {"OnFailure", destination(config.on_failure)}}));
  return document;
}

Document page_of(std::vector<Listed> all, const Document& input, std::int64_t page_max, std::string_view member) {
  const auto marker = input.string_or("Marker", "");
  const auto count_max = static_cast<std::size_t>(std::min(input.int_or("MaxItems", page_max), page_max));
  Document page = Document::array();
  std::string last, next;
  for (auto& [key, document] : all) {
    if (!marker.empty() && key <= marker) continue;
    if (page.as_array().size() == count_max) {
      next = last;
      break;
    }
    last = key;
    page.push(std::move(document));
  }
  Document output = Document::object();
  if (!next.empty()) output.set("NextMarker", next);
  return output.set(member, std::move(page));
}

std::string version_order(const std::string& version) {
  constexpr std::size_t kDigits = 10;
  const std::string digits = version == functions::kLatest ? "0" : version;
  return std::string(kDigits - std::min(kDigits, digits.size()), '0') + digits;
}

Error unsupported_member(std::string_view name, std::string_view why) {
  std::string text = std::string(name) + " is not supported by this server";
  if (!why.empty()) text += ": " + std::string(why);
  return Error(functions::kInvalidParameterValue, text + ".");
}

Result<void> refuse_members(const Document& input, std::initializer_list<std::string_view> names) {
  for (const auto name : names) {
    const Document* value = input.find(name);
    if (value != nullptr && !is_empty(*value)) return unsupported_member(name);
  }
  return {};
}

wire::Reply function_reply(const functions::Functions& engine, Document output) {
  wire::Reply reply;
  reply.output = std::move(output);
  reply.after = engine.last_commit();
  return reply;
}

}  // namespace millrace::api_lambda
