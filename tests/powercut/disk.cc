#include "disk.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace millrace::powercut {
namespace {

using Kind = Operation::Kind;
constexpr std::size_t kBlock = 512;  // what a disk writes as one

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

void write_at(std::string& bytes, std::uint64_t offset, std::string_view data) {
  if (bytes.size() < offset + data.size()) bytes.resize(offset + data.size(), '\0');
  std::copy(data.begin(), data.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset));
}

void perform(std::string& bytes, const Operation& operation) {
  if (operation.kind == Kind::kWrite) write_at(bytes, operation.offset, operation.data);
  if (operation.kind == Kind::kTruncate) bytes.resize(operation.offset, '\0');
}

}  // namespace

const char* name_of(Damage damage) {
  constexpr const char* kNames[kDamageCount] = {"kept", "dropped", "torn", "zeroed", "garbage"};
  return kNames[static_cast<int>(damage)];
}

void Disk::change(Names& names, const Naming& naming) {
  for (const auto& [path, file] : naming.changes) {
    if (file) {
      names[path] = *file;
    } else {
      names.erase(path);
    }
  }
}

void Disk::name(Naming naming) {
  change(names_, naming);
  pending_.push_back(std::move(naming));
}

void Disk::apply(const Operation& operation) {
  switch (operation.kind) {
    case Kind::kCreate:
      files_[operation.id];
      name({directory_of(operation.path), {{operation.path, operation.id}}});
      break;
    case Kind::kWrite:
    case Kind::kTruncate: {
      File& file = files_[operation.id];
      perform(file.now, operation);
      file.pending.push_back(operation);
      break;
    }
    case Kind::kSync: {
      File& file = files_[operation.id];
      file.durable = file.now;
      file.pending.clear();
      break;
    }
    case Kind::kSyncNames:
      for (const Naming& naming : pending_)
        if (naming.directory == operation.path) change(durable_, naming);
      std::erase_if(pending_, [&](const Naming& naming) { return naming.directory == operation.path; });
      break;
    case Kind::kRename: {
      // Counts as one change of the directory that it moves to, as journaling file systems have it.
      Naming naming{directory_of(operation.to), {}};
      for (const auto& [path, file] : names_) {  // a directory's files move along
        if (path != operation.path && !path.starts_with(operation.path + "/")) continue;
        naming.changes.emplace_back(path, std::nullopt);
        naming.changes.emplace_back(operation.to + path.substr(operation.path.size()), file);
      }
      name(std::move(naming));
      break;
    }
    case Kind::kLink:
      if (const auto found = names_.find(operation.path); found != names_.end())
        name({directory_of(operation.to), {{operation.to, found->second}}});
      break;
    case Kind::kUnlink:
    case Kind::kRemoveDirectory:
      name({directory_of(operation.path), {{operation.path, std::nullopt}}});
      break;
    case Kind::kMakeDirectory:
      name({directory_of(operation.path), {{operation.path, kDirectory}}});
      break;
    case Kind::kNote:
      break;
  }
}

std::string Disk::after(const File& file, Damage damage, std::mt19937_64& dice) {
  if (damage == Damage::kKept) return file.now;
  std::string bytes = file.durable;
  if (damage == Damage::kDropped || file.pending.empty()) return bytes;
  if (damage == Damage::kTorn) {
    const std::size_t whole = dice() % (file.pending.size() + 1);
    for (std::size_t i = 0; i < whole; ++i) perform(bytes, file.pending[i]);
    if (whole < file.pending.size() && file.pending[whole].kind == Kind::kWrite) {
      Operation torn = file.pending[whole];
      torn.data.resize(dice() % (torn.data.size() + 1));
      if (!torn.data.empty()) perform(bytes, torn);
    }
    return bytes;
  }
  for (const Operation& operation : file.pending) {
    if (operation.kind == Kind::kTruncate) {
      perform(bytes, operation);
      continue;
    }
    for (std::uint64_t at = operation.offset; at < operation.offset + operation.data.size();) {
      const std::uint64_t end =
          std::min<std::uint64_t>(operation.offset + operation.data.size(), (at / kBlock + 1) * kBlock);
      std::string block = operation.data.substr(at - operation.offset, end - at);
      const auto fate = dice() % (damage == Damage::kZeroed ? 2 : 4);
      if (fate == 1) block.assign(block.size(), '\0');
      if (fate == 2) std::generate(block.begin(), block.end(), [&] { return static_cast<char>(dice()); });
      if (fate == 3 && at < bytes.size()) block = bytes.substr(at, block.size());  // as it was
      write_at(bytes, at, block);
      at = end;
    }
  }
  return bytes;
}

void Disk::build(Damage damage, std::mt19937_64& dice, const std::string& folder) const {
  Names names = durable_;
  const std::size_t kept = damage == Damage::kKept      ? pending_.size()
                           : damage == Damage::kDropped ? 0
                                                        : dice() % (pending_.size() + 1);
  for (std::size_t i = 0; i < kept; ++i) change(names, pending_[i]);
  for (const auto& [path, file] : names) {  // sorted: a directory comes before what is in it
    const std::string directory = directory_of(path);
    if (!std::filesystem::exists(folder + "/" + directory)) continue;  // the directory's own name was lost
    const std::string target = folder + "/" + path;
    if (file == kDirectory) {
      std::filesystem::create_directory(target);
    } else {
      std::ofstream out(target, std::ios::binary);
      const std::string bytes = after(files_.at(file), damage, dice);
      out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }
  }
}

}  // namespace millrace::powercut
