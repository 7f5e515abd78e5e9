// A note of how far writes were acknowledged, outside the write-ahead log: finds a log that lost its middle.
//
// RocksDB recovers up to the first damaged record of its log and opens without a word, also when acknowledged writes
// followed. So after each successful sync the database's sequence number is written here, and a recovered number below
// it refuses to open. Two slots of 64 bytes in different sectors, written in turn, so that a torn write leaves the
// other:
//
//   slot at 0 and 512: "MRHEAD1\0" le64(round) le64(sequence) le64(checksum of the 24 bytes before) zeros
//
// Not synced: the note is written after the sync it speaks of, so it can be behind after a power cut (by what the
// system had not written back, at most some 30 s) but never ahead. Behind is harmless: it only sees less damage. After
// a crash or kill of the process the note is exact, as the page cache survives. Costs one pwrite of 64 bytes per group.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace millrace::storage {

class HeadFile {
 public:
  // Opens or creates, and reads. Errors: kStorageFailed with the system's reason. A file without a valid slot reads as
  // sequence 0.
  static Result<HeadFile> open(const std::string& path);
  HeadFile(HeadFile&& other) noexcept;
  HeadFile& operator=(HeadFile&&) = delete;
  ~HeadFile();

  std::uint64_t sequence() const { return sequence_; }
  // False when it could not be written.
  bool write(std::uint64_t sequence);

 private:
  explicit HeadFile(int fd) : fd_(fd) {}
  int fd_;
  std::uint64_t round_ = 0;
  std::uint64_t sequence_ = 0;
};

}  // namespace millrace::storage
