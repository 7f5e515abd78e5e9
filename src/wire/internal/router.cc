#include "wire/internal/router.h"

#include <algorithm>

#include "wire/internal/guard.h"
#include "wire/internal/known_services.h"

namespace millrace::wire::internal {
namespace {

constexpr ErrorType kUnknownOperation{"UnknownOperationException", 400, ErrorKind::kClient};
constexpr ErrorType kUnknownPath{"UnknownOperationException", 404, ErrorKind::kClient};
constexpr ErrorType kInvalidAction{"InvalidAction", 400, ErrorKind::kClient};
constexpr ErrorType kMissingAction{"MissingAction", 400, ErrorKind::kClient};
constexpr ErrorType kMethodNotAllowed{"MethodNotAllowed", 405, ErrorKind::kClient};
constexpr ErrorType kNotImplemented{"NotImplemented", 501, ErrorKind::kClient};

// The text after `key` up to one of `ends`; "" when absent.
std::string_view between(std::string_view text, std::string_view key, std::string_view ends) {
  const auto at = text.find(key);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + key.size());
  const auto is_end = [ends](char c) { return std::ranges::find(ends, c) != ends.end(); };
  return text.substr(0, static_cast<std::size_t>(std::ranges::find_if(text, is_end) - text.begin()));
}

// "AK/20261121/us-east-1/dynamodb/aws4_request"; access keys may hold slashes only in theory.
Credentials from_scope(std::string_view scope) {
  Credentials out;
  std::string_view* const parts[] = {&out.access_key, nullptr, &out.region, &out.service};
  for (std::string_view* part : parts) {
    const auto slash = scope.find('/');
    if (part != nullptr) *part = scope.substr(0, slash);
    if (slash == std::string_view::npos) break;
    scope.remove_prefix(slash + 1);
  }
  return out;
}

bool is_form(const http::RequestHead& head) {
  return head.fields.get("content-type").starts_with("application/x-www-form-urlencoded");
}

// Lambda's paths start with the date of an API version: "/2015-03-31/functions".
bool is_dated_path(std::string_view path) {
  constexpr std::string_view kForm = "/dddd-dd-dd/";
  if (path.size() < kForm.size()) return false;
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    const bool digit = path[i] >= '0' && path[i] <= '9';
    if (kForm[i] == 'd' ? !digit : path[i] != kForm[i]) return false;
  }
  return true;
}

Error unserved(std::string_view full_name, std::string_view operation, Protocol protocol) {
  std::string text = std::string(operation.empty() ? "This operation" : operation) + " of " + std::string(full_name) +
                     " is not implemented by millrace.";
  switch (protocol) {
    case Protocol::kQuery:
      return Error(kInvalidAction, std::move(text));
    case Protocol::kRestXml:
      return Error(kNotImplemented, std::move(text));
    case Protocol::kRestJson:
      return Error(kUnknownPath, std::move(text));
    default:
      return Error(kUnknownOperation, std::move(text));
  }
}

Route refused(Protocol protocol, Error error) {
  Route route;
  route.protocol = protocol;
  route.error = std::move(error);
  return route;
}

}  // namespace

Credentials credentials_of(const http::RequestHead& head) {
  Credentials out;
  const std::string_view authorization = head.fields.get("authorization");
  if (authorization.starts_with("AWS4-")) {
    out = from_scope(between(authorization, "Credential=", ", "));
  } else if (authorization.starts_with("AWS ")) {  // SigV2 header, S3 only
    out.access_key = authorization.substr(4, authorization.find(':') - 4);
    out.service = "s3";
  } else if (const auto scope = head.query_value("X-Amz-Credential")) {
    out = from_scope(*scope);
  } else if (const auto key = head.query_value("AWSAccessKeyId"); key.has_value() && head.query_value("Signature")) {
    out.access_key = *key;  // SigV2 presigned
    if (!head.query_value("Action").has_value()) out.service = "s3";
  }
  out.session_token = head.fields.get("x-amz-security-token");
  if (out.session_token.empty()) out.session_token = head.query_value("X-Amz-Security-Token").value_or("");
  return out;
}

