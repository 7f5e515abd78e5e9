#include "base/result.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace millrace {
namespace {

Result<int> parse(bool good) {
  if (!good) return Error(kInvalidArgument, "bad");
  return 7;
}

Result<std::string> use(bool good) {
  MR_ASSIGN_OR_RETURN(const int number, parse(good));
  return std::to_string(number);
}

Result<void> check(bool good) {
  MR_RETURN_IF_ERROR(parse(good));
  return {};
}

TEST(Result, CarriesAValueThroughFrames) { EXPECT_EQ(use(true).value(), "7"); }

TEST(Result, CarriesAnErrorThroughFrames) {
  const auto result = use(false);
  ASSERT_FALSE(result.ok());
  EXPECT_TRUE(result.error().is(kInvalidArgument));
  EXPECT_EQ(result.error().message(), "bad");
  EXPECT_FALSE(check(false).ok());
  EXPECT_TRUE(check(true).ok());
}

TEST(Result, HoldsMoveOnlyValues) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(3));
  const std::unique_ptr<int> taken = std::move(result).value();
  EXPECT_EQ(*taken, 3);
}

TEST(ResultDeathTest, ReadingTheValueOfAFailureStopsTheProcess) {
  EXPECT_DEATH({ [[maybe_unused]] const int x = parse(false).value(); }, "broken promise");
}

}  // namespace
}  // namespace millrace
