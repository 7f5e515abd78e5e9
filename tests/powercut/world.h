// The services that hold items and messages over one directory, and the items that the loads write. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/scope.h"
#include "model/attribute_value.h"
#include "platform/random.h"
#include "sqs/service.h"
#include "storage/group_committer.h"
#include "storage/rocks/data_directory.h"
#include "storage/rocks/rocks_store.h"
#include "tables/tables.h"
#include "testing/virtual_scheduler.h"

namespace millrace::powercut {

inline const Scope kScope;

model::AttributeValue string_of(std::string text);
model::AttributeValue number_of(std::uint64_t number);
model::Item key_of(const std::string& id);
// Item `id` as its n-th write puts it. Now and then it is in one index, both, or none. It expires at `until` (seconds
// since the epoch); 0: long after any test, or never.
model::Item item_of(const std::string& id, std::uint64_t number, std::int64_t until);
// The number that an item, as stored, was written with; nullopt: it has none.
std::optional<std::uint64_t> number_in(std::string_view stored);

// In the order in which a server makes and ends them. Time stands still unless the load moves it.
class Services {
 public:
  // Looks at what is there before anything could change it, then starts everything at `now`.
  static Result<std::unique_ptr<Services>> open(const std::string& folder, Time now);
  ~Services();

  storage::RocksStore& store() { return *store_; }
  storage::Committer& committer() { return *committer_; }
  tables::Tables& tables() { return *tables_; }
  streams::Streams& streams() { return *streams_; }
  sqs::Service& queues() { return *queues_; }
  millrace::testing::VirtualScheduler& scheduler() { return scheduler_; }
  platform::Random& random() { return random_; }
  const storage::DataDirectory& directory() const { return *directory_; }
  void run_ready() { scheduler_.run_ready(); }
  // Until nothing is under way any more. False: it does not come to an end.
  bool settle();
  // What was wrong with the tables and queues when they were opened.
  std::vector<std::string>& problems() { return problems_; }

 private:
  explicit Services(Time now) : scheduler_(now), random_(static_cast<std::uint64_t>(to_unix_s(now))) {}
  Result<void> start(const std::string& folder);

  millrace::testing::VirtualScheduler scheduler_;
  platform::SeededRandom random_;  // another one after each start
  std::unique_ptr<storage::DataDirectory> directory_;
  std::unique_ptr<storage::RocksStore> store_;
  std::unique_ptr<storage::Committer> committer_;
  std::unique_ptr<streams::Streams> streams_;
  std::unique_ptr<tables::Tables> tables_;
  std::unique_ptr<sqs::Service> queues_;
  std::vector<std::string> problems_;
};

}  // namespace millrace::powercut
