#include "storage/rocks/rocks_store.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/listener.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>
#include <sys/statvfs.h>

#include "base/assert.h"
#include "storage/rocks/internal/head_file.h"
#include "storage/rocks/internal/hot_rows.h"
#include "storage/rocks/internal/rocks_options.h"
#include "storage/sync_directory.h"
#include "telemetry/log.h"

namespace millrace::storage {

namespace {

namespace fs = std::filesystem;

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

// The write-ahead logs as they are before opening, which removes them: links beside the head file, kept if it turns out
// that they were damaged.
class WalKeeper {
 public:
  WalKeeper(const std::string& database, const std::string& head_file)
      : links_(head_file.empty() ? "" : fs::path(head_file).parent_path() / "wal-links") {
    if (links_.empty()) return;
    std::error_code ignored;
    fs::remove_all(links_, ignored);
    for (const auto& entry : fs::directory_iterator(database, ignored)) {
      if (entry.path().extension() != ".log" || entry.file_size(ignored) == 0) continue;
      fs::create_directory(links_, ignored);
      fs::create_hard_link(entry.path(), links_ / entry.path().filename(), ignored);
    }
  }
  ~WalKeeper() {
    std::error_code ignored;
    if (!links_.empty()) fs::remove_all(links_, ignored);
  }
  // Where they are now, as the end of a sentence: the links of the first opening that found damage stay.
  std::string keep() {
    if (links_.empty()) return "";
    const fs::path kept = links_.parent_path() / "damaged-wal";
    std::error_code ignored;
    if (!fs::exists(kept, ignored)) fs::rename(links_, kept, ignored);
    return ". The log as it was is kept in " + kept.string();
  }

 private:
  const fs::path links_;
};

// Tells a log that failed, which cannot be written again, from a flush or compaction that found the disk full, which
// can. RocksDB's own recovery, which polls every five seconds, stays off: the next write starts it.
class ErrorListener final : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override {
    const bool of_log =
        reason == rocksdb::BackgroundErrorReason::kWriteCallback || reason == rocksdb::BackgroundErrorReason::kMemTable;
    if (of_log) log_failed_ = true;
    telemetry::log_error("storage", "RocksDB: " + error->ToString());
  }
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* automatic) override {
    *automatic = false;
  }
  bool log_failed() const { return log_failed_; }

 private:
  std::atomic<bool> log_failed_{false};
};

// RocksDB syncs what is in its directory; that the directory itself, and the head file, are there is synced here.
Result<void> sync_names(const fs::path& directory) {
  if (sync_directory(directory.string())) return {};
  return Error(kStorageFailed, "The directory " + directory.string() + " cannot be synced: " + std::strerror(errno));
}

// Announces to the hot rows what a batch is about to write, until it is destroyed.
class HotWrite {
 public:
  HotWrite(HotRows& hot, const WriteBatch& batch) : hot_(hot), batch_(batch) {
    tell(&HotRows::begin_write, &HotRows::begin_write_of_all);
  }
  HotWrite(const HotWrite&) = delete;
  HotWrite& operator=(const HotWrite&) = delete;
  ~HotWrite() { tell(&HotRows::end_write, &HotRows::end_write_of_all); }

 private:
  void tell(void (HotRows::*of_key)(std::string_view), void (HotRows::*of_all)()) {
    for (const WriteBatch::Operation& operation : batch_.operations()) {
      if (operation.family != Family::kItems) continue;
      if (operation.kind == WriteBatch::Kind::kEraseRange) {
        (hot_.*of_all)();
      } else {
        (hot_.*of_key)(operation.key);
      }
    }
  }

  HotRows& hot_;
  const WriteBatch& batch_;
};

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
  explicit Database(std::size_t memory_bytes) : hot(hot_row_bytes(memory_bytes)) {}
  ~Database() {
    for (rocksdb::ColumnFamilyHandle* family : families) db->DestroyColumnFamilyHandle(family);
    if (db != nullptr) db->Close().PermitUncheckedError();
  }
  rocksdb::ColumnFamilyHandle* family(Family which) const { return families[static_cast<std::size_t>(which)]; }

  Result<void> prove_complete(const RocksOptions& options, const std::string& logs, WalKeeper& keeper);

  const std::shared_ptr<ErrorListener> errors = std::make_shared<ErrorListener>();
  std::unique_ptr<rocksdb::Env> env;  // of RocksOptions::file_system
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  std::optional<HeadFile> head;
  HotRows hot;  // of Family::kItems
  std::string path;
  std::uint64_t reserve_bytes = 0;
  bool read_only = false;
  bool full = false;  // the last write found the disk full; touched by the writer only
  std::atomic<bool> broken{false};
};

