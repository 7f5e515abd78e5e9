// The directory that holds everything a server keeps. One server at a time; a format version that is checked first.
//
//   millrace.json   {"format":1}: what wrote this directory
//   lock            held (flock) by the running server; its text names it: "<pid> <command>"
//   db/             the database (storage/rocks/rocks_store.h)
//   head            how far writes were acknowledged (internal/head_file.h)
//   backup.json     only in backups, which no server opens (app/backup.h)
//   restoring       only while a backup is being restored to it; names the backup
//   other folders   belong to the service that asks for them: directory("objects")
//
// The lock goes with the process, however it ends. Movable through unique_ptr; not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::storage {

// 1: the first. 2: indexes can be created and deleted; their numbers are given out by the table's record.
inline constexpr int kDataFormat = 3;

inline constexpr const char* kRestoring = "restoring";

class DataDirectory {
 public:
  // Creates the directory (mode 0700, parents included) or opens it, and locks it. `command` describes this process to
  // whoever finds the directory locked, e.g. "millrace serve --port 4566". Errors (kStorageFailed), each with the path
  // and what to do: not creatable or not writable; not empty and not ours; half restored; damaged or unknown version
  // file; written by a newer version; in use, with the other process's pid and command.
  static Result<std::unique_ptr<DataDirectory>> open(const std::string& path, std::string_view command);
  // For reading only, a backup too: creates and changes nothing, but locks it where there is a lock. Errors as above,
  // and when there is no data directory.
  static Result<std::unique_ptr<DataDirectory>> look(const std::string& path);
  ~DataDirectory();
  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;

  const std::string& path() const { return path_; }
  // What wrote it; below kDataFormat until it has been upgraded.
  int format() const { return format_; }
  // Notes, durably, that everything is in the present format.
  Result<void> upgraded();
  std::string database_path() const { return path_ + "/db"; }
  std::string head_path() const { return path_ + "/head"; }
  // Creates a folder below; its path.
  Result<std::string> directory(std::string_view name) const;

 private:
  DataDirectory(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}
  int format_ = kDataFormat;
  const std::string path_;
  const int lock_fd_;
};

}  // namespace millrace::storage
