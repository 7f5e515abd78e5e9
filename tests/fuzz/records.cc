// Single records as they are stored, and the small files of a data directory. What is accepted can be written again and
// reads the same.
#include "sqs/internal/records.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <unistd.h>

#include "api/ecr/repository.h"
#include "api/kms/keys.h"
#include "api/ssm/parameters.h"
#include "app/backup.h"
#include "app/internal/clock_note.h"
#include "codec/json.h"
#include "codec/key.h"
#include "crypto/digest.h"
#include "functions/attachments.h"
#include "functions/configuration.h"
#include "functions/internal/event_records.h"
#include "iam/policy.h"
#include "iam/trust.h"
#include "metrics/statistics.h"
#include "model/key.h"
#include "runtimes/code_archive.h"
#include "s3/internal/block_sums.h"
#include "s3/internal/memory_blob_store.h"
#include "s3/internal/record.h"
#include "s3/lifecycle.h"
#include "s3/notification.h"
#include "s3/object_reader.h"
#include "stacks/state.h"
#include "storage/log_key.h"
#include "storage/rocks/data_directory.h"
#include "storage/rocks/internal/head_file.h"
#include "storage/rocks/internal/manifest.h"
#include "tables/keys.h"
#include "tables/table.h"
#include "targets.h"
#include "triggers/history.h"
#include "triggers/internal/ledger.h"

