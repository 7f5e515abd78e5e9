#include "iam/roles.h"

#include <algorithm>

#include "codec/json.h"
#include "crypto/digest.h"
#include "crypto/encoding.h"
#include "iam/documents.h"
#include "iam/errors.h"
#include "iam/policy.h"
#include "storage/scan.h"

namespace millrace::iam {
namespace {

using codec::Json;
using documents::bytes_without_space;
using documents::map_to_json;
using documents::page_of;
using documents::read_map;
using storage::Family;

constexpr std::string_view kRolePrefix = "iam/roles/";
constexpr std::string_view kIdDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

std::string role_key(const Role& role) { return std::string(kRolePrefix) + role.account + "/" + role.name; }

Error not_found(std::string_view name) {
  return Error(kNoSuchEntity, "The role with name " + std::string(name) + " cannot be found.");
}

std::string to_json(const Role& role) {
  Json json = Json::object();
  json.set("v", 1)
      .set("account", role.account)
      .set("name", role.name)
      .set("path", role.path)
      .set("id", role.id)
      .set("created", to_unix_ms(role.created))
      .set("trust", role.trust_policy)
      .set_if(role.description.has_value(), "description", role.description.value_or(""))
      .set("session", role.max_session_seconds)
      .set_if(!role.permissions_boundary.empty(), "boundary", role.permissions_boundary)
      .set("tags", map_to_json(role.tags))
      .set("policies", map_to_json(role.inline_policies))
      .set("attached", documents::set_to_json(role.attached_policies));
  return json.dump();
}

Role from_json(const Json& json) {
  Role role;
  role.account = json.string_or("account", "");
  role.name = json.string_or("name", "");
  role.path = json.string_or("path", "/");
  role.id = json.string_or("id", "");
  role.created = from_unix_ms(json.int_or("created", 0));
  role.trust_policy = json.string_or("trust", "");
  if (json.find("description") != nullptr) role.description = json.string_or("description", "");
  role.max_session_seconds = static_cast<int>(json.int_or("session", 3600));
  role.permissions_boundary = json.string_or("boundary", "");
  read_map(json.find("tags"), role.tags);
  read_map(json.find("policies"), role.inline_policies);
  documents::read_set(json.find("attached"), role.attached_policies);
  return role;
}

Result<void> check_trust(std::string_view document) {
  MR_RETURN_IF_ERROR(check_policy(document, PolicyKind::kTrust));
  if (bytes_without_space(document) > kTrustPolicyBytesMax) {
    return Error(kLimitExceeded, "Cannot exceed quota for ACLSizePerRole: " + std::to_string(kTrustPolicyBytesMax));
  }
  return {};
}

Result<void> check_tags(const Tags& tags) {
  if (tags.size() > kRoleTagsMax) return Error(kLimitExceeded, "Cannot exceed quota for TagsPerRole: 50");
  return {};
}

}  // namespace

std::string new_id(platform::Random& random, std::string_view prefix, std::size_t digits) {
  std::string id(prefix);
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < digits; ++i, bits >>= 5) {
    if (i % 12 == 0) bits = random.next();
    id.push_back(kIdDigits[bits & 31]);
  }
  return id;
}

std::string derived_id(std::string_view prefix, std::string_view text) {
  std::string id(prefix);
  for (const char c : crypto::sha256(text).substr(0, 17)) id.push_back(kIdDigits[static_cast<unsigned char>(c) & 31]);
  return id;
}

std::string random_text(platform::Random& random, std::size_t words) {
  std::string bytes;
  for (std::size_t i = 0; i < words; ++i) {
    const std::uint64_t word = random.next();
    for (int shift = 0; shift < 64; shift += 8) bytes.push_back(static_cast<char>(word >> shift));
  }
  return crypto::base64_encode(bytes);
}

std::string new_secret(platform::Random& random) { return random_text(random, 4).substr(0, 40); }

Roles::Roles(storage::Store& store, storage::Commits& commits, platform::Clock& clock, platform::Random& random)
    : store_(store), commits_(commits, "iam"), clock_(clock), random_(random) {
  commits_.set_restore([this] { return load(); });
}