// Compares what was recovered with what had been acknowledged.
Result<void> RocksStore::Database::prove_complete(const RocksOptions& options, const std::string& logs,
                                                  WalKeeper& keeper) {
  if (options.head_file.empty() || (options.read_only && !fs::exists(options.head_file))) return {};
  MR_ASSIGN_OR_RETURN(HeadFile file, HeadFile::open(options.head_file));
  const std::uint64_t recovered = db->GetLatestSequenceNumber();
  if (recovered < file.sequence()) {
    const std::string lost = "The write-ahead log of " + options.path + " (" + logs +
                             ") is damaged: " + std::to_string(file.sequence() - recovered) +
                             " acknowledged changes after number " + std::to_string(recovered) + " are missing" +
                             keeper.keep();
    if (!options.accept_lost_writes) {
      return Error(kStorageFailed, lost +
                                       ". Restore a backup (millrace restore); or go on without these changes: "
                                       "millrace serve --accept-lost-writes");
    }
    telemetry::log_warning("storage", lost + ". The server goes on without them, as it was told to");
    if (!file.write(recovered)) return Error(kStorageFailed, "Cannot write " + options.head_file);
  }
  head.emplace(std::move(file));
  return {};
}

RocksStore::RocksStore(std::unique_ptr<Database> database) : database_(std::move(database)) {}

Result<std::unique_ptr<RocksStore>> RocksStore::open(const RocksOptions& options) {
  auto database = std::make_unique<Database>(options.memory_bytes);
  database->path = options.path;
  database->reserve_bytes = options.reserve_bytes;
  database->read_only = options.read_only;
  rocksdb::DBOptions settings = database_options(options);
  settings.listeners.push_back(database->errors);
  if (options.file_system != nullptr) {
    database->env = rocksdb::NewCompositeEnv(options.file_system);
    settings.env = database->env.get();
  }
  const std::string logs = wal_names(options.path);
  WalKeeper keeper(options.path, options.read_only ? "" : options.head_file);
  rocksdb::DB* db = nullptr;
  rocksdb::Status status;
  if (options.read_only) {
    settings.create_if_missing = settings.create_missing_column_families = false;
    status =
        rocksdb::DB::OpenForReadOnly(settings, options.path, family_descriptors(options), &database->families, &db);
  } else {
    status = rocksdb::DB::Open(settings, options.path, family_descriptors(options), &database->families, &db);
  }
  if (!status.ok()) {
    return Error(kStorageFailed, "The database " + options.path + " cannot be opened: " + status.ToString());
  }
  database->db.reset(db);
  MR_RETURN_IF_ERROR(database->prove_complete(options, logs, keeper));
  if (!options.read_only) MR_RETURN_IF_ERROR(sync_names(fs::path(options.path).parent_path()));
  return std::unique_ptr<RocksStore>(new RocksStore(std::move(database)));
}

RocksStore::~RocksStore() {
  // On a full disk a flush could wait for room that never comes; the log has everything.
  if (database_->broken || database_->full || database_->read_only || room().level == Room::Level::kNone) return;
  if (const auto flushed = flush(); !flushed.ok()) {
    telemetry::log_warning("storage",
                           "Flushing at the end failed, the next start replays the log: " + flushed.error().message());
  }
}

Result<void> RocksStore::write(const WriteBatch& batch, Sync sync) {
  if (database_->broken) return Error(kStorageFailed, "RocksDB: an earlier write failed");
  if (database_->full) MR_RETURN_IF_ERROR(resume());
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
  const HotWrite announced(database_->hot, batch);
  const rocksdb::Status status = database_->db->Write(options, &out);
  if (!status.ok()) return write_failed(status);
  if (options.sync && database_->head && !database_->head->write(database_->db->GetLatestSequenceNumber())) {
    telemetry::log_warning("storage", "The head file cannot be written; a damaged log may go unnoticed");
    database_->head.reset();
  }
  return {};
}

// A flush or compaction that found no room stops writes before they touch the log: those may be tried again. A log that
// failed in the middle of a record may not, even when it was for room: RocksDB cannot go on after that record.
Error RocksStore::write_failed(const rocksdb::Status& status) {
  if ((status.IsNoSpace() || status.IsBusy()) && !database_->errors->log_failed()) {
    database_->full = true;
    return {kStorageFull, failed(status).message()};
  }
  database_->broken = true;
  return failed(status);
}

// After a full disk: flushes what could not be flushed then.
Result<void> RocksStore::resume() {
  const rocksdb::Status status = database_->db->Resume();
  if (!status.ok()) return write_failed(status);
  database_->full = false;
  return {};
}

Room RocksStore::room() const {
  Room room;
  struct statvfs found {};
  if (database_->reserve_bytes == 0 || ::statvfs(database_->path.c_str(), &found) != 0) return room;
  const std::uint64_t whole = std::uint64_t{found.f_blocks} * found.f_frsize;
  room.free_bytes = std::uint64_t{found.f_bavail} * found.f_frsize;
  room.reserve_bytes = std::min(std::max(std::min(database_->reserve_bytes, whole / 20), kReserveMin), whole / 4);
  if (room.free_bytes < room.reserve_bytes) room.level = Room::Level::kReserve;
  if (room.free_bytes < room.reserve_bytes / 4) room.level = Room::Level::kNone;
  return room;
}