std::string_view bucket_of_host(std::string_view host, const std::vector<std::string>& allowed_hosts) {
  const auto before = [host](std::string_view domain) -> std::string_view {
    if (host.size() <= domain.size() + 1 || !host.ends_with(domain)) return {};
    if (host[host.size() - domain.size() - 1] != '.') return {};
    return host.substr(0, host.size() - domain.size() - 1);
  };
  std::string_view name;
  if (is_aws_host(host)) {
    if (host.starts_with("s3.") || host.starts_with("s3-")) return {};
    for (const std::string_view mark : {".s3.", ".s3-"}) {
      if (const auto at = host.rfind(mark); at != std::string_view::npos) return host.substr(0, at);
    }
    return {};
  }
  for (const std::string_view domain : {"localhost", "127.0.0.1"}) {
    if (name.empty()) name = before(domain);
  }
  for (const std::string& domain : allowed_hosts) {
    if (name.empty() && host != domain) name = before(domain);
  }
  // "BUCKET.s3.localhost" and "s3.localhost"
  if (name == "s3") return {};
  if (name.ends_with(".s3")) name.remove_suffix(3);
  return name;
}

std::optional<Labels> match_path(std::string_view path_template, std::string_view path) {
  Labels labels;
  while (path_template.starts_with('/')) {
    if (path_template == "/") break;  // a trailing slash of the template
    if (!path.starts_with('/')) return std::nullopt;
    path_template.remove_prefix(1);
    path.remove_prefix(1);
    const std::string_view segment = path_template.substr(0, path_template.find('/'));
    path_template.remove_prefix(segment.size());
    if (!segment.starts_with('{')) {
      if (path.substr(0, path.find('/')) != segment) return std::nullopt;
      path.remove_prefix(segment.size());
      continue;
    }
    std::string_view name = segment.substr(1, segment.size() - 2);
    const bool greedy = name.ends_with('+');
    if (greedy) name.remove_suffix(1);
    const std::string_view text = greedy ? path : path.substr(0, path.find('/'));
    if (text.empty()) return std::nullopt;
    labels.emplace_back(name, http::url_decode(text, false));
    path.remove_prefix(text.size());
  }
  if (!path.empty() && path != "/") return std::nullopt;
  return labels;
}

void Router::add(const Service& service) {
  auto served = std::make_unique<Served>();
  served->model = &service.model();
  served->service = &service;
  served->number = served_.size();
  const ServiceModel& model = service.model();
  if (model.protocol == Protocol::kRestJson || model.protocol == Protocol::kRestXml) {
    Rest rest{served.get(), {}};
    for (const OperationModel& operation : model.operations) {
      Pattern pattern;
      pattern.operation = &operation;
      for (std::string_view query = operation.query; !query.empty();) {
        const std::string_view pair = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(pair.size() + 1, query.size()));
        const auto equals = pair.find('=');
        pattern.literals.emplace_back(pair.substr(0, equals),
                                      equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1));
      }
      if (operation.input != kNoShape) {
        for (const Member& member : model.members_of(model.shape(operation.input))) {
          if (!member.required) continue;
          if (member.location == Location::kQuery) pattern.required_query.push_back(member.on_wire());
          if (member.location == Location::kHeader) pattern.required_fields.push_back(member.on_wire());
        }
      }
      rest.patterns.push_back(std::move(pattern));
    }
    rests_.push_back(std::move(rest));
  }
  served_.push_back(std::move(served));
}

const Served* Router::by_signing_name(std::string_view name) const {
  if (name == "s3express" || name == "s3-object-lambda") name = "s3";
  for (const auto& each : served_) {
    if (each->model->signing_name == name) return each.get();
  }
  return nullptr;
}

const Served* Router::by_host(std::string_view host) const {
  if (!is_aws_host(host)) return nullptr;
  if (host.find(".ddb.") != std::string_view::npos) return by_signing_name("dynamodb");
  for (const auto& each : served_) {
    const std::string_view prefix = each->model->endpoint_prefix;
    if (host.starts_with(prefix) && host.size() > prefix.size() && host[prefix.size()] == '.') return each.get();
  }
  return nullptr;
}

const Router::Rest* Router::rest_of(const Served& served) const {
  for (const Rest& rest : rests_) {
    if (rest.served == &served) return &rest;
  }
  return nullptr;
}

