#include "records/records.h"

#include "codec/key.h"
#include "storage/scan.h"

namespace millrace::records {
namespace {

using codec::Json;
using storage::Family;

constexpr std::string_view kPrefix = "records/";

std::string key_of(const Name& name) {
  return codec::KeyWriter(kPrefix)
      .text(name.kind)
      .text(name.scope.account)
      .text(name.scope.region)
      .text(name.name)
      .str();
}

std::optional<Name> name_of(std::string_view key) {
  codec::KeyReader reader(key);
  if (!reader.skip(kPrefix)) return std::nullopt;
  auto kind = reader.text();
  auto account = reader.text();
  auto region = reader.text();
  auto name = reader.text();
  if (!kind || !account || !region || !name || !reader.empty()) return std::nullopt;
  return Name{std::move(*kind), {std::move(*account), std::move(*region)}, std::move(*name)};
}

}  // namespace

Result<void> Records::load() {
  const std::scoped_lock lock(mutex_);
  documents_.clear();
  const auto read = [&](std::string_view key, std::string_view value) -> Result<void> {
    auto name = name_of(key);
    auto document = codec::parse_json(value);
    if (!name || !document.ok()) return storage::damaged("record", key);
    documents_.insert_or_assign(*std::move(name), *std::move(document));
    return {};
  };
  return storage::for_each(store_, Family::kCatalogue, kPrefix, read);
}

std::optional<Json> Records::find(const Name& name) const {
  const std::scoped_lock lock(mutex_);
  const auto it = documents_.find(name);
  return it == documents_.end() ? std::nullopt : std::optional(it->second);
}

Listed Records::list(std::string_view kind, const Scope& scope) const {
  const std::scoped_lock lock(mutex_);
  Listed found;
  const Name from{std::string(kind), scope, ""};
  for (auto it = documents_.lower_bound(from); it != documents_.end(); ++it) {
    if (it->first.kind != from.kind || it->first.scope != scope) break;
    found.emplace_back(it->first.name, it->second);
  }
  return found;
}

Result<void> Records::change(const Name& name, const Change& change) {
  const std::scoped_lock lock(mutex_);
  const auto it = documents_.find(name);
  MR_ASSIGN_OR_RETURN(Json after, change(it == documents_.end() ? nullptr : &it->second));
  storage::WriteBatch batch;
  if (!after.is_null()) {
    batch.put(Family::kCatalogue, key_of(name), after.dump());
    documents_.insert_or_assign(name, std::move(after));
  } else if (it != documents_.end()) {
    batch.erase(Family::kCatalogue, key_of(name));
    documents_.erase(it);
  }
  if (!batch.empty()) commits_.submit(std::move(batch));
  return {};
}

void Records::reset(std::string_view account, std::string_view kinds) {
  const std::scoped_lock lock(mutex_);
  storage::WriteBatch batch;
  std::erase_if(documents_, [&](const auto& entry) {
    if (entry.first.scope.account != account || !entry.first.kind.starts_with(kinds)) return false;
    batch.erase(Family::kCatalogue, key_of(entry.first));
    return true;
  });
  if (!batch.empty()) commits_.submit(std::move(batch));
}

}  // namespace millrace::records
