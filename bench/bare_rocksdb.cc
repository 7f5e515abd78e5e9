// The bare RocksDB reference, with its default options: no HTTP, no JSON, no conditions; what this disk and library can
// do. Values are cut from POOL, the text that the load generators cut items from.
// usage: bare_rocksdb POOL DIRECTORY MODE ...; each mode prints one line
//   puts SECONDS [stream]        one committer, 32 queued writers, each put an item of 1 KiB (with `stream` its log
//   record
//                                as well), synced in groups: puts per second
//   paced SECONDS RATE [stream]  the same writers at a pace: p50 and p99 in ms, counted from the moment a put was due
//   bulk ITEMS                   the same with 8 writers and batches of 25 items: items per second
//   gets SECONDS ITEMS           items of `bulk`, anyone, by one thread: gets per second
//   scan SECONDS COUNT BYTES     pages of COUNT values of BYTES, read in order by one thread: MB per second of CPU
//   time,
//                                values per second
//   replay MB                    opens after a kill with so much in the log: ms per MB, beyond opening it empty
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <semaphore>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <rocksdb/db.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr std::size_t kItemBytes = 1024;
constexpr std::size_t kRecordBytes = kItemBytes + 64;
constexpr int kWriters = 32;
constexpr int kBulkWriters = 8;
constexpr int kBulkItems = 25;  // of a batch
constexpr int kPages = 20;

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "bare_rocksdb: %s\n", why.c_str());
  std::_Exit(1);
}

void check(const rocksdb::Status& status) {
  if (!status.ok()) give_up(status.ToString());
}

double since(Clock::time_point start) { return Seconds(Clock::now() - start).count(); }

class Pool {
 public:
  explicit Pool(const char* path) {
    std::ifstream file(path);
    text_.assign(std::istreambuf_iterator<char>(file), {});
    if (text_.size() <= 2 * kRecordBytes) give_up("the pool is too small");
  }
  rocksdb::Slice cut(std::uint64_t number, std::size_t size) const {
    if (size >= text_.size()) give_up("values are larger than the pool");
    return {text_.data() + number * 7919 % (text_.size() - size), size};
  }

 private:
  std::string text_;
};

std::unique_ptr<rocksdb::DB> open(const std::string& directory) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* db = nullptr;
  check(rocksdb::DB::Open(options, directory, &db));
  return std::unique_ptr<rocksdb::DB>(db);
}

