#include "logs/errors.h"
#include "logs/internal/state.h"

namespace millrace::logs {

using storage::WriteBatch;

Result<void> Service::put_metric_filter(const GroupName& name, MetricFilter filter) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Group * group, find(name));
  MetricFilters all = group->filters ? *group->filters : MetricFilters();
  if (!all.contains(filter.name) && all.size() >= kMetricFiltersMax)
    return Error(kLimitExceeded, "Resource limit exceeded.");
  const auto before = all.find(filter.name);
  filter.created = before == all.end() ? scheduler_.now() : before->second.created;
  const std::string key = filter.name;
  all[key] = std::move(filter);
  group->filters = std::make_shared<const MetricFilters>(std::move(all));
  WriteBatch batch;
  save(*group, batch);
  commits_.submit(std::move(batch));
  return {};
}

Result<void> Service::delete_metric_filter(const GroupName& name, std::string_view filter) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Group * group, find(name));
  if (!group->filters || !group->filters->contains(filter))
    return Error(kResourceNotFound, "The specified metric filter does not exist.");
  MetricFilters all = *group->filters;
  all.erase(all.find(filter));
  group->filters = all.empty() ? nullptr : std::make_shared<const MetricFilters>(std::move(all));
  WriteBatch batch;
  save(*group, batch);
  commits_.submit(std::move(batch));
  return {};
}

Result<std::vector<MetricFilter>> Service::metric_filters(const GroupName& name) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(const Group* group, find(name));
  std::vector<MetricFilter> out;
  if (group->filters)
    for (const auto& [key, filter] : *group->filters) out.push_back(filter);
  return out;
}

std::vector<std::pair<std::string, MetricFilter>> Service::all_metric_filters(const Scope& scope) {
  const std::scoped_lock lock(mutex_);
  std::vector<std::pair<std::string, MetricFilter>> out;
  for (const auto& [name, group] : groups_) {
    if (name.scope != scope || !group->filters) continue;
    for (const auto& [key, filter] : *group->filters) out.emplace_back(name.name, filter);
  }
  return out;
}

void Service::feed_metrics(const Scope& scope, const std::shared_ptr<const MetricFilters>& filters,
                           const std::vector<Event>& events) {
  if (filters == nullptr || events.empty()) return;
  for (const auto& [name, filter] : *filters) {
    bool any = false;
    for (const auto& event : events) {
      const auto datum = datum_of(filter, event.message);
      if (!datum) continue;
      any = true;
      metric_sink_(scope, filter, *datum, event.position.timestamp);
    }
    // AWS: the default stands for times at which events came and none matched.
    if (!any && filter.default_value)
      metric_sink_(scope, filter, {*filter.default_value, {}}, events.back().position.timestamp);
  }
}

}  // namespace millrace::logs
