#include "iam/identities.h"

#include <algorithm>

#include "codec/json.h"
#include "iam/documents.h"
#include "iam/errors.h"
#include "iam/policy.h"
#include "storage/scan.h"

namespace millrace::iam {
namespace identities {

using codec::Json;
using storage::Family;

constexpr std::string_view kUserPrefix = "iam/users/";
constexpr std::string_view kGroupPrefix = "iam/groups/";

std::string record_key(const Identity& identity) {
  const auto prefix = identity.kind == IdentityKind::kUser ? kUserPrefix : kGroupPrefix;
  return std::string(prefix) + identity.account + "/" + identity.name;
}

std::string to_json(const Identity& identity) {
  Json keys = Json::array();
  for (const auto& key : identity.access_keys) {
    keys.push(Json::object(
        {{"id", key.id}, {"secret", key.secret}, {"created", to_unix_ms(key.created)}, {"active", key.active}}));
  }
  return Json::object({{"v", 1},
                       {"account", identity.account},
                       {"name", identity.name},
                       {"path", identity.path},
                       {"id", identity.id},
                       {"created", to_unix_ms(identity.created)},
                       {"policies", documents::map_to_json(identity.inline_policies)},
                       {"attached", documents::set_to_json(identity.attached_policies)},
                       {"boundary", identity.permissions_boundary},
                       {"tags", documents::map_to_json(identity.tags)},
                       {"groups", documents::set_to_json(identity.groups)},
                       {"keys", std::move(keys)}})
      .dump();
}

Identity from_json(IdentityKind kind, const Json& json) {
  Identity identity;
  identity.kind = kind;
  identity.account = json.string_or("account", "");
  identity.name = json.string_or("name", "");
  identity.path = json.string_or("path", "/");
  identity.id = json.string_or("id", "");
  identity.created = from_unix_ms(json.int_or("created", 0));
  documents::read_map(json.find("policies"), identity.inline_policies);
  documents::read_set(json.find("attached"), identity.attached_policies);
  identity.permissions_boundary = json.string_or("boundary", "");
  documents::read_map(json.find("tags"), identity.tags);
  documents::read_set(json.find("groups"), identity.groups);
  if (const Json* keys = json.find("keys"); keys != nullptr && keys->is_array()) {
    for (const Json& key : keys->as_array()) {
      identity.access_keys.push_back({std::string(key.string_or("id", "")), std::string(key.string_or("secret", "")),
                                      from_unix_ms(key.int_or("created", 0)), key.bool_or("active", true)});
    }
  }
  return identity;
}

std::string word_of(IdentityKind kind) { return kind == IdentityKind::kUser ? "user" : "group"; }

Error not_found(const Identities::Name& name) {
  return Error(kNoSuchEntity,
               "The " + word_of(name.kind) + " with name " + std::string(name.name) + " cannot be found.");
}

Error exists(IdentityKind kind, const std::string& name) {
  const std::string word = kind == IdentityKind::kUser ? "User" : "Group";
  return Error(kEntityAlreadyExists, word + " with name " + name + " already exists.");
}

Error no_policy(const Identities::Name& name, std::string_view policy) {
  return Error(kNoSuchEntity,
               "The " + word_of(name.kind) + " policy with name " + std::string(policy) + " cannot be found.");
}

Error no_key(std::string_view key) {
  return Error(kNoSuchEntity, "The Access Key with id " + std::string(key) + " cannot be found.");
}

Error conflict(std::string_view what) {
  return Error(kDeleteConflict, "Cannot delete entity, must " + std::string(what) + " first.");
}

Result<void> check_user_tags(const Tags& tags) {
  if (tags.size() > kRoleTagsMax) return Error(kLimitExceeded, "Cannot exceed quota for TagsPerUser: 50");
  return {};
}

}  // namespace identities

Result<void> Identities::load() {
  const std::scoped_lock lock(mutex_);
  identities_.clear();
  for (const auto& [key, user] : keys_) principals_.erase(key);
  keys_.clear();
  for (const auto kind : {IdentityKind::kUser, IdentityKind::kGroup}) {
    const auto prefix = kind == IdentityKind::kUser ? identities::kUserPrefix : identities::kGroupPrefix;
    const auto read = [&](std::string_view record, std::string_view value) -> Result<void> {
      const auto json = codec::parse_json(value);
      if (!json.ok()) return storage::damaged("user or group", record);
      Identity identity = identities::from_json(kind, *json);
      if (identities::record_key(identity) != record) return storage::damaged("user or group", record);
      Key key{kind, identity.account, identity.name};
      keep(std::move(key), std::move(identity));
      return {};
    };
    MR_RETURN_IF_ERROR(storage::for_each(store_, storage::Family::kCatalogue, prefix, read));
  }
  return {};
}

Result<const Identity*> Identities::find(const Name& name) const {
  const auto it = identities_.find(key_of(name));
  if (it == identities_.end()) return identities::not_found(name);
  return &it->second;
}

void Identities::save(const Identity& identity) {
  storage::WriteBatch batch;
  batch.put(storage::Family::kCatalogue, identities::record_key(identity), identities::to_json(identity));
  commits_.submit(std::move(batch));
}

void Identities::keep(Key key, Identity identity) {
  for (const AccessKey& one : identity.access_keys) {
    keys_.insert_or_assign(one.id, key);
    principals_.set(one.id,
                    std::make_shared<const Principal>(Principal{identity.account, identity.arn(), identity.id}));
  }
  identities_.insert_or_assign(std::move(key), std::move(identity));
}

template <typename Change>
Result<void> Identities::update(const Name& name, Change change) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(const Identity* identity, find(name));
  Identity changed = *identity;
  MR_RETURN_IF_ERROR(change(changed));
  save(changed);
  keep(key_of(name), std::move(changed));
  return {};
}

