// A whole server under virtual time: a disk that outlives it, tables, streams,
// the trigger engine; and the hand that writes to it, breaks it and pulls the
// plug.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "app/internal/stream_source.h"
#include "delivery/delivery.h"
#include "dice.h"
#include "functions.h"
#include "ledger.h"
#include "plan.h"
#include "storage/memory/memory_store.h"
#include "streams/streams.h"
#include "tables/tables.h"
#include "telemetry/metrics.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"
#include "triggers/engine.h"
#include "triggers/settlement.h"

namespace millrace::simulation {

// Tells the ledger what has reached the disk.
class Disk final : public storage::Store {
 public:
  explicit Disk(Ledger& ledger) : ledger_(ledger) {}
  void set_clock(const platform::Clock& clock) { clock_ = &clock; }
  storage::MemoryStore& memory() { return memory_; }
  // The next write fails; it may have been done all the same.
  void break_down(bool applied);

  Result<void> write(const storage::WriteBatch& batch, Sync sync) override;
  Result<std::optional<std::string>> get(storage::Family family, std::string_view key) const override {
    return memory_.get(family, key);
  }
  std::unique_ptr<storage::Iterator> iterate(storage::Family family, storage::Bounds bounds) const override {
    return memory_.iterate(family, std::move(bounds));
  }
  void reclaim(storage::Family family, std::string_view from, std::string_view to) override {
    memory_.reclaim(family, from, to);
  }
  std::string statistics() const override { return memory_.statistics(); }

 private:
  Ledger& ledger_;
  const platform::Clock* clock_ = nullptr;
  storage::MemoryStore memory_;
  std::optional<bool> breaking_;
};

// Keeps what it is sent on the disk, for the ledger to see.
class LetterBox final : public delivery::Target {
 public:
  explicit LetterBox(bool refuses) : refuses_(refuses) {}
  Result<void> check(std::string_view) override { return {}; }
  Result<delivery::AfterCommit> stage(std::string_view arn, const delivery::Message& message,
                                      storage::WriteBatch& batch) override;

 private:
  bool refuses_;
  std::uint64_t count_ = 0;
};

class World {
 public:
  explicit World(const Plan& plan);
  ~World();
  // Lives through the plan's steps, then without faults until everything is
  // quiet; checks all rules. Throws Violation.
  void run();
  const Ledger& ledger() const { return ledger_; }
  std::uint64_t last_number() { return dice_.next(); }  // the same for the same seed

 private:
  void boot();
  void shut_down();
  void kill();
  void make_tables();
  void make_mapping(const MappingPlan& plan);
  void make_table(const std::string& name);
  void ensure_tables();
  void enable_stream(const std::string& table);
  void meddle();
  void step();
  void write();
  void reshape();
  void update_mapping();
  void remove_mapping();
  void rewind_mapping();
  void let_record_go();
  void upheave();
  void note_shards();
  void in_force(const triggers::Mapping& mapping);
  void settle();
  std::map<std::pair<std::string, std::string>, std::int64_t> stored_items() const;

  const Plan plan_;
  Dice dice_;
  Ledger ledger_;
  Disk disk_{ledger_};
  Functions functions_{dice_, ledger_};
  LetterBox letters_;
  platform::SeededRandom random_;
  Time time_ = testing::kVirtualStart;
  std::int64_t version_ = 0;
  std::vector<std::string> uuids_;  // of the mappings there are, or may be after a kill
  int mappings_made_ = 0;

  // What a kill ends.
  std::unique_ptr<testing::VirtualScheduler> scheduler_;
  std::unique_ptr<testing::TestCommits> commits_;
  std::unique_ptr<telemetry::Registry> registry_;
  std::unique_ptr<streams::Streams> streams_;
  std::unique_ptr<tables::Tables> tables_;
  std::unique_ptr<app::StreamSource> source_;
  std::unique_ptr<delivery::Delivery> delivery_;
  std::unique_ptr<triggers::CommitSettlement> settlement_;
  std::unique_ptr<triggers::Engine> engine_;
};

}  // namespace millrace::simulation
