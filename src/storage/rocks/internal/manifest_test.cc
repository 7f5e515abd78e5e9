#include "storage/rocks/internal/manifest.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "crypto/digest.h"
#include "storage/rocks/rocks_store.h"

namespace millrace::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string little_endian(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

std::string part(char type, const std::string& payload) {
  const std::uint32_t crc = crypto::crc32c(type + payload);
  return little_endian(((crc >> 15) | (crc << 17)) + 0xa282ead8U, 4) + little_endian(payload.size(), 2) + type +
         payload;
}
std::string record(const std::string& payload) { return part('\x01', payload); }

// Fields as RocksDB writes them: the next file, the oldest log needed, then what is not read.
std::string change(char oldest_log) { return std::string{'\x03', '\x30', '\x0a', oldest_log, '\x04', '\x07'}; }

std::string garbage(std::size_t bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes; ++i) out += static_cast<char>(i * 131 + 17);
  return out;
}

TEST(ManifestTest, TakesWholeRecordsAsTheyAre) {
  const std::string bytes = record(change(5)) + record("?") + record(change(9)) + record(change(8));
  const ManifestScan scan = scan_manifest(bytes);
  EXPECT_EQ(scan.whole_bytes, bytes.size());
  EXPECT_EQ(scan.oldest_log, 9U);
  EXPECT_FALSE(scan.damaged);
  EXPECT_EQ(scan_manifest("").whole_bytes, 0U);
  EXPECT_FALSE(scan_manifest("").damaged);
}

TEST(ManifestTest, ReadsPastNamesToTheOldestLogAndStopsAtFieldsItDoesNotKnow) {
  const std::string id = std::string{'\x81', '\x40', '\x02'} + "id";
  const std::string comparator = std::string{'\x01', '\x03'} + "cmp";
  EXPECT_EQ(scan_manifest(record(id + comparator + change(5))).oldest_log, 5U);
  EXPECT_EQ(scan_manifest(record("\x63" + change(5))).oldest_log, 0U);
  EXPECT_EQ(scan_manifest(record(std::string{'\x01', '\x70'} + "short")).oldest_log, 0U);
  EXPECT_EQ(scan_manifest(record(std::string(12, '\xff'))).oldest_log, 0U);
}

TEST(ManifestTest, TakesTheFirstLogOfAnyFamilyWhileNothingHasBeenFlushed) {
  const std::string created = record({'\x02', '\x00'}) + record({'\x02', '\x07'}) + record({'\x02', '\x04'});
  EXPECT_EQ(scan_manifest(created).oldest_log, 4U);
  EXPECT_EQ(scan_manifest(created + record(change(9))).oldest_log, 9U);
}

TEST(ManifestTest, FindsTheEndOfTheLastWholeRecordBeforeAnyDamage) {
  const std::string good = record(change(5)) + record("second");
  const std::string last = record(std::string(300, 'x'));
  std::string flipped = last;
  flipped[200] ^= 1;
  for (const std::string& end : {garbage(300), std::string(300, '\0'), last.substr(0, 100), flipped, last.substr(0, 3),
                                 part('\x02', "first part"), part('\x02', "first part") + garbage(40)}) {
    const ManifestScan scan = scan_manifest(good + end);
    EXPECT_EQ(scan.whole_bytes, good.size());
    EXPECT_TRUE(scan.damaged);
  }
}

TEST(ManifestTest, StopsAtTheDamageThoughWholeRecordsFollow) {
  const std::string first = record(change(5));
  const ManifestScan scan = scan_manifest(first + std::string(50, '\0') + record(change(9)));
  EXPECT_EQ(scan.whole_bytes, first.size());
  EXPECT_EQ(scan.oldest_log, 5U);
  EXPECT_TRUE(scan.damaged);
}

TEST(ManifestTest, ReadsRecordsInPartsAcrossBlocks) {
  const std::string first = record(std::string(32 * 1024 - 7 - 7 - 20, 'a'));  // leaves 20 bytes of payload
  const std::string whole = first + part('\x02', std::string(20, 'b')) + part('\x04', "rest");
  EXPECT_EQ(scan_manifest(whole).whole_bytes, whole.size());
  EXPECT_EQ(scan_manifest(whole + "?").whole_bytes, whole.size());
  std::string damaged = whole;
  damaged.back() ^= 1;
  EXPECT_EQ(scan_manifest(damaged).whole_bytes, first.size());

  const std::string filled = record(std::string(32 * 1024 - 7 - 4, 'a')) + std::string(4, '\0') + record("next");
  EXPECT_EQ(scan_manifest(filled).whole_bytes, filled.size());
}

