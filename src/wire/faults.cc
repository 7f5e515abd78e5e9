#include "wire/faults.h"

#include <algorithm>
#include <cmath>

#include "codec/wildcard.h"

namespace millrace::wire {
namespace {

bool matches(const Fault& fault, std::string_view service, std::string_view operation, std::string_view resource) {
  return (fault.service.empty() || fault.service == service) &&
         (fault.operation.empty() || fault.operation == operation) &&
         FaultPlan::applies(fault.action, service, operation) &&
         (fault.resource.empty() ||
          codec::matches_wildcard(fault.resource, resource, codec::QuestionMark::kAnyCharacter));
}

// Counts one matching request; true when the rule's share is due with it.
bool due(Fault& fault) {
  constexpr double kRounding = 1e-9;
  const double before = std::floor(static_cast<double>(fault.matched) * fault.rate + kRounding);
  ++fault.matched;
  const double after = std::floor(static_cast<double>(fault.matched) * fault.rate + kRounding);
  return after > before;
}

}  // namespace

bool FaultPlan::applies(FaultAction action, std::string_view service, std::string_view operation) {
  if (action != FaultAction::kConflict && action != FaultAction::kInProgress) return true;
  if (!service.empty() && service != "dynamodb") return false;
  if (operation.empty() || operation == "TransactWriteItems") return true;
  if (action == FaultAction::kInProgress) return false;
  for (const std::string_view name : {"PutItem", "UpdateItem", "DeleteItem", "TransactGetItems"})
    if (operation == name) return true;
  return false;
}

std::optional<std::uint64_t> FaultPlan::add(Fault fault) {
  if (!(fault.rate > 0 && fault.rate <= 1)) return std::nullopt;
  const std::scoped_lock lock(mutex_);
  if (faults_.size() >= kFaultsMax) return std::nullopt;
  fault.id = ++last_id_;
  faults_.push_back(std::move(fault));
  size_ = faults_.size();
  return last_id_;
}

bool FaultPlan::remove(std::uint64_t id) {
  const std::scoped_lock lock(mutex_);
  const bool found = std::erase_if(faults_, [id](const Fault& fault) { return fault.id == id; }) > 0;
  size_ = faults_.size();
  return found;
}

void FaultPlan::clear() {
  const std::scoped_lock lock(mutex_);
  faults_.clear();
  size_ = 0;
}

std::vector<Fault> FaultPlan::list() const {
  const std::scoped_lock lock(mutex_);
  return faults_;
}

std::optional<Fault> FaultPlan::next(std::string_view service, std::string_view operation, std::string_view resource) {
  if (empty()) return std::nullopt;
  const std::scoped_lock lock(mutex_);
  for (auto it = faults_.begin(); it != faults_.end(); ++it) {
    if (!matches(*it, service, operation, resource) || !due(*it)) continue;
    ++it->hits;
    Fault acting = *it;
    if (it->count.has_value() && it->hits >= *it->count) {
      faults_.erase(it);
      size_ = faults_.size();
    }
    return acting;
  }
  return std::nullopt;
}

}  // namespace millrace::wire
