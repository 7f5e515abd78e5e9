#include "api/lambda/internal/url_document.h"

#include <algorithm>
#include <array>
#include <map>

#include "crypto/encoding.h"

namespace millrace::api_lambda {
namespace {

using codec::Json;

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

bool is_text(std::string_view content_type) {
  const std::string type = lower_case(content_type.substr(0, content_type.find(';')));
  return type.starts_with("text/") || type.ends_with("+json") || type.ends_with("+xml") || type == "application/json" ||
         type == "application/javascript" || type == "application/xml";
}

std::string joined(const std::vector<std::string>& parts, std::string_view by) {
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : std::string(by)) + part;
  return out;
}

// 12/Mar/2020:19:03:58 +0000
std::string common_log_time(Time time) {
  static constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::string iso = format_iso_s(time);  // 2026-09-17T13:27:38Z
  const auto month = static_cast<std::size_t>(std::stoi(iso.substr(5, 2)) - 1);
  return iso.substr(8, 2) + "/" + kMonths.at(month) + "/" + iso.substr(0, 4) + ":" + iso.substr(11, 8) + " +0000";
}

Json map_json(const std::map<std::string, std::string>& map) {
  Json json = Json::object();
  for (const auto& [name, value] : map) json.set(name, value);
  return json;
}

// Values of one name are joined with commas.
template <typename Pairs>
std::map<std::string, std::string> combined(const Pairs& pairs, bool lower_names) {
  std::map<std::string, std::string> all;
  for (const auto& [name, value] : pairs) {
    std::string& place = all[lower_names ? lower_case(name) : std::string(name)];
    if (!place.empty()) place += ',';
    place += value;
  }
  return all;
}

Json cookies_of(std::string_view field) {
  Json cookies = Json::array();
  while (!field.empty()) {
    const auto end = std::min(field.find(';'), field.size());
    cookies.push(field.substr(0, end));
    field.remove_prefix(std::min(end + 1, field.size()));
    while (field.starts_with(' ')) field.remove_prefix(1);
  }
  return cookies;
}

Json context_of(const UrlRequest& request) {
  const auto& head = request.head;
  const std::string host(head.fields.get("host"));
  Json context = Json::object();
  context.set("accountId", request.signer ? request.signer->account : "anonymous").set("apiId", request.id);
  if (request.signer) {
    const std::string& account = request.signer->account;
    context.set("authentication", Json())
        .set("authorizer", Json::object({{"iam", Json::object({{"accessKey", request.signer->access_key},
                                                               {"accountId", account},
                                                               {"callerId", request.signer->access_key},
                                                               {"cognitoIdentity", Json()},
                                                               {"principalOrgId", Json()},
                                                               {"userArn", "arn:aws:iam::" + account + ":root"},
                                                               {"userId", request.signer->access_key}})}}));
  }
  const std::string_view peer = head.peer;
  return context.set("domainName", host.substr(0, host.find(':')))
      .set("domainPrefix", request.id)
      .set("http", Json::object({{"method", head.method},
                                 {"path", http::url_decode(request.path, false)},
                                 {"protocol", "HTTP/1.1"},
                                 {"sourceIp", peer.substr(0, peer.rfind(':'))},
                                 {"userAgent", head.fields.get("user-agent")}}))
      .set("requestId", request.request_id)
      .set("routeKey", "$default")
      .set("stage", "$default")
      .set("time", common_log_time(request.now))
      .set("timeEpoch", to_unix_ms(request.now));
}

bool holds(const std::vector<std::string>& list, std::string_view value) {
  return std::any_of(list.begin(), list.end(),
                     [&](const std::string& each) { return each == "*" || lower_case(each) == lower_case(value); });
}

http::Response failure() {
  http::Response response;
  response.status = 502;
  response.fields.add("content-type", "application/json");
  response.body = "Internal Server Error";
  return response;
}

}  // namespace

std::string function_url_text(std::string_view service_host, std::string_view region, std::string_view id) {
  const auto colon = service_host.rfind(':');
  const bool has_port = colon != std::string_view::npos && service_host.find('/', colon) == std::string_view::npos;
  return "http://" + std::string(id) + ".lambda-url." + std::string(region) + ".localhost" +
         std::string(has_port ? service_host.substr(colon) : std::string_view()) + "/";
}

