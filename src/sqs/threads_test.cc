// The queues on real threads: for the thread sanitizer, and for lost wake-ups.
#include <condition_variable>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "platform/control_loop.h"
#include "sqs/service.h"
#include "storage/group_committer.h"
#include "storage/memory/memory_store.h"

namespace millrace::sqs {
namespace {

TEST(SqsThreadsTest, EveryMessageReachesOnePollerOnce) {
  constexpr int kSenders = 3;
  constexpr int kPollers = 3;
  constexpr int kMessages = 300;  // of each sender
  storage::MemoryStore store;
  platform::ControlLoop loop;
  platform::SystemRandom random;
  auto committer = storage::Committer::start(store, loop);
  ASSERT_TRUE(committer.ok());
  Service queues(store, **committer, loop, random);
  ASSERT_TRUE(queues.load().ok());
  loop.start();
  const QueueName name{Scope{}, "q"};
  ASSERT_TRUE(queues.create_queue(name, {}, {}).ok());

  std::mutex mutex;
  std::condition_variable arrived;
  std::multiset<std::string> bodies;
  const auto all_there = [&] { return bodies.size() == kSenders * kMessages; };
  const auto poll = [&] {
    while (true) {
      std::condition_variable answered;
      bool done = false;
      bool gone = false;
      queues.receive(name, {3, std::nullopt, 20}, [&](Result<std::vector<Received>> result) {
        if (result.ok()) {
          for (const auto& received : *result) {
            EXPECT_TRUE(queues.delete_message(name, received.receipt_handle).ok());
          }
        }
        const std::scoped_lock lock(mutex);
        if (result.ok()) {
          for (const auto& received : *result) bodies.insert(received.message.body);
        }
        done = true;
        gone = !result.ok();
        answered.notify_all();
        arrived.notify_all();
      });
      std::unique_lock lock(mutex);
      answered.wait(lock, [&] { return done; });
      if (gone || all_there()) return;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kPollers; ++i) threads.emplace_back(poll);
  for (int i = 0; i < kSenders; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < kMessages; ++j) {
        Outgoing message;
        message.body = std::to_string(i) + "/" + std::to_string(j);
        EXPECT_TRUE(queues.send(name, std::move(message)).ok());
      }
    });
  }
  {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(arrived.wait_for(lock, std::chrono::seconds(60), all_there));
  }
  // Ends the polls that still wait.
  ASSERT_TRUE(queues.delete_queue(name).ok());
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(bodies.begin(), bodies.end()).size(), bodies.size());
  loop.stop();
  (*committer)->stop();
}

}  // namespace
}  // namespace millrace::sqs
