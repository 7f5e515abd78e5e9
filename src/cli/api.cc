#include "cli/internal/api.h"

#include "http/client.h"

namespace millrace::cli {
namespace {

using codec::Json;

constexpr ErrorType kServerSaid{"ServerSaid", 400, ErrorKind::kClient};
constexpr Milliseconds kAnswerLimit = std::chrono::minutes(20);  // settling and moving the clock take their time

// What the server says is wrong: {"error"}, {"message"}, {"Message"}, or the body itself.
std::string text_of(const std::string& body) {
  const auto json = codec::parse_json(body);
  if (json.ok())
    for (const auto name : {"error", "message", "Message"})
      if (const Json* text = json->find(name); text != nullptr && text->is_string()) return text->as_string();
  return body;
}

struct Address {
  std::string host;
  std::uint16_t port = 80;
};

Result<Address> parse_endpoint(std::string_view endpoint) {
  constexpr std::string_view kScheme = "http://";
  if (!endpoint.starts_with(kScheme))
    return Error(kNoServer, "the endpoint must be http://HOST:PORT, not " + std::string(endpoint));
  endpoint.remove_prefix(kScheme.size());
  endpoint = endpoint.substr(0, endpoint.find('/'));
  Address address;
  const auto colon = endpoint.rfind(':');
  address.host = std::string(endpoint.substr(0, colon));
  if (colon != std::string_view::npos)
    address.port = static_cast<std::uint16_t>(std::atoi(std::string(endpoint.substr(colon + 1)).c_str()));
  return address;
}

}  // namespace

struct Api::Raw {
  int status = 0;
  http::Fields fields;
  std::string body;
};

Result<Api::Raw> Api::call(std::string_view method, std::string path, std::string_view service,
                           std::string target_header, std::string body, std::string_view invocation_type) {
  MR_ASSIGN_OR_RETURN(const Address address, parse_endpoint(target_.endpoint));
  http::Client client(address.host, address.port);
  http::ClientRequest request;
  request.method = method;
  request.target = std::move(path);
  request.timeout = kAnswerLimit;
  http::Fields& fields = request.fields;
  // Names account and region; not a signature, as the server accepts any credentials on loopback.
  fields.add("authorization", "AWS4-HMAC-SHA256 Credential=" + target_.account + "/20260101/" + target_.region + "/" +
                                  std::string(service) + "/aws4_request, SignedHeaders=host, Signature=0");
  if (!target_header.empty()) {
    fields.add("x-amz-target", std::move(target_header));
    fields.add("content-type", "application/x-amz-json-1.0");
  } else if (!body.empty()) {
    fields.add("content-type", "application/json");
  }
  if (!invocation_type.empty()) {
    fields.add("x-amz-invocation-type", std::string(invocation_type));
    if (invocation_type == "RequestResponse") fields.add("x-amz-log-type", "Tail");
  }
  request.body = std::move(body);
  auto response = client.request(request);
  if (!response.ok())
    return Error(kNoServer,
                 "no server answers at " + target_.endpoint + " (" + response.error().message() +
                     "); start one with `millrace serve`, or name another with --endpoint or MILLRACE_ENDPOINT");
  if (response->status >= 400) return Error(kServerSaid, text_of(response->body));
  return Raw{response->status, std::move(response->fields), std::move(response->body)};
}

Result<Json> Api::admin(std::string_view method, std::string_view path, const Json* body) {
  std::string full = "/_millrace/" + std::string(path);
  full += std::string(path.find('?') == std::string_view::npos ? "?" : "&") + "account=" + target_.account +
          "&region=" + target_.region;
  MR_ASSIGN_OR_RETURN(const Raw raw, call(method, full, "millrace", "", body != nullptr ? body->dump() : ""));
  if (raw.body.empty()) return Json();
  return codec::parse_json(raw.body);
}

Result<Json> Api::get(std::string_view path) { return admin("GET", path, nullptr); }
Result<Json> Api::post(std::string_view path, const Json& body) { return admin("POST", path, &body); }
Result<Json> Api::remove(std::string_view path) { return admin("DELETE", path, nullptr); }

Result<Json> Api::aws(std::string_view service, std::string_view target, const Json& body) {
  MR_ASSIGN_OR_RETURN(const Raw raw, call("POST", "/", service, std::string(target), body.dump()));
  return codec::parse_json(raw.body.empty() ? "{}" : raw.body);
}

Result<Api::Invoked> Api::invoke(std::string_view function, std::string payload, bool asynchronous) {
  MR_ASSIGN_OR_RETURN(Raw raw, call("POST", "/2015-03-31/functions/" + encode(function) + "/invocations", "lambda", "",
                                    std::move(payload), asynchronous ? "Event" : "RequestResponse"));
  return Invoked{std::move(raw.body), std::string(raw.fields.get("x-amz-function-error")),
                 std::string(raw.fields.get("x-amz-log-result"))};
}

std::string encode(std::string_view text) { return http::url_encode(text); }

}  // namespace millrace::cli