Route Router::route_target(std::string_view target) const {
  const auto dot = target.rfind('.');
  const std::string_view prefix = target.substr(0, dot);
  const std::string_view name = dot == std::string_view::npos ? std::string_view() : target.substr(dot + 1);
  for (const auto& each : served_) {
    if (each->model->target_prefix != prefix || prefix.empty()) continue;
    Route route;
    route.served = each.get();
    route.operation = each->model->find_operation(name);
    if (route.operation == nullptr) {
      route.error = Error(kUnknownOperation, "Unknown operation " + std::string(name) + " of " +
                                                 std::string(each->model->full_name) + ".");
    }
    return route;
  }
  for (const KnownService& known : kKnownServices) {
    if (known.target_prefix == prefix && !prefix.empty()) {
      return refused(Protocol::kJson, unserved(known.full_name, name, Protocol::kJson));
    }
  }
  return refused(Protocol::kJson, Error(kUnknownOperation, "Unknown X-Amz-Target: " + std::string(target)));
}

// "/service/GraniteServiceVersion20100801/operation/PutMetricData"
Route Router::route_cbor(std::string_view path) const {
  const auto labels = match_path("/service/{service}/operation/{operation}", path);
  if (!labels) return refused(Protocol::kCbor, Error(kUnknownPath, "No operation is at " + std::string(path) + "."));
  Route route = route_target((*labels)[0].second + "." + (*labels)[1].second);
  route.protocol = Protocol::kCbor;
  return route;
}

Route Router::route_action(std::string_view action, std::string_view version, std::string_view scope_service) const {
  Route route;
  route.protocol = Protocol::kQuery;
  for (const auto& each : served_) {
    const ServiceModel& model = *each->model;
    if (model.protocol != Protocol::kQuery && !model.also_query) continue;
    // The scope decides where there is one; versions are unique among the query services.
    if (scope_service.empty() ? model.api_version != version : model.signing_name != scope_service) continue;
    route.served = each.get();
    route.operation = model.find_operation(action);
    if (route.operation == nullptr) {
      route.error = Error(kInvalidAction, "The action " + std::string(action) + " is not valid for " +
                                              std::string(model.full_name) + ".");
    }
    return route;
  }
  for (const KnownService& known : kKnownServices) {
    if (known.signing_name == scope_service) {
      return refused(Protocol::kQuery, unserved(known.full_name, action, Protocol::kQuery));
    }
  }
  return refused(Protocol::kQuery,
                 Error(kInvalidAction, "The action " + std::string(action) + " with version " + std::string(version) +
                                           " belongs to no service of millrace."));
}

void Router::route_form(Route& route, const Form& form, std::string_view scope_service) const {
  std::string_view action, version;
  for (const auto& [name, value] : form) {
    if (name == "Action") action = value;
    if (name == "Version") version = value;
  }
  const std::string_view service = route.served == nullptr ? scope_service : route.served->model->signing_name;
  if (action.empty()) {
    route.error = Error(kMissingAction, "The request must contain the parameter Action.");
    return;
  }
  Route found = route_action(action, version, service);
  found.labels = std::move(route.labels);
  route = std::move(found);
}

Route Router::route_rest(const Rest& rest, const http::RequestHead& head, std::string_view path) const {
  const Pattern* best = nullptr;
  int best_score = -1;
  Labels best_labels;
  for (const Pattern& pattern : rest.patterns) {
    if (pattern.operation->method != head.method) continue;
    int score = pattern.operation->deprecated ? 0 : 1;
    bool fits = true;
    for (const auto& [name, value] : pattern.literals) {
      const auto given = head.query_value(name);
      fits = fits && given.has_value() && (value.empty() || *given == value);
      score += 8;
    }
    for (const std::string_view name : pattern.required_query) {
      // S3 tells operations apart by them; Lambda's are the validator's.
      const bool given = head.query_value(name).has_value();
      fits = fits && (given || rest.served->model->protocol == Protocol::kRestJson);
      score += given ? 2 : 0;
    }
    for (const std::string_view name : pattern.required_fields) {
      fits = fits && head.fields.find(name).has_value();
      score += 2;
    }
    if (!fits || score <= best_score) continue;
    auto labels = match_path(pattern.operation->path, path);
    if (!labels.has_value()) continue;
    best = &pattern;
    best_score = score;
    best_labels = std::move(*labels);
  }
  Route route;
  route.served = rest.served;
  route.protocol = rest.served->model->protocol;
  if (best != nullptr) {
    route.operation = best->operation;
    route.labels = std::move(best_labels);
  } else if (route.protocol == Protocol::kRestXml && head.method == "POST" &&
             head.fields.get("content-type").starts_with("multipart/form-data")) {
    // Uploads from a browser's form; the model does not have the operation.
    route.error = unserved(rest.served->model->full_name, "PostObject", route.protocol);
  } else if (route.protocol == Protocol::kRestXml) {
    route.error = Error(kMethodNotAllowed, "The specified method is not allowed against this resource.");
  } else {
    route.error = Error(kUnknownPath, "No operation of " + std::string(rest.served->model->full_name) + " is at " +
                                          head.method + " " + std::string(path) + ".");
  }
  return route;
}

