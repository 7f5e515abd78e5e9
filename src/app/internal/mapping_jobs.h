// Long work on mappings that goes on behind a request: replays and redrives. In memory: a job ends with the server.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "codec/json.h"

namespace millrace::app {

inline constexpr std::size_t kMappingJobsMax = 100;  // remembered; the oldest that have ended are forgotten

class MappingJob {
 public:
  virtual ~MappingJob() = default;
  virtual codec::Json progress() const = 0;  // with "finished" and, when it ended early, "stopped": why
  virtual bool is_finished() const = 0;
  virtual void cancel() = 0;  // after what is being sent
};

class MappingJobs {
 public:
  // The number of the job. One at a time per mapping, so that none disturbs the order of another: look at running()
  // before, on the control thread.
  std::uint64_t add(const std::string& uuid, std::shared_ptr<MappingJob> job);
  std::shared_ptr<MappingJob> find(const std::string& uuid, std::uint64_t number) const;
  // The one of a mapping that has not ended; 0: none.
  std::uint64_t running(const std::string& uuid) const;
  static Error busy(std::uint64_t number);  // "job 7 is still running"

 private:
  struct Entry {
    std::string uuid;
    std::shared_ptr<MappingJob> job;
  };
  mutable std::mutex mutex_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Entry> jobs_;
};

}  // namespace millrace::app