Json url_event(const UrlRequest& request, std::string_view body) {
  const auto& head = request.head;
  const auto mark = head.target.find('?');
  Json event = Json::object({{"version", "2.0"},
                             {"routeKey", "$default"},
                             {"rawPath", request.path},
                             {"rawQueryString", mark == std::string::npos ? "" : head.target.substr(mark + 1)}});
  auto fields = combined(head.fields.all(), true);
  if (const auto cookie = fields.find("cookie"); cookie != fields.end()) {
    event.set("cookies", cookies_of(cookie->second));
  }
  event.set("headers", map_json(fields));
  if (!head.query.empty()) event.set("queryStringParameters", map_json(combined(head.query, false)));
  event.set("requestContext", context_of(request));
  const bool text = body.empty() || is_text(head.fields.get("content-type"));
  if (!body.empty()) event.set("body", text ? std::string(body) : crypto::base64_encode(body));
  return event.set("isBase64Encoded", !text);
}

http::Response url_answer(std::string_view payload, bool failed) {
  if (failed) return failure();
  http::Response response;
  const auto parsed = codec::parse_json(payload);
  const Json* status = parsed.ok() ? parsed->find("statusCode") : nullptr;
  if (status == nullptr) {
    response.fields.add("content-type", "application/json");
    response.body = payload;
    return response;
  }
  constexpr int kStatusMin = 200, kStatusMax = 599;
  if (!status->is_int() || status->as_int() < kStatusMin || status->as_int() > kStatusMax) return failure();
  response.status = static_cast<int>(status->as_int());
  response.fields.add("content-type", "application/json");
  if (const Json* headers = parsed->find("headers"); headers != nullptr && headers->is_object()) {
    for (const auto& [name, value] : headers->as_object()) {
      const std::string text = value.is_string() ? value.as_string() : value.dump();
      const bool broken = (name + text).find_first_of("\r\n") != std::string::npos || name.empty();
      // The connection is the server's.
      const std::string field = lower_case(name);
      if (broken || field == "content-length" || field == "transfer-encoding" || field == "connection") continue;
      response.fields.set(field, text);
    }
  }
  if (const Json* cookies = parsed->find("cookies"); cookies != nullptr && cookies->is_array()) {
    for (const auto& cookie : cookies->as_array()) {
      const bool usable = cookie.is_string() && cookie.as_string().find_first_of("\r\n") == std::string::npos;
      if (usable) response.fields.add("set-cookie", cookie.as_string());
    }
  }
  const Json* body = parsed->find("body");
  if (body == nullptr || body->is_null()) return response;
  response.body = body->is_string() ? body->as_string() : body->dump();
  if (parsed->bool_or("isBase64Encoded", false)) {
    auto decoded = crypto::base64_decode(response.body);
    if (!decoded) return failure();
    response.body = std::move(*decoded);
  }
  return response;
}

void add_cors(const http::RequestHead& head, const std::optional<functions::Cors>& cors, http::Response& response) {
  const auto origin = head.fields.find("origin");
  if (!cors || !origin || !holds(cors->allow_origins, *origin)) return;
  const bool any = std::ranges::find(cors->allow_origins, "*") != cors->allow_origins.end();
  response.fields.set("access-control-allow-origin",
                      any && !cors->allow_credentials ? std::string_view("*") : std::string_view(*origin));
  response.fields.add("vary", "Origin");
  if (cors->allow_credentials) response.fields.set("access-control-allow-credentials", "true");
  if (!cors->expose_headers.empty()) {
    response.fields.set("access-control-expose-headers", joined(cors->expose_headers, ","));
  }
}

std::optional<http::Response> preflight(const http::RequestHead& head, const std::optional<functions::Cors>& cors) {
  const auto method = head.fields.find("access-control-request-method");
  if (!cors || head.method != "OPTIONS" || !method || !head.fields.find("origin")) return std::nullopt;
  http::Response response;
  const bool allowed = holds(cors->allow_origins, head.fields.get("origin")) && holds(cors->allow_methods, *method);
  if (!allowed) return response;
  add_cors(head, cors, response);
  response.fields.set("access-control-allow-methods", joined(cors->allow_methods, ","));
  if (!cors->allow_headers.empty()) {
    response.fields.set("access-control-allow-headers", joined(cors->allow_headers, ","));
  }
  if (cors->max_age_seconds) {
    response.fields.set("access-control-max-age", std::to_string(*cors->max_age_seconds));
  }
  return response;
}

}  // namespace millrace::api_lambda
