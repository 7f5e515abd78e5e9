#include "codec/gzip.h"

#include <gtest/gtest.h>

namespace millrace::codec {
namespace {

TEST(GzipTest, RestoresWhatItCompressed) {
  const std::string text(100000, 'x');
  const auto restored = gunzip(gzip(text), text.size());
  ASSERT_TRUE(restored.ok());
  EXPECT_EQ(*restored, text);
}

TEST(GzipTest, StopsAtTheBound) {
  const auto restored = gunzip(gzip(std::string(1 << 20, 'x')), 1000);
  ASSERT_FALSE(restored.ok());
  EXPECT_EQ(restored.error().type().http_status, 413);
}

TEST(GzipTest, RefusesDamagedData) {
  const std::string good = gzip("hello");
  EXPECT_FALSE(gunzip("", 100).ok());
  EXPECT_FALSE(gunzip("not gzip at all", 100).ok());
  EXPECT_FALSE(gunzip(good.substr(0, good.size() - 4), 100).ok());
}

}  // namespace
}  // namespace millrace::codec
