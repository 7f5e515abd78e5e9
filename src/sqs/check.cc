#include "sqs/check.h"

#include <map>
#include <string_view>

#include "codec/json.h"
#include "sqs/internal/records.h"
#include "storage/scan.h"

namespace millrace::sqs {

namespace {

using storage::Family;

class QueueChecker {
 public:
  QueueChecker(const storage::Store& store, const std::function<void(std::string)>& problem)
      : store_(store), problem_(problem) {}

  Result<QueueCheckCounts> run() {
    MR_RETURN_IF_ERROR(storage::for_each(store_, Family::kCatalogue, internal::kQueuePrefix,
                                         [this](auto key, auto value) { return check_queue(key, value); }));
    MR_RETURN_IF_ERROR(storage::for_each(store_, Family::kQueue, internal::kMessagePrefix,
                                         [this](auto key, auto value) { return check_message(key, value); }));
    MR_RETURN_IF_ERROR(storage::for_each(store_, Family::kQueue, internal::kCountPrefix,
                                         [this](auto key, auto value) { return check_count(key, value); }));
    MR_RETURN_IF_ERROR(storage::for_each(store_, Family::kQueue, internal::kRecentPrefix,
                                         [this](auto key, auto value) { return check_recent(key, value); }));
    return counts_;
  }

 private:
  Result<void> check_queue(std::string_view key, std::string_view value) {
    ++counts_.queues;
    const std::string name(key.substr(internal::kQueuePrefix.size()));
    const auto json = codec::parse_json(value);
    const std::int64_t number = json.ok() ? json->int_or("number", 0) : 0;
    if (number <= 0) {
      problem_("The record of queue " + name + " cannot be decoded");
      return {};
    }
    const auto [other, added] = names_.emplace(static_cast<std::uint64_t>(number), name);
    if (!added) problem_("Queues " + other->second + " and " + name + " have the same number");
    return {};
  }

  static std::string name_of(const internal::Numbers& numbers) {
    return "Message " + std::to_string(numbers.message) + " of queue number " + std::to_string(numbers.queue);
  }

  Result<void> check_message(std::string_view key, std::string_view value) {
    const auto numbers = internal::parse_numbered_key(internal::kMessagePrefix, key);
    if (!numbers) {
      problem_("There is a message with an impossible key");
      return {};
    }
    ++counts_.messages;
    if (!internal::decode_message(value)) problem_(name_of(*numbers) + " cannot be decoded");
    if (!names_.contains(numbers->queue)) ++counts_.leftovers;
    return {};
  }

  Result<void> check_count(std::string_view key, std::string_view value) {
    const auto numbers = internal::parse_numbered_key(internal::kCountPrefix, key);
    if (!numbers || !internal::decode_counts(value)) {
      problem_("There is a receive count that cannot be decoded");
      return {};
    }
    MR_ASSIGN_OR_RETURN(
        const auto message,
        store_.get(Family::kQueue, internal::numbered_key(internal::kMessagePrefix, numbers->queue, numbers->message)));
    if (!message) problem_(name_of(*numbers) + " does not exist, but has a receive count");
    return {};
  }

  Result<void> check_recent(std::string_view key, std::string_view value) {
    const auto numbers = internal::parse_numbered_key(internal::kRecentPrefix, key);
    if (!numbers || !internal::decode_recent(value)) {
      problem_("There is a deduplication record that cannot be decoded");
    } else if (!names_.contains(numbers->queue)) {
      ++counts_.leftovers;
    }
    return {};
  }

  const storage::Store& store_;
  const std::function<void(std::string)>& problem_;
  std::map<std::uint64_t, std::string> names_;
  QueueCheckCounts counts_;
};

}  // namespace

Result<QueueCheckCounts> check_queues(const storage::Store& store, const std::function<void(std::string)>& problem) {
  return QueueChecker(store, problem).run();
}

}  // namespace millrace::sqs