struct Put {
  std::uint64_t number = 0;
  int items = 1;
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

std::string item_key(std::uint64_t number) {
  char key[64];
  std::snprintf(key, sizeof key, "item/%016llx", static_cast<unsigned long long>(number * 0x9E3779B97F4A7C15ULL));
  return key;
}

std::string record_key(std::uint64_t number) {
  char key[64];
  std::snprintf(key, sizeof key, "log/%016x/%016llx", 1, static_cast<unsigned long long>(number));
  return key;
}

void add(rocksdb::WriteBatch& batch, const Pool& pool, std::uint64_t number, bool stream) {
  batch.Put(item_key(number), pool.cut(number, kItemBytes));
  if (stream) batch.Put(record_key(number), pool.cut(number, kRecordBytes));
}

void commit(rocksdb::DB& db, Queue& queue, const Pool& pool, bool stream) {
  rocksdb::WriteOptions synced;
  synced.sync = true;
  for (auto group = queue.take(); !group.empty(); group = queue.take()) {
    rocksdb::WriteBatch batch;
    for (const Put* put : group)
      for (int i = 0; i < put->items; ++i) add(batch, pool, put->number + static_cast<std::uint64_t>(i), stream);
    check(db.Write(synced, &batch));
    for (Put* put : group) put->done.release();
  }
}

// Runs `writer(queue, i)` on `count` threads beside one committer, until all have returned.
void write_with(rocksdb::DB& db, const Pool& pool, int count, bool stream,
                const std::function<void(Queue&, int)>& writer) {
  Queue queue;
  std::thread committer([&] { commit(db, queue, pool, stream); });
  std::vector<std::thread> writers;
  for (int i = 0; i < count; ++i) writers.emplace_back([&, i] { writer(queue, i); });
  for (std::thread& each : writers) each.join();
  queue.stop();
  committer.join();
}

void puts(rocksdb::DB& db, const Pool& pool, double seconds, bool stream) {
  std::atomic<std::uint64_t> numbers{0};
  const auto started = Clock::now();
  write_with(db, pool, kWriters, stream, [&](Queue& queue, int) {
    Put put;
    while (since(started) < seconds) {
      put.number = ++numbers;
      queue.push(put);
      put.done.acquire();
    }
  });
  std::printf("%.0f\n", static_cast<double>(numbers) / since(started));
}

void paced(rocksdb::DB& db, const Pool& pool, double seconds, double rate, bool stream) {
  const auto count = static_cast<std::uint64_t>(seconds * rate);
  std::atomic<std::uint64_t> numbers{0};
  std::vector<std::vector<double>> waits(kWriters);
  const auto started = Clock::now();
  write_with(db, pool, kWriters, stream, [&](Queue& queue, int writer) {
    ::prctl(PR_SET_TIMERSLACK, 1);
    Put put;
    for (put.number = numbers++; put.number < count; put.number = numbers++) {
      const auto due =
          started + std::chrono::duration_cast<Clock::duration>(Seconds(static_cast<double>(put.number) / rate));
      std::this_thread::sleep_until(due);
      queue.push(put);
      put.done.acquire();
      waits[static_cast<std::size_t>(writer)].push_back(since(due) * 1e3);
    }
  });
  std::vector<double> all;
  for (const auto& mine : waits) all.insert(all.end(), mine.begin(), mine.end());
  if (all.empty()) give_up("no puts at that pace");
  std::sort(all.begin(), all.end());
  const auto at = [&](double part) {
    return all[static_cast<std::size_t>(part * static_cast<double>(all.size() - 1))];
  };
  std::printf("%.3f %.3f\n", at(0.5), at(0.99));
}

void bulk(rocksdb::DB& db, const Pool& pool, std::uint64_t items) {
  std::atomic<std::uint64_t> numbers{0};
  const auto started = Clock::now();
  write_with(db, pool, kBulkWriters, false, [&](Queue& queue, int) {
    Put put;
    put.items = kBulkItems;
    for (put.number = numbers.fetch_add(kBulkItems); put.number < items; put.number = numbers.fetch_add(kBulkItems)) {
      queue.push(put);
      put.done.acquire();
    }
  });
  std::printf("%.0f\n", static_cast<double>(items) / since(started));
}

void gets(rocksdb::DB& db, double seconds, std::uint64_t items) {
  std::mt19937_64 random(std::random_device{}());
  std::uint64_t done = 0;
  const auto started = Clock::now();
  std::string value;
  for (; since(started) < seconds; ++done) check(db.Get({}, item_key(random() % items), &value));
  std::printf("%.0f\n", static_cast<double>(done) / since(started));
}

void scan(rocksdb::DB& db, const Pool& pool, double seconds, std::uint64_t count, std::size_t bytes) {
  for (std::uint64_t page = 0; page < kPages; ++page) {
    rocksdb::WriteBatch batch;
    for (std::uint64_t at = 0; at < count; ++at)
      batch.Put(record_key(page << 32 | at), pool.cut(page * count + at, bytes));
    check(db.Write({}, &batch));
  }
  check(db.Flush({}));
  const auto started = Clock::now();
  const std::clock_t used = std::clock();
  std::uint64_t values = 0;
  std::string page;
  for (std::uint64_t number = 0; since(started) < seconds; ++number) {
    const std::unique_ptr<rocksdb::Iterator> at(db.NewIterator({}));
    at->Seek(record_key((number % kPages) << 32));
    page.clear();
    for (std::uint64_t i = 0; i < count; ++i, at->Next()) {
      if (!at->Valid()) give_up("a page is not whole");
      page.append(at->value().data(), at->value().size());
      ++values;
    }
  }
  const double cpu = static_cast<double>(std::clock() - used) / CLOCKS_PER_SEC;
  std::printf("%.1f %.0f\n", static_cast<double>(values * bytes) / 1e6 / cpu,
              static_cast<double>(values) / since(started));
}

double opened_in(const std::string& directory) {
  const auto started = Clock::now();
  auto db = open(directory);
  const double took = since(started) * 1e3;
  db.reset();
  return took;
}

void replay(const std::string& directory, const Pool& pool, std::uint64_t mb) {
  open(directory).reset();
  const double empty = opened_in(directory);
  if (const pid_t child = ::fork(); child == 0) {
    auto db = open(directory);
    for (std::uint64_t number = 0; number < mb * 1'000'000 / kItemBytes; ++number) {
      rocksdb::WriteBatch batch;
      add(batch, pool, number, false);
      check(db->Write({}, &batch));
    }
    std::_Exit(0);  // nothing is closed, as after a kill
  } else {
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child || status != 0) give_up("the writer failed");
  }
  std::printf("%.2f\n", std::max(opened_in(directory) - empty, 0.0) / static_cast<double>(mb));
}

using Arguments = std::vector<std::string>;

void run(const Pool& pool, const std::string& directory, const std::string& mode, const Arguments& arguments) {
  const auto number = [&](std::size_t i) { return std::atof(arguments[i].c_str()); };
  const auto whole = [&](std::size_t i) { return static_cast<std::uint64_t>(std::atoll(arguments[i].c_str())); };
  const bool stream = !arguments.empty() && arguments.back() == "stream";
  if (mode == "replay") return replay(directory, pool, whole(0));
  const auto db = open(directory);
  if (mode == "puts") puts(*db, pool, number(0), stream);
  if (mode == "paced") paced(*db, pool, number(0), number(1), stream);
  if (mode == "bulk") bulk(*db, pool, whole(0));
  if (mode == "gets") gets(*db, number(0), whole(1));
  if (mode == "scan") scan(*db, pool, number(0), whole(1), static_cast<std::size_t>(whole(2)));
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, int> least = {{"puts", 1}, {"paced", 2}, {"bulk", 1},
                                            {"gets", 2}, {"scan", 3},  {"replay", 1}};
  const auto found = argc < 4 ? least.end() : least.find(argv[3]);
  if (found == least.end() || argc - 4 < found->second) {
    std::fputs("usage: bare_rocksdb POOL DIRECTORY MODE ...\n", stderr);
    return 2;
  }
  run(Pool(argv[1]), argv[2], argv[3], Arguments(argv + 4, argv + argc));
  return 0;
}
