// The bare RocksDB reference: one committer, 32 queued writers, the same records as a PutItem (an item of 1 KiB; with
// `stream` its log record as well), in synced batches. No HTTP, no JSON, no conditions: what this disk and library can
// do. usage: bare_rocksdb DIRECTORY SECONDS [stream]; prints puts per second.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <semaphore>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <rocksdb/db.h>

namespace {

constexpr int kWriters = 32;

struct Put {
  std::uint64_t number = 0;
  std::binary_semaphore done{0};
};

class Queue {
 public:
  void push(Put& put) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(&put);
    if (waiting_.size() == 1) wake_.notify_one();
  }
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    wake_.notify_one();
  }
  // Everything that waits; empty once stopped.
  std::vector<Put*> take() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return stopped_ || !waiting_.empty(); });
    return std::exchange(waiting_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Put*> waiting_;
  bool stopped_ = false;
};

void commit(rocksdb::DB& db, Queue& queue, bool stream) {
  const std::string item(1024, 'x');
  const std::string record(1024 + 64, 'y');
  rocksdb::WriteOptions synced;
  synced.sync = true;
  for (auto group = queue.take(); !group.empty(); group = queue.take()) {
    rocksdb::WriteBatch batch;
    for (const Put* put : group) {
      char key[64];
      std::snprintf(key, sizeof key, "item/%016lx", put->number * 0x9E3779B97F4A7C15UL);
      batch.Put(key, item);
      std::snprintf(key, sizeof key, "log/%016lx/%016lx", 1UL, put->number);
      if (stream) batch.Put(key, record);
    }
    if (const auto status = db.Write(synced, &batch); !status.ok()) {
      std::fprintf(stderr, "bare_rocksdb: %s\n", status.ToString().c_str());
      std::_Exit(1);
    }
    for (Put* put : group) put->done.release();
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const bool stream = argc > 3 && std::string_view(argv[3]) == "stream";
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* db = nullptr;
  if (!rocksdb::DB::Open(options, argv[1], &db).ok()) return 1;
  Queue queue;
  std::atomic<std::uint64_t> puts{0};
  std::atomic<bool> running{true};
  std::thread committer([&] { commit(*db, queue, stream); });
  const auto started = std::chrono::steady_clock::now();
  std::vector<std::thread> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&] {
      Put put;
      while (running) {
        put.number = ++puts;
        queue.push(put);
        put.done.acquire();
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(std::atof(argv[2])));
  running = false;
  for (std::thread& writer : writers) writer.join();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started;
  queue.stop();
  committer.join();
  delete db;
  std::printf("%.0f\n", static_cast<double>(puts) / elapsed.count());
  return 0;
}
