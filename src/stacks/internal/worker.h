// One thread that runs what is given to it, in order: for calls that may take seconds and follow each other anyway.
// Thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace millrace::stacks {

inline constexpr std::size_t kWaitingCallsMax = 256;

class Worker {
 public:
  ~Worker() { stop(); }
  // false: too many wait, or stopped.
  bool add(std::function<void()> work);
  // Waits for what runs; what waits is dropped.
  void stop();

 private:
  void run();
  std::mutex mutex_;  // guards below
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool stopped_ = false;
  std::thread thread_;  // begun by the first add()
};

}  // namespace millrace::stacks