namespace millrace::fuzzing {

namespace fs = std::filesystem;

const fs::path& scratch_folder() {
  static const fs::path path = [] {
    const fs::path memory = "/dev/shm";  // no disk: hundreds of times as many inputs
    fs::path made = (fs::is_directory(memory) ? memory : fs::temp_directory_path()) /
                    ("millrace-fuzz-" + std::to_string(::getpid()));
    fs::create_directories(made);
    std::atexit([] { fs::remove_all(scratch_folder()); });
    return made;
  }();
  return path;
}

fs::path scratch_file(std::string_view bytes, std::string_view name) {
  fs::path path = scratch_folder() / name;
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return path;
}

namespace {

// `decode` gives something that can be asked whether it is there, `encode` its stored form.
template <typename Decode, typename Encode>
void survives(std::string_view bytes, Decode decode, Encode encode) {
  const auto read = decode(bytes);
  if (!read) return;
  const std::string written = encode(*read);
  const auto again = decode(written);
  require(again && encode(*again) == written, "what was accepted can be saved and reads the same");
}

template <typename T>
std::optional<T> optional_of(Result<T> result) {
  return result.ok() ? std::optional<T>(*std::move(result)) : std::nullopt;
}

// The first byte, a letter, says which of several forms follows.
std::pair<int, std::string_view> kind_of(std::string_view input) {
  if (input.empty()) return {-1, {}};
  return {input.front() - 'a', input.substr(1)};
}

void queue_record(std::string_view input) {
  namespace records = sqs::internal;
  const auto [kind, bytes] = kind_of(input);
  const auto is_there = [](const auto& read) { return read.has_value(); };
  if (kind == 0) {
    const auto times = records::decode_times(bytes);
    const Time visible = times ? times->visible_from : Time{};
    survives(bytes, records::decode_message, [&](const auto& m) { return records::encode_message(m, visible); });
    require(!is_there(records::decode_message(bytes)) || times, "a message has its times");
  }
  if (kind == 1) survives(bytes, records::decode_counts, records::encode_counts);
  if (kind == 2) survives(bytes, records::decode_recent, records::encode_recent);
  if (kind == 3) survives(bytes, records::decode_receipt, records::encode_receipt);
  if (kind == 4) {
    const auto numbers = records::parse_numbered_key(records::kMessagePrefix, bytes);
    require(!numbers || records::numbered_key(records::kMessagePrefix, numbers->queue, numbers->message) == bytes,
            "a message has one key");
  }
}

void object_record(std::string_view input) {
  namespace records = s3::internal;
  const auto [kind, bytes] = kind_of(input);
  const auto encoded = [](const auto& record) { return records::encode(record); };
  if (kind == 0) survives(bytes, records::decode_object, encoded);
  if (kind == 1) survives(bytes, records::decode_part, encoded);
  if (kind == 2) survives(bytes, records::decode_parts, encoded);
  if (kind == 3) survives(bytes, records::decode_upload, encoded);
  const auto json = codec::parse_json(bytes);
  if (!json.ok()) return;
  if (kind == 4) {
    if (const auto lifecycle = s3::parse_lifecycle(*json); lifecycle.ok()) {
      require(s3::parse_lifecycle(lifecycle->document).ok(), "lifecycle rules survive being saved");
    }
  }
  if (kind == 5) {
    if (const auto rules = s3::parse_notifications(*json); rules.ok()) {
      const auto again = s3::parse_notifications(rules->to_json());
      require(again.ok() && again->to_json() == rules->to_json(), "notifications survive being saved");
    }
  }
}

void function_record(std::string_view input) {
  using functions::FunctionReference;
  const auto [kind, bytes] = kind_of(input);
  const FunctionReference function{{{"000000000000", "us-east-1"}, "f"}, ""};
  if (kind == 0) {
    survives(
        bytes, [&](auto text) { return functions::internal::decode_event(function, text); },
        functions::internal::encode_event);
    if (const auto event = functions::internal::decode_event(function, bytes)) {
      functions::internal::ResultDocument result;
      result.response = &event->payload;
      const std::string document = functions::internal::result_document(*event, result);
      require(codec::parse_json(document).ok() || !codec::parse_json(codec::Json(bytes).dump()).ok(),
              "the document of a destination is JSON");
      (void)functions::internal::dead_letter(*event, event->payload);
    }
  }
  if (kind == 1) survives(bytes, functions::internal::decode_state, functions::internal::encode_state);
  if (kind == 2) {
    const std::string key = std::string(functions::internal::kEventPrefix) + std::string(bytes);
    if (const auto parsed = functions::internal::parse_event_key(key)) {
      const auto written =
          functions::internal::event_key(functions::internal::kEventPrefix, parsed->first, parsed->second);
      require(functions::internal::parse_event_key(written).has_value(), "an event's key can be read");
    }
  }
  const auto json = codec::parse_json(bytes);
  if (!json.ok()) return;
  const auto read = [](std::string_view text) {
    const auto parsed = codec::parse_json(text);
    return parsed.ok() ? functions::function_from_json(*parsed) : std::nullopt;
  };
  if (kind == 3) survives(bytes, read, [](const auto& each) { return functions::to_json(each).dump(); });
  if (kind == 4) {
    const std::string once = functions::to_json(functions::attachments_from_json(*json)).dump();
    const auto again = functions::to_json(functions::attachments_from_json(*codec::parse_json(once))).dump();
    require(again == once, "what is attached to a function survives being saved");
  }
}

void table(std::string_view input) {
  survives(
      input, [](auto text) { return optional_of(tables::from_catalogue(text)); }, tables::to_catalogue);
}

// Keys of items, indexes, expiry and the log. The first byte: which type, or which key.
void key(std::string_view input) {
  const auto [kind, bytes] = kind_of(input);
  if (kind >= 0 && kind < 3) {
    std::string_view rest = bytes;
    const auto value = model::read_key_value(rest, static_cast<model::KeyType>(kind));
    if (!value) return;
    std::string written;
    model::append_key_value(written, *value);
    std::string_view again = written;
    const auto read = model::read_key_value(again, static_cast<model::KeyType>(kind));
    require(read && again.empty() && *read == *value, "a key can be written and read");
  }
  if (kind == 3) {
    const auto entry = tables::read_expiry_key(bytes);
    require(!entry || tables::expiry_key(*entry) == bytes, "an expiry entry has one key");
  }
  if (kind == 4) {
    const std::string_view log_key = bytes.substr(0, storage::kLogKeyBytes);
    const auto record = storage::parse_log_record(log_key, bytes.substr(log_key.size()));
    require(!record || storage::log_key(record->shard, record->stamp) == log_key, "a record has one key");
  }
}

void ledger(std::string_view input) {
  const auto [kind, bytes] = kind_of(input);
  if (kind == 0) {
    survives(
        bytes, [](auto text) { return optional_of(triggers::internal::decode_totals(text)); },
        [](const auto& saved) { return triggers::internal::encode(saved); });
  }
  if (kind == 1) {
    survives(
        bytes, [](auto text) { return optional_of(triggers::decode_history(text)); },
        [](const auto& entry) { return triggers::encode(entry); });
  }
}

void stack(std::string_view input) {
  survives(
      input, [](auto text) { return optional_of(stacks::stack_of(text)); }, stacks::to_text);
}

void samples(std::string_view input) {
  survives(
      input, [](std::string_view bytes) { return metrics::Statistics::take(bytes); },
      [](const auto& read) {
        std::string bytes;
        read.encode(bytes);
        return bytes;
      });
}

// A policy, a line break, who asks.
void policy(std::string_view input) {
  const auto [document, who] = two(input);
  (void)iam::check_policy(document, iam::PolicyKind::kPermission);
  if (!iam::check_policy(document, iam::PolicyKind::kTrust).ok()) return;
  const std::string principal = "arn:aws:iam::123456789012:role/" + std::string(who);
  (void)iam::trusts(document, "sts:AssumeRole", {"123456789012", principal, principal, {{"sts:ExternalId", "x"}}});
}

// ---- files

void any_manifest(std::string_view input) {
  const auto scan = storage::scan_manifest(input);
  require(scan.whole_bytes <= input.size(), "what is whole is there");
  const auto cut = storage::scan_manifest(input.substr(0, scan.whole_bytes));
  require(!cut.damaged && cut.oldest_log == scan.oldest_log, "what stays of a MANIFEST is sound");
  scratch_file("MANIFEST-000001\n", "CURRENT");
  scratch_file(input, "MANIFEST-000001");
  if (const auto found = storage::find_manifest_cut(scratch_folder().string()); found.ok() && *found) {
    require((*found)->whole_bytes < input.size(), "a cut takes something away");
  }
}

void append_little_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

// The file as it is. Then, as no change of it has the right checksum: each piece that ends in 1e as a part of a record,
// sealed; its first byte, a letter, says which part.
void manifest(std::string_view input) {
  any_manifest(input);
  std::string sealed;
  for (std::string_view rest = input; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\x1e'), rest.size());
    const auto [kind, payload] = kind_of(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::string part = std::string(1, static_cast<char>(1 + (kind & 3))) + std::string(payload);
    const std::uint32_t crc = crypto::crc32c(part);
    append_little_endian(sealed, ((crc >> 15) | (crc << 17)) + 0xa282ead8U, 4);
    append_little_endian(sealed, payload.size(), 2);
    sealed += part;
  }
  constexpr std::size_t kBlock = 32 * 1024;
  if (sealed.size() < kBlock) any_manifest(sealed);
}

void any_head_file(std::string_view input) {
  const std::string path = scratch_file(input, "head").string();
  const auto use = storage::HeadFile::For::kWriting;
  auto head = storage::HeadFile::open(path, use);
  if (!head.ok()) {
    require(head.error().message().find(path) != std::string::npos, "an error names the file");
    return;
  }
  require(head->has_value(), "the file is there");
  const std::uint64_t next = (*head)->sequence() + 1;
  require((*head)->write(next), "what can be read can be written");
  const auto again = storage::HeadFile::open(path, use);
  require(again.ok() && again->has_value() && (*again)->sequence() == next, "the newest note counts");
}

// The file as it is. Then its bytes as round and sequence of each slot, with a right checksum.
void head_file(std::string_view input) {
  any_head_file(input);
  std::string file(4160, '\0');
  for (const std::size_t offset : {0, 4096, 512}) {
    constexpr std::size_t kNumbers = 16;
    if (input.size() < kNumbers) return;
    std::string slot("MRHEAD1\0", 8);
    slot += input.substr(0, kNumbers);
    input.remove_prefix(kNumbers);
    for (const std::size_t top : {15, 23}) slot[top] = static_cast<char>(slot[top] & ~0x40);  // sound or far beyond
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char byte : slot) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
    append_little_endian(slot, hash, 8);
    file.replace(offset, slot.size(), slot);
    any_head_file(file);
  }
}

void data_directory(std::string_view input) {
  scratch_file(input, "millrace.json");
  const auto opened = storage::DataDirectory::look(scratch_folder().string());
  if (opened.ok()) {
    require((*opened)->format() >= 1 && (*opened)->format() <= storage::kDataFormat, "a format that is known");
  } else {
    require(opened.error().message().find(scratch_folder().string()) != std::string::npos,
            "an error names the directory");
  }
}

// The list of a backup, whose files are this process's scratch files.
void backup(std::string_view input) {
  scratch_file(input, "backup.json");
  scratch_file("abc", "a");
  const auto wrong = app::verify_backup(scratch_folder(), [](auto, auto, auto) {});
  require(wrong.ok() || wrong.error().message().find(scratch_folder().string()) != std::string::npos,
          "an error names the backup");
}

constexpr s3::BlobId kFile = 1;

s3::ObjectContent object_in(s3::internal::MemoryBlobStore& files, std::uint64_t bytes) {
  s3::ObjectContent::Segment segment;
  segment.blob = kFile;
  segment.bytes = bytes;
  return {files, {segment}, nullptr, nullptr};
}

void put_file(s3::internal::MemoryBlobStore& files, std::string_view bytes) {
  const auto file = files.create();
  require((*file)->append(bytes).ok() && files.place(**file, kFile).ok(), "a file can be written");
}

// A file of an object of so many bytes, which may be anything.
void any_object_file(std::uint64_t bytes, std::string_view file) {
  s3::internal::MemoryBlobStore files;
  put_file(files, file);
  const auto read = object_in(files, bytes).read(0, static_cast<std::size_t>(bytes));
  require(!read.ok() || bytes == 0 || *read == file.substr(0, bytes), "what is read lies in the file");
  require(read.ok() || bytes != file.size(), "a file without checksums can be read");
}

// A sound file, one bit of which changes: every reading of its block notices, of other blocks none.
void damaged_object_file(std::string_view object, std::size_t place, std::size_t offset, std::size_t count) {
  using s3::internal::kBlockBytes;
  const std::size_t split = std::min(place, object.size());
  s3::internal::BlockSums sums;
  sums.update(object.substr(0, split));
  sums.update(object.substr(split));
  std::string file(object);
  file += sums.finish();
  place %= file.size();
  file[place] = static_cast<char>(file[place] ^ 1);
  s3::internal::MemoryBlobStore files;
  put_file(files, file);
  auto content = object_in(files, object.size());
  const std::size_t block = place / kBlockBytes;
  const bool touched =
      place >= object.size() || (block >= offset / kBlockBytes && block <= (offset + count - 1) / kBlockBytes);
  const auto read = content.read(offset, count);
  require(read.ok() != touched, "damage is noticed where it is");
  require(!read.ok() || *read == object.substr(offset, count), "what is read is what was written");
  require(!content.read(0, object.size()).ok(), "the whole is damaged");
}

// The first byte, a letter: whether the file follows, or where to damage it. Four bytes: how long the object is.
void object_file(std::string_view input) {
  const auto [kind, bytes] = kind_of(input);
  codec::KeyReader reader(bytes);
  const auto size = reader.be32();
  if (!size) return;
  if (kind == 0) any_object_file(*size % (1 << 20), reader.rest());
  const auto place = reader.be32();
  const auto offset = reader.be32();
  if (kind != 1 || !place || !offset || reader.rest().empty()) return;
  std::string object;
  while (object.size() < 1 + *size % 300'000) object += reader.rest();
  const std::size_t from = *offset % object.size();
  damaged_object_file(object, *place, from, 1 + *place % (object.size() - from));
}

// Documents of Parameter Store and of KMS.
void document_record(std::string_view input) {
  const auto [kind, bytes] = kind_of(input);
  const auto json = codec::parse_json(bytes);
  if (!json.ok()) return;
  const auto once = [&](const codec::Json& each) {
    if (kind == 0) return api_ssm::to_json(api_ssm::parameter_from_json(each)).dump();
    if (kind == 1) return api_kms::to_json(api_kms::key_from_json(each)).dump();
    const api_ecr::Repository repository = api_ecr::repository_from_json(each);
    require(repository.shown.is_object() && repository.tags.is_object(), "a repository is of its parts");
    return api_ecr::to_json(repository).dump();
  };
  const std::string saved = once(*json);
  require(once(*codec::parse_json(saved)) == saved, "a document survives being saved");
}

void clock_note(std::string_view input) {
  survives(
      input, [](auto text) { return optional_of(app::read_clock_note(text)); }, app::clock_note);
}

void archive(std::string_view input) {
  const fs::path folder = scratch_folder() / "unpacked";
  const auto unpacked = runtimes::unpack_archive(scratch_file(input, "archive.zip"), folder);
  require(unpacked.ok() == fs::exists(folder), "an archive is unpacked whole or not at all");
  fs::remove_all(folder);
}

}  // namespace

Targets record_targets() {
  return {{"queue_record", queue_record},
          {"object_record", object_record},
          {"function_record", function_record},
          {"table", table},
          {"key", key},
          {"ledger", ledger},
          {"stack", stack},
          {"samples", samples},
          {"policy", policy},
          {"manifest", manifest},
          {"head_file", head_file},
          {"data_directory", data_directory},
          {"backup", backup},
          {"archive", archive},
          {"object_file", object_file},
          {"document_record", document_record},
          {"clock_note", clock_note}};
}

}  // namespace millrace::fuzzing
