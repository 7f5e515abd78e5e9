#include "storage/damage.h"

#include <gtest/gtest.h>

#include "storage/store.h"
#include "telemetry/log.h"

namespace millrace::storage {
namespace {

TEST(DamageTest, EachIsLoggedAndCountedOnceAndNoMoreThanAreTold) {
  std::size_t lines = 0;
  telemetry::set_log_sink([&](auto, auto, auto) { ++lines; });
  Damage damage;
  EXPECT_EQ(damage.note("tables", Error(kStorageFailed, "a")).message(), "a");
  EXPECT_EQ(damage.note("tables", Error(kStorageFailed, "a")).message(), "a");
  EXPECT_EQ(damage.count(), 1U);
  for (std::size_t i = 0; i < Damage::kNotedMax + 5; ++i) damage.note("x", Error(kStorageFailed, std::to_string(i)));
  EXPECT_EQ(damage.count(), Damage::kNotedMax);
  EXPECT_EQ(lines, Damage::kNotedMax);
  telemetry::set_log_sink({});
}

}  // namespace
}  // namespace millrace::storage
