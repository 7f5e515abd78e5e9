#include "s3/internal/record.h"

#include <type_traits>
#include <utility>

#include "codec/key.h"
#include "codec/varint.h"

namespace millrace::s3 {

bool is_storage_class(std::string_view name) {
  static constexpr std::string_view kClasses[] = {"STANDARD",   "REDUCED_REDUNDANCY",  "STANDARD_IA", "ONEZONE_IA",
                                                  "GLACIER_IR", "INTELLIGENT_TIERING", "GLACIER",     "DEEP_ARCHIVE"};
  for (const std::string_view known : kClasses) {
    if (name == known) return true;
  }
  return false;
}

namespace internal {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kGenerationBytes = 8;

bool is_known(Place place) { return place <= Place::kParts; }
bool is_known(ChecksumType type) { return type <= ChecksumType::kComposite; }
bool is_known(ChecksumAlgorithm algorithm) {
  return algorithm >= ChecksumAlgorithm::kCrc32 && algorithm <= ChecksumAlgorithm::kCrc64Nvme;
}

// Writer and Reader visit the same fields in the same order.
class Writer {
 public:
  template <typename T>
  requires std::is_integral_v<T> || std::is_enum_v<T>
  void operator()(const T& value) { codec::append_varint(bytes_, static_cast<std::uint64_t>(value)); }
  void operator()(const Time& value) { codec::append_signed(bytes_, to_unix_ms(value)); }
  void operator()(const std::string& value) { codec::append_bytes(bytes_, value); }
  template <typename T>
  void operator()(const std::vector<T>& values) {
    codec::append_varint(bytes_, values.size());
    for (const T& value : values) visit(*this, value);
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  template <typename T>
  requires std::is_integral_v<T>
  void operator()(T& value) {
    const std::uint64_t read = number();
    value = static_cast<T>(read);
    ok_ = ok_ && static_cast<std::uint64_t>(value) == read;
  }
  template <typename T>
  requires std::is_enum_v<T>
  void operator()(T& value) {
    const std::uint64_t read = number();
    value = static_cast<T>(read);
    ok_ = ok_ && static_cast<std::uint64_t>(value) == read && is_known(value);
  }
  void operator()(Time& value) {
    const auto read = codec::take_signed(rest_);
    if (read) value = from_unix_ms(*read);
    ok_ = ok_ && read.has_value();
  }
  void operator()(std::string& value) {
    const auto read = codec::take_bytes(rest_);
    if (read) value = *read;
    ok_ = ok_ && read.has_value();
  }
  template <typename T>
  void operator()(std::vector<T>& values) {
    const std::uint64_t count = number();
    for (std::uint64_t i = 0; ok_ && i < count; ++i) visit(*this, values.emplace_back());
  }
  bool complete() const { return ok_ && rest_.empty(); }

 private:
  std::uint64_t number() {
    const auto read = codec::take_varint(rest_);
    ok_ = ok_ && read.has_value();
    return read.value_or(0);
  }
  std::string_view rest_;
  bool ok_ = true;
};

template <typename T, typename U>
concept Maybe = std::is_same_v<std::remove_const_t<T>, U>;

template <typename F, Maybe<Tag> T>
void visit(F& field, T& tag) {
  field(tag.key);
  field(tag.value);
}
template <typename F, Maybe<std::pair<std::string, std::string>> T>
void visit(F& field, T& pair) {
  field(pair.first);
  field(pair.second);
}
template <typename F, Maybe<Checksum> T>
void visit(F& field, T& checksum) {
  field(checksum.algorithm);
  field(checksum.type);
  field(checksum.value);
}
template <typename F, Maybe<ObjectAttributes> T>
void visit(F& field, T& attributes) {
  field(attributes.content_type);
  field(attributes.content_encoding);
  field(attributes.content_language);
  field(attributes.content_disposition);
  field(attributes.cache_control);
  field(attributes.expires);
  field(attributes.website_redirect);
  field(attributes.storage_class);
  field(attributes.metadata);
  field(attributes.tags);
}
template <typename F, Maybe<ObjectRecord> T>
void visit(F& field, T& record) {
  field(record.bytes);
  field(record.modified);
  field(record.generation);
  field(record.place);
  field(record.blob);
  field(record.part_count);
  field(record.etag);
  visit(field, record.checksum);
  visit(field, record.attributes);
}
template <typename F, Maybe<PartRecord> T>
void visit(F& field, T& part) {
  field(part.number);
  field(part.blob);
  field(part.bytes);
  field(part.md5);
  field(part.checksum);
  field(part.modified);
}
template <typename F, Maybe<UploadRecord> T>
void visit(F& field, T& upload) {
  field(upload.bucket);
  field(upload.key);
  field(upload.initiated);
  visit(field, upload.attributes);
  field(upload.algorithm);
  field(upload.type);
  field(upload.checksum_requested);
}

template <typename T>
std::string write(const T& value) {
  Writer writer;
  writer(kVersion);
  if constexpr (std::is_same_v<T, PartTable>) {
    writer(value);
  } else {
    visit(writer, value);
  }
  return writer.take();
}

template <typename T>
std::optional<T> read(std::string_view bytes) {
  Reader reader(bytes);
  std::uint64_t version = 0;
  reader(version);
  if (version != kVersion) return std::nullopt;
  T value;
  if constexpr (std::is_same_v<T, PartTable>) {
    reader(value);
  } else {
    visit(reader, value);
  }
  if (!reader.complete()) return std::nullopt;
  return value;
}

}  // namespace

std::string object_key(BucketId bucket, std::string_view key) {
  return codec::KeyWriter("o").be64(bucket).raw(key).str();
}
std::string data_key(BucketId bucket, std::string_view key) {
  return codec::KeyWriter("d").be64(bucket).raw(key).str();
}
std::string blob_key(BlobId blob) { return codec::KeyWriter("b").be64(blob).str(); }
std::string trash_key(BlobId blob) { return codec::KeyWriter("t").be64(blob).str(); }
std::string upload_key(std::string_view upload_id) { return codec::KeyWriter("u").raw(upload_id).str(); }
std::string part_prefix(std::string_view upload_id) { return codec::KeyWriter("p").raw(upload_id).str(); }
std::string part_key(std::string_view upload_id, std::uint32_t number) {
  return codec::KeyWriter("p").raw(upload_id).be32(number).str();
}

std::string encode(const ObjectRecord& record) { return write(record); }
std::string encode(const PartRecord& part) { return write(part); }
std::string encode(const PartTable& parts) { return write(parts); }
std::string encode(const UploadRecord& upload) { return write(upload); }
std::optional<ObjectRecord> decode_object(std::string_view bytes) { return read<ObjectRecord>(bytes); }
std::optional<PartRecord> decode_part(std::string_view bytes) { return read<PartRecord>(bytes); }
std::optional<PartTable> decode_parts(std::string_view bytes) { return read<PartTable>(bytes); }
std::optional<UploadRecord> decode_upload(std::string_view bytes) {
  auto upload = read<UploadRecord>(bytes);
  if (upload && !allows(upload->algorithm, upload->type)) upload.reset();
  return upload;
}

std::optional<PartTable> decode_part_table(std::string_view data) {
  if (data.size() < kGenerationBytes) return std::nullopt;
  return decode_parts(data.substr(kGenerationBytes));
}

ObjectInfo to_info(std::string_view key, const ObjectRecord& record) {
  ObjectInfo info;
  info.key = key;
  info.bytes = record.bytes;
  info.modified = record.modified;
  info.etag = record.etag;
  info.attributes = record.attributes;
  info.checksum = record.checksum;
  info.part_count = static_cast<int>(record.part_count);
  return info;
}

}  // namespace internal
}  // namespace millrace::s3
