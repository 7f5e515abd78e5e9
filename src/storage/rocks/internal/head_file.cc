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
constexpr off_t kSlotDistance = 512;

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

}  // namespace

Result<HeadFile> HeadFile::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Error(kStorageFailed, "Cannot open " + path + ": " + std::strerror(errno));
  HeadFile file(fd);
  for (const off_t offset : {off_t{0}, kSlotDistance}) {
    Slot slot;
    if (::pread(fd, &slot, sizeof(slot), offset) != static_cast<ssize_t>(sizeof(slot))) continue;
    if (std::memcmp(slot.magic, kMagic, sizeof(kMagic)) != 0 || slot.checksum != checksum_of(slot)) continue;
    if (slot.round < file.round_) continue;
    file.round_ = slot.round;
    file.sequence_ = slot.sequence;
  }
  return file;
}

HeadFile::HeadFile(HeadFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), round_(other.round_), sequence_(other.sequence_) {}

HeadFile::~HeadFile() {
  if (fd_ >= 0) ::close(fd_);
}

bool HeadFile::write(std::uint64_t sequence) {
  Slot slot{};
  std::memcpy(slot.magic, kMagic, sizeof(kMagic));
  slot.round = ++round_;
  slot.sequence = sequence_ = sequence;
  slot.checksum = checksum_of(slot);
  const off_t offset = round_ % 2 == 0 ? 0 : kSlotDistance;
  return ::pwrite(fd_, &slot, sizeof(slot), offset) == static_cast<ssize_t>(sizeof(slot));
}

}  // namespace millrace::storage