Result<void> Roles::load() {
  const std::scoped_lock lock(mutex_);
  roles_.clear();
  const auto read = [&](std::string_view record, std::string_view value) -> Result<void> {
    const auto json = codec::parse_json(value);
    if (!json.ok()) return storage::damaged("role", record);
    Role role = from_json(*json);
    if (role_key(role) != record) return storage::damaged("role", record);
    Key key{role.account, role.name};
    roles_.insert_or_assign(std::move(key), std::move(role));
    return {};
  };
  return storage::for_each(store_, Family::kCatalogue, kRolePrefix, read);
}

Result<const Role*> Roles::find(std::string_view account, std::string_view name) const {
  const auto it = roles_.find(Key{account, name});
  if (it == roles_.end()) return not_found(name);
  return &it->second;
}

void Roles::save(const Role& role) {
  storage::WriteBatch batch;
  batch.put(Family::kCatalogue, role_key(role), to_json(role));
  commits_.submit(std::move(batch));
}

template <typename Change>
Result<void> Roles::update(std::string_view account, std::string_view name, Change change) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(const Role* role, find(account, name));
  Role changed = *role;
  MR_RETURN_IF_ERROR(change(changed));
  save(changed);
  roles_.insert_or_assign(Key{account, name}, std::move(changed));
  return {};
}

Result<Role> Roles::create(std::string_view account, NewRole given) {
  MR_RETURN_IF_ERROR(check_trust(given.trust_policy));
  MR_RETURN_IF_ERROR(check_tags(given.tags));
  const std::scoped_lock lock(mutex_);
  if (roles_.contains(Key{account, given.name})) {
    return Error(kEntityAlreadyExists, "Role with name " + given.name + " already exists.");
  }
  const auto count = std::ranges::count_if(roles_, [&](const auto& entry) { return entry.first.first == account; });
  if (static_cast<std::size_t>(count) >= kRolesMax) {
    return Error(kLimitExceeded, "Cannot exceed quota for RolesPerAccount: " + std::to_string(kRolesMax));
  }
  Role role;
  role.account = account;
  role.name = std::move(given.name);
  role.path = std::move(given.path);
  role.id = new_id(random_, "AROA", 17);
  role.created = clock_.now();
  role.trust_policy = std::move(given.trust_policy);
  role.description = std::move(given.description);
  role.max_session_seconds = given.max_session_seconds;
  role.permissions_boundary = std::move(given.permissions_boundary);
  role.tags = std::move(given.tags);
  save(role);
  roles_.emplace(Key{role.account, role.name}, role);
  return role;
}

Result<Role> Roles::get(std::string_view account, std::string_view name) const {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(const Role* role, find(account, name));
  return *role;
}

Result<Page<Role>> Roles::list(std::string_view account, std::string_view path_prefix, PageRequest page) const {
  const std::scoped_lock lock(mutex_);
  std::vector<Role> roles;
  for (const auto& [key, role] : roles_) {
    if (key.first == account && role.path.starts_with(path_prefix)) roles.push_back(role);
  }
  return page_of(std::move(roles), page, [](const Role& role) { return role.name; });
}

std::vector<Role> Roles::all(std::string_view account) const {
  const std::scoped_lock lock(mutex_);
  std::vector<Role> roles;
  for (const auto& [key, role] : roles_) {
    if (key.first == account) roles.push_back(role);
  }
  return roles;
}

Result<void> Roles::remove(std::string_view account, std::string_view name) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(const Role* role, find(account, name));
  if (!role->attached_policies.empty()) {
    return Error(kDeleteConflict, "Cannot delete entity, must detach all policies first.");
  }
  if (!role->inline_policies.empty()) {
    return Error(kDeleteConflict, "Cannot delete entity, must delete policies first.");
  }
  storage::WriteBatch batch;
  batch.erase(Family::kCatalogue, role_key(*role));
  commits_.submit(std::move(batch));
  roles_.erase(Key{account, name});
  return {};
}

void Roles::reset(std::string_view account) {
  const std::scoped_lock lock(mutex_);
  storage::WriteBatch batch;
  std::erase_if(roles_, [&](const auto& entry) {
    if (entry.first.first != account) return false;
    batch.erase(Family::kCatalogue, role_key(entry.second));
    return true;
  });
  if (!batch.empty()) commits_.submit(std::move(batch));
}

