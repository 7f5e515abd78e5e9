#include "runtimes/process_host.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <mutex>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <runtimes_files.h>  // generated, cmake/embed.cmake

#include "runtimes/internal/pool.h"
#include "runtimes/internal/sandbox.h"
#include "runtimes/preload.h"
#include "telemetry/log.h"

namespace millrace::runtimes {
namespace asio = boost::asio;
namespace fs = std::filesystem;
using internal::Environment;
using internal::HostState;
using internal::Pending;
using internal::Pool;

namespace {

constexpr Milliseconds kReapEvery{5000};
constexpr Milliseconds kStopLimit{5000};
constexpr Milliseconds kRemoveEvery{5};
constexpr int kRemoveTries = 400;

// Writes the embedded bootstraps; what an earlier server left behind is removed.
void unpack(const fs::path& run_folder) {
  std::error_code ignored;
  const fs::path sandboxes = run_folder / "sandboxes";
  if (fs::exists(sandboxes, ignored)) internal::end_orphaned_sandboxes(sandboxes);  // not after a clean stop
  fs::remove_all(sandboxes, ignored);
  fs::create_directories(run_folder / "bootstrap", ignored);
  fs::create_directories(sandboxes, ignored);
  for (const auto& [name, content] : kEmbeddedFiles) {
    std::ofstream out(run_folder / "bootstrap" / name, std::ios::binary | std::ios::trunc);
    out << content;
    if (!out.flush()) telemetry::log_error("runtimes", "cannot write " + (run_folder / "bootstrap" / name).string());
  }
}

}  // namespace

std::string_view preload_hook() {
  for (const auto& [name, content] : kEmbeddedFiles) {
    if (std::string_view(name) == "aws-redirect.cjs") return content;
  }
  return "";
}

class ProcessHost::Impl : public std::enable_shared_from_this<ProcessHost::Impl> {
 public:
  Impl(HostOptions options, platform::Clock& clock, platform::Random& random, Interpreters& interpreters, LogSink log)
      : state_{.options = std::move(options),
               .clock = clock,
               .random = random,
               .interpreters = interpreters,
               .log = std::move(log)},
        work_(state_.io.get_executor()),
        reaper_(state_.io) {
    state_.remove = [this](fs::path folder, std::unique_ptr<internal::Cgroup> cgroup) {
      remove_later({std::move(folder), std::move(cgroup)});
    };
  }

