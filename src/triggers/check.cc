#include "triggers/check.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "storage/scan.h"
#include "storage/stamping.h"
#include "triggers/history.h"
#include "triggers/internal/ledger.h"
#include "triggers/internal/shard.h"
#include "triggers/mapping.h"

namespace millrace::triggers {

namespace {

using storage::Family;

class MappingChecker {
 public:
  MappingChecker(const storage::Store& store, const std::function<void(std::string)>& problem)
      : store_(store), problem_(problem) {}

  Result<MappingCheckCounts> run() {
    MR_ASSIGN_OR_RETURN(const storage::Head head, storage::load_head(store_));
    next_stamp_ = head.next_stamp;
    // A mapping's own key comes before those of its positions.
    MR_RETURN_IF_ERROR(each(Family::kCatalogue, kMappingPrefix, [this](auto key, auto value) {
      const auto slash = key.find('/');
      slash == std::string_view::npos ? check_mapping(key, value)
                                      : check_position(key.substr(0, slash), key.substr(slash + 1), value);
    }));
    MR_RETURN_IF_ERROR(each(Family::kCatalogue, internal::kTotalsPrefix, [this](auto key, auto value) {
      if (!mappings_.contains(key))
        problem_("There are totals of mapping " + std::string(key) + ", which does not exist");
      if (!internal::decode_totals(value).ok()) problem_("The totals of mapping " + std::string(key) + " are damaged");
    }));
    MR_RETURN_IF_ERROR(each(Family::kText, kHistoryPrefix, [this](auto key, auto) {
      const auto uuid = key.substr(0, key.find('/'));
      if (!mappings_.contains(uuid) && reported_.insert(std::string(uuid)).second) {
        problem_("There is a history of mapping " + std::string(uuid) + ", which does not exist");
      }
    }));
    return counts_;
  }

 private:
  // Keys are given without the prefix.
  template <typename F>
  Result<void> each(Family family, std::string_view prefix, F&& use) {
    return storage::for_each(store_, family, prefix, [&](std::string_view key, std::string_view value) -> Result<void> {
      use(key.substr(prefix.size()), value);
      return {};
    });
  }

  void check_mapping(std::string_view uuid, std::string_view value) {
    ++counts_.mappings;
    auto& mapping = mappings_[std::string(uuid)];
    auto decoded = decode_mapping(value);
    if (!decoded.ok() || decoded->uuid != uuid) {
      problem_("The record of mapping " + std::string(uuid) + " is damaged");
      return;
    }
    mapping = std::move(decoded).value();
    if (mapping.start_after >= next_stamp_ && mapping.start_after > 0) {
      problem_("Mapping " + std::string(uuid) + " starts after " + std::to_string(mapping.start_after) +
               ", beyond the end of the log, " + std::to_string(next_stamp_));
    }
  }

  void check_position(std::string_view uuid, std::string_view shard, std::string_view value) {
    ++counts_.positions;
    const std::string name = "The position of mapping " + std::string(uuid) + " in shard " + std::string(shard);
    const auto mapping = mappings_.find(uuid);
    if (mapping == mappings_.end()) {
      problem_(name + " is of a mapping that does not exist");
      return;
    }
    const auto saved = internal::decode_shard(value);
    if (!saved.ok()) {
      problem_(name + " is damaged");
      return;
    }
    SequenceNumber settled = 0;
    for (const SavedLane& lane : saved->lanes) settled = std::max(settled, lane.settled);
    if (settled >= next_stamp_ && settled > 0) {
      problem_(name + " is " + std::to_string(settled) + ", beyond the end of the log, " + std::to_string(next_stamp_));
    }
  }

  const storage::Store& store_;
  const std::function<void(std::string)>& problem_;
  std::map<std::string, Mapping, std::less<>> mappings_;
  std::set<std::string, std::less<>> reported_;
  storage::Stamp next_stamp_ = 0;
  MappingCheckCounts counts_;
};

}  // namespace

Result<MappingCheckCounts> check_mappings(const storage::Store& store,
                                          const std::function<void(std::string)>& problem) {
  return MappingChecker(store, problem).run();
}

}  // namespace millrace::triggers
