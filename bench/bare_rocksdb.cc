// The bare RocksDB reference: one committer, 32 queued writers, the same records as a PutItem with its stream on, in synced
// batches. Each round merges what 32 waiting writers would have queued: an item of 1 KiB and its log record.
// usage: bare_rocksdb DIRECTORY SECONDS; prints puts per second.
#include <rocksdb/db.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* db = nullptr;
  if (!rocksdb::DB::Open(options, argv[1], &db).ok()) return 1;
  constexpr int kWriters = 32;
  const std::string item(1024, 'x');
  const std::string record(1024 + 64, 'y');
  const auto limit = std::chrono::duration<double>(std::atof(argv[2]));
  const auto started = std::chrono::steady_clock::now();
  std::chrono::duration<double> elapsed{};
  long puts = 0;
  rocksdb::WriteOptions synced;
  synced.sync = true;
  while (elapsed < limit) {
    rocksdb::WriteBatch batch;
    for (int i = 0; i < kWriters; ++i, ++puts) {
      char key[40];
      std::snprintf(key, sizeof key, "item/%016lx", static_cast<unsigned long>(puts) * 0x9E3779B97F4A7C15ul);
      batch.Put(key, item);
      std::snprintf(key, sizeof key, "log/%016lx/%016lx", 1ul, static_cast<unsigned long>(puts));
      batch.Put(key, record);
    }
    if (!db->Write(synced, &batch).ok()) return 1;
    elapsed = std::chrono::steady_clock::now() - started;
  }
  std::printf("%.0f\n", static_cast<double>(puts) / elapsed.count());
  delete db;
  return 0;
}
