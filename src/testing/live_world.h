// Store, control loop and committer on their real threads, for tests that the thread sanitizer looks at.
//
//   LiveWorld world;
//   Service service(world.store, world.commits(), world.loop);
//   world.start();
//   together(200, {[&](int round) { service.write(round); }, [&](int) { service.read(); }});
//   world.stop();
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "platform/control_loop.h"
#include "platform/random.h"
#include "storage/group_committer.h"
#include "storage/memory/memory_store.h"

namespace millrace::testing {

class LiveWorld {
 public:
  LiveWorld() : committer_(std::move(storage::Committer::start(store, loop)).value()) {}
  ~LiveWorld() { stop(); }

  storage::MemoryStore store;
  platform::ControlLoop loop;
  platform::SystemRandom random;
  storage::Commits& commits() { return *committer_; }

  void start() { loop.start(); }
  // Before what works here is destroyed: nothing runs any more afterwards. Idempotent.
  void stop() {
    loop.stop();
    committer_->stop();
  }

 private:
  std::unique_ptr<storage::Committer> committer_;
};

// Runs each function `rounds` times, with the number of the round, on a thread of its own; returns when all are done.
inline void together(int rounds, const std::vector<std::function<void(int round)>>& work) {
  std::vector<std::thread> threads;
  for (const auto& each : work) {
    threads.emplace_back([&each, rounds] {
      for (int round = 0; round < rounds; ++round) each(round);
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace millrace::testing
