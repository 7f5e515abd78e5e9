// Function URLs: events of payload format 2.0, answers made of what functions return, and CORS. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/scope.h"
#include "base/time.h"
#include "codec/json.h"
#include "functions/attachments.h"
#include "http/message.h"

namespace millrace::api_lambda {

// "http://<id>.lambda-url.<region>.localhost:<port>/" for a server whose address is `service_host`.
std::string function_url_text(std::string_view service_host, std::string_view region, std::string_view id);

struct UrlRequest {
  const http::RequestHead& head;
  std::string_view path;  // as sent, below the URL: "/a%20b"
  std::string_view id;
  std::string_view region;
  std::string_view request_id;
  Time now;
  // Who signed it; nullopt: the URL takes everybody.
  struct Signer {
    std::string access_key;
    std::string account;
  };
  std::optional<Signer> signer;
};
// AWS: bodies of text types are text, all others base64.
codec::Json url_event(const UrlRequest& request, std::string_view body);

// What the function returned, as an HTTP answer. AWS: an object with a statusCode describes the answer; any other JSON
// is the body of a 200; a failed function is a 502.
http::Response url_answer(std::string_view payload, bool failed);

// The answer to a preflight request, where AWS gives it itself: CORS is configured. Else nullopt.
std::optional<http::Response> preflight(const http::RequestHead& head, const std::optional<functions::Cors>& cors);
// Adds the fields of CORS to an answer; AWS: the configuration wins over what the function set.
void add_cors(const http::RequestHead& head, const std::optional<functions::Cors>& cors, http::Response& response);

}  // namespace millrace::api_lambda
