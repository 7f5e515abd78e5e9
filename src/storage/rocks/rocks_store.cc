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
#include <rocksdb/write_buffer_manager.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/assert.h"
#include "storage/no_blocking.h"
#include "storage/rocks/internal/background_pace.h"
#include "storage/rocks/internal/flush_gate.h"
#include "storage/rocks/internal/head_file.h"
#include "storage/rocks/internal/hot_rows.h"
#include "storage/rocks/internal/info_log.h"
#include "storage/rocks/internal/manifest.h"
#include "storage/rocks/internal/nowait_file_system.h"
#include "storage/rocks/internal/rocks_figures.h"
#include "storage/rocks/internal/rocks_options.h"
#include "storage/rocks/internal/thread_order.h"
#include "storage/sync_directory.h"
#include "telemetry/log.h"

namespace millrace::storage {

namespace {

namespace fs = std::filesystem;

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view(const rocksdb::Slice& text) { return {text.data(), text.size()}; }
// The number of the last change of a batch that has been written: RocksDB puts that of the first one into its head. The
// database's latest number may already count what reclaim() wrote meanwhile, which no sync has seen.
std::uint64_t last_sequence_of(const rocksdb::WriteBatch& batch) {
  std::uint64_t first = 0;
  for (int i = 7; i >= 0; --i)
    first = first << 8 | static_cast<unsigned char>(batch.Data()[static_cast<std::size_t>(i)]);
  return first + batch.Count() - 1;
}

Error failed(const rocksdb::Status& status) { return {kStorageFailed, "RocksDB: " + status.ToString()}; }
Error read_failed(const rocksdb::Status& status) {
  if (NowaitFileSystem::is_refusal(status)) return {kWouldBlock, "not in memory"};
  return failed(status);
}

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

// Opening for reading only removes what slow_removal() has not come to, too.
class KeepingFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;
  const char* Name() const override { return "KeepingFileSystem"; }
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::NotSupported("nothing is removed", path);
  }
};

// Tells a log that failed, which cannot be written again, from a flush or compaction that found the disk full, which
// can. RocksDB's own recovery, which polls every five seconds, stays off: the next write starts it.
class ErrorListener final : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override {
    if (is_of_log(reason)) log_failed_ = true;
    telemetry::log_error("storage", "RocksDB: " + error->ToString());
  }
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* automatic) override {
    *automatic = false;
  }
  bool log_failed() const { return log_failed_; }

 private:
  std::atomic<bool> log_failed_{false};
};

// Why a database does not open, from its MANIFEST as it was found.
Error cannot_open(const RocksOptions& options, const std::string& reason, const std::optional<ManifestCut>& cut) {
  std::string text = "The database " + options.path + " cannot be opened: " + reason;
  if (cut) {
    text += ". " + cut->path + " is damaged after byte " + std::to_string(cut->whole_bytes);
    if (options.read_only) text += "; if that was a power failure, a server mends it at its start";
  }
  return {kStorageFailed, text};
}

// Cuts off what a power cut left of a change that was being noted; tells what it found.
Result<std::optional<ManifestCut>> mend(const RocksOptions& options) {
  auto found = find_manifest_cut(options.path);
  if (!found.ok()) {
    return cannot_open(options, found.error().message() + ". Restore a backup (millrace restore)", std::nullopt);
  }
  if (!found->has_value() || options.read_only) return found;
  MR_RETURN_IF_ERROR(cut_manifest(**found));
  telemetry::log_warning("storage", "The last " + std::to_string((*found)->tail.size()) + " bytes of " +
                                        (*found)->path + " were cut off by a power failure and have been removed; " +
                                        "the changes that they were to note are made again");
  return found;
}

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

// Passing this many takes some hundred microseconds.
constexpr std::uint64_t kDeletedKeysHereMax = 2000;

