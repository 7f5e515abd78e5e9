// The administration endpoints under /_millrace/ and /metrics: docs/admin-api.md is their contract.
//
// Thread-safe. Quick questions are answered on the I/O thread; what may read a disk or wait (lists of large things,
// settling, moving the clock, following a log) answers later from the pool or the control thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.h"
#include "base/result.h"
#include "base/scope.h"
#include "codec/json.h"
#include "http/message.h"

namespace millrace::app {

struct Parts;  // app/internal/parts.h

inline constexpr std::size_t kAdminBodyMax = 1 << 20;

// One administration request, decoded.
struct AdminRequest {
  std::string method;
  std::vector<std::string> path;  // segments after /_millrace/, decoded: {"queues", "work"}
  Scope scope;                    // of ?account= and ?region=
  codec::Json body;               // {} when there is none
  std::shared_ptr<const http::RequestHead> head;

  std::string query(std::string_view name, std::string_view otherwise = {}) const;
  // -1 for what is no number.
  std::int64_t number(std::string_view name, std::int64_t otherwise) const;
};

using AdminReply = std::function<void(Result<codec::Json>)>;  // exactly once, from any thread

class Admin final : public http::Application {
 public:
  // `parts` outlives the server.
  explicit Admin(Parts& parts);
  std::unique_ptr<http::RequestSink> begin(std::shared_ptr<const http::RequestHead> head) override;

  // Answers `request` through `reply`; for requests that are no JSON (metrics) see begin().
  void handle(const AdminRequest& request, AdminReply reply);
  // Prometheus text, from any thread.
  void metrics(std::function<void(std::string)> done);
  // The code of a function.
  http::Response archive(const AdminRequest& request);

 private:
  using Endpoint = void (*)(Parts&, const AdminRequest&, AdminReply);
  Parts& parts_;
  std::map<std::string, Endpoint, std::less<>> endpoints_;  // by first path segment; constant
};

}  // namespace millrace::app
