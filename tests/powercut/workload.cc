#include "workload.h"

#include <cstdlib>
#include <memory>
#include <random>
#include <thread>

#include "must.h"
#include "platform/random.h"
#include "s3/object_store.h"
#include "storage/group_committer.h"
#include "storage/rocks/data_directory.h"
#include "storage/rocks/rocks_store.h"
#include "testing/virtual_scheduler.h"

namespace millrace::powercut {
namespace {

using storage::Family;

std::string text(std::uint64_t number) {
  std::string digits = std::to_string(number);
  return std::string(8 - std::min<std::size_t>(digits.size(), 8), '0') + digits;
}

// The parts of a server that write to disk, over one directory.
// In the order in which a server makes and ends them.
class Parts {
 public:
  explicit Parts(const std::string& folder) {
    directory_ = must(storage::DataDirectory::open(folder, "powercut"), "data directory");
    storage::RocksOptions options;
    options.path = directory_->database_path();
    options.head_file = directory_->head_path();
    options.memory_bytes = storage::kMemoryMin;
    store_ = must(storage::RocksStore::open(options), "store");
    committer_ = must(storage::Committer::start(*store_, scheduler_), "committer");
    blobs_ = must(s3::open_file_blob_store(must(directory_->directory("objects"), "folder")), "files");
    objects_ = std::make_unique<s3::ObjectStore>(scheduler_, random_, *store_, *committer_, *blobs_);
    if (!objects_->load().ok()) std::exit(2);
    objects_->start();
  }
  ~Parts() {
    committer_->stop();
    objects_->stop();
    objects_.reset();
    scheduler_.run_ready();
  }

  storage::RocksStore& store() { return *store_; }
  storage::Committer& committer() { return *committer_; }
  s3::ObjectStore& objects() { return *objects_; }
  void run_ready() { scheduler_.run_ready(); }

 private:
  millrace::testing::VirtualScheduler scheduler_;
  platform::SeededRandom random_{1};
  std::unique_ptr<storage::DataDirectory> directory_;
  std::unique_ptr<storage::RocksStore> store_;
  std::unique_ptr<storage::Committer> committer_;
  std::unique_ptr<s3::BlobStore> blobs_;
  std::unique_ptr<s3::ObjectStore> objects_;
};

constexpr const char* kAccount = "000000000000";

class Load {
 public:
  Load(Recorded& out, std::uint64_t seed) : out_(out), dice_(seed) {}

  void submit(storage::Committer& committer) {
    const std::uint64_t number = next_batch_++;
    note("submitted", number);
    last_ = committer.submit(batch_of(number), [number](const storage::Committed& committed) {
      if (committed.error != nullptr) return;
      note("stamp", committed.next_stamp);
      note("acknowledged", number);
    });
  }

  void change_object(Parts& parts) {
    const std::string key = "object" + std::to_string(dice_() % 5);
    auto& states = out_.objects[key];
    const std::uint64_t state = states.size();
    if (state > 0 && !states.back().empty() && dice_() % 4 == 0) {
      states.emplace_back();
      note("object submitted " + key, state);
      watch(parts, key, state, must(parts.objects().delete_object(kAccount, "bucket", key), "delete"));
      return;
    }
    if (dice_() % 5 == 0 && copy_object(parts, key, state)) return;
    const std::size_t bytes = dice_() % 3 == 0 ? 500 : 70'000 + dice_() % 60'000;
    std::string body;
    while (body.size() < bytes) body += std::to_string(dice_());
    states.push_back(body);
    note("object submitted " + key, state);
    if (dice_() % 3 == 0) return upload_object(parts, key, state, body);
    auto writer = sealed(parts, s3::ObjectWriter::Use::kObject, body);
    s3::PutRequest request;
    request.key = key;
    watch(parts, key, state,
          must(parts.objects().put_object(kAccount, "bucket", std::move(request), std::move(writer)), "put").after);
  }

  // The last state of another object; false: there is none.
  bool copy_object(Parts& parts, const std::string& key, std::uint64_t state) {
    s3::CopyRequest request;
    request.source_bucket = request.bucket = "bucket";
    request.source_key = "object" + std::to_string(dice_() % 5);
    request.key = key;
    const auto& source = out_.objects[request.source_key];
    if (request.source_key == key || source.empty() || source.back().empty()) return false;
    out_.objects[key].push_back(source.back());
    note("object submitted " + key, state);
    watch(parts, key, state, must(parts.objects().copy_object(kAccount, std::move(request)), "copy").after);
    return true;
  }

