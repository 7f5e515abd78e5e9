#include "sqs/fifo.h"

#include <algorithm>

#include "crypto/digest.h"
#include "sqs/errors.h"

namespace millrace::sqs {
namespace {

constexpr std::size_t kIdCharactersMax = 128;

bool is_id(std::string_view id) {
  return !id.empty() && id.size() <= kIdCharactersMax &&
         std::ranges::all_of(id, [](char c) { return c > 0x20 && c < 0x7F; });
}

Error refused(std::string_view parameter, std::string_view value, std::string_view reason) {
  return Error(kInvalidParameterValue, "Value " + std::string(value) + " for parameter " + std::string(parameter) +
                                           " is invalid. Reason: " + std::string(reason));
}

Result<void> check_id(std::string_view parameter, const std::string& id) {
  if (is_id(id)) return {};
  return refused(
      parameter, id,
      std::string(parameter) + " can only include alphanumeric and punctuation characters. 1 to 128 in length.");
}

}  // namespace

Result<std::string> deduplication_id_of(const QueueSettings& settings, const FifoParameters& parameters,
                                        std::string_view body) {
  if (!parameters.group_id || parameters.group_id->empty()) {
    return Error(kMissingParameter, "The request must contain the parameter MessageGroupId.");
  }
  MR_RETURN_IF_ERROR(check_id("MessageGroupId", *parameters.group_id));
  if (parameters.delay_seconds.value_or(0) != 0) {
    return refused("DelaySeconds", std::to_string(*parameters.delay_seconds),
                   "The request include parameter that is not valid for this queue type.");
  }
  if (parameters.deduplication_id) {
    MR_RETURN_IF_ERROR(check_id("MessageDeduplicationId", *parameters.deduplication_id));
    return *parameters.deduplication_id;
  }
  if (settings.content_deduplication) return crypto::sha256_hex(body);
  return Error(kInvalidParameterValue,
               "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
               "explicitly");
}

Result<void> check_standard(const FifoParameters& parameters) {
  if (parameters.deduplication_id) {
    return refused("MessageDeduplicationId", *parameters.deduplication_id,
                   "The request includes a parameter that is not valid for this queue type.");
  }
  if (parameters.group_id) return check_id("MessageGroupId", *parameters.group_id);
  return {};
}

std::string deduplication_key(const QueueSettings& settings, std::string_view group_id,
                              std::string_view deduplication_id) {
  // A group id holds no space.
  if (settings.deduplication_scope != "messageGroup") return std::string(deduplication_id);
  return std::string(group_id) + " " + std::string(deduplication_id);
}

std::string sequence_number_of(std::uint64_t message_number) {
  const std::string digits = std::to_string(message_number);
  return "1" + std::string(19 - std::min<std::size_t>(19, digits.size()), '0') + digits;
}

}  // namespace millrace::sqs
