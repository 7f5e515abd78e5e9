#include "check.h"

#include <algorithm>
#include <filesystem>
#include <future>

#include "platform/random.h"
#include "s3/object_store.h"
#include "storage/group_committer.h"
#include "storage/log_key.h"
#include "storage/rocks/data_directory.h"
#include "storage/rocks/rocks_store.h"
#include "testing/virtual_scheduler.h"

namespace millrace::powercut {
namespace {

using storage::Family;
using storage::Store;
namespace fs = std::filesystem;
constexpr const char* kAccount = "000000000000";

class Checker {
 public:
  Checker(const std::string& folder, const Ledger& ledger, const Objects& objects)
      : folder_(folder), ledger_(ledger), objects_(objects) {}

  std::vector<std::string> run() {
    auto directory = storage::DataDirectory::open(folder_, "powercut");
    if (!directory.ok()) return {"the directory is refused: " + directory.error().message()};
    storage::RocksOptions options;
    options.path = (*directory)->database_path();
    options.head_file = (*directory)->head_path();
    options.memory_bytes = storage::kMemoryMin;
    auto store = storage::RocksStore::open(options);
    if (!store.ok()) return {"the store does not open: " + store.error().message()};
    rows(**store);
    log(**store);
    millrace::testing::VirtualScheduler scheduler;
    auto committer = storage::Committer::start(**store, scheduler);
    if (!committer.ok()) return {"the committer does not start: " + committer.error().message()};
    if ((*committer)->next_stamp() < std::max(ledger_.next_stamp, last_stamp_ + 1))
      say("a sequence number would come again");
    objects(scheduler, **directory, **store, **committer);
    goes_on(**committer);
    (*committer)->stop();
    scheduler.run_ready();
    return problems_;
  }

 private:
  void say(std::string problem) { problems_.push_back(std::move(problem)); }

  void rows(const Store& store) {
    const auto counter = store.get(Family::kCatalogue, kCounter);
    if (!counter.ok()) return say("the counter cannot be read: " + counter.error().message());
    const std::uint64_t count = counter->has_value() ? storage::read_be64(**counter) : 0;
    if (count < ledger_.acknowledged || count > ledger_.submitted) {
      say(std::to_string(ledger_.acknowledged) + " batches acknowledged, " + std::to_string(ledger_.submitted) +
          " submitted, but there are " + std::to_string(count));
    }
    model_.advance_to(count);
    for (const Family family : {Family::kItems, Family::kQueue, Family::kText}) {
      std::map<std::string, std::string> found;
      const auto at = store.iterate(family, {});
      for (at->seek(""); at->valid(); at->next()) found.emplace(at->key(), at->value());
      if (!at->status().ok()) say("a family cannot be read: " + at->status().error().message());
      if (found != model_.rows(family))
        say("family " + std::to_string(static_cast<int>(family)) + " is not what " + std::to_string(count) +
            " whole batches make: " + std::to_string(found.size()) + " rows instead of " +
            std::to_string(model_.rows(family).size()));
    }
  }

  void log(const Store& store) {
    std::vector<std::pair<storage::Stamp, std::pair<std::uint64_t, std::string>>> found;
    const auto at = store.iterate(Family::kLog, {});
    for (at->seek(""); at->valid(); at->next()) {
      const auto record = storage::parse_log_record(at->key(), at->value());
      if (!record) return say("a stream record is malformed");
      found.push_back({record->stamp, {record->shard, std::string(record->value)}});
    }
    if (!at->status().ok()) say("the log cannot be read: " + at->status().error().message());
    std::sort(found.begin(), found.end());
    for (std::size_t i = 0; i < found.size() && i < model_.log().size(); ++i) {
      if (found[i].second != model_.log()[i])
        return say("stream record " + std::to_string(i) + " is " + found[i].second.second);
      if (i > 0 && found[i].first == found[i - 1].first) return say("two stream records have one number");
    }
    if (found.size() != model_.log().size())
      say(std::to_string(found.size()) + " stream records instead of " + std::to_string(model_.log().size()));
    if (!found.empty()) last_stamp_ = found.back().first;
  }

  void objects(millrace::testing::VirtualScheduler& scheduler, const storage::DataDirectory& directory, Store& store,
               storage::Committer& committer) {
    const auto folder = directory.directory("objects");
    auto blobs = s3::open_file_blob_store(*folder);
    if (!blobs.ok()) return say("the files are refused: " + blobs.error().message());
    platform::SeededRandom random(1);
    s3::ObjectStore service(scheduler, random, store, committer, **blobs);
    if (const auto loaded = service.load(); !loaded.ok())
      return say("the objects do not load: " + loaded.error().message());
    scheduler.run_ready();
    std::size_t large = 0;
    for (const auto& [key, states] : objects_) {
      Ledger::Object known;
      if (const auto found = ledger_.objects.find(key); found != ledger_.objects.end()) known = found->second;
      std::string bytes;
      if (auto opened = service.open_object(kAccount, "bucket", key); opened.ok()) {
        if (!opened->content->in_memory()) ++large;
        auto read = opened->content->read(0, opened->info.bytes);
        bytes = read.ok() ? *read : "unreadable: " + read.error().message();
      }
      bool expected = known.acknowledged < 0 && bytes.empty();
      for (std::int64_t i = std::max<std::int64_t>(known.acknowledged, 0); i <= known.submitted; ++i)
        expected = expected || bytes == states[static_cast<std::size_t>(i)];
      if (!expected)
        say(key + ": state " + std::to_string(known.acknowledged) + " was acknowledged, found " + bytes.substr(0, 60));
    }
    const auto uploads = service.list_uploads(kAccount, "bucket");
    for (const auto& upload : uploads.ok() ? *uploads : std::vector<s3::UploadInfo>()) {
      const auto parts = service.list_parts(kAccount, "bucket", upload.key, upload.id, 0, 1000);
      if (!parts.ok()) return say("an upload cannot be read: " + parts.error().message());
      large += parts->first.size();
    }
    std::size_t files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(*folder)) files += entry.is_regular_file() ? 1 : 0;
    if (files != large) say(std::to_string(files) + " files for " + std::to_string(large) + " large objects");
    service.stop();
    scheduler.run_ready();
  }

  void goes_on(storage::Committer& committer) {
    std::promise<bool> written;
    committer.submit(batch_of(model_.count()),
                     [&](const storage::Committed& committed) { written.set_value(committed.error == nullptr); });
    if (!written.get_future().get()) say("the next write fails");
  }

  const std::string& folder_;
  const Ledger& ledger_;
  const Objects& objects_;
  Model model_;
  storage::Stamp last_stamp_ = 0;
  std::vector<std::string> problems_;
};

}  // namespace

void Ledger::read(const Operation& note) {
  const std::string& what = note.data;
  if (what == "submitted") submitted = std::max(submitted, note.offset + 1);
  if (what == "acknowledged") acknowledged = std::max(acknowledged, note.offset + 1);
  if (what == "stamp") next_stamp = std::max(next_stamp, note.offset);
  constexpr std::string_view kSubmitted = "object submitted ";
  constexpr std::string_view kAcknowledged = "object acknowledged ";
  if (what.starts_with(kSubmitted))
    objects[what.substr(kSubmitted.size())].submitted = static_cast<std::int64_t>(note.offset);
  if (what.starts_with(kAcknowledged))
    objects[what.substr(kAcknowledged.size())].acknowledged = static_cast<std::int64_t>(note.offset);
}

std::vector<std::string> check(const std::string& folder, const Ledger& ledger, const Objects& objects) {
  return Checker(folder, ledger, objects).run();
}

}  // namespace millrace::powercut
