#include "cli/internal/api.h"

#include "codec/xml.h"
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
  if (body.starts_with('<')) {
    const auto xml = codec::parse_xml(body);
    if (xml.ok()) {
      const codec::XmlElement* error = xml->child("Error");
      const std::string_view text = (error == nullptr ? *xml : *error).child_text("Message");
      if (!text.empty()) return std::string(text);
    }
  }
  return body;
}

// {"A": ["x"], "B": {"C": 1}} is A.member.1=x&B.C=1.
void append_form(std::string& out, const std::string& name, const Json& value) {
  if (value.is_array()) {
    int number = 0;
    for (const Json& element : value.as_array())
      append_form(out, name + ".member." + std::to_string(++number), element);
  } else if (value.is_object()) {
    for (const auto& [member, inner] : value.as_object())
      append_form(out, name.empty() ? member : name + "." + member, inner);
  } else {
    out += (out.empty() ? "" : "&") + http::url_encode(name) + "=" +
           http::url_encode(value.is_string() ? value.as_string() : value.dump());
  }
}

Json json_of(const codec::XmlElement& element) {
  if (element.children.empty()) return element.text;
  const bool list = element.children.front().name == "member";
  Json out = list ? Json::array() : Json::object();
  for (const auto& child : element.children) {
    if (list)
      out.push(json_of(child));
    else
      out.set(child.name, json_of(child));
  }
  return out;
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

Result<http::Response> Api::send(std::string_view service, http::ClientRequest request) {
  MR_ASSIGN_OR_RETURN(const Address address, parse_endpoint(target_.endpoint));
  http::Client client(address.host, address.port);
  request.timeout = kAnswerLimit;
  // Names account and region; not a signature, as the server accepts any credentials on loopback.
  request.fields.add("authorization", "AWS4-HMAC-SHA256 Credential=" + target_.account + "/20260101/" + target_.region +
                                          "/" + std::string(service) +
                                          "/aws4_request, SignedHeaders=host, Signature=0");
  auto response = client.request(request);
  if (response.ok()) return response;
  return Error(kNoServer,
               "no server answers at " + target_.endpoint + " (" + response.error().message() +
                   "); start one with `millrace serve`, or name another with --endpoint or MILLRACE_ENDPOINT");
}

Result<Json> Api::form(std::string_view service, std::string_view version, std::string_view operation,
                       const Json& input) {
  http::ClientRequest request;
  request.method = "POST";
  request.fields.add("content-type", "application/x-www-form-urlencoded");
  request.body = "Action=" + std::string(operation) + "&Version=" + std::string(version);
  append_form(request.body, "", input);
  MR_ASSIGN_OR_RETURN(const http::Response response, send(service, std::move(request)));
  if (response.status >= 400) return Error(kServerSaid, text_of(response.body));
  MR_ASSIGN_OR_RETURN(const codec::XmlElement xml, codec::parse_xml(response.body));
  const codec::XmlElement* result = xml.child(std::string(operation) + "Result");
  return result == nullptr || result->children.empty() ? Json::object() : json_of(*result);
}

Result<void> Api::put_object(const std::string& bucket, const std::string& key, std::string body) {
  const auto put = [&](const std::string& path, std::string content) {
    http::ClientRequest request;
    request.method = "PUT";
    request.target = path;
    request.body = std::move(content);
    return send("s3", std::move(request));
  };
  auto response = put("/" + bucket + "/" + key, body);
  if (response.ok() && response->status == 404) {
    auto made = put("/" + bucket, "");
    if (!made.ok()) return std::move(made).error();
    if (made->status >= 400 && made->status != 409) return Error(kServerSaid, text_of(made->body));
    response = put("/" + bucket + "/" + key, std::move(body));
  }
  if (!response.ok()) return std::move(response).error();
  if (response->status >= 400) return Error(kServerSaid, text_of(response->body));
  return {};
}

Result<Api::Raw> Api::call(std::string_view method, std::string path, std::string_view service,
                           std::string target_header, std::string body, std::string_view invocation_type) {
  http::ClientRequest request;
  request.method = method;
  request.target = std::move(path);
  http::Fields& fields = request.fields;
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
  auto response = send(service, std::move(request));
  if (!response.ok()) return std::move(response).error();
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

Result<Json> Api::rest(std::string_view service, std::string_view path, const Json& body) {
  MR_ASSIGN_OR_RETURN(const Raw raw, call("POST", std::string(path), service, "", body.dump()));
  return codec::parse_json(raw.body.empty() ? "{}" : raw.body);
}

Result<Api::Invoked> Api::invoke(std::string_view function, std::string payload, bool asynchronous) {
  MR_ASSIGN_OR_RETURN(Raw raw, call("POST", "/2015-03-31/functions/" + encode(function) + "/invocations", "lambda", "",
                                    std::move(payload), asynchronous ? "Event" : "RequestResponse"));
  return Invoked{std::move(raw.body), std::string(raw.fields.get("x-amz-function-error")),
                 std::string(raw.fields.get("x-amz-log-result"))};
}

const Json::Array& elements(const Json& document, std::string_view member) {
  static const Json::Array kNone;
  const Json* list = document.find(member);
  return list == nullptr || !list->is_array() ? kNone : list->as_array();
}

std::string encode(std::string_view text) { return http::url_encode(text); }

}  // namespace millrace::cli