Result<Identity> Identities::create(IdentityKind kind, std::string_view account, NewIdentity given) {
  MR_RETURN_IF_ERROR(identities::check_user_tags(given.tags));
  const std::scoped_lock lock(mutex_);
  const bool is_user = kind == IdentityKind::kUser;
  Key key{kind, account, given.name};
  if (identities_.contains(key)) return identities::exists(kind, given.name);
  const std::size_t max = is_user ? kUsersMax : kGroupsMax;
  const auto count = std::ranges::count_if(identities_, [&](const auto& entry) {
    return std::get<0>(entry.first) == kind && std::get<1>(entry.first) == account;
  });
  if (static_cast<std::size_t>(count) >= max) {
    return Error(kLimitExceeded, std::string("Cannot exceed quota for ") +
                                     (is_user ? "UsersPerAccount: " : "GroupsPerAccount: ") + std::to_string(max));
  }
  Identity identity;
  identity.kind = kind;
  identity.account = account;
  identity.name = std::move(given.name);
  identity.path = std::move(given.path);
  identity.id = new_id(random_, is_user ? "AIDA" : "AGPA", 17);
  identity.created = clock_.now();
  identity.permissions_boundary = std::move(given.permissions_boundary);
  identity.tags = std::move(given.tags);
  save(identity);
  identities_.emplace(std::move(key), identity);
  return identity;
}

Result<Identity> Identities::get(const Name& name) const {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(const Identity* identity, find(name));
  return *identity;
}

std::vector<Identity> Identities::list(IdentityKind kind, std::string_view account) const {
  const std::scoped_lock lock(mutex_);
  std::vector<Identity> found;
  for (const auto& [key, identity] : identities_) {
    if (identity.kind == kind && identity.account == account) found.push_back(identity);
  }
  return found;
}

bool Identities::has_users(std::string_view account, std::string_view group) const {
  return std::ranges::any_of(identities_, [&](const auto& entry) {
    const Identity& identity = entry.second;
    return identity.kind == IdentityKind::kUser && identity.account == account && identity.groups.contains(group);
  });
}

Result<void> Identities::remove(const Name& name) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(const Identity* identity, find(name));
  if (!identity->attached_policies.empty()) return identities::conflict("detach all policies");
  if (!identity->inline_policies.empty()) return identities::conflict("delete policies");
  if (!identity->access_keys.empty()) return identities::conflict("delete access keys");
  if (!identity->groups.empty() || (name.kind == IdentityKind::kGroup && has_users(name.account, name.name))) {
    return identities::conflict("remove users from group");
  }
  storage::WriteBatch batch;
  batch.erase(storage::Family::kCatalogue, identities::record_key(*identity));
  commits_.submit(std::move(batch));
  identities_.erase(key_of(name));
  return {};
}

