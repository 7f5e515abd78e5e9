// Records what this process does to the files below one folder, as the kernel is told it: RocksDB's files, the head
// file and the files of objects alike, because the calls of libc themselves are replaced in this program (recorder.cc).
//
// Every call runs under one lock together with its entry, so the order of entries is the order in which things
// happened. Notes of the program stand between them. Thread-safe; one recording per process.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::powercut {

struct Operation {
  enum class Kind : std::uint8_t {
    kCreate,     // file `id` as `path`
    kWrite,      // `data` at `offset` of file `id`
    kTruncate,   // file `id` to `offset` bytes
    kSync,       // file `id`: everything before is durable
    kSyncNames,  // directory `path`: what was named and unnamed in it is durable
    kRename,     // `path` to `to`
    kLink,       // `to` is another name of `path`
    kUnlink,     // `path`
    kMakeDirectory,
    kRemoveDirectory,
    kNote,  // of the program: `offset` is its number, `data` what it says
  };
  Kind kind = Kind::kNote;
  int id = -1;
  std::uint64_t offset = 0;
  std::string path;  // below the folder, without a slash in front
  std::string to;
  std::string data;
};

// REQUIRES: `folder` exists, is empty, and nothing is being recorded.
void start_recording(const std::string& folder);
// What has been recorded; from now on nothing is.
std::vector<Operation> stop_recording();
void note(std::string what, std::uint64_t number);

}  // namespace millrace::powercut
