#include "sqs/internal/records.h"

#include "crypto/encoding.h"

namespace millrace::sqs::internal {
namespace {

constexpr char kVersion = 1;
constexpr char kGroupVersion = 2;  // a message with a group

void append_be(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

void append_text(std::string& out, std::string_view text) {
  append_be(out, text.size(), 4);
  out += text;
}

// Reads fields from the front; after a failure everything reads as empty and `ok` stays false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  std::uint64_t be(std::size_t bytes) {
    std::uint64_t value = 0;
    for (const char c : take(bytes)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }
  std::string text() { return std::string(take(be(4))); }
  std::string rest() { return std::string(take(rest_.size())); }
  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view take(std::size_t bytes) {
    if (!ok_ || bytes > rest_.size()) {
      ok_ = false;
      return {};
    }
    const auto taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }
  std::string_view rest_;
  bool ok_ = true;
};

Time read_time(Reader& reader) { return from_unix_ms(static_cast<std::int64_t>(reader.be(8))); }
void append_time(std::string& out, Time time) { append_be(out, static_cast<std::uint64_t>(to_unix_ms(time)), 8); }

bool is_message_version(std::uint64_t version) {
  return version == static_cast<std::uint64_t>(kVersion) || version == static_cast<std::uint64_t>(kGroupVersion);
}

}  // namespace

std::string numbered_key(std::string_view prefix, std::uint64_t queue) {
  std::string key(prefix);
  append_be(key, queue, 8);
  return key;
}

std::string numbered_key(std::string_view prefix, std::uint64_t queue, std::uint64_t message) {
  std::string key = numbered_key(prefix, queue);
  append_be(key, message, 8);
  return key;
}

std::optional<Numbers> parse_numbered_key(std::string_view prefix, std::string_view key) {
  if (!key.starts_with(prefix) || key.size() != prefix.size() + 16) return std::nullopt;
  Reader reader(key.substr(prefix.size()));
  Numbers numbers;
  numbers.queue = reader.be(8);
  numbers.message = reader.be(8);
  return numbers;
}

std::string encode_message(const Message& message, Time visible_from) {
  const bool has_group = !message.group_id.empty();
  std::string out(1, has_group ? kGroupVersion : kVersion);
  append_time(out, message.sent);
  append_time(out, visible_from);
  append_text(out, message.id);
  append_text(out, message.sender);
  append_text(out, message.trace_header);
  append_text(out, message.dead_letter_source_arn);
  if (has_group) {
    append_text(out, message.group_id);
    append_text(out, message.deduplication_id);
  }
  append_be(out, message.attributes.size(), 4);
  for (const auto& attribute : message.attributes) {
    append_text(out, attribute.name);
    append_text(out, attribute.type);
    append_text(out, attribute.value);
  }
  out += message.body;
  return out;
}

std::optional<StoredTimes> decode_times(std::string_view encoded) {
  Reader reader(encoded);
  if (!is_message_version(reader.be(1))) return std::nullopt;
  StoredTimes times;
  times.sent = read_time(reader);
  times.visible_from = read_time(reader);
  return reader.ok() ? std::optional(times) : std::nullopt;
}

std::optional<Message> decode_message(std::string_view encoded) {
  Reader reader(encoded);
  const std::uint64_t version = reader.be(1);
  if (!is_message_version(version)) return std::nullopt;
  Message message;
  message.sent = read_time(reader);
  read_time(reader);
  message.id = reader.text();
  message.sender = reader.text();
  message.trace_header = reader.text();
  message.dead_letter_source_arn = reader.text();
  if (version == static_cast<std::uint64_t>(kGroupVersion)) {
    message.group_id = reader.text();
    message.deduplication_id = reader.text();
  }
  const std::uint64_t count = reader.be(4);
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    MessageAttribute attribute;
    attribute.name = reader.text();
    attribute.type = reader.text();
    attribute.value = reader.text();
    message.attributes.push_back(std::move(attribute));
  }
  message.body = reader.rest();
  return reader.ok() ? std::optional(std::move(message)) : std::nullopt;
}

std::string encode_counts(const Counts& counts) {
  std::string out;
  append_be(out, counts.received, 4);
  append_time(out, counts.first_received);
  append_time(out, counts.last_received);
  append_time(out, counts.visible_from);
  append_be(out, counts.nonce, 8);
  return out;
}

std::optional<Counts> decode_counts(std::string_view encoded) {
  Reader reader(encoded);
  Counts counts;
  counts.received = static_cast<std::uint32_t>(reader.be(4));
  counts.first_received = read_time(reader);
  if (reader.ok() && reader.at_end()) return counts;  // written by an older version
  counts.last_received = read_time(reader);
  counts.visible_from = read_time(reader);
  counts.nonce = reader.be(8);
  return reader.ok() && reader.at_end() ? std::optional(counts) : std::nullopt;
}

std::string encode_recent(const RecentRecord& record) {
  std::string out;
  append_time(out, record.sent);
  append_text(out, record.key);
  append_text(out, record.message_id);
  return out;
}

std::optional<RecentRecord> decode_recent(std::string_view encoded) {
  Reader reader(encoded);
  RecentRecord record;
  record.sent = read_time(reader);
  record.key = reader.text();
  record.message_id = reader.text();
  return reader.ok() && reader.at_end() ? std::optional(std::move(record)) : std::nullopt;
}

std::string encode_receipt(const Receipt& receipt) {
  std::string bytes(1, kVersion);
  append_be(bytes, receipt.queue, 8);
  append_be(bytes, receipt.message, 8);
  append_be(bytes, receipt.nonce, 8);
  return crypto::base64_encode(bytes);
}

std::optional<Receipt> decode_receipt(std::string_view handle) {
  const auto bytes = crypto::base64_decode(handle);
  if (!bytes) return std::nullopt;
  Reader reader(*bytes);
  Receipt receipt;
  const bool version = reader.be(1) == static_cast<std::uint64_t>(kVersion);
  receipt.queue = reader.be(8);
  receipt.message = reader.be(8);
  receipt.nonce = reader.be(8);
  return version && reader.ok() && reader.at_end() ? std::optional(receipt) : std::nullopt;
}

}  // namespace millrace::sqs::internal
