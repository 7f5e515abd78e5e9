// What RocksDB remarks about itself, from warnings on, in a small file. RocksDB's own logger ends the process (an
// assertion) when its file cannot be written twice: on a full, failed or read-only disk, where reads must go on. This
// one drops what it cannot write.
// Thread-safe.
#pragma once

#include <cstdarg>
#include <cstddef>
#include <mutex>
#include <string>

#include <rocksdb/env.h>

namespace millrace::storage {

inline constexpr std::size_t kInfoLogBytesMax = std::size_t{1} << 20;

class InfoLog final : public rocksdb::Logger {
 public:
  // The file is created by the first remark; one that has grown to kInfoLogBytesMax is begun again. "": drops all.
  explicit InfoLog(std::string path);
  ~InfoLog() override;
  using rocksdb::Logger::Logv;
  void Logv(const char* format, std::va_list arguments) override;
  void LogHeader(const char*, std::va_list) override {}  // its settings are in rocks_options.cc

 private:
  bool ready(std::size_t bytes);

  const std::string path_;
  std::mutex mutex_;
  int fd_ = -1;
  std::size_t bytes_ = 0;
};

}  // namespace millrace::storage
