#include "platform/thread_name.h"

#include <fstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace millrace::platform {
namespace {

std::string name_of_this_thread() {
  std::string out;
  std::getline(std::ifstream("/proc/thread-self/comm"), out);
  return out;
}

TEST(ThreadNameTest, NamesTheCallingThreadAndNoOther) {
  const std::string before = name_of_this_thread();
  std::string short_name;
  std::string long_name;
  std::thread([&] {
    name_this_thread("mr:test");
    short_name = name_of_this_thread();
    name_this_thread("mr:longer-than-fifteen-bytes");
    long_name = name_of_this_thread();
  }).join();
  EXPECT_EQ(short_name, "mr:test");
  EXPECT_EQ(long_name, "mr:longer-than-");
  EXPECT_EQ(name_of_this_thread(), before);
}

}  // namespace
}  // namespace millrace::platform
