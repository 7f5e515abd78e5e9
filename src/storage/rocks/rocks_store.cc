#include "storage/rocks/rocks_store.h"

#include <atomic>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "base/assert.h"
#include "storage/rocks/internal/head_file.h"
#include "storage/rocks/internal/rocks_options.h"
#include "telemetry/log.h"

namespace millrace::storage {

namespace {

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view(const rocksdb::Slice& text) { return {text.data(), text.size()}; }
Error failed(const rocksdb::Status& status) { return {kStorageFailed, "RocksDB: " + status.ToString()}; }

// The write-ahead logs that will be replayed, by name: they are gone once the database is open.
std::string wal_names(const std::string& path) {
  std::string names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(path, ignored)) {
    if (entry.path().extension() == ".log") names += (names.empty() ? "" : ", ") + entry.path().filename().string();
  }
  return names.empty() ? "no file" : names;
}

class RocksIterator final : public Iterator {
 public:
  RocksIterator(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, Bounds bounds) : bounds_(std::move(bounds)) {
    rocksdb::ReadOptions options;
    if (!bounds_.lower.empty()) options.iterate_lower_bound = &lower_;
    if (!bounds_.upper.empty()) options.iterate_upper_bound = &upper_;
    it_.reset(db.NewIterator(options, family));
  }
  void seek(std::string_view key) override { it_->Seek(slice(key)); }
  void seek_for_prev(std::string_view key) override { it_->SeekForPrev(slice(key)); }
  void next() override { it_->Next(); }
  void prev() override { it_->Prev(); }
  bool valid() const override { return it_->Valid(); }
  std::string_view key() const override { return view(it_->key()); }
  std::string_view value() const override { return view(it_->value()); }
  Result<void> status() const override {
    if (it_->status().ok()) return {};
    return failed(it_->status());
  }

 private:
  const Bounds bounds_;
  const rocksdb::Slice lower_ = slice(bounds_.lower);
  const rocksdb::Slice upper_ = slice(bounds_.upper);
  std::unique_ptr<rocksdb::Iterator> it_;
};

}  // namespace

struct RocksStore::Database {
  ~Database() {
    for (rocksdb::ColumnFamilyHandle* family : families) db->DestroyColumnFamilyHandle(family);
    if (db != nullptr) db->Close().PermitUncheckedError();
  }
  rocksdb::ColumnFamilyHandle* family(Family which) const { return families[static_cast<std::size_t>(which)]; }

  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  std::optional<HeadFile> head;
  std::atomic<bool> broken{false};
};

RocksStore::RocksStore(std::unique_ptr<Database> database) : database_(std::move(database)) {}

Result<std::unique_ptr<RocksStore>> RocksStore::open(const RocksOptions& options) {
  auto database = std::make_unique<Database>();
  const std::string logs = wal_names(options.path);
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::Open(database_options(options), options.path, family_descriptors(options), &database->families, &db);
  if (!status.ok()) {
    return Error(kStorageFailed, "The database " + options.path + " cannot be opened: " + status.ToString());
  }
  database->db.reset(db);
  if (!options.head_file.empty()) {
    MR_ASSIGN_OR_RETURN(HeadFile head, HeadFile::open(options.head_file));
    const std::uint64_t recovered = db->GetLatestSequenceNumber();
    if (recovered < head.sequence()) {
      return Error(kStorageFailed, "The write-ahead log of " + options.path + " (" + logs +
                                       ") is damaged: " + std::to_string(head.sequence() - recovered) +
                                       " acknowledged changes after number " + std::to_string(recovered) +
                                       " are missing. Restore a backup; or, to go on without them, remove the file " +
                                       options.head_file);
    }
    database->head.emplace(std::move(head));
  }
  return std::unique_ptr<RocksStore>(new RocksStore(std::move(database)));
}

RocksStore::~RocksStore() {
  if (database_->broken) return;
  if (const auto flushed = flush(); !flushed.ok()) {
    telemetry::log_warning("storage",
                           "Flushing at the end failed, the next start replays the log: " + flushed.error().message());
  }
}