// A store whose MANIFEST ends in the record of a flush; copies of it can be damaged.
class MendedStoreTest : public ::testing::Test {
 protected:
  MendedStoreTest() {
    std::string pattern = (fs::temp_directory_path() / "millrace-manifest-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    store_ = RocksStore::open(options("db")).value();
    before_ = put_and_copy("a", "before");
    EXPECT_TRUE(store_->flush().ok());
    after_ = put_and_copy("b", "after");
  }
  ~MendedStoreTest() override {
    store_.reset();
    fs::remove_all(root_);
  }

  RocksOptions options(const std::string& name) const {
    return {
        .path = (root_ / name).string(), .memory_bytes = kMemoryMin, .head_file = (root_ / (name + ".head")).string()};
  }
  std::uint64_t put_and_copy(const std::string& key, const std::string& name) {
    WriteBatch batch;
    batch.put(Family::kItems, key, "v");
    EXPECT_TRUE(store_->write(batch, Store::Sync::kSynced).ok());
    fs::copy(root_ / "db", root_ / name, fs::copy_options::recursive);
    fs::copy(root_ / "db.head", root_ / (name + ".head"));
    return fs::file_size(manifest(name));
  }
  fs::path manifest(const std::string& name) const {
    std::ifstream current(root_ / name / "CURRENT");
    std::string file;
    std::getline(current, file);
    return root_ / name / file;
  }
  // The end of the manifest of `name`, from byte `from` on, becomes `bytes`.
  void set_end(const std::string& name, std::uint64_t from, const std::string& bytes) const {
    fs::resize_file(manifest(name), from);
    std::ofstream(manifest(name), std::ios::app | std::ios::binary) << bytes;
  }
  // Whether the store of that name opens with both items; else why not.
  std::string opened(const std::string& name, bool read_only = false) const {
    RocksOptions wanted = options(name);
    wanted.read_only = read_only;
    const auto store = RocksStore::open(wanted);
    if (!store.ok()) return store.error().message();
    for (const char* key : {"a", "b"}) {
      if (name != "after" && *key == 'b') continue;
      if (!(*store)->get(Family::kItems, key).value().has_value()) return std::string("lost ") + key;
    }
    return "whole";
  }

  fs::path root_;
  std::unique_ptr<RocksStore> store_;
  std::uint64_t before_ = 0;  // bytes of the manifest
  std::uint64_t after_ = 0;
};

TEST_F(MendedStoreTest, StartsAfterAChangeThatBecameGarbageBeforeItsSync) {
  ASSERT_GT(after_, before_);
  std::string last = garbage(after_ - before_);
  last.replace(0, 7, {1, 2, 3, 4, 9, 0, 1});  // a record by its length and type
  set_end("before", before_, last);
  EXPECT_THAT(opened("before", true), HasSubstr("a server mends it at its start"));
  EXPECT_EQ(opened("before"), "whole");
  EXPECT_EQ(opened("before"), "whole");  // and it stays so
}

TEST_F(MendedStoreTest, RefusesADamagedLastChangeWhoseLogsAreGone) {
  set_end("after", before_, garbage(after_ - before_));
  EXPECT_THAT(opened("after"), HasSubstr("which it replaced, are gone"));
  EXPECT_EQ(fs::file_size(manifest("after")), after_);
}

// Recovery asks for a number above the logs it has read, which no log has.
TEST_F(MendedStoreTest, StartsAfterADamagedChangeOfAStoreThatHadRecovered) {
  EXPECT_EQ(opened("before"), "whole");
  store_ = RocksStore::open(options("before")).value();
  fs::copy(root_ / "before", root_ / "recovered", fs::copy_options::recursive);
  set_end("recovered", fs::file_size(manifest("recovered")), garbage(100));
  EXPECT_EQ(opened("recovered"), "whole");
}

TEST_F(MendedStoreTest, RefusesAManifestDamagedBeforeWhatRemovedALog) {
  std::string bytes;
  {
    std::ifstream file(manifest("after"), std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  bytes[before_ - 3] ^= 1;
  set_end("after", 0, bytes);
  EXPECT_THAT(opened("after"), HasSubstr("which it replaced, are gone"));
}

}  // namespace
}  // namespace millrace::storage
