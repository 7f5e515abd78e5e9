// A note of how far writes were acknowledged, outside the write-ahead log: finds a log that lost its middle.
//
// RocksDB recovers up to the first damaged record of its log and opens without a word, also when acknowledged writes
// followed. So after each successful sync the database's sequence number is written here, and a recovered number below
// it refuses to open. Two slots of 64 bytes in different blocks:
//
//   slot at 0 and 4096: "MRHEAD1\0" le64(round) le64(sequence) le64(checksum of the 24 bytes before) zeros
//   (until data format 3 had been in use for a while at 0 and 512; the newest round counts)
//
// The file appears with valid slots that are synced. An opening syncs what it found and from then on writes the other
// slot only, so whatever a power cut makes of that one, a synced one is left: a file without a valid slot is damaged.
// The notes themselves are not synced: each is written after the sync it speaks of, so it can be behind after a power
// cut but never ahead. Behind is harmless: it only sees less damage. After a crash or kill of the process the note is
// exact, as the page cache survives. Costs one pwrite of 64 bytes per group. No file at all is no damage: a restored
// backup has none, nor has a directory that was only served with --durability=os.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"

namespace millrace::storage {

class HeadFile {
 public:
  enum class For { kReading, kWriting };
  // Opens and reads, and for writing syncs; nullopt: there is none. Errors (kStorageFailed): it cannot be opened, read
  // or synced, or holds no valid slot; each says so with the path.
  static Result<std::optional<HeadFile>> open(const std::string& path, For use);
  // A new one with this number, synced; its name is not. Replaces one that is there. Errors: kStorageFailed.
  static Result<HeadFile> create(const std::string& path, std::uint64_t sequence);
  HeadFile(HeadFile&& other) noexcept;
  HeadFile& operator=(HeadFile&&) = delete;
  ~HeadFile();

  std::uint64_t sequence() const { return sequence_; }
  // False, with errno, when it could not be written.
  bool write(std::uint64_t sequence);

 private:
  explicit HeadFile(int fd) : fd_(fd) {}
  int fd_;
  std::uint64_t round_ = 0;
  std::uint64_t sequence_ = 0;
  std::int64_t offset_ = 0;  // of the slot that is written
};

}  // namespace millrace::storage
