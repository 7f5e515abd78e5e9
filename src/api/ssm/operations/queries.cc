#include <algorithm>

#include "api/ssm/operations.h"
#include "crypto/encoding.h"
#include "wire/generated/ssm.h"
#include "wire/generated/ssm_views.h"

namespace millrace::api_ssm {
namespace {

using Named = std::pair<std::string, Parameter>;

Document value_document(const Scope& scope, const std::string& name, const Version& version, bool decrypted) {
  Document document = Document::object();
  document.set("Name", name)
      .set("Type", version.type)
      .set("Value", shown_value(version, decrypted))
      .set("Version", version.number)
      .set("LastModifiedDate", to_unix_s(version.modified))
      .set("ARN", arn_of(scope, name))
      .set("DataType", "text");
  return document;
}

Document metadata_document(const Scope& scope, const std::string& name, const Version& version) {
  Document document = Document::object();
  document.set("Name", name)
      .set("Type", version.type)
      .set_if(!version.key_id.empty(), "KeyId", version.key_id)
      .set("LastModifiedDate", to_unix_s(version.modified))
      .set("LastModifiedUser", "arn:aws:iam::" + scope.account + ":root")
      .set_if(!version.description.empty(), "Description", version.description)
      .set_if(!version.allowed_pattern.empty(), "AllowedPattern", version.allowed_pattern)
      .set("Version", version.number)
      .set("Tier", version.tier)
      .set("Policies", Document::array())
      .set("DataType", "text");
  return document;
}

// The value that `text` names, as GetParameter shows it.
Result<Document> get_one(const ParameterStore& store, const Scope& scope, std::string_view text, bool decrypted) {
  MR_ASSIGN_OR_RETURN(const auto reference, parse_reference(scope, text));
  const auto parameter = store.find(reference.scope, reference.name);
  if (!parameter) return Error(wire::ssm::kParameterNotFound, "");
  const Version* version = reference.version ? parameter->find(*reference.version) : &parameter->last();
  if (version == nullptr) {
    return Error(wire::ssm::kParameterVersionNotFound, "Systems Manager could not find version " +
                                                           std::to_string(*reference.version) + " of " +
                                                           reference.name + ". Verify the version and try again.");
  }
  Document document = value_document(reference.scope, reference.name, *version, decrypted);
  document.set_if(!reference.selector.empty(), "Selector", reference.selector);
  return document;
}

std::vector<Named> all(const ParameterStore& store, const Scope& scope) {
  std::vector<Named> parameters;
  for (auto& [name, document] : store.records.list("ssm/parameter", scope)) {
    parameters.emplace_back(name, parameter_from_json(document));
  }
  return parameters;
}

// Keeps one page of `items`, which are sorted by key_of, and gives the token of the next one ("" none).
template <typename T, typename KeyOf>
Result<std::string> page(std::vector<T>& items, std::optional<std::string_view> token, std::int64_t max, KeyOf key_of) {
  if (token && !token->empty()) {
    const auto last = crypto::base64_decode(*token);
    if (!last) return Error(wire::ssm::kInvalidNextToken, "The specified token isn't valid.");
    std::erase_if(items, [&](const T& item) { return key_of(item) <= *last; });
  }
  if (items.size() <= static_cast<std::size_t>(max)) return std::string();
  items.erase(items.begin() + max, items.end());
  return crypto::base64_encode(key_of(items.back()));
}

bool below(std::string_view path, std::string_view name, bool recursive) {
  std::string folder(path);
  if (!folder.ends_with('/')) folder += '/';
  if (!name.starts_with(folder)) return false;
  return recursive || name.find('/', folder.size()) == std::string_view::npos;
}

struct Filter {
  std::string key;
  std::string option;
  std::vector<std::string> values;
};

Result<void> check_filter(const Filter& filter, bool by_path) {
  const std::string& key = filter.key;
  const bool known =
      key == "Type" || key == "KeyId" ||
      (!by_path && (key == "Name" || key == "Path" || key == "Tier" || key == "DataType" || key.starts_with("tag:")));
  if (!known) {
    return Error(wire::ssm::kInvalidFilterKey, key == "Label" ? "Labels of parameters are not supported by this server."
                                                              : "The following filter key is not valid: " + key + ".");
  }
  const std::string& option = filter.option;
  const bool fits = key == "Path"
                        ? option == "Recursive" || option == "OneLevel"
                        : option == "Equals" || option == "BeginsWith" || (key == "Name" && option == "Contains");
  if (!fits) {
    return Error(wire::ssm::kInvalidFilterOption, "The following filter option is not valid: " + option +
                                                      ". Valid options for the key " + key + " differ.");
  }
  return {};
}

bool passes(const Filter& filter, const Named& named) {
  const Version& version = named.second.last();
  const auto any = [&](auto matches) { return std::ranges::any_of(filter.values, matches); };
  if (filter.key == "Path") {
    return any([&](const std::string& path) { return below(path, named.first, filter.option == "Recursive"); });
  }
  std::string value;
  if (filter.key == "Name") value = named.first;
  if (filter.key == "Type") value = version.type;
  if (filter.key == "KeyId") value = version.key_id;
  if (filter.key == "Tier") value = version.tier;
  if (filter.key == "DataType") value = "text";
  if (filter.key.starts_with("tag:")) {
    const auto tag = named.second.tags.find(filter.key.substr(4));
    if (tag == named.second.tags.end()) return false;
    if (filter.values.empty()) return true;
    value = tag->second;
  }
  return any([&](const std::string& wanted) {
    if (filter.option == "BeginsWith") return value.starts_with(wanted);
    if (filter.option == "Contains") return value.find(wanted) != std::string::npos;
    return value == wanted;
  });
}

Result<std::vector<Filter>> filters_of(wire::ListView<wire::ssm::ParameterStringFilter> given, bool by_path) {
  std::vector<Filter> filters;
  for (auto view : given) {
    Filter filter{
        std::string(view.key()), std::string(view.option().value_or(view.key() == "Path" ? "OneLevel" : "Equals")), {}};
    for (auto value : view.values()) filter.values.emplace_back(value);
    MR_RETURN_IF_ERROR(check_filter(filter, by_path));
    filters.push_back(std::move(filter));
  }
  return filters;
}

void keep_passing(std::vector<Named>& parameters, const std::vector<Filter>& filters) {
  std::erase_if(parameters, [&](const Named& named) {
    return !std::ranges::all_of(filters, [&](const Filter& filter) { return passes(filter, named); });
  });
}

}  // namespace

Result<Reply> get_parameter(ParameterStore& store, const RequestContext& context, const Document& input) {
  const wire::ssm::GetParameterRequest request(input);
  context.resource = request.name();
  MR_ASSIGN_OR_RETURN(auto document,
                      get_one(store, context.caller.scope, request.name(), request.with_decryption().value_or(false)));
  return reply(store, Document::object({{"Parameter", std::move(document)}}));
}

Result<Reply> get_parameters(ParameterStore& store, const RequestContext& context, const Document& input) {
  const wire::ssm::GetParametersRequest request(input);
  Document found = Document::array();
  Document unknown = Document::array();
  for (auto name : request.names()) {
    auto document = get_one(store, context.caller.scope, name, request.with_decryption().value_or(false));
    if (document.ok()) {
      found.push(*std::move(document));
    } else {
      unknown.push(name);
    }
  }
  return reply(store, Document::object({{"Parameters", std::move(found)}, {"InvalidParameters", std::move(unknown)}}));
}

Result<Reply> get_parameters_by_path(ParameterStore& store, const RequestContext& context, const Document& input) {
  const wire::ssm::GetParametersByPathRequest request(input);
  if (!request.path().starts_with('/')) {
    return Error(wire::ssm::kValidationException,
                 "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a "
                 "forward slash \"/\". It can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). It must use "
                 "only letters, numbers, or the following symbols: . (period), - (hyphen), _ (underscore). Special "
                 "characters are not allowed. All sub-paths, if specified, must use the forward slash symbol \"/\". "
                 "Valid example: /get/parameters2-/by1./path0_.");
  }
  MR_ASSIGN_OR_RETURN(const auto filters, filters_of(request.parameter_filters(), true));
  const Scope& scope = context.caller.scope;
  std::vector<Named> found = all(store, scope);
  std::erase_if(found, [&](const Named& named) {
    return !below(request.path(), named.first, request.recursive().value_or(false));
  });
  keep_passing(found, filters);
  MR_ASSIGN_OR_RETURN(const auto token, page(found, request.next_token(), request.max_results().value_or(10),
                                             [](const Named& named) { return named.first; }));
  Document list = Document::array();
  for (const auto& [name, parameter] : found) {
    list.push(value_document(scope, name, parameter.last(), request.with_decryption().value_or(false)));
  }
  Document output = Document::object({{"Parameters", std::move(list)}});
  output.set_if(!token.empty(), "NextToken", token);
  return reply(store, std::move(output));
}

Result<Reply> get_parameter_history(ParameterStore& store, const RequestContext& context, const Document& input) {
  const wire::ssm::GetParameterHistoryRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto reference, parse_reference(context.caller.scope, request.name()));
  auto parameter = store.find(reference.scope, reference.name);
  if (!parameter) return Error(wire::ssm::kParameterNotFound, "");
  const auto digits = [](const Version& version) {  // as wide as the widest, hence in order of the numbers
    const std::string number = std::to_string(version.number);
    return std::string(19 - number.size(), '0') + number;
  };
  MR_ASSIGN_OR_RETURN(const auto token,
                      page(parameter->versions, request.next_token(), request.max_results().value_or(50), digits));
  Document list = Document::array();
  for (const auto& version : parameter->versions) {
    Document document = metadata_document(reference.scope, reference.name, version);
    document.set("Value", shown_value(version, request.with_decryption().value_or(false)));
    document.set("Labels", Document::array());
    list.push(std::move(document));
  }
  Document output = Document::object({{"Parameters", std::move(list)}});
  output.set_if(!token.empty(), "NextToken", token);
  return reply(store, std::move(output));
}