Route Router::route_service(const Served& served, const http::RequestHead& head,
                            const std::vector<std::string>& allowed_hosts) const {
  Route route;
  switch (served.model->protocol) {
    case Protocol::kRestXml: {
      const std::string_view bucket = bucket_of_host(host_of(head.fields.get("host")), allowed_hosts);
      if (bucket.empty()) return route_rest(*rest_of(served), head, head.path);
      return route_rest(*rest_of(served), head, "/" + std::string(bucket) + head.path);
    }
    case Protocol::kRestJson:
      return route_rest(*rest_of(served), head, head.path);
    case Protocol::kQuery:
      route.served = &served;
      route.protocol = Protocol::kQuery;
      return route;
    default:
      route.served = &served;
      if (served.model->also_query) {
        route.protocol = Protocol::kQuery;
      } else {
        route.error = Error(kUnknownOperation,
                            "The request to " + std::string(served.model->full_name) + " has no X-Amz-Target.");
      }
      return route;
  }
}

Route Router::route(const http::RequestHead& head, const Credentials& credentials,
                    const std::vector<std::string>& allowed_hosts) const {
  if (const auto target = head.fields.find("x-amz-target")) return route_target(*target);
  if (head.fields.get("smithy-protocol") == "rpc-v2-cbor") return route_cbor(head.path);
  if (const auto action = head.query_value("Action")) {
    return route_action(*action, head.query_value("Version").value_or(""), credentials.service);
  }
  if (!credentials.service.empty()) {
    if (const Served* served = by_signing_name(credentials.service)) return route_service(*served, head, allowed_hosts);
    for (const KnownService& known : kKnownServices) {
      if (known.signing_name != credentials.service) continue;
      const Protocol protocol = is_form(head) ? Protocol::kQuery : known.protocol;
      if (protocol == Protocol::kQuery) break;  // the body tells the action
      return refused(protocol, unserved(known.full_name, head.method + " " + head.path, protocol));
    }
  }
  const std::string_view host = host_of(head.fields.get("host"));
  if (const Served* served = by_host(host)) return route_service(*served, head, allowed_hosts);
  if (is_dated_path(head.path)) {
    if (const Served* served = by_signing_name("lambda")) return route_service(*served, head, allowed_hosts);
  }
  // X-Ray's SDKs ask for rules at the daemon's address, unsigned.
  if (head.method == "POST" && (head.path == "/GetSamplingRules" || head.path == "/SamplingTargets")) {
    if (const Served* served = by_signing_name("xray")) return route_service(*served, head, allowed_hosts);
  }
  if (is_form(head) && head.method == "POST") {
    Route route;
    route.protocol = Protocol::kQuery;
    return route;
  }
  if (!credentials.service.empty() && credentials.service != "s3") {
    return refused(Protocol::kRestJson, unserved("the service " + std::string(credentials.service),
                                                 head.method + " " + head.path, Protocol::kRestJson));
  }
  if (const Served* served = by_signing_name("s3")) return route_service(*served, head, allowed_hosts);
  return refused(Protocol::kRestXml, Error(kNotImplemented, "No service is at " + head.method + " " + head.path + "."));
}

}  // namespace millrace::wire::internal
