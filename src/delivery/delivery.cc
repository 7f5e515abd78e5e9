#include "delivery/delivery.h"

#include <algorithm>

namespace millrace::delivery {

bool is_attribute_name(std::string_view name) {
  if (name.empty() || name.size() > 256 || name.front() == '.' || name.back() == '.') return false;
  if (name.find("..") != std::string_view::npos) return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  });
}

std::string document_key(std::string_view prefix, Time timestamp) {
  std::string time = format_iso_s(timestamp);  // 2026-09-17T13:29:12Z
  time.pop_back();
  std::string day = time.substr(0, 10);
  std::ranges::replace(day, '-', '/');
  std::ranges::replace(time, ':', '.');
  return std::string(prefix) + "/" + day + "/" + time;
}

std::function<void(const storage::Committed&)> call_when_durable(std::vector<AfterCommit> after) {
  return [after = std::move(after)](const storage::Committed& committed) {
    if (committed.error != nullptr) return;
    for (const auto& each : after) {
      if (each) each();
    }
  };
}

Result<Target*> Delivery::find(std::string_view arn) {
  // arn:partition:service:region:account:resource
  const auto invalid = [&] { return Error(kUnsupportedTarget, "Invalid destination ARN: " + std::string(arn)); };
  if (!arn.starts_with("arn:")) return invalid();
  const auto partition_end = arn.find(':', 4);
  if (partition_end == std::string_view::npos) return invalid();
  const auto service_end = arn.find(':', partition_end + 1);
  if (service_end == std::string_view::npos) return invalid();
  const auto service = arn.substr(partition_end + 1, service_end - partition_end - 1);
  const auto it = targets_.find(service);
  if (it == targets_.end()) {
    return Error(kUnsupportedTarget, "Destinations of service '" + std::string(service) +
                                         "' are not supported by this server: " + std::string(arn));
  }
  return it->second;
}

Result<void> Delivery::check(std::string_view arn) {
  MR_ASSIGN_OR_RETURN(Target * target, find(arn));
  return target->check(arn);
}

Result<AfterCommit> Delivery::stage(std::string_view arn, const Message& message, storage::WriteBatch& batch) {
  MR_ASSIGN_OR_RETURN(Target * target, find(arn));
  return target->stage(arn, message, batch);
}

}  // namespace millrace::delivery
