#include "app/admin.h"

#include <charconv>

#include "app/internal/admin_endpoints.h"

namespace millrace::app {
namespace {

using codec::Json;

http::Response json_response(int status, const Json& body) {
  http::Response response;
  response.status = status;
  response.fields.add("content-type", "application/json");
  response.body = body.dump() + "\n";
  return response;
}

http::Response render(const Result<Json>& result) {
  if (result.ok()) return json_response(200, *result);
  return json_response(result.error().type().http_status, Json::object({{"error", result.error().message()}}));
}

std::vector<std::string> segments_of(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    const auto slash = path.find('/');
    if (slash != 0) segments.push_back(http::url_decode(path.substr(0, slash), false));
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return segments;
}

// Collects the body, then hands the request to the endpoints.
class Sink final : public http::RequestSink {
 public:
  Sink(Admin& admin, std::shared_ptr<const http::RequestHead> head) : admin_(admin), head_(std::move(head)) {}

  Result<void> body(std::string_view piece) override {
    if (body_.size() + piece.size() > kAdminBodyMax) {
      too_large_ = true;
      return Error(kBadRequest, "body too large");
    }
    body_ += piece;
    return {};
  }

  void end(http::Responder respond) override {
    if (too_large_) return respond(json_response(413, Json::object({{"error", "the body is larger than 1 MiB"}})));
    if (head_->path == "/metrics") {
      auto shared = std::make_shared<http::Responder>(std::move(respond));
      return admin_.metrics([shared](std::string text) {
        http::Response response;
        response.fields.add("content-type", "text/plain; version=0.0.4");
        response.body = std::move(text);
        (*shared)(std::move(response));
      });
    }
    auto body = body_.empty() ? Result<Json>(Json::object()) : codec::parse_json(body_);
    if (!body.ok())
      return respond(json_response(400, Json::object({{"error", "the body is not JSON: " + body.error().message()}})));
    AdminRequest request;
    request.method = head_->method;
    request.path = segments_of(std::string_view(head_->path).substr(std::string_view("/_millrace/").size()));
    request.body = std::move(*body);
    request.head = head_;
    request.scope.account = request.query("account", request.scope.account);
    request.scope.region = request.query("region", request.scope.region);
    if (is_archive(request)) return respond(admin_.archive(request));
    auto shared = std::make_shared<http::Responder>(std::move(respond));
    admin_.handle(request, [shared](Result<Json> result) { (*shared)(render(result)); });
  }

 private:
  Admin& admin_;
  const std::shared_ptr<const http::RequestHead> head_;
  std::string body_;
  bool too_large_ = false;
};

}  // namespace

std::string AdminRequest::query(std::string_view name, std::string_view otherwise) const {
  return std::string(head->query_value(name).value_or(otherwise));
}

std::int64_t AdminRequest::number(std::string_view name, std::int64_t otherwise) const {
  const std::string text = query(name);
  if (text.empty()) return otherwise;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : -1;
}

Admin::Admin(Parts& parts)
    : parts_(parts), endpoints_{{"health", admin_health},       {"status", admin_status},
                                {"clock", admin_clock},         {"settle", admin_settle},
                                {"reset", admin_reset},         {"faults", admin_faults},
                                {"requests", admin_requests},   {"operations", admin_operations},
                                {"tables", admin_tables},       {"streams", admin_streams},
                                {"queues", admin_queues},       {"topics", admin_topics},
                                {"stacks", admin_stacks},       {"objects", admin_objects},
                                {"functions", admin_functions}, {"invocations", admin_invocations},
                                {"mappings", admin_mappings},   {"doctor", admin_doctor},
                                {"backup", admin_backup}} {}

std::unique_ptr<http::RequestSink> Admin::begin(std::shared_ptr<const http::RequestHead> head) {
  return std::make_unique<Sink>(*this, std::move(head));
}

void Admin::metrics(std::function<void(std::string)> done) { admin_metrics(parts_, std::move(done)); }

http::Response Admin::archive(const AdminRequest& request) { return archive_response(parts_, request); }

void Admin::handle(const AdminRequest& request, AdminReply reply) {
  const auto endpoint = request.path.empty() ? endpoints_.end() : endpoints_.find(request.path.front());
  if (endpoint == endpoints_.end()) {
    std::string known;
    for (const auto& [name, _] : endpoints_) known += (known.empty() ? "" : ", ") + name;
    return reply(Error(kNoSuchEndpoint, "no such endpoint; there are: " + known));
  }
  endpoint->second(parts_, request, std::move(reply));
}

}  // namespace millrace::app