Result<void> Roles::set_trust_policy(std::string_view account, std::string_view name, std::string document) {
  MR_RETURN_IF_ERROR(check_trust(document));
  return update(account, name, [&](Role& role) -> Result<void> {
    role.trust_policy = std::move(document);
    return {};
  });
}

Result<void> Roles::set_settings(std::string_view account, std::string_view name,
                                 std::optional<std::string> description, std::optional<int> max_session_seconds) {
  return update(account, name, [&](Role& role) -> Result<void> {
    if (description) role.description = std::move(description);
    role.max_session_seconds = max_session_seconds.value_or(role.max_session_seconds);
    return {};
  });
}

Result<void> Roles::put_policy(std::string_view account, std::string_view name, std::string_view policy,
                               std::string document) {
  MR_RETURN_IF_ERROR(check_policy(document, PolicyKind::kPermission));
  return update(account, name, [&](Role& role) -> Result<void> {
    role.inline_policies[std::string(policy)] = std::move(document);
    std::size_t bytes = 0;
    for (const auto& [other, text] : role.inline_policies) bytes += bytes_without_space(text);
    if (bytes > kInlinePolicyBytesMax) {
      return Error(kLimitExceeded, "Maximum policy size of " + std::to_string(kInlinePolicyBytesMax) +
                                       " bytes exceeded for role " + role.name);
    }
    return {};
  });
}

Result<std::string> Roles::get_policy(std::string_view account, std::string_view name, std::string_view policy) const {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(const Role* role, find(account, name));
  const auto it = role->inline_policies.find(policy);
  if (it == role->inline_policies.end()) {
    return Error(kNoSuchEntity, "The role policy with name " + std::string(policy) + " cannot be found.");
  }
  return it->second;
}

Result<Page<std::string>> Roles::list_policies(std::string_view account, std::string_view name,
                                               PageRequest page) const {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(const Role* role, find(account, name));
  std::vector<std::string> names;
  for (const auto& [policy, text] : role->inline_policies) names.push_back(policy);
  return page_of(std::move(names), page, [](const std::string& policy) { return policy; });
}

Result<void> Roles::delete_policy(std::string_view account, std::string_view name, std::string_view policy) {
  return update(account, name, [&](Role& role) -> Result<void> {
    const auto it = role.inline_policies.find(policy);
    if (it == role.inline_policies.end()) {
      return Error(kNoSuchEntity, "The role policy with name " + std::string(policy) + " cannot be found.");
    }
    role.inline_policies.erase(it);
    return {};
  });
}

Result<void> Roles::attach(std::string_view account, std::string_view name, std::string_view policy_arn) {
  return update(account, name, [&](Role& role) -> Result<void> {
    role.attached_policies.emplace(policy_arn);
    if (role.attached_policies.size() > kAttachedPoliciesMax) {
      return Error(kLimitExceeded, "Cannot exceed quota for PoliciesPerRole: " + std::to_string(kAttachedPoliciesMax));
    }
    return {};
  });
}

Result<void> Roles::detach(std::string_view account, std::string_view name, std::string_view policy_arn) {
  return update(account, name, [&](Role& role) -> Result<void> {
    const auto it = role.attached_policies.find(policy_arn);
    if (it == role.attached_policies.end()) {
      return Error(kNoSuchEntity, "Policy " + std::string(policy_arn) + " was not found.");
    }
    role.attached_policies.erase(it);
    return {};
  });
}

Result<Page<std::string>> Roles::list_attached(std::string_view account, std::string_view name,
                                               std::string_view path_prefix, PageRequest page) const {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(const Role* role, find(account, name));
  std::vector<std::string> arns;
  for (const auto& arn : role->attached_policies) {
    if (documents::path_of_policy(arn).starts_with(path_prefix)) arns.push_back(arn);
  }
  return page_of(std::move(arns), page, [](const std::string& arn) { return arn; });
}

Result<void> Roles::tag(std::string_view account, std::string_view name, const Tags& tags) {
  return update(account, name, [&](Role& role) -> Result<void> {
    for (const auto& [key, value] : tags) role.tags[key] = value;
    return check_tags(role.tags);
  });
}

Result<void> Roles::untag(std::string_view account, std::string_view name, const std::vector<std::string>& keys) {
  return update(account, name, [&](Role& role) -> Result<void> {
    for (const auto& key : keys) role.tags.erase(key);
    return {};
  });
}

}  // namespace millrace::iam