class RocksIterator final : public Iterator {
 public:
  RocksIterator(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, Bounds bounds) : bounds_(std::move(bounds)) {
    rocksdb::ReadOptions options;
    if (!bounds_.lower.empty()) options.iterate_lower_bound = &lower_;
    if (!bounds_.upper.empty()) options.iterate_upper_bound = &upper_;
    options.fill_cache = !bounds_.long_run;
    if (NoBlocking::active()) options.max_skippable_internal_keys = kDeletedKeysHereMax;
    it_.reset(db.NewIterator(options, family));
    tell_read(&db);
  }
  void seek(std::string_view key) override { it_->Seek(slice(key)); }
  void seek_for_prev(std::string_view key) override { it_->SeekForPrev(slice(key)); }
  void next() override { it_->Next(); }
  void prev() override { it_->Prev(); }
  bool valid() const override { return it_->Valid(); }
  std::string_view key() const override { return view(it_->key()); }
  std::string_view value() const override { return view(it_->value()); }
  Result<void> status() const override {
    const rocksdb::Status status = it_->status();
    if (status.ok()) return {};
    return read_failed(status);
  }

 private:
  const Bounds bounds_;
  const rocksdb::Slice lower_ = slice(bounds_.lower);
  const rocksdb::Slice upper_ = slice(bounds_.upper);
  std::unique_ptr<rocksdb::Iterator> it_;
};

}  // namespace

struct RocksStore::Database {
  explicit Database(std::size_t memory_bytes) : hot(memory_shares(memory_bytes).hot_rows) {}
  ~Database() {
    for (rocksdb::ColumnFamilyHandle* family : families) db->DestroyColumnFamilyHandle(family);
    if (db != nullptr) db->Close().PermitUncheckedError();
  }
  rocksdb::ColumnFamilyHandle* family(Family which) const { return families[static_cast<std::size_t>(which)]; }

  rocksdb::Status open(const RocksOptions& options, const RocksSettings& settings);
  Result<void> prove_complete(const RocksOptions& options, const std::string& logs, WalKeeper& keeper);

  const std::shared_ptr<ErrorListener> errors = std::make_shared<ErrorListener>();
  const std::shared_ptr<FlushGate> gate = std::make_shared<FlushGate>();
  std::unique_ptr<rocksdb::Env> env;  // of RocksOptions::file_system, read without waiting
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  std::shared_ptr<rocksdb::Statistics> statistics;
  std::shared_ptr<BackgroundPace> pace;
  std::optional<HeadFile> head;
  HotRows hot;  // of Family::kItems
  std::string path;
  std::uint64_t reserve_bytes = 0;
  bool read_only = false;
  bool full = false;  // the last write found the disk full; touched by the writer only
  std::atomic<bool> broken{false};
};

rocksdb::Status RocksStore::Database::open(const RocksOptions& options, const RocksSettings& settings) {
  rocksdb::DB* opened = nullptr;
  statistics = settings.database.statistics;
  const rocksdb::Status status =
      options.read_only ? rocksdb::DB::OpenForReadOnly(settings.database, path, settings.families, &families, &opened)
                        : rocksdb::DB::Open(settings.database, path, settings.families, &families, &opened);
  db.reset(opened);
  return status;
}

