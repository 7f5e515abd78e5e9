#include "platform/processor_time.h"

#include <condition_variable>
#include <mutex>

#include <gtest/gtest.h>

namespace millrace::platform {
namespace {

using std::chrono::milliseconds;

TEST(ThreadProcessorTimeTest, CountsWorkAndNotWaits) {
  const auto before = thread_processor_time();
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable never;
  never.wait_for(lock, milliseconds(20));
  const auto waited = thread_processor_time();
  EXPECT_LT(waited - before, milliseconds(20));
  while (thread_processor_time() - waited < milliseconds(2)) {
  }
}

}  // namespace
}  // namespace millrace::platform
