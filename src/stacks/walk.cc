#include "stacks/internal/walk.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace millrace::stacks {

thread_local platform::Busy thread_busy;

Waits reversed(const Waits& waits) {
  Waits other;
  for (const auto& [step, before] : waits) {
    other[step];
    for (const std::string& each : before) {
      if (waits.contains(each) && each != step) other[each].insert(step);
    }
  }
  return other;
}

std::set<std::string> without_cycles(Waits& waits) {
  std::set<std::string> left;
  for (const auto& [step, before] : waits) left.insert(step);
  for (bool changed = true; changed;) {
    changed =
        std::erase_if(left, [&](const std::string& step) {
          return std::ranges::none_of(waits[step], [&](const std::string& other) { return left.contains(other); });
        }) > 0;
  }
  for (const std::string& step : left) waits[step].clear();
  return left;
}

std::set<std::string> take(platform::BusyCounter& busy, const Walk& walk) {
  struct Ended {
    std::string step;
    bool is_done;
    platform::Busy busy;
  };
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Ended> ended;
  std::map<std::string, std::thread> running;
  std::set<std::string> begun;
  std::set<std::string> done;
  std::set<std::string> failed;
  const auto is_ready = [&](const std::string& step, const std::set<std::string>& before) {
    return !begun.contains(step) && std::ranges::all_of(before, [&](const std::string& other) {
      return other == step || done.contains(other) || !walk.waits.contains(other);
    });
  };
  while (true) {
    for (const auto& [step, before] : walk.waits) {
      if (running.size() >= walk.at_once || !is_ready(step, before) || !walk.may_begin()) continue;
      begun.insert(step);
      running[step] = std::thread([&, step = step, token = platform::Busy(busy)]() mutable {
        thread_busy = std::move(token);
        const bool is_done = walk.step(step);
        const std::lock_guard lock(mutex);
        ended.push_back({step, is_done, std::move(thread_busy)});
        changed.notify_one();
      });
    }
    if (running.empty()) return failed;
    thread_busy.release();
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return !ended.empty(); });
    std::vector<Ended> taken;
    taken.swap(ended);
    lock.unlock();
    thread_busy = platform::Busy(busy);  // before those of the steps are let go
    for (const Ended& each : taken) {
      running[each.step].join();
      running.erase(each.step);
      (each.is_done ? done : failed).insert(each.step);
      if (!each.is_done) walk.on_failure(each.step);
    }
  }
}

}  // namespace millrace::stacks
