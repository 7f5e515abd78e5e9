#include "app/internal/mapping_jobs.h"

#include "app/internal/admin_endpoints.h"

namespace millrace::app {

std::uint64_t MappingJobs::running(const std::string& uuid) const {
  const std::lock_guard lock(mutex_);
  for (auto at = jobs_.rbegin(); at != jobs_.rend(); ++at)
    if (at->second.uuid == uuid && !at->second.job->is_finished()) return at->first;
  return 0;
}

Error MappingJobs::busy(std::uint64_t number) {
  return Error(kBadRequest,
               "job " + std::to_string(number) +
                   " of this mapping is still running; wait for it, or end it by `millrace mappings cancel`");
}

std::uint64_t MappingJobs::add(const std::string& uuid, std::shared_ptr<MappingJob> job) {
  const std::lock_guard lock(mutex_);
  for (auto at = jobs_.begin(); at != jobs_.end() && jobs_.size() >= kMappingJobsMax;)
    at = at->second.job->is_finished() ? jobs_.erase(at) : std::next(at);
  jobs_[++last_] = {uuid, std::move(job)};
  return last_;
}

std::shared_ptr<MappingJob> MappingJobs::find(const std::string& uuid, std::uint64_t number) const {
  const std::lock_guard lock(mutex_);
  const auto found = jobs_.find(number);
  return found == jobs_.end() || found->second.uuid != uuid ? nullptr : found->second.job;
}

}  // namespace millrace::app