  void start() {
    // Processes have other working folders.
    state_.options.run_folder = fs::absolute(state_.options.run_folder);
    for (auto* folders : {&state_.options.node_modules, &state_.options.python_packages}) {
      for (auto& folder : *folders) folder = fs::absolute(folder).string();
    }
    unpack(state_.options.run_folder);
    janitor_ = std::thread([this] { clean(); });
    thread_ = std::thread([this] {
      probe();
      reap_later();
      state_.io.run();
    });
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(stopping_, true)) return;
    }
    asio::post(state_.io, [this] { kill_everything(); });
    thread_.join();
    {
      const std::lock_guard lock(mutex_);
      cleaned_up_ = true;
    }
    wake_.notify_all();
    janitor_.join();
    std::error_code ignored;
    fs::remove_all(state_.options.run_folder / "sandboxes", ignored);
    state_.cgroups.reset();
  }

  void run(const std::shared_ptr<Pool>& pool, Pending pending) {
    {
      const std::lock_guard lock(mutex_);
      if (!stopping_) {
        asio::post(state_.io, [pool, p = std::make_shared<Pending>(std::move(pending))] { pool->run(std::move(*p)); });
        return;
      }
    }
    pending.done(Outcome{.kind = Outcome::Kind::kStopped});
  }

  std::shared_ptr<Pool> make_pool(FunctionSpec spec) {
    auto pool = std::make_shared<Pool>(state_, std::move(spec), [this] { return make_room(); });
    post([this, pool] { pools_.push_back(pool); });
    return pool;
  }

  void retire(const std::shared_ptr<Pool>& pool) {
    post([pool] { pool->retire(); });
  }

  std::string isolation() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return probed_; });
    return isolation_;
  }

  int process_count() const { return process_count_; }
  Interpreters& interpreters() { return state_.interpreters; }

 private:
  void post(std::function<void()> work) {
    const std::lock_guard lock(mutex_);
    if (!stopping_) asio::post(state_.io, std::move(work));
  }

  void probe() {
    state_.bubblewrap.label = "no bubblewrap (switched off)";
    if (state_.options.bubblewrap) state_.bubblewrap = internal::probe_bubblewrap();
    if (state_.options.cgroups) state_.cgroups = std::make_unique<internal::Cgroups>();
    const bool limited = state_.cgroups && state_.cgroups->available();
    if (!limited) state_.cgroups.reset();
    std::string text = state_.bubblewrap.label;
    text += limited ? ", " + state_.cgroups->label()
                    : ", no cgroups (memory is watched four times a second; no limit of processes)";
    if (!state_.bubblewrap.usable)
      text += "; functions are process groups with resource limits and see this machine's files";
    telemetry::log_info("runtimes", "isolation of functions: " + text);
    const std::lock_guard lock(mutex_);
    isolation_ = text;
    probed_ = true;
    wake_.notify_all();
  }

  bool make_room() {
    std::size_t living = 0;
    Environment* oldest = nullptr;
    for (const auto& pool : pools_) {
      living += pool->living();
      Environment* candidate = pool->oldest_idle();
      if (candidate != nullptr && (oldest == nullptr || candidate->last_used() < oldest->last_used())) {
        oldest = candidate;
      }
    }
    process_count_ = static_cast<int>(living);
    if (process_count_ < state_.options.processes_max) return true;
    if (oldest == nullptr) return false;
    oldest->kill();
    return true;
  }

  void reap_later() {
    reaper_.expires_after(std::min(kReapEvery, std::max(state_.options.idle_limit / 4, Milliseconds(10))));
    reaper_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      const auto before = state_.clock.monotonic_now() - state_.options.idle_limit;
      std::size_t living = 0;
      for (const auto& pool : pools_) {
        pool->reap(before);
        living += pool->living();
      }
      process_count_ = static_cast<int>(living);
      std::erase_if(pools_, [](const auto& pool) { return pool->retired() && pool->size() == 0; });
      reap_later();
    });
  }

  void kill_everything() {
    reaper_.cancel();
    for (const auto& pool : pools_) pool->kill_all();
    stop_deadline_ = state_.clock.monotonic_now() + kStopLimit;
    wait_for_exits();
  }

  void wait_for_exits() {
    const bool left = std::any_of(pools_.begin(), pools_.end(), [](const auto& pool) { return pool->size() > 0; });
    if (!left || state_.clock.monotonic_now() > stop_deadline_) {
      process_count_ = 0;
      work_.reset();
      pools_.clear();
      state_.io.stop();
      return;
    }
    reaper_.expires_after(Milliseconds(2));
    reaper_.async_wait([this](const boost::system::error_code&) { wait_for_exits(); });
  }

  // What is left of a process. Its folder may hold anything a function wrote, and its control group can be removed only
  // once the last member is gone, so a thread of its own does it.
  struct Remains {
    fs::path folder;
    std::unique_ptr<internal::Cgroup> cgroup;
  };

  void remove_later(Remains remains) {
    const std::lock_guard lock(mutex_);
    to_remove_.push_back(std::move(remains));
    wake_.notify_all();
  }

  void clean() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return cleaned_up_ || !to_remove_.empty(); });
      if (to_remove_.empty()) return;
      const auto remains = std::move(to_remove_.front());
      to_remove_.pop_front();
      lock.unlock();
      std::error_code ignored;
      fs::remove_all(remains.folder, ignored);
      lock.lock();
      for (int i = 0; remains.cgroup && !remains.cgroup->remove() && i < kRemoveTries; ++i) {
        wake_.wait_for(lock, kRemoveEvery);
      }
    }
  }

  // Constant after start, or of the host's thread.
  HostState state_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  asio::steady_timer reaper_;
  std::vector<std::shared_ptr<Pool>> pools_;
  Deadline stop_deadline_{};
  std::thread thread_;
  std::thread janitor_;
  std::atomic<int> process_count_{0};

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Remains> to_remove_;  // guarded by mutex_, as are the following
  std::string isolation_;
  bool probed_ = false;
  bool stopping_ = false;
  bool cleaned_up_ = false;
};

namespace {

// What `functions` holds: keeps the host's state alive.
class ProcessRuntime final : public Runtime {
 public:
  ProcessRuntime(std::shared_ptr<ProcessHost::Impl> host, std::shared_ptr<Pool> pool)
      : host_(std::move(host)), pool_(std::move(pool)) {}
  ~ProcessRuntime() override { stop(); }

  void invoke(Invocation invocation, std::function<void(Outcome)> done) override {
    host_->run(pool_, Pending{.invocation = std::move(invocation), .done = std::move(done)});
  }
  void stop() override { host_->retire(pool_); }

 private:
  const std::shared_ptr<ProcessHost::Impl> host_;
  const std::shared_ptr<Pool> pool_;
};

}  // namespace

ProcessHost::ProcessHost(HostOptions options, platform::Clock& clock, platform::Random& random,
                         Interpreters& interpreters, LogSink log)
    : impl_(std::make_shared<Impl>(std::move(options), clock, random, interpreters, std::move(log))) {
  impl_->start();
}

ProcessHost::~ProcessHost() { stop(); }

void ProcessHost::stop() { impl_->stop(); }

std::shared_ptr<Runtime> ProcessHost::create(FunctionSpec spec) {
  auto pool = impl_->make_pool(std::move(spec));
  return std::make_shared<ProcessRuntime>(impl_, std::move(pool));
}

std::string ProcessHost::describe(std::string_view runtime) {
  const auto found = impl_->interpreters().resolve(runtime);
  if (!found.ok()) return found.error().message();
  return found->language == Language::kProvided ? "its own bootstrap" : found->label();
}

std::string ProcessHost::isolation() { return impl_->isolation(); }

int ProcessHost::process_count() const { return impl_->process_count(); }

}  // namespace millrace::runtimes
