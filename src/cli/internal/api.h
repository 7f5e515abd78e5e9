// A client of one millrace server: administration endpoints and AWS operations, errors as text for people. Not
// thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/json.h"

namespace millrace::http {
struct ClientRequest;
struct Response;
}  // namespace millrace::http

namespace millrace::cli {

// The server could not be reached at all (exit status 3); every other error is the server's answer (exit status 1).
inline constexpr ErrorType kNoServer{"NoServer", 503, ErrorKind::kServer};

struct Target {
  std::string endpoint;  // "http://127.0.0.1:4566"
  std::string account;   // 12 digits
  std::string region;
};

class Api {
 public:
  explicit Api(Target target) : target_(std::move(target)) {}
  const Target& target() const { return target_; }

  // `path` is what follows /_millrace/, perhaps with a query.
  Result<codec::Json> get(std::string_view path);
  Result<codec::Json> post(std::string_view path, const codec::Json& body);
  Result<codec::Json> remove(std::string_view path);
  // One operation of a JSON service: aws("dynamodb", "DynamoDB_20120810.ListTables", {...}).
  Result<codec::Json> aws(std::string_view service, std::string_view target, const codec::Json& body);
  // One operation of a query service, `input` as its members: form("cloudformation", "2010-05-15", "DescribeStacks",
  // {"StackName": "a"}). The answer's XML as JSON: texts, lists for elements that hold "member" elements, objects.
  Result<codec::Json> form(std::string_view service, std::string_view version, std::string_view operation,
                           const codec::Json& input);
  // PutObject; makes the bucket when it is not there.
  Result<void> put_object(const std::string& bucket, const std::string& key, std::string body);
  // The same of a REST-JSON service: rest("xray", "/Traces", {...}), by POST.
  Result<codec::Json> rest(std::string_view service, std::string_view path, const codec::Json& body);
  // Invokes a function; the answer's body and its error header ("" or "Unhandled"), and the last lines of its log.
  struct Invoked {
    std::string payload;
    std::string error;
    std::string log_tail;  // base64
  };
  Result<Invoked> invoke(std::string_view function, std::string payload, bool asynchronous);

 private:
  struct Raw;
  Result<http::Response> send(std::string_view service, http::ClientRequest request);
  Result<Raw> call(std::string_view method, std::string path, std::string_view service, std::string target_header,
                   std::string body, std::string_view invocation_type = {});
  Result<codec::Json> admin(std::string_view method, std::string_view path, const codec::Json* body);
  Target target_;
};

// The elements of a list of form()'s answers; none when it is absent or empty.
const codec::Json::Array& elements(const codec::Json& document, std::string_view member);
// Percent-encodes one path segment or query value.
std::string encode(std::string_view text);

}  // namespace millrace::cli