Result<void> Identities::rename(const Name& name, std::optional<std::string> new_name,
                                std::optional<std::string> new_path) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(const Identity* found, find(name));
  Identity changed = *found;
  if (new_path) changed.path = *std::move(new_path);
  if (new_name) changed.name = *std::move(new_name);
  const Key old_key = key_of(name);
  Key key{changed.kind, changed.account, changed.name};
  if (key != old_key && identities_.contains(key)) return identities::exists(changed.kind, changed.name);
  storage::WriteBatch batch;
  if (key != old_key) batch.erase(storage::Family::kCatalogue, identities::record_key(*found));
  batch.put(storage::Family::kCatalogue, identities::record_key(changed), identities::to_json(changed));
  if (key != old_key && changed.kind == IdentityKind::kGroup) {
    for (auto& [_, user] : identities_) {
      if (user.account != changed.account || user.groups.erase(std::string(name.name)) == 0) continue;
      user.groups.insert(changed.name);
      batch.put(storage::Family::kCatalogue, identities::record_key(user), identities::to_json(user));
    }
  }
  commits_.submit(std::move(batch));
  identities_.erase(old_key);
  keep(std::move(key), std::move(changed));
  return {};
}

Result<void> Identities::put_policy(const Name& name, std::string_view policy, std::string document) {
  MR_RETURN_IF_ERROR(check_policy(document, PolicyKind::kPermission));
  return update(name, [&](Identity& identity) -> Result<void> {
    identity.inline_policies[std::string(policy)] = std::move(document);
    std::size_t bytes = 0;
    for (const auto& [_, text] : identity.inline_policies) bytes += documents::bytes_without_space(text);
    const std::size_t max = name.kind == IdentityKind::kUser ? kUserInlinePolicyBytesMax : kGroupInlinePolicyBytesMax;
    if (bytes <= max) return {};
    return Error(kLimitExceeded, "Maximum policy size of " + std::to_string(max) + " bytes exceeded for " +
                                     identities::word_of(name.kind) + " " + identity.name);
  });
}

Result<std::string> Identities::get_policy(const Name& name, std::string_view policy) const {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(const Identity* identity, find(name));
  const auto it = identity->inline_policies.find(policy);
  if (it == identity->inline_policies.end()) return identities::no_policy(name, policy);
  return it->second;
}

Result<void> Identities::delete_policy(const Name& name, std::string_view policy) {
  return update(name, [&](Identity& identity) -> Result<void> {
    const auto it = identity.inline_policies.find(policy);
    if (it == identity.inline_policies.end()) return identities::no_policy(name, policy);
    identity.inline_policies.erase(it);
    return {};
  });
}

Result<void> Identities::attach(const Name& name, std::string_view policy_arn) {
  return update(name, [&](Identity& identity) -> Result<void> {
    identity.attached_policies.emplace(policy_arn);
    if (identity.attached_policies.size() <= kAttachedPoliciesMax) return {};
    const std::string quota = name.kind == IdentityKind::kUser ? "PoliciesPerUser" : "PoliciesPerGroup";
    return Error(kLimitExceeded, "Cannot exceed quota for " + quota + ": " + std::to_string(kAttachedPoliciesMax));
  });
}

Result<void> Identities::detach(const Name& name, std::string_view policy_arn) {
  return update(name, [&](Identity& identity) -> Result<void> {
    const auto it = identity.attached_policies.find(policy_arn);
    if (it == identity.attached_policies.end()) {
      return Error(kNoSuchEntity, "Policy " + std::string(policy_arn) + " was not found.");
    }
    identity.attached_policies.erase(it);
    return {};
  });
}

Result<void> Identities::tag(const Name& user, const Tags& tags) {
  return update(user, [&](Identity& identity) -> Result<void> {
    for (const auto& [key, value] : tags) identity.tags[key] = value;
    return identities::check_user_tags(identity.tags);
  });
}

