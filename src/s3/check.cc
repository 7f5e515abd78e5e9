#include "s3/check.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "codec/key.h"
#include "crypto/encoding.h"
#include "s3/internal/segments.h"

namespace millrace::s3 {

namespace {

using internal::Place;
using storage::Family;

constexpr std::size_t kCheckBytes = std::size_t{1} << 20;

class ObjectChecker {
 public:
  ObjectChecker(const storage::Store& store, BlobStore& blobs, const std::function<void(std::string)>& problem,
                const std::function<void(std::uint64_t)>& progress)
      : store_(store), blobs_(blobs), problem_(problem), progress_(progress) {}

  Result<ObjectCheckCounts> run() {
    MR_RETURN_IF_ERROR(each("o", [this](auto key, auto value) { return check_object(key, value); }));
    MR_RETURN_IF_ERROR(each("u", [this](auto key, auto value) { return check_upload(key, value); }));
    MR_RETURN_IF_ERROR(each("p", [this](auto key, auto value) { return check_part(key, value); }));
    MR_RETURN_IF_ERROR(each("b", [this](auto key, auto) -> Result<void> {
      const auto id = codec::KeyReader(key).be64();
      if (id && !used_.contains(*id)) problem_("Object file number " + std::to_string(*id) + " belongs to nothing");
      return {};
    }));
    return counts_;
  }

 private:
  template <typename F>
  Result<void> each(std::string_view prefix, F&& use) {
    const auto it = store_.iterate(Family::kObjects, {std::string(prefix), storage::prefix_end(prefix)});
    for (it->seek(prefix); it->valid(); it->next()) MR_RETURN_IF_ERROR(use(it->key().substr(1), it->value()));
    return it->status();
  }

  Result<void> check_object(std::string_view key, std::string_view value) {
    ++counts_.objects;
    const std::string name = "Object " + std::string(key.substr(std::min<std::size_t>(8, key.size()))) +
                             " of bucket number " + std::to_string(codec::KeyReader(key).be64().value_or(0));
    const auto record = internal::decode_object(value);
    if (!record) {
      problem_(name + " has a record that cannot be decoded");
      return {};
    }
    if (record->place == Place::kBlob) return check_file(name, internal::segment_of(*record));
    MR_ASSIGN_OR_RETURN(auto data, store_.get(Family::kObjects, "d" + std::string(key)));
    if (!data || !data->starts_with(codec::be64(record->generation))) {
      problem_(name + " has lost its data");
      return {};
    }
    data->erase(0, 8);
    if (record->place == Place::kInline) return check_inline(name, *record, *data);
    const auto parts = internal::decode_parts(*data);
    std::uint64_t bytes = 0;
    // Of parts without a checksum of their own (copied by an older version) that of all of them is compared.
    std::optional<crypto::Digest> whole;
    if (record->checksum.type == ChecksumType::kFullObject) whole.emplace(digest_algorithm(record->checksum.algorithm));
    bool all_compared = true;
    if (parts) {
      for (const internal::PartRecord& part : *parts) {
        bytes += part.bytes;
        if (part.bytes == 0) continue;
        all_compared = all_compared && !part.checksum.empty();
        MR_RETURN_IF_ERROR(check_file(name, internal::segment_of(*record, part), whole ? &*whole : nullptr));
      }
    }
    if (!parts || bytes != record->bytes) {
      problem_(name + " has a damaged list of parts");
    } else if (!all_compared && whole && crypto::base64_encode(whole->finish()) != record->checksum.value) {
      problem_(name + " is damaged: its checksum is another");
    }
    return {};
  }

  Result<void> check_inline(const std::string& name, const internal::ObjectRecord& record, const std::string& data) {
    if (data.size() != record.bytes) {
      problem_(name + " has " + std::to_string(data.size()) + " bytes instead of " + std::to_string(record.bytes));
    } else if (record.checksum.type == ChecksumType::kFullObject && !record.checksum.value.empty() &&
               crypto::base64_encode(crypto::digest(digest_algorithm(record.checksum.algorithm), data)) !=
                   record.checksum.value) {
      problem_(name + " is damaged: its checksum is another");
    }
    return {};
  }

  Result<void> check_upload(std::string_view id, std::string_view value) {
    const auto upload = internal::decode_upload(value);
    if (!upload) problem_("Upload " + std::string(id) + " has a record that cannot be decoded");
    if (upload) uploads_[std::string(id)] = upload->algorithm;
    return {};
  }

  // `key`: the upload's id and be32(number).
  Result<void> check_part(std::string_view key, std::string_view value) {
    const std::string id(key.substr(0, key.size() - std::min<std::size_t>(4, key.size())));
    const auto part = internal::decode_part(value);
    if (!part) {
      problem_("A part of upload " + id + " has a record that cannot be decoded");
      return {};
    }
    const std::string name = "Part " + std::to_string(part->number) + " of upload " + id;
    const auto upload = uploads_.find(id);
    if (upload == uploads_.end()) problem_(name + " belongs to no upload");
    if (part->bytes == 0) return {};
    const bool known = upload != uploads_.end();
    return check_file(name, {part->blob, part->bytes, known ? upload->second : ChecksumAlgorithm::kCrc64Nvme,
                             known ? part->checksum : std::string()});
  }

  // `whole` follows the bytes.
  Result<void> check_file(const std::string& name, const ObjectContent::Segment& segment,
                          crypto::Digest* whole = nullptr) {
    ++counts_.files;
    used_.insert(segment.blob);
    MR_ASSIGN_OR_RETURN(const auto noted, store_.get(Family::kObjects, internal::blob_key(segment.blob)));
    if (!noted) problem_(name + ": its file is not noted as in use");
    auto opened = blobs_.open(segment.blob);
    if (!opened.ok()) {
      problem_(name + ": its file is missing: " + opened.error().message());
      return {};
    }
    ObjectContent content(blobs_, {segment}, std::move(*opened), nullptr);
    for (std::uint64_t at = 0; at < segment.bytes;) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kCheckBytes, segment.bytes - at));
      const auto bytes = content.read(at, count);
      if (!bytes.ok()) {
        problem_(name + ": " + bytes.error().message());
        return {};
      }
      if (whole != nullptr) whole->update(*bytes);
      at += count;
      counts_.bytes += count;
      progress_(counts_.bytes);
    }
    return {};
  }

  const storage::Store& store_;
  BlobStore& blobs_;
  const std::function<void(std::string)>& problem_;
  const std::function<void(std::uint64_t)>& progress_;
  std::set<BlobId> used_;
  std::map<std::string, ChecksumAlgorithm, std::less<>> uploads_;
  ObjectCheckCounts counts_;
};

}  // namespace

Result<ObjectCheckCounts> check_objects(const storage::Store& store, BlobStore& blobs,
                                        const std::function<void(std::string)>& problem,
                                        const std::function<void(std::uint64_t)>& progress) {
  return ObjectChecker(store, blobs, problem, progress).run();
}

}  // namespace millrace::s3