  // As an upload of one part. Now and then another one is begun and given up, or left behind.
  void upload_object(Parts& parts, const std::string& key, std::uint64_t state, const std::string& body) {
    s3::UploadRequest request;
    request.key = key;
    const auto begin = [&] {
      const auto upload = must(parts.objects().create_upload(kAccount, "bucket", request), "upload").id;
      auto writer = sealed(parts, s3::ObjectWriter::Use::kPart, body);
      const auto part = must(parts.objects().put_part(kAccount, "bucket", key, upload, 1, std::move(writer)), "part");
      last_ = std::max(last_, part.after);
      return std::pair(upload, part.etag);
    };
    if (dice_() % 3 == 0) {
      const auto [upload, etag] = begin();
      if (dice_() % 2 == 0) last_ = must(parts.objects().abort_upload(kAccount, "bucket", key, upload), "abort");
    }
    const auto [upload, etag] = begin();
    s3::CompleteRequest complete;
    complete.parts.push_back({.number = 1, .etag = etag, .checksums = {}});
    watch(parts, key, state,
          must(parts.objects().complete_upload(kAccount, "bucket", key, upload, complete), "complete").after);
  }

  void restarted() { last_ = 0; }  // commits are counted from one again

  // Until everything submitted is durable.
  void wait(storage::Committer& committer) const {
    while (committer.durable() < last_) std::this_thread::yield();
  }

 private:
  static s3::ObjectWriter sealed(Parts& parts, s3::ObjectWriter::Use use, const std::string& body) {
    auto writer = parts.objects().writer(use, {s3::digest_algorithm(s3::ChecksumAlgorithm::kCrc64Nvme)}, 0);
    if (!writer.append(body).ok() || !writer.seal().ok()) std::exit(2);
    return writer;
  }

  void watch(Parts& parts, const std::string& key, std::uint64_t state, storage::CommitNumber number) {
    last_ = number;
    parts.committer().when_durable(number, [key, state](const Error* error) {
      if (error == nullptr) note("object acknowledged " + key, state);
    });
  }

  Recorded& out_;
  std::mt19937_64 dice_;
  std::uint64_t next_batch_ = 0;
  storage::CommitNumber last_ = 0;
};

}  // namespace

storage::WriteBatch batch_of(std::uint64_t number) {
  std::mt19937_64 dice(number);
  storage::WriteBatch batch;
  const std::string key = text(dice() % 60);
  const std::string value = text(number) + std::string(dice() % 1500, static_cast<char>('a' + number % 26));
  if (dice() % 8 == 0) {
    batch.erase(Family::kItems, "item/" + key);
    batch.erase(Family::kItems, "index/" + key);
  } else {
    batch.put(Family::kItems, "item/" + key, value);
    batch.put(Family::kItems, "index/" + key, text(number));
  }
  batch.log(number % 3, text(number));
  if (number % 5 == 0) batch.log(number % 3, text(number) + "again");
  batch.put(Family::kQueue, "queue/" + text(number), "due");
  if (number >= 7) batch.erase(Family::kQueue, "queue/" + text(number - 7));
  if (number % 50 == 0) batch.erase_range(Family::kItems, "item/" + text(10), "item/" + text(15));
  if (number % 3 == 0) batch.put(Family::kText, "text/" + text(number), value);
  batch.add(kCounter, 1);
  return batch;
}

void Model::advance_to(std::uint64_t count) {
  for (; count_ < count; ++count_) {
    const storage::WriteBatch batch = batch_of(count_);
    for (const auto& operation : batch.operations()) {
      auto& rows = rows_[static_cast<std::size_t>(operation.family)];
      switch (operation.kind) {
        case storage::WriteBatch::Kind::kPut:
          rows[operation.key] = operation.value;
          break;
        case storage::WriteBatch::Kind::kErase:
          rows.erase(operation.key);
          break;
        case storage::WriteBatch::Kind::kEraseRange:
          rows.erase(rows.lower_bound(operation.key), rows.lower_bound(operation.value));
          break;
        case storage::WriteBatch::Kind::kLog:
          log_.emplace_back(operation.number, operation.value.substr(storage::kLogHeaderBytes));
          break;
        case storage::WriteBatch::Kind::kAdd:
        case storage::WriteBatch::Kind::kPutStamped:
          break;
      }
    }
  }
}

Recorded record(const std::string& folder, std::uint64_t seed, std::uint64_t steps) {
  Recorded out;
  std::mt19937_64 dice(seed + 1);
  Load load(out, seed);
  start_recording(folder);
  auto parts = std::make_unique<Parts>(folder);
  (void)must(parts->objects().create_bucket(kAccount, "us-east-1", "bucket"), "bucket");
  for (std::uint64_t step = 0; step < steps; ++step) {
    const std::uint64_t burst = dice() % 3 == 0 ? dice() % 12 : 1;
    for (std::uint64_t i = 0; i < burst; ++i) load.submit(parts->committer());
    if (dice() % 5 == 0) load.change_object(*parts);
    if (dice() % 2 == 0) load.wait(parts->committer());
    // Table files, a new log and compactions, at times while batches are being written.
    if (dice() % 30 == 0 && !parts->store().flush().ok()) std::exit(2);
    parts->run_ready();
    if (step % 100 == 99) {  // stops and starts again
      load.wait(parts->committer());
      parts.reset();
      parts = std::make_unique<Parts>(folder);
      load.restarted();
    }
  }
  load.wait(parts->committer());
  parts.reset();
  out.operations = stop_recording();
  return out;
}

}  // namespace millrace::powercut
