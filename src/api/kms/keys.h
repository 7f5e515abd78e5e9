// Keys and aliases as values, and where they are kept. The functions are pure; KeyStore is thread-safe.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/scope.h"
#include "base/time.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "records/records.h"
#include "wire/service.h"

namespace millrace::api_kms {

using codec::Json;
using wire::Document;
using wire::Reply;
using wire::RequestContext;

inline constexpr std::size_t kTagsMax = 50;              // AWS
inline constexpr std::size_t kPolicyBytesMax = 32'768;   // AWS
inline constexpr int kDeletionDays = 30;                 // AWS: 7 to 30
inline constexpr int kRotationDays = 365;                // AWS: 90 to 2560
inline constexpr std::string_view kKeyKind = "kms/key";  // records::Name::kind; the name is the key's id
inline constexpr std::string_view kAliasKind = "kms/alias";

struct Key {
  std::string id;
  Time created{};
  std::string description;
  std::string usage = "ENCRYPT_DECRYPT";
  std::string spec = "SYMMETRIC_DEFAULT";
  std::string policy;
  bool enabled = true;
  int rotation_days = 0;         // 0: not rotated
  std::optional<Time> deletion;  // from when on it does not exist
  std::map<std::string, std::string, std::less<>> tags;
};

Json to_json(const Key& key);
Key key_from_json(const Json& json);
// AWS: KeyMetadata.
Document metadata_of(const Key& key, const Scope& scope);
std::string arn_of(const Scope& scope, std::string_view resource);  // "key/...", "alias/..."
// AWS: what a key without a policy of its own gets.
std::string default_policy(std::string_view account);
// Errors: ValidationException (what does not go together), UnsupportedOperationException (not served).
Result<void> check_kind(const Key& key);
// Errors: MalformedPolicyDocumentException.
Result<void> check_policy(std::string_view policy);

struct Reference {
  Scope scope;
  std::string id;
};

struct KeyStore {
  records::Records& records;
  platform::Clock& clock;
  platform::Random& random;

  // From an id, a key's ARN, and with `aliases` an alias' name or ARN. Errors: NotFoundException.
  enum class Aliases { kToo, kNot };
  Result<Reference> resolve(const Scope& caller, std::string_view text, Aliases aliases = Aliases::kNot);
  Result<Key> find(const Reference& reference);  // NotFoundException
  // Changes a copy by `change`; stores it unless that fails. AWS: one that waits for its deletion is changed by
  // CancelKeyDeletion only.
  enum class Pending { kRefused, kTaken };
  Result<Key> change(const Reference& reference, const std::function<Result<void>(Key&)>& change,
                     Pending pending = Pending::kRefused);
  // Removes the keys of the scope whose time has come, with their aliases.
  void remove_due(const Scope& scope);
  Reply reply(Document output = Document::object()) const;
};

}  // namespace millrace::api_kms