Result<void> Identities::untag(const Name& user, const std::vector<std::string>& keys) {
  return update(user, [&](Identity& identity) -> Result<void> {
    for (const auto& key : keys) identity.tags.erase(key);
    return {};
  });
}

Result<void> Identities::add_to_group(std::string_view account, std::string_view user, std::string_view group) {
  return update({IdentityKind::kUser, account, user}, [&](Identity& identity) -> Result<void> {
    MR_RETURN_IF_ERROR(find({IdentityKind::kGroup, account, group}));
    identity.groups.emplace(group);
    if (identity.groups.size() <= kGroupsPerUserMax) return {};
    return Error(kLimitExceeded, "Cannot exceed quota for GroupsPerUser: " + std::to_string(kGroupsPerUserMax));
  });
}

// AWS: also a success when the user is not in the group.
Result<void> Identities::remove_from_group(std::string_view account, std::string_view user, std::string_view group) {
  return update({IdentityKind::kUser, account, user}, [&](Identity& identity) -> Result<void> {
    MR_RETURN_IF_ERROR(find({IdentityKind::kGroup, account, group}));
    identity.groups.erase(std::string(group));
    return {};
  });
}

std::vector<Identity> Identities::users_of(std::string_view account, std::string_view group) const {
  std::vector<Identity> users = list(IdentityKind::kUser, account);
  std::erase_if(users, [&](const Identity& user) { return !user.groups.contains(group); });
  return users;
}

Result<AccessKey> Identities::create_key(const Name& user) {
  AccessKey made;
  MR_RETURN_IF_ERROR(update(user, [&](Identity& identity) -> Result<void> {
    if (identity.access_keys.size() >= kAccessKeysMax) {
      return Error(kLimitExceeded, "Cannot exceed quota for AccessKeysPerUser: " + std::to_string(kAccessKeysMax));
    }
    made.id = new_id(random_, "AKIA", 16);
    made.secret = new_secret(random_);
    made.created = clock_.now();
    identity.access_keys.push_back(made);
    return {};
  }));
  return made;
}

Result<void> Identities::set_key_active(const Name& user, std::string_view key, bool active) {
  return update(user, [&](Identity& identity) -> Result<void> {
    const auto found = std::ranges::find(identity.access_keys, key, &AccessKey::id);
    if (found == identity.access_keys.end()) return identities::no_key(key);
    found->active = active;
    return {};
  });
}

Result<void> Identities::delete_key(const Name& user, std::string_view key) {
  return update(user, [&](Identity& identity) -> Result<void> {
    if (std::erase_if(identity.access_keys, [&](const AccessKey& one) { return one.id == key; }) == 0) {
      return identities::no_key(key);
    }
    keys_.erase(std::string(key));
    principals_.erase(key);
    return {};
  });
}

std::optional<Identity> Identities::user_of_key(std::string_view access_key) const {
  const std::scoped_lock lock(mutex_);
  const Identity* user = holder(access_key);
  return user == nullptr ? std::nullopt : std::optional(*user);
}

std::optional<Principal> Identities::principal_of_key(std::string_view access_key) const {
  const auto known = principals_.find(access_key);
  return known == nullptr ? std::nullopt : std::optional(*known);
}

const Identity* Identities::holder(std::string_view access_key) const {
  const auto it = keys_.find(access_key);
  if (it == keys_.end()) return nullptr;
  const auto user = identities_.find(it->second);
  return user == identities_.end() ? nullptr : &user->second;
}

void Identities::reset(std::string_view account) {
  const std::scoped_lock lock(mutex_);
  storage::WriteBatch batch;
  std::erase_if(identities_, [&](const auto& entry) {
    if (entry.second.account != account) return false;
    batch.erase(storage::Family::kCatalogue, identities::record_key(entry.second));
    return true;
  });
  std::erase_if(keys_, [&](const auto& entry) {
    if (identities_.contains(entry.second)) return false;
    principals_.erase(entry.first);
    return true;
  });
  if (!batch.empty()) commits_.submit(std::move(batch));
}

}  // namespace millrace::iam
