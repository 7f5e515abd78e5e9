#include "api/sqs/queue_url.h"

#include <algorithm>

#include "sqs/errors.h"

namespace millrace::api_sqs {
namespace {

bool is_account(std::string_view text) {
  return text.size() == 12 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// "" when the host does not tell.
std::string region_of_host(std::string_view host) {
  constexpr std::string_view kAmazon = ".amazonaws.com";
  if (!host.ends_with(kAmazon)) return "";
  host.remove_suffix(kAmazon.size());
  if (host == "queue") return "us-east-1";
  if (host.ends_with(".queue")) return std::string(host.substr(0, host.size() - 6));
  if (host.starts_with("sqs.")) return std::string(host.substr(4));
  return "";
}

}  // namespace

std::string queue_url(std::string_view service_host, const sqs::QueueName& name) {
  return std::string(service_host) + "/" + name.scope.account + "/" + name.name;
}

Result<sqs::QueueName> parse_queue_url(std::string_view url, const Scope& caller) {
  const auto invalid = [&] {
    return Error(sqs::kInvalidAddress, "The address " + std::string(url) + " is not valid for this endpoint.");
  };
  sqs::QueueName name{caller, ""};
  std::string_view path = url;
  if (const auto scheme = url.find("://"); scheme != std::string_view::npos) {
    const auto host_end = url.find('/', scheme + 3);
    if (host_end == std::string_view::npos) return invalid();
    const std::string_view host = url.substr(scheme + 3, host_end - scheme - 3);
    if (auto region = region_of_host(host.substr(0, host.find(':'))); !region.empty()) {
      name.scope.region = std::move(region);
    }
    path = url.substr(host_end);
  }
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  if (!path.empty() && path.back() == '/') path.remove_suffix(1);
  const auto slash = path.rfind('/');
  name.name = path.substr(slash == std::string_view::npos ? 0 : slash + 1);
  if (name.name.empty()) return invalid();
  if (slash != std::string_view::npos) {
    path = path.substr(0, slash);
    path = path.substr(path.rfind('/') + 1);
    if (!is_account(path)) return invalid();
    name.scope.account = path;
  }
  return name;
}

Result<sqs::QueueName> queue_of(std::string_view url, const wire::RequestContext& context) {
  if (url.empty() && context.head != nullptr && context.head->path.size() > 1) url = context.head->path;
  if (url.empty()) return Error(sqs::kMissingParameter, "The request must contain the parameter QueueUrl.");
  return parse_queue_url(url, context.caller.scope);
}

wire::Reply reply(const sqs::Service& queues, wire::Document output) {
  wire::Reply answer;
  answer.output = std::move(output);
  answer.after = queues.last_commit();
  return answer;
}

}  // namespace millrace::api_sqs
