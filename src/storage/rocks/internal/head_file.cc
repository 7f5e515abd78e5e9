#include "storage/rocks/internal/head_file.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "storage/store.h"

namespace millrace::storage {

namespace {

constexpr char kMagic[8] = {'M', 'R', 'H', 'E', 'A', 'D', '1', '\0'};
constexpr off_t kSlots[] = {0, 4096, 512};  // the last is only read

constexpr std::uint64_t kMost = std::uint64_t{1} << 62;  // both rise note by note: more is damage, and would begin anew

struct Slot {
  char magic[8];
  std::uint64_t round;
  std::uint64_t sequence;
  std::uint64_t checksum;
  char padding[32];
};
static_assert(sizeof(Slot) == 64);

// FNV-1a over the first 24 bytes: notices torn and flipped bytes, which is all it is for.
std::uint64_t checksum_of(const Slot& slot) {
  unsigned char bytes[24];
  std::memcpy(bytes, &slot, sizeof(bytes));
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

Error failed(const std::string& what, const std::string& path) {
  return {kStorageFailed, "The file " + path + " " + what + ": " + std::strerror(errno)};
}

}  // namespace

Result<std::optional<HeadFile>> HeadFile::open(const std::string& path, For use) {
  const int fd = ::open(path.c_str(), (use == For::kWriting ? O_RDWR : O_RDONLY) | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return std::optional<HeadFile>();
  if (fd < 0) return failed("cannot be opened", path);
  HeadFile file(fd);
  bool valid = false;
  for (const off_t offset : kSlots) {
    Slot slot;
    const ssize_t got = ::pread(fd, &slot, sizeof(slot), offset);
    if (got < 0) return failed("cannot be read", path);
    if (got != static_cast<ssize_t>(sizeof(slot))) continue;
    if (std::memcmp(slot.magic, kMagic, sizeof(kMagic)) != 0 || slot.checksum != checksum_of(slot)) continue;
    if (slot.round > kMost || slot.sequence > kMost) continue;
    if (valid && slot.round < file.round_) continue;
    valid = true;
    file.round_ = slot.round;
    file.sequence_ = slot.sequence;
    file.offset_ = offset == kSlots[1] ? kSlots[0] : kSlots[1];
  }
  if (!valid) return Error(kStorageFailed, "The file " + path + " is damaged: it holds no valid note");
  if (use == For::kWriting && ::fdatasync(fd) != 0) return failed("cannot be synced", path);
  return std::optional(std::move(file));
}

Result<HeadFile> HeadFile::create(const std::string& path, std::uint64_t sequence) {
  const std::string temporary = path + ".new";
  const int fd = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return failed("cannot be made", path);
  HeadFile file(fd);
  // Both slots, so that no later note needs room on the disk.
  bool written = file.write(sequence);
  file.offset_ = kSlots[1];
  written = written && file.write(sequence) && ::fsync(fd) == 0;
  if (!written || ::rename(temporary.c_str(), path.c_str()) != 0) return failed("cannot be made", path);
  return file;
}

HeadFile::HeadFile(HeadFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), round_(other.round_), sequence_(other.sequence_), offset_(other.offset_) {}

HeadFile::~HeadFile() {
  if (fd_ >= 0) ::close(fd_);
}

bool HeadFile::write(std::uint64_t sequence) {
  Slot slot{};
  std::memcpy(slot.magic, kMagic, sizeof(kMagic));
  slot.round = ++round_;
  slot.sequence = sequence_ = sequence;
  slot.checksum = checksum_of(slot);
  return ::pwrite(fd_, &slot, sizeof(slot), offset_) == static_cast<ssize_t>(sizeof(slot));
}

}  // namespace millrace::storage
