// Keys of stream records in Family::kLog.
//
//   be64(stamp >> 15) be64(shard) be64(stamp)  ->  be64(milliseconds of commit time) value
//
// A bucket of 32,768 stamps is the unit of trimming: whole buckets die together, so their files can be dropped. Inside
// a bucket the records of one shard are contiguous, so reading a shard is sequential. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "storage/store.h"

namespace millrace::storage {

inline constexpr int kLogBucketBits = 15;
inline constexpr std::size_t kLogKeyBytes = 24;

inline void append_be64(std::string& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}
// REQUIRES: at least 8 bytes.
inline std::uint64_t read_be64(std::string_view bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  return value;
}

inline std::uint64_t log_bucket(Stamp stamp) { return stamp >> kLogBucketBits; }

inline std::string log_key(std::uint64_t shard, Stamp stamp) {
  std::string key;
  key.reserve(kLogKeyBytes);
  append_be64(key, log_bucket(stamp));
  append_be64(key, shard);
  append_be64(key, stamp);
  return key;
}

// The first key of a bucket.
inline std::string log_bucket_key(std::uint64_t bucket) {
  std::string key;
  append_be64(key, bucket);
  return key;
}

// A stored record taken apart; `value` points into the given bytes.
struct LogRecord {
  std::uint64_t bucket = 0;
  std::uint64_t shard = 0;
  Stamp stamp = 0;
  Time time{};
  std::string_view value;
};
// nullopt: no such record could have been written.
inline std::optional<LogRecord> parse_log_record(std::string_view key, std::string_view value) {
  if (key.size() != kLogKeyBytes || value.size() < kLogHeaderBytes) return std::nullopt;
  LogRecord record{read_be64(key), read_be64(key.substr(8)), read_be64(key.substr(16)),
                   from_unix_ms(static_cast<std::int64_t>(read_be64(value))), value.substr(kLogHeaderBytes)};
  if (log_bucket(record.stamp) != record.bucket) return std::nullopt;
  return record;
}

}  // namespace millrace::storage
