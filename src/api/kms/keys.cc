#include "api/kms/keys.h"

#include <algorithm>
#include <vector>

#include "wire/arn.h"
#include "wire/generated/kms.h"

namespace millrace::api_kms {
namespace {

using Texts = std::vector<std::string_view>;

struct Kind {
  std::string_view spec;
  std::string_view usage;
  Texts algorithms;
};

// AWS: which algorithms a key of a spec and usage takes.
const std::vector<Kind>& kinds() {
  static const Texts kRsaSigning = {"RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_384",
                                    "RSASSA_PKCS1_V1_5_SHA_512", "RSASSA_PSS_SHA_256",
                                    "RSASSA_PSS_SHA_384",        "RSASSA_PSS_SHA_512"};
  static const Texts kRsaEncryption = {"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"};
  static const std::vector<Kind> kKinds = {{"SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", {"SYMMETRIC_DEFAULT"}},
                                           {"RSA_2048", "ENCRYPT_DECRYPT", kRsaEncryption},
                                           {"RSA_3072", "ENCRYPT_DECRYPT", kRsaEncryption},
                                           {"RSA_4096", "ENCRYPT_DECRYPT", kRsaEncryption},
                                           {"RSA_2048", "SIGN_VERIFY", kRsaSigning},
                                           {"RSA_3072", "SIGN_VERIFY", kRsaSigning},
                                           {"RSA_4096", "SIGN_VERIFY", kRsaSigning},
                                           {"ECC_NIST_P256", "SIGN_VERIFY", {"ECDSA_SHA_256"}},
                                           {"ECC_NIST_P384", "SIGN_VERIFY", {"ECDSA_SHA_384"}},
                                           {"ECC_NIST_P521", "SIGN_VERIFY", {"ECDSA_SHA_512"}},
                                           {"ECC_SECG_P256K1", "SIGN_VERIFY", {"ECDSA_SHA_256"}},
                                           {"HMAC_224", "GENERATE_VERIFY_MAC", {"HMAC_SHA_224"}},
                                           {"HMAC_256", "GENERATE_VERIFY_MAC", {"HMAC_SHA_256"}},
                                           {"HMAC_384", "GENERATE_VERIFY_MAC", {"HMAC_SHA_384"}},
                                           {"HMAC_512", "GENERATE_VERIFY_MAC", {"HMAC_SHA_512"}}};
  return kKinds;
}

const Kind* kind_of(const Key& key) {
  const auto found =
      std::ranges::find_if(kinds(), [&](const Kind& kind) { return kind.spec == key.spec && kind.usage == key.usage; });
  return found == kinds().end() ? nullptr : &*found;
}

Error not_found(const Reference& reference) {
  return Error(wire::kms::kNotFoundException,
               "Key '" + arn_of(reference.scope, "key/" + reference.id) + "' does not exist");
}

}  // namespace

Json to_json(const Key& key) {
  Json tags = Json::object();
  for (const auto& [name, value] : key.tags) tags.set(name, value);
  Json json = Json::object({{"v", 1},
                            {"id", key.id},
                            {"created", to_unix_ms(key.created)},
                            {"description", key.description},
                            {"usage", key.usage},
                            {"spec", key.spec},
                            {"policy", key.policy},
                            {"enabled", key.enabled},
                            {"rotation", key.rotation_days},
                            {"tags", std::move(tags)}});
  if (key.deletion) json.set("deletion", to_unix_ms(*key.deletion));
  return json;
}

Key key_from_json(const Json& json) {
  Key key;
  key.id = json.string_or("id", "");
  key.created = from_unix_ms(json.int_or("created", 0));
  key.description = json.string_or("description", "");
  key.usage = json.string_or("usage", "");
  key.spec = json.string_or("spec", "");
  key.policy = json.string_or("policy", "");
  key.enabled = json.bool_or("enabled", true);
  key.rotation_days = static_cast<int>(json.int_or("rotation", 0));
  if (json.find("deletion") != nullptr) key.deletion = from_unix_ms(json.int_or("deletion", 0));
  if (const Json* tags = json.find("tags"); tags != nullptr && tags->is_object()) {
    for (const auto& [name, value] : tags->as_object()) key.tags[name] = value.is_string() ? value.as_string() : "";
  }
  return key;
}

std::string arn_of(const Scope& scope, std::string_view resource) { return wire::format_arn("kms", scope, resource); }

Document metadata_of(const Key& key, const Scope& scope) {
  Document metadata = Document::object({{"AWSAccountId", scope.account},
                                        {"KeyId", key.id},
                                        {"Arn", arn_of(scope, "key/" + key.id)},
                                        {"CreationDate", to_unix_s(key.created)},
                                        {"Enabled", key.enabled && !key.deletion},
                                        {"Description", key.description},
                                        {"KeyUsage", key.usage},
                                        {"KeyState", key.deletion  ? "PendingDeletion"
                                                     : key.enabled ? "Enabled"
                                                                   : "Disabled"},
                                        {"Origin", "AWS_KMS"},
                                        {"KeyManager", "CUSTOMER"},
                                        {"CustomerMasterKeySpec", key.spec},
                                        {"KeySpec", key.spec},
                                        {"MultiRegion", false}});
  if (key.deletion) metadata.set("DeletionDate", to_unix_s(*key.deletion));
  if (const Kind* kind = kind_of(key)) {
    Document algorithms = Document::array();
    for (const auto algorithm : kind->algorithms) algorithms.push(algorithm);
    metadata.set(key.usage == "SIGN_VERIFY"           ? "SigningAlgorithms"
                 : key.usage == "GENERATE_VERIFY_MAC" ? "MacAlgorithms"
                                                      : "EncryptionAlgorithms",
                 std::move(algorithms));
  }
  return metadata;
}

std::string default_policy(std::string_view account) {
  const std::string root = "arn:aws:iam::" + std::string(account) + ":root";
  const Document statement = Document::object({{"Sid", "Enable IAM User Permissions"},
                                               {"Effect", "Allow"},
                                               {"Principal", Document::object({{"AWS", root}})},
                                               {"Action", "kms:*"},
                                               {"Resource", "*"}});
  return Document::object(
             {{"Version", "2012-10-17"}, {"Id", "key-default-1"}, {"Statement", Document::array({statement})}})
      .dump_pretty();
}

Result<void> check_kind(const Key& key) {
  if (kind_of(key) != nullptr) return {};
  const bool known = std::ranges::any_of(kinds(), [&](const Kind& kind) { return kind.spec == key.spec; });
  if (!known) {
    return Error(wire::kms::kUnsupportedOperationException,
                 "The KeySpec " + key.spec + " is not supported by this server.");
  }
  return Error(wire::kms::kValidationException,
               "The operation failed because the KeyUsage value of the KMS key is " + key.usage +
                   ". To perform this operation, the KeyUsage must be compatible with the KeySpec " + key.spec + ".");
}

Result<void> check_policy(std::string_view policy) {
  const auto document = codec::parse_json(policy);
  const Json* statements = document.ok() ? document->find("Statement") : nullptr;
  if (policy.size() > kPolicyBytesMax || statements == nullptr ||
      !(statements->is_array() || statements->is_object())) {
    return Error(wire::kms::kMalformedPolicyDocumentException,
                 "Policy contains a statement with one or more invalid "
                 "elements.");
  }
  return {};
}

Result<Reference> KeyStore::resolve(const Scope& caller, std::string_view text, Aliases aliases) {
  Reference reference{caller, std::string(text)};
  if (const auto arn = wire::parse_arn(text)) {
    if (arn->service != "kms") return Error(wire::kms::kNotFoundException, "Invalid arn " + std::string(text));
    if (arn->region != caller.region) return Error(wire::kms::kNotFoundException, "Invalid arn " + arn->region);
    reference = {{arn->account, arn->region}, arn->resource};
    if (!reference.id.starts_with("key/") && !reference.id.starts_with("alias/")) {
      return Error(wire::kms::kNotFoundException, "Invalid arn " + std::string(text));
    }
    if (reference.id.starts_with("key/")) reference.id.erase(0, 4);
  }
  remove_due(reference.scope);
  if (!reference.id.starts_with("alias/")) {
    if (reference.id.find('/') != std::string::npos) {
      return Error(wire::kms::kNotFoundException, "Invalid keyId '" + reference.id + "'");
    }
    return reference;
  }
  if (aliases == Aliases::kNot) {
    return Error(wire::kms::kNotFoundException, "Invalid keyId '" + std::string(text) + "'");
  }
  const auto alias = records.find({std::string(kAliasKind), reference.scope, reference.id});
  if (!alias) {
    return Error(wire::kms::kNotFoundException, "Alias " + arn_of(reference.scope, reference.id) + " is not found.");
  }
  reference.id = alias->string_or("target", "");
  return reference;
}

Result<Key> KeyStore::find(const Reference& reference) {
  const auto json = records.find({std::string(kKeyKind), reference.scope, reference.id});
  if (!json) return not_found(reference);
  return key_from_json(*json);
}

Result<Key> KeyStore::change(const Reference& reference, const std::function<Result<void>(Key&)>& change,
                             Pending pending) {
  Key changed;
  const auto step = [&](const Json* current) -> Result<Json> {
    if (current == nullptr) return not_found(reference);
    changed = key_from_json(*current);
    if (changed.deletion && pending == Pending::kRefused) {
      return Error(wire::kms::kKMSInvalidStateException,
                   arn_of(reference.scope, "key/" + reference.id) + " is pending deletion.");
    }
    MR_RETURN_IF_ERROR(change(changed));
    return to_json(changed);
  };
  MR_RETURN_IF_ERROR(records.change({std::string(kKeyKind), reference.scope, reference.id}, step));
  return changed;
}

void KeyStore::remove_due(const Scope& scope) {
  const Time now = clock.now();
  const auto nothing = [](const Json*) -> Result<Json> { return Json(); };
  for (const auto& [id, json] : records.list(kKeyKind, scope)) {
    const Key key = key_from_json(json);
    if (!key.deletion || *key.deletion > now) continue;
    for (const auto& [name, alias] : records.list(kAliasKind, scope)) {
      if (alias.string_or("target", "") == id) (void)records.change({std::string(kAliasKind), scope, name}, nothing);
    }
    (void)records.change({std::string(kKeyKind), scope, id}, nothing);
  }
}

Reply KeyStore::reply(Document output) const {
  Reply answer;
  answer.output = std::move(output);
  answer.after = records.last_commit();
  return answer;
}

}  // namespace millrace::api_kms
