#include "model/change_record.h"

#include "codec/json.h"
#include "model/stored.h"

namespace millrace::model {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kKeysLengthAt = 16;
constexpr std::size_t kNewLengthAt = 20;
constexpr std::size_t kOldLengthAt = 24;

void append_be(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

std::uint64_t read_be(std::string_view in, std::size_t at, int bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < bytes; ++i)
    value = (value << 8) | static_cast<unsigned char>(in[at + static_cast<std::size_t>(i)]);
  return value;
}

void append_member(std::string& out, std::string_view name, std::string_view text) {
  out += ",\"";
  out += name;
  out += "\":";
  codec::append_json_string(out, text);
}

bool append_image(std::string& out, std::string_view name, std::string_view stored) {
  if (stored.empty()) return true;
  out += ",\"";
  out += name;
  out += "\":";
  return append_json_of_stored(out, stored);
}

// Everything up to and including the member "dynamodb"; the record stays open.
bool append_common(std::string& out, const ChangeRecord& record, const ChangeContext& context) {
  out += "{\"eventID\":\"";
  out += event_id(context.stamp);
  out += '"';
  append_member(out, "eventName", event_name(record.event));
  out += ",\"eventVersion\":\"1.1\",\"eventSource\":\"aws:dynamodb\"";
  append_member(out, "awsRegion", context.region);
  out += ",\"dynamodb\":{\"ApproximateCreationDateTime\":";
  out += std::to_string(to_unix_s(context.committed));
  if (!append_image(out, "Keys", record.keys)) return false;
  if (!append_image(out, "NewImage", record.new_image)) return false;
  if (!append_image(out, "OldImage", record.old_image)) return false;
  append_member(out, "SequenceNumber", sequence_number(context.stamp));
  out += ",\"SizeBytes\":";
  out += std::to_string(record.size_bytes);
  append_member(out, "StreamViewType", view_type_name(context.view));
  out += '}';
  return true;
}

}  // namespace

std::string_view event_name(ChangeEvent event) {
  constexpr std::string_view kNames[] = {"", "INSERT", "MODIFY", "REMOVE"};
  return kNames[static_cast<std::size_t>(event)];
}

std::string_view view_type_name(ViewType view) {
  constexpr std::string_view kNames[] = {"", "KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"};
  return kNames[static_cast<std::size_t>(view)];
}

std::optional<ViewType> parse_view_type(std::string_view name) {
  for (int i = 1; i <= 4; ++i) {
    if (view_type_name(static_cast<ViewType>(i)) == name) return static_cast<ViewType>(i);
  }
  return std::nullopt;
}

std::string encode_change(const ChangeRecord& record, std::size_t room) {
  std::string out;
  out.reserve(room + kChangeHeaderBytes + record.keys.size() + record.new_image.size() + record.old_image.size());
  out.append(room, '\0');
  out += kVersion;
  out += static_cast<char>(record.event);
  out += static_cast<char>(record.origin);
  out += '\0';
  append_be(out, record.key_hash, 8);
  append_be(out, record.size_bytes, 4);
  append_be(out, record.keys.size(), 4);
  append_be(out, record.new_image.size(), 4);
  append_be(out, record.old_image.size(), 4);
  out += record.keys;
  out += record.new_image;
  out += record.old_image;
  return out;
}

std::optional<ChangeHeader> decode_change_header(std::string_view encoded) {
  if (encoded.size() < kChangeHeaderBytes || encoded[0] != kVersion) return std::nullopt;
  const auto event = static_cast<unsigned char>(encoded[1]);
  const auto origin = static_cast<unsigned char>(encoded[2]);
  if (event < 1 || event > 3 || origin > 1) return std::nullopt;
  ChangeHeader header;
  header.event = static_cast<ChangeEvent>(event);
  header.origin = static_cast<ChangeOrigin>(origin);
  header.key_hash = read_be(encoded, 4, 8);
  header.size_bytes = static_cast<std::uint32_t>(read_be(encoded, 12, 4));
  return header;
}

std::optional<ChangeRecord> decode_change(std::string_view encoded) {
  const std::optional<ChangeHeader> header = decode_change_header(encoded);
  if (!header) return std::nullopt;
  const std::uint64_t keys = read_be(encoded, kKeysLengthAt, 4);
  const std::uint64_t new_image = read_be(encoded, kNewLengthAt, 4);
  const std::uint64_t old_image = read_be(encoded, kOldLengthAt, 4);
  if (encoded.size() != kChangeHeaderBytes + keys + new_image + old_image) return std::nullopt;
  ChangeRecord record;
  static_cast<ChangeHeader&>(record) = *header;
  record.keys = encoded.substr(kChangeHeaderBytes, keys);
  record.new_image = encoded.substr(kChangeHeaderBytes + keys, new_image);
  record.old_image = encoded.substr(kChangeHeaderBytes + keys + new_image, old_image);
  return record;
}

std::string sequence_number(std::uint64_t stamp) {
  std::string out(21, '0');
  out[0] = '1';
  for (std::size_t i = 20; stamp != 0; --i, stamp /= 10) out[i] = static_cast<char>('0' + stamp % 10);
  return out;
}

std::optional<std::uint64_t> parse_sequence_number(std::string_view text) {
  if (text.size() != 21 || text[0] != '1') return std::nullopt;
  std::uint64_t stamp = 0;
  for (const char c : text.substr(1)) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (stamp > (UINT64_MAX - digit) / 10) return std::nullopt;
    stamp = stamp * 10 + digit;
  }
  return stamp;
}

std::string event_id(std::uint64_t stamp) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(32);
  for (const std::uint64_t salt : {0x6D696C6C72616365ULL, 0x6576656E74696421ULL}) {
    std::uint64_t x = stamp ^ salt;  // SplitMix64: a bijection, so two stamps never share an id
    x ^= x >> 30;
    x *= 0xBF58476D1CE4E5B9ULL;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBULL;
    x ^= x >> 31;
    for (int shift = 60; shift >= 0; shift -= 4) out += kDigits[(x >> shift) & 15];
  }
  return out;
}

bool append_streams_json(std::string& out, const ChangeRecord& record, const ChangeContext& context) {
  if (!append_common(out, record, context)) return false;
  if (record.origin == ChangeOrigin::kTimeToLive) {
    out += R"(,"userIdentity":{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"})";
  }
  out += '}';
  return true;
}

bool append_lambda_json(std::string& out, const ChangeRecord& record, const ChangeContext& context) {
  if (!append_common(out, record, context)) return false;
  if (record.origin == ChangeOrigin::kTimeToLive) {
    out += R"(,"userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"})";
  }
  append_member(out, "eventSourceARN", context.stream_arn);
  out += '}';
  return true;
}

}  // namespace millrace::model