Result<Reply> describe_parameters(ParameterStore& store, const RequestContext& context, const Document& input) {
  const wire::ssm::DescribeParametersRequest request(input);
  if (request.shared().value_or(false)) {
    return Error(wire::ssm::kValidationException, "The parameter Shared is not supported by this server.");
  }
  if (!request.filters().empty() && !request.parameter_filters().empty()) {
    return Error(wire::ssm::kValidationException,
                 "You can use either Filters or ParameterFilters in a single request.");
  }
  MR_ASSIGN_OR_RETURN(auto filters, filters_of(request.parameter_filters(), false));
  for (auto view : request.filters()) {  // the old form; its names match by prefix
    Filter filter{std::string(view.key()), view.key() == "Name" ? "BeginsWith" : "Equals", {}};
    for (auto value : view.values()) filter.values.emplace_back(value);
    filters.push_back(std::move(filter));
  }
  const Scope& scope = context.caller.scope;
  std::vector<Named> found = all(store, scope);
  keep_passing(found, filters);
  MR_ASSIGN_OR_RETURN(const auto token, page(found, request.next_token(), request.max_results().value_or(50),
                                             [](const Named& named) { return named.first; }));
  Document list = Document::array();
  for (const auto& [name, parameter] : found) {
    Document document = metadata_document(scope, name, parameter.last());
    document.set("ARN", arn_of(scope, name));
    list.push(std::move(document));
  }
  Document output = Document::object({{"Parameters", std::move(list)}});
  output.set_if(!token.empty(), "NextToken", token);
  return reply(store, std::move(output));
}

}  // namespace millrace::api_ssm
