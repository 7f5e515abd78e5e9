#include "api/lambda/function_urls.h"

#include <utility>

#include "api/lambda/internal/url_document.h"
#include "codec/json.h"
#include "functions/errors.h"

namespace millrace::api_lambda {
namespace {

using codec::Json;

constexpr std::string_view kPathForm = "/_millrace/lambda-url/";
constexpr ErrorType kTooLarge{"RequestEntityTooLargeException", 413, ErrorKind::kClient};

http::Response message_response(int status, std::string_view message) {
  http::Response response;
  response.status = status;
  response.fields.add("content-type", "application/json");
  response.body = Json::object({{"Message", message}}).dump();
  return response;
}

struct Address {
  std::string id;
  std::string path;
};

Address address_of(const http::RequestHead& head) {
  std::string_view path = head.path;
  if (!path.starts_with(kPathForm)) {
    const auto host = head.fields.get("host");
    return {std::string(host.substr(0, host.find('.'))), head.path};
  }
  path.remove_prefix(kPathForm.size());
  const auto slash = std::min(path.find('/'), path.size());
  return {std::string(path.substr(0, slash)), slash == path.size() ? "/" : std::string(path.substr(slash))};
}

// "AWS4-HMAC-SHA256 Credential=KEY/..." or its presigned form; "" when unsigned.
std::string access_key_of(const http::RequestHead& head) {
  constexpr std::string_view kMark = "Credential=";
  std::string_view text = head.fields.get("authorization");
  const auto at = text.find(kMark);
  if (text.starts_with("AWS4-") && at != std::string_view::npos) {
    text.remove_prefix(at + kMark.size());
  } else {
    text = head.query_value("X-Amz-Credential").value_or(std::string_view());
  }
  return std::string(text.substr(0, text.find('/')));
}

int status_of(const Error& error) {
  if (error.is(functions::kResourceNotFound)) return 404;
  return error.type().http_status;
}

}  // namespace

class FunctionUrls::Sink final : public http::RequestSink {
 public:
  Sink(FunctionUrls& urls, std::shared_ptr<const http::RequestHead> head) : urls_(urls), head_(std::move(head)) {}

  Result<void> body(std::string_view piece) override {
    if (body_.size() + piece.size() > functions::kSyncPayloadBytesMax) {
      too_large_ = true;
      return Error(kTooLarge, "the request body is too large");
    }
    body_ += piece;
    return {};
  }

  void end(http::Responder responder) override {
    if (too_large_) return responder(message_response(413, "Request Entity Too Large"));
    auto respond = [&engine = urls_.engine_,
                    shared = std::make_shared<http::Responder>(std::move(responder))](http::Response response) {
      // That there is no such URL, say, may rest on a change that is not durable yet.
      auto held = std::make_shared<http::Response>(std::move(response));
      engine.when_answerable([shared, held](const Error* error) {
        (*shared)(error == nullptr ? std::move(*held) : message_response(500, error->message()));
      });
    };
    const Address address = address_of(*head_);
    const auto found = urls_.engine_.find_url(address.id);
    if (!found) return respond(message_response(404, "There is no function URL " + address.id));
    const auto& [target, url] = *found;
    if (auto answer = preflight(*head_, url.cors)) return respond(std::move(*answer));
    const std::string key = access_key_of(*head_);
    if (url.auth_type == "AWS_IAM" && key.empty()) return respond(message_response(403, "Forbidden"));
    const std::string request_id = urls_.random_.uuid();
    UrlRequest request{.head = *head_,
                       .path = address.path,
                       .id = address.id,
                       .region = target.function.scope.region,
                       .request_id = request_id,
                       .now = urls_.scheduler_.now(),
                       .signer = std::nullopt};
    if (url.auth_type == "AWS_IAM") request.signer = UrlRequest::Signer{key, target.function.scope.account};
    urls_.engine_.invoke({.target = target,
                          .payload = url_event(request, body_).dump(),
                          .request_id = request_id,
                          .client_context = "",
                          .trace_id = std::string(head_->fields.get("x-amzn-trace-id"))},
                         [respond, head = head_, cors = url.cors, request_id](Result<functions::InvokeResult> result) {
                           http::Response response =
                               result.ok() ? url_answer(result->payload, !result->function_error.empty())
                                           : message_response(status_of(result.error()), result.error().message());
                           add_cors(*head, cors, response);
                           response.fields.set("x-amzn-requestid", request_id);
                           if (head->method == "HEAD") response.body.clear();
                           respond(std::move(response));
                         });
  }

 private:
  FunctionUrls& urls_;
  const std::shared_ptr<const http::RequestHead> head_;
  std::string body_;
  bool too_large_ = false;
};

std::unique_ptr<http::RequestSink> FunctionUrls::begin(std::shared_ptr<const http::RequestHead> head) {
  return std::make_unique<Sink>(*this, std::move(head));
}

}  // namespace millrace::api_lambda
