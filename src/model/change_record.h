// One change of one item as the log keeps it, and the two documents it is shown as (spec section 3).
//
// The committer puts be64(milliseconds of commit time) before the encoded record and the stamp into its key (see
// storage/store.h); both are not part of it. The fixed header can be read without touching the images.
//
//   record = version(1) event(1) origin(1) flags(1) be64(key_hash) be32(size_bytes) be32(keys bytes) be32(new bytes)
//            be32(old bytes) keys new old                              all items in stored form (model/stored.h)
// Pure, thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "model/attribute_value.h"

namespace millrace::model {

enum class ChangeEvent : std::uint8_t { kInsert = 1, kModify = 2, kRemove = 3 };
enum class ChangeOrigin : std::uint8_t { kClient = 0, kTimeToLive = 1 };
enum class ViewType : std::uint8_t { kKeysOnly = 1, kNewImage = 2, kOldImage = 3, kNewAndOldImages = 4 };

std::string_view event_name(ChangeEvent event);  // "INSERT", "MODIFY", "REMOVE"
std::string_view view_type_name(ViewType view);  // "KEYS_ONLY", ...
std::optional<ViewType> parse_view_type(std::string_view name);
inline bool has_new_image(ViewType view) { return view == ViewType::kNewImage || view == ViewType::kNewAndOldImages; }
inline bool has_old_image(ViewType view) { return view == ViewType::kOldImage || view == ViewType::kNewAndOldImages; }

inline constexpr std::size_t kChangeHeaderBytes = 28;

struct ChangeHeader {
  ChangeEvent event = ChangeEvent::kInsert;
  ChangeOrigin origin = ChangeOrigin::kClient;
  std::uint64_t key_hash = 0;    // partition_hash of the item's key: decides lanes
  std::uint32_t size_bytes = 0;  // SizeBytes of the record
};

// A decoded record: views into the encoded bytes, which must outlive it. Items are in stored form; an empty view means
// that the record has no such image.
struct ChangeRecord : ChangeHeader {
  std::string_view keys;
  std::string_view new_image;
  std::string_view old_image;
};

// Encodes; `record.size_bytes` is taken as given (see change_size).
// After `room` bytes of zero, for what its owner puts in front.
std::string encode_change(const ChangeRecord& record, std::size_t room = 0);
// nullopt: damaged or of a newer version.
std::optional<ChangeHeader> decode_change_header(std::string_view encoded);
std::optional<ChangeRecord> decode_change(std::string_view encoded);

// What turns a record into a document.
struct ChangeContext {
  std::uint64_t stamp = 0;
  Time committed{};  // ApproximateCreationDateTime, shown in whole seconds
  std::string_view region;
  std::string_view stream_arn;                 // only for the Lambda event
  ViewType view = ViewType::kNewAndOldImages;  // shown as StreamViewType; the images were chosen when written
};

// "1" and the 20 decimal digits of the stamp: 21 characters, orders as text and as number.
std::string sequence_number(std::uint64_t stamp);
// nullopt: not of that form.
std::optional<std::uint64_t> parse_sequence_number(std::string_view text);
// 32 hex digits, a function of the stamp alone.
std::string event_id(std::uint64_t stamp);

// Append the record as an element of GetRecords' Records, respectively of the event a function receives: spec section
// 3, in AWS's member order. False: an image is damaged (out is then partial).
bool append_streams_json(std::string& out, const ChangeRecord& record, const ChangeContext& context);
bool append_lambda_json(std::string& out, const ChangeRecord& record, const ChangeContext& context);

}  // namespace millrace::model