Result<void> RocksStore::write(const WriteBatch& batch, Sync sync) {
  if (database_->broken) return Error(kStorageFailed, "RocksDB: an earlier write failed");
  rocksdb::WriteBatch out(batch.bytes() + batch.operations().size() * 8 + 64);
  for (const WriteBatch::Operation& operation : batch.operations()) {
    rocksdb::ColumnFamilyHandle* family = database_->family(operation.family);
    rocksdb::Status status;
    switch (operation.kind) {
      case WriteBatch::Kind::kPut:
        status = out.Put(family, operation.key, operation.value);
        break;
      case WriteBatch::Kind::kErase:
        status = out.Delete(family, operation.key);
        break;
      case WriteBatch::Kind::kEraseRange:
        if (operation.key < operation.value) status = out.DeleteRange(family, operation.key, operation.value);
        break;
      case WriteBatch::Kind::kLog:
      case WriteBatch::Kind::kPutStamped:
      case WriteBatch::Kind::kAdd:
        MR_ASSERT(false && "resolved by the committer");
    }
    MR_ASSERT(status.ok());
  }
  rocksdb::WriteOptions options;
  options.sync = sync == Sync::kSynced;
  const rocksdb::Status status = database_->db->Write(options, &out);
  if (!status.ok()) {
    database_->broken = true;
    return failed(status);
  }
  if (options.sync && database_->head && !database_->head->write(database_->db->GetLatestSequenceNumber())) {
    telemetry::log_warning("storage", "The head file cannot be written; a damaged log may go unnoticed");
    database_->head.reset();
  }
  return {};
}

Result<std::optional<std::string>> RocksStore::get(Family family, std::string_view key) const {
  std::string value;
  const rocksdb::Status status =
      database_->db->Get(rocksdb::ReadOptions(), database_->family(family), slice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  if (!status.ok()) return failed(status);
  return std::optional(std::move(value));
}

std::unique_ptr<Iterator> RocksStore::iterate(Family family, Bounds bounds) const {
  return std::make_unique<RocksIterator>(*database_->db, database_->family(family), std::move(bounds));
}

void RocksStore::reclaim(Family family, std::string_view from, std::string_view to) {
  if (database_->broken || from >= to) return;
  rocksdb::ColumnFamilyHandle* handle = database_->family(family);
  const rocksdb::Slice begin = slice(from);
  const rocksdb::Slice end = slice(to);
  rocksdb::Status status = rocksdb::DeleteFilesInRange(database_->db.get(), handle, &begin, &end, false);
  if (status.ok() && family != Family::kLog) {
    status = database_->db->DeleteRange(rocksdb::WriteOptions(), handle, begin, end);
  }
  if (!status.ok()) telemetry::log_warning("storage", "Disk space was not reclaimed: " + status.ToString());
}

std::uint64_t RocksStore::approximate_bytes(Family family, std::string_view from) const {
  static constexpr char kAfterAll[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff";
  const rocksdb::Range range(slice(from), rocksdb::Slice(kAfterAll));
  rocksdb::SizeApproximationOptions options;
  options.include_memtables = true;
  std::uint64_t bytes = 0;
  const rocksdb::Status status =
      database_->db->GetApproximateSizes(options, database_->family(family), &range, 1, &bytes);
  return status.ok() ? bytes : 0;
}

Result<void> RocksStore::flush() {
  const rocksdb::Status status = database_->db->Flush(rocksdb::FlushOptions(), database_->families);
  if (!status.ok()) return failed(status);
  return {};
}

std::string RocksStore::statistics() const {
  std::string out = "family keys(estimate) table-bytes memory-bytes\n";
  for (rocksdb::ColumnFamilyHandle* family : database_->families) {
    out += family->GetName();
    for (const char* property :
         {"rocksdb.estimate-num-keys", "rocksdb.total-sst-files-size", "rocksdb.cur-size-all-mem-tables"}) {
      std::uint64_t value = 0;
      database_->db->GetIntProperty(family, property, &value);
      out += ' ' + std::to_string(value);
    }
    out += '\n';
  }
  std::uint64_t cached = 0;  // all families share one cache
  database_->db->GetIntProperty("rocksdb.block-cache-usage", &cached);
  return out + "block-cache-bytes " + std::to_string(cached) + '\n';
}

}  // namespace millrace::storage
