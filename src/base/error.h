// What went wrong, as a value a client can be told.
//
// An `ErrorType` is a constant with static lifetime, one per error name of a service (most are generated from the
// service models into `wire`); an `Error` is one occurrence: its type, the message for the caller, and optional extra
// members. Only `ErrorType::kind` decides about retries; messages are never parsed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace {

enum class ErrorKind {
  kClient,     // the request is wrong and will stay wrong
  kThrottled,  // the same request may succeed later
  kServer,     // we failed; outcome of a write may be unknown
};

struct ErrorType {
  std::string_view name;  // as clients match on it: "ResourceNotFoundException", "NoSuchBucket"
  int http_status = 400;
  ErrorKind kind = ErrorKind::kClient;
};

// Errors that belong to no AWS service. The dispatcher renders them in the form of the service that was called.
inline constexpr ErrorType kInternalError{"InternalServerError", 500, ErrorKind::kServer};
inline constexpr ErrorType kInvalidArgument{"InvalidArgument", 400, ErrorKind::kClient};
inline constexpr ErrorType kNotFound{"NotFound", 404, ErrorKind::kClient};
inline constexpr ErrorType kUnavailable{"ServiceUnavailable", 503, ErrorKind::kServer};

class Error {
 public:
  Error(const ErrorType& type, std::string message) : type_(&type), message_(std::move(message)) {}

  // Adds a member beside the message: `json` is its value as JSON text (e.g. CancellationReasons, Reason).
  Error&& with(std::string name, std::string json) && {
    details_.emplace_back(std::move(name), std::move(json));
    return std::move(*this);
  }

  // An error that was computed from a write which is not durable yet (a failed condition): the answer must be held
  // until that commit is (wire::Dispatcher does, as with Reply::after). 0 = at once.
  Error&& hold_until(std::uint64_t commit) && {
    held_until_ = commit;
    return std::move(*this);
  }

  const ErrorType& type() const { return *type_; }
  std::uint64_t held_until() const { return held_until_; }
  const std::string& message() const { return message_; }
  const std::vector<std::pair<std::string, std::string>>& details() const { return details_; }
  bool is(const ErrorType& type) const { return type_ == &type || type_->name == type.name; }

 private:
  const ErrorType* type_;
  std::string message_;
  std::uint64_t held_until_ = 0;
  std::vector<std::pair<std::string, std::string>> details_;
};

}  // namespace millrace
