#include "base/assert.h"
#include "storage/store.h"

namespace millrace::storage {

namespace {
constexpr std::size_t kOperationOverhead = 16;  // what a record of the WAL costs beside key and value
}

void WriteBatch::add_operation(Operation operation) {
  bytes_ += operation.key.size() + operation.value.size() + kOperationOverhead;
  if (operation.kind == Kind::kLog) ++log_count_;
  operations_.push_back(std::move(operation));
}

void WriteBatch::put(Family family, std::string_view key, std::string_view value) {
  add_operation({Kind::kPut, family, 0, std::string(key), std::string(value)});
}

void WriteBatch::erase(Family family, std::string_view key) {
  add_operation({Kind::kErase, family, 0, std::string(key), {}});
}

void WriteBatch::erase_range(Family family, std::string_view from, std::string_view to) {
  add_operation({Kind::kEraseRange, family, 0, std::string(from), std::string(to)});
}

void WriteBatch::log(std::uint64_t shard, std::string_view value) {
  std::string framed;
  framed.reserve(kLogHeaderBytes + value.size());
  framed.append(kLogHeaderBytes, '\0').append(value);
  log_framed(shard, std::move(framed));
}

void WriteBatch::log_framed(std::uint64_t shard, std::string framed) {
  MR_ASSERT(framed.size() >= kLogHeaderBytes);
  add_operation({Kind::kLog, Family::kLog, shard, {}, std::move(framed)});
}

void WriteBatch::add(std::string_view key, std::int64_t delta) {
  add_operation({Kind::kAdd, Family::kCatalogue, static_cast<std::uint64_t>(delta), std::string(key), {}});
}

void WriteBatch::put_stamped(Family family, std::string_view key, std::string_view value) {
  add_operation({Kind::kPutStamped, family, 0, std::string(key), std::string(value)});
}

void WriteBatch::on_commit(std::function<void(const Committed&)> observer) {
  observers_.push_back(std::move(observer));
}

void WriteBatch::notify(const Committed& committed) const {
  for (const auto& observer : observers_) observer(committed);
}

void WriteBatch::append(WriteBatch&& other) {
  for (auto& observer : other.observers_) observers_.push_back(std::move(observer));
  bytes_ += other.bytes_;
  log_count_ += other.log_count_;
  if (operations_.empty()) {
    operations_ = std::move(other.operations_);
  } else {
    operations_.reserve(operations_.size() + other.operations_.size());
    for (Operation& operation : other.operations_) operations_.push_back(std::move(operation));
  }
  other = WriteBatch();
}

std::vector<WriteBatch::Operation> WriteBatch::take() {
  std::vector<Operation> taken = std::move(operations_);
  operations_.clear();
  bytes_ = log_count_ = 0;
  return taken;
}

std::string room_text(const Room& room) {
  const auto mebibytes = [](std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; };
  std::string text = mebibytes(room.free_bytes) + " of the disk are free";
  if (room.reserve_bytes > 0) text += ", the reserve is " + mebibytes(room.reserve_bytes);
  return text;
}

std::uint64_t Store::approximate_bytes(Family family, std::string_view from, std::string_view to) const {
  std::uint64_t bytes = 0;
  const auto entries = iterate(family, {std::string(from), std::string(to)});
  for (entries->seek(from); entries->valid(); entries->next()) bytes += entries->key().size() + entries->value().size();
  return bytes;
}

std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(end.back() + 1);
  return end;
}

}  // namespace millrace::storage