// Compares what was recovered with what had been acknowledged.
Result<void> RocksStore::Database::prove_complete(const RocksOptions& options, const std::string& logs,
                                                  WalKeeper& keeper) {
  if (options.head_file.empty()) return {};
  const std::uint64_t recovered = db->GetLatestSequenceNumber();
  auto found = HeadFile::open(options.head_file, options.read_only ? HeadFile::For::kReading : HeadFile::For::kWriting);
  if (!found.ok()) {
    const std::string unknown = found.error().message() + ". It notes how far writes were acknowledged; without it " +
                                "nobody can tell whether the write-ahead log of " + options.path + " has lost any";
    if (!options.accept_lost_writes) {
      return Error(kStorageFailed, unknown +
                                       ". Restore a backup (millrace restore); or go on with what the log has: "
                                       "millrace serve --accept-lost-writes");
    }
    telemetry::log_warning("storage", unknown + ". The server goes on with what it has, as it was told to");
  }
  if (!found.ok() || !found->has_value()) {
    if (options.read_only) return {};
    MR_ASSIGN_OR_RETURN(HeadFile created, HeadFile::create(options.head_file, 0));
    head.emplace(std::move(created));
    return {};
  }
  HeadFile& file = **found;
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
  RocksSettings settings = rocks_settings(options);
  settings.database.listeners.push_back(database->gate);
  settings.database.listeners.push_back(database->errors);
  database->pace = std::make_shared<BackgroundPace>(settings.database.write_buffer_manager);
  settings.database.listeners.push_back(database->pace);
  settings.database.rate_limiter = database->pace;
  settings.database.info_log = std::make_shared<InfoLog>(options.read_only ? "" : options.path + "/LOG");
  std::shared_ptr<rocksdb::FileSystem> files = options.file_system;
  if (files == nullptr) files = rocksdb::FileSystem::Default();
  if (options.read_only) files = std::make_shared<KeepingFileSystem>(files);
  database->env = database->gate->env(rocksdb::NewCompositeEnv(std::make_shared<NowaitFileSystem>(files)));
  settings.database.env = database->env.get();
  if (!options.read_only) settings.database.sst_file_manager = slow_removal(settings.database);
  const std::string logs = wal_names(options.path);
  WalKeeper keeper(options.path, options.read_only ? "" : options.head_file);
  if (options.read_only) {
    settings.database.create_if_missing = settings.database.create_missing_column_families = false;
  }
  MR_ASSIGN_OR_RETURN(const std::optional<ManifestCut> cut, mend(options));
  const rocksdb::Status status = database->open(options, settings);
  if (!status.ok()) {
    if (cut && !options.read_only) uncut_manifest(*cut);
    return cannot_open(options, status.ToString(), cut);
  }
  MR_RETURN_IF_ERROR(database->prove_complete(options, logs, keeper));
  if (!options.read_only) MR_RETURN_IF_ERROR(sync_names(fs::path(options.path).parent_path()));
  return std::unique_ptr<RocksStore>(new RocksStore(std::move(database)));
}

RocksStore::~RocksStore() {
  database_->pace->hurry();
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
  database_->pace->wrote();
  const rocksdb::Status status = database_->db->Write(options, &out);
  tell_written(database_->db.get());
  if (!status.ok()) return write_failed(status);
  if (options.sync && database_->head && out.Count() > 0 && !database_->head->write(last_sequence_of(out))) {
    database_->broken = true;
    return Error(
        kStorageFailed,
        std::string("The file that notes how far writes were acknowledged cannot be written: ") + std::strerror(errno));
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
  const rocksdb::Status status = database_->gate->resume(*database_->db);
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

bool RocksStore::log_takes(std::size_t bytes) const {
  if (database_->broken || database_->full || database_->read_only) return false;
  fs::path newest;
  std::uint64_t logs = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(database_->path, error)) {
    if (entry.path().extension() != ".log") continue;
    logs += entry.file_size(error);
    newest = std::max(newest, entry.path());
  }
  struct stat found {};
  if (error || newest.empty() || ::stat(newest.c_str(), &found) != 0) return false;
  const std::uint64_t set_aside = static_cast<std::uint64_t>(found.st_blocks) * 512;
  if (set_aside < static_cast<std::uint64_t>(found.st_size) + bytes || logs + bytes > kWalBytesMax) return false;
  for (rocksdb::ColumnFamilyHandle* family : database_->families) {
    std::uint64_t held = 0;
    const std::uint64_t most = database_->db->GetOptions(family).write_buffer_size / 4 * 3;
    if (!database_->db->GetIntProperty(family, rocksdb::DB::Properties::kCurSizeActiveMemTable, &held)) return false;
    if (held + bytes > most) return false;
  }
  const auto buffers = database_->db->GetDBOptions().write_buffer_manager;
  return buffers == nullptr || buffers->memory_usage() + 2 * bytes < buffers->buffer_size() / 8 * 7;
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
  if (!status.ok()) {
    Error error = read_failed(status);
    if (error.is(kWouldBlock)) NoBlocking::refuse(family, key);
    return error;
  }
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

std::uint64_t RocksStore::approximate_bytes(Family family, std::string_view from, std::string_view to) const {
  static constexpr char kAfterAll[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff";
  const rocksdb::Range range(slice(from), to.empty() ? rocksdb::Slice(kAfterAll) : slice(to));
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
  std::vector<std::pair<std::string, double>> out =
      database_figures(*database_->db, database_->families, *database_->statistics);
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