Result<std::optional<std::string>> RocksStore::get(Family family, std::string_view key) const {
  HotRows::Place place;
  if (family == Family::kItems) {
    if (auto hot = database_->hot.find(key, place)) return hot;
  }
  std::string value;
  const rocksdb::Status status =
      database_->db->Get(rocksdb::ReadOptions(), database_->family(family), slice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  if (!status.ok()) return failed(status);
  if (place.wanted) database_->hot.keep(place, key, value);
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
  if (family == Family::kItems) database_->hot.begin_write_of_all();
  rocksdb::Status status = rocksdb::DeleteFilesInRange(database_->db.get(), handle, &begin, &end, false);
  if (status.ok() && family != Family::kLog) {
    status = database_->db->DeleteRange(rocksdb::WriteOptions(), handle, begin, end);
  }
  if (family == Family::kItems) database_->hot.end_write_of_all();
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

std::vector<std::string> RocksStore::find_damage(
    const std::function<void(std::uint64_t, std::uint64_t)>& progress) const {
  std::vector<rocksdb::LiveFileMetaData> files;
  database_->db->GetLiveFilesMetaData(&files);
  std::uint64_t all = 0;
  std::uint64_t done = 0;
  for (const auto& file : files) all += file.size;
  std::vector<std::string> damage;
  for (const auto& file : files) {
    const std::string path = file.db_path + file.name;
    rocksdb::Options options;
    options.env = database_->db->GetEnv();
    rocksdb::SstFileReader reader(options);
    rocksdb::Status status = reader.Open(path);
    if (status.ok()) status = reader.VerifyChecksum();
    if (!status.ok()) {
      damage.push_back("Table file " + path + " (" + file.column_family_name + ", " + std::to_string(file.size) +
                       " bytes) is damaged: " + status.ToString());
    }
    done += file.size;
    if (progress) progress(done, all);
  }
  return damage;
}

Result<void> RocksStore::checkpoint(const std::string& path) {
  rocksdb::Checkpoint* made = nullptr;
  rocksdb::Status status = rocksdb::Checkpoint::Create(database_->db.get(), &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  if (status.ok()) status = checkpoint->CreateCheckpoint(path);
  if (!status.ok()) return failed(status);
  return {};
}

std::vector<std::pair<std::string, double>> RocksStore::figures() const {
  constexpr std::pair<const char*, const char*> kOfFamily[] = {
      {"keys_estimate", "rocksdb.estimate-num-keys"},
      {"table_bytes", "rocksdb.total-sst-files-size"},
      {"memtable_bytes", "rocksdb.cur-size-all-mem-tables"},
      {"pending_compaction_bytes", "rocksdb.estimate-pending-compaction-bytes"},
  };
  constexpr std::pair<const char*, const char*> kOfAll[] = {
      {"block_cache_bytes", "rocksdb.block-cache-usage"},
      {"block_cache_capacity_bytes", "rocksdb.block-cache-capacity"},
      {"running_flushes", "rocksdb.num-running-flushes"},
      {"running_compactions", "rocksdb.num-running-compactions"},
      {"write_delay_bytes_per_second", "rocksdb.actual-delayed-write-rate"},
      {"writes_stopped", "rocksdb.is-write-stopped"},
      {"background_errors", "rocksdb.background-errors"},
  };
  std::vector<std::pair<std::string, double>> out;
  std::uint64_t value = 0;
  for (rocksdb::ColumnFamilyHandle* family : database_->families) {
    for (const auto& [name, property] : kOfFamily) {
      if (!database_->db->GetIntProperty(family, property, &value)) continue;
      out.emplace_back(family->GetName() + "_" + name, static_cast<double>(value));
    }
    std::string text;  // this one is not among the numbers
    if (database_->db->GetProperty(family, "rocksdb.num-files-at-level0", &text))
      out.emplace_back(family->GetName() + "_level0_files", std::strtod(text.c_str(), nullptr));
  }
  for (const auto& [name, property] : kOfAll) {
    if (database_->db->GetIntProperty(property, &value)) out.emplace_back(name, static_cast<double>(value));
  }
  const HotRows::Figures hot = database_->hot.figures();
  out.emplace_back("hot_rows", static_cast<double>(hot.rows));
  out.emplace_back("hot_row_bytes", static_cast<double>(hot.bytes));
  out.emplace_back("hot_row_hits", static_cast<double>(hot.hits));
  out.emplace_back("sequence", static_cast<double>(database_->db->GetLatestSequenceNumber()));
  const Room now = room();
  if (now.reserve_bytes > 0) {
    out.emplace_back("disk_free_bytes", static_cast<double>(now.free_bytes));
    out.emplace_back("disk_reserve_bytes", static_cast<double>(now.reserve_bytes));
  }
  return out;
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
