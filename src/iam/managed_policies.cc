#include "iam/managed_policies.h"

#include <algorithm>

#include "codec/json.h"
#include "iam/documents.h"
#include "iam/errors.h"
#include "iam/policy.h"
#include "storage/scan.h"

namespace millrace::iam {
namespace managed {

using codec::Json;
using storage::Family;

constexpr std::string_view kPrefix = "iam/policies/";

std::string record_key(const ManagedPolicy& policy) {
  return std::string(kPrefix) + policy.account + "/" + policy.name;
}

std::string to_json(const ManagedPolicy& policy) {
  Json versions = Json::array();
  for (const auto& version : policy.versions) {
    versions.push(Json::object(
        {{"number", version.number}, {"created", to_unix_ms(version.created)}, {"document", version.document}}));
  }
  return Json::object({{"v", 1},
                       {"account", policy.account},
                       {"name", policy.name},
                       {"path", policy.path},
                       {"id", policy.id},
                       {"created", to_unix_ms(policy.created)},
                       {"updated", to_unix_ms(policy.updated)},
                       {"description", policy.description},
                       {"tags", documents::map_to_json(policy.tags)},
                       {"versions", std::move(versions)},
                       {"default", policy.default_version},
                       {"last", policy.last_version}})
      .dump();
}

ManagedPolicy from_json(const Json& json) {
  ManagedPolicy policy;
  policy.account = json.string_or("account", "");
  policy.name = json.string_or("name", "");
  policy.path = json.string_or("path", "/");
  policy.id = json.string_or("id", "");
  policy.created = from_unix_ms(json.int_or("created", 0));
  policy.updated = from_unix_ms(json.int_or("updated", 0));
  policy.description = json.string_or("description", "");
  documents::read_map(json.find("tags"), policy.tags);
  policy.default_version = static_cast<int>(json.int_or("default", 1));
  policy.last_version = static_cast<int>(json.int_or("last", 1));
  if (const Json* versions = json.find("versions"); versions != nullptr && versions->is_array()) {
    for (const Json& version : versions->as_array()) {
      policy.versions.push_back({static_cast<int>(version.int_or("number", 1)),
                                 from_unix_ms(version.int_or("created", 0)),
                                 std::string(version.string_or("document", ""))});
    }
  }
  return policy;
}

Error not_found(std::string_view arn) { return Error(kNoSuchEntity, "Policy " + std::string(arn) + " was not found."); }

Error no_version(std::string_view arn, std::string_view version) {
  return Error(kNoSuchEntity, "Policy " + std::string(arn) + " version " + std::string(version) +
                                  " does not exist or is not attachable.");
}

// "arn:aws:iam::ACCOUNT:policy/path/NAME"
struct Parsed {
  std::string account;
  std::string path;
  std::string name;
};
std::optional<Parsed> parse(std::string_view arn) {
  constexpr std::string_view kStart = "arn:aws:iam::";
  if (!arn.starts_with(kStart)) return std::nullopt;
  const auto end = arn.find(":policy/", kStart.size());
  if (end == std::string_view::npos || arn.back() == '/') return std::nullopt;
  return Parsed{std::string(arn.substr(kStart.size(), end - kStart.size())), documents::path_of_policy(arn),
                std::string(arn.substr(arn.rfind('/') + 1))};
}

Result<void> check_document(std::string_view document) {
  MR_RETURN_IF_ERROR(check_policy(document, PolicyKind::kPermission));
  if (documents::bytes_without_space(document) > kPolicyBytesMax) {
    return Error(kLimitExceeded, "Cannot exceed quota for PolicySize: " + std::to_string(kPolicyBytesMax));
  }
  return {};
}

Result<void> check_policy_tags(const Tags& tags) {
  if (tags.size() > kRoleTagsMax) return Error(kLimitExceeded, "Cannot exceed quota for TagsPerPolicy: 50");
  return {};
}

}  // namespace managed

const PolicyVersion* ManagedPolicy::version(std::string_view wanted) const {
  const auto found = std::ranges::find_if(versions, [&](const PolicyVersion& one) { return one.id() == wanted; });
  return found == versions.end() ? nullptr : &*found;
}

Result<void> ManagedPolicies::load() {
  const std::scoped_lock lock(mutex_);
  policies_.clear();
  const auto read = [&](std::string_view record, std::string_view value) -> Result<void> {
    const auto json = codec::parse_json(value);
    if (!json.ok()) return storage::damaged("policy", record);
    ManagedPolicy policy = managed::from_json(*json);
    const bool has_default = std::ranges::any_of(
        policy.versions, [&](const PolicyVersion& each) { return each.number == policy.default_version; });
    if (!has_default || managed::record_key(policy) != record) return storage::damaged("policy", record);
    Key key{policy.account, policy.name};
    policies_.insert_or_assign(std::move(key), std::move(policy));
    return {};
  };
  return storage::for_each(store_, storage::Family::kCatalogue, managed::kPrefix, read);
}

Result<const ManagedPolicy*> ManagedPolicies::find(std::string_view arn) const {
  const auto parsed = managed::parse(arn);
  if (!parsed) return Error(kInvalidInput, "ARN " + std::string(arn) + " is not valid.");
  if (parsed->account == kAwsAccount) {
    for (const auto& policy : aws_policies()) {
      if (policy.arn() == arn) return &policy;
    }
    return managed::not_found(arn);
  }
  const auto it = policies_.find(Key{parsed->account, parsed->name});
  if (it == policies_.end() || it->second.path != parsed->path) return managed::not_found(arn);
  return &it->second;
}

Result<const ManagedPolicy*> ManagedPolicies::find_own(std::string_view arn) const {
  MR_ASSIGN_OR_RETURN(const ManagedPolicy* policy, find(arn));
  if (policy->account != kAwsAccount) return policy;
  return Error(kInvalidInput, "Policy " + std::string(arn) + " is AWS's and cannot be changed.");
}

void ManagedPolicies::save(const ManagedPolicy& policy) {
  storage::WriteBatch batch;
  batch.put(storage::Family::kCatalogue, managed::record_key(policy), managed::to_json(policy));
  commits_.submit(std::move(batch));
}

template <typename Change>
Result<void> ManagedPolicies::update(std::string_view arn, Change change) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(const ManagedPolicy* policy, find_own(arn));
  ManagedPolicy changed = *policy;
  MR_RETURN_IF_ERROR(change(changed));
  save(changed);
  Key key{changed.account, changed.name};
  policies_.insert_or_assign(std::move(key), std::move(changed));
  return {};
}

Result<ManagedPolicy> ManagedPolicies::create(std::string_view account, NewPolicy given) {
  MR_RETURN_IF_ERROR(managed::check_document(given.document));
  MR_RETURN_IF_ERROR(managed::check_policy_tags(given.tags));
  const std::scoped_lock lock(mutex_);
  const Key key{account, given.name};
  if (policies_.contains(key)) {
    return Error(kEntityAlreadyExists,
                 "A policy called " + given.name + " already exists. Duplicate names are not allowed.");
  }
  const auto count = std::ranges::count_if(policies_, [&](const auto& entry) { return entry.first.first == account; });
  if (static_cast<std::size_t>(count) >= kPoliciesMax) {
    return Error(kLimitExceeded, "Cannot exceed quota for PoliciesPerAccount: " + std::to_string(kPoliciesMax));
  }
  ManagedPolicy policy;
  policy.account = account;
  policy.name = std::move(given.name);
  policy.path = std::move(given.path);
  policy.id = new_id(random_, "ANPA", 17);
  policy.created = policy.updated = clock_.now();
  policy.description = std::move(given.description);
  policy.tags = std::move(given.tags);
  policy.versions.push_back({1, policy.created, std::move(given.document)});
  save(policy);
  policies_.emplace(key, policy);
  return policy;
}

Result<ManagedPolicy> ManagedPolicies::get(std::string_view arn) const {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(const ManagedPolicy* policy, find(arn));
  return *policy;
}

Result<void> ManagedPolicies::check_attachable(std::string_view account, std::string_view arn) const {
  const auto parsed = managed::parse(arn);
  if (!parsed) return Error(kInvalidInput, "ARN " + std::string(arn) + " is not valid.");
  if (parsed->account == kAwsAccount) return {};
  const std::scoped_lock lock(mutex_);
  if (parsed->account == account && find(arn).ok()) return {};
  return Error(kNoSuchEntity, "Policy " + std::string(arn) + " does not exist or is not attachable.");
}

std::vector<ManagedPolicy> ManagedPolicies::list(std::string_view account) const {
  if (account == kAwsAccount) {
    auto policies = aws_policies();
    std::ranges::sort(policies, {}, &ManagedPolicy::name);
    return policies;
  }
  const std::scoped_lock lock(mutex_);
  std::vector<ManagedPolicy> policies;
  for (const auto& [key, policy] : policies_) {
    if (key.first == account) policies.push_back(policy);
  }
  return policies;
}

Result<void> ManagedPolicies::remove(std::string_view arn) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(const ManagedPolicy* policy, find_own(arn));
  if (policy->versions.size() > 1) {
    return Error(kDeleteConflict,
                 "This policy has more than one version. Before you delete a policy, you must delete the policy's "
                 "versions. The default version is deleted with the policy.");
  }
  storage::WriteBatch batch;
  batch.erase(storage::Family::kCatalogue, managed::record_key(*policy));
  commits_.submit(std::move(batch));
  policies_.erase(Key{policy->account, policy->name});
  return {};
}

Result<PolicyVersion> ManagedPolicies::create_version(std::string_view arn, std::string document, bool as_default) {
  MR_RETURN_IF_ERROR(managed::check_document(document));
  PolicyVersion made;
  MR_RETURN_IF_ERROR(update(arn, [&](ManagedPolicy& policy) -> Result<void> {
    if (policy.versions.size() >= kPolicyVersionsMax) {
      return Error(kLimitExceeded,
                   "A managed policy can have up to 5 versions. Before you create a new version, you must delete an "
                   "existing version.");
    }
    made = {++policy.last_version, clock_.now(), std::move(document)};
    policy.versions.push_back(made);
    policy.updated = made.created;
    if (as_default) policy.default_version = made.number;
    return {};
  }));
  return made;
}

Result<void> ManagedPolicies::set_default_version(std::string_view arn, std::string_view version) {
  return update(arn, [&](ManagedPolicy& policy) -> Result<void> {
    const PolicyVersion* found = policy.version(version);
    if (found == nullptr) return managed::no_version(arn, version);
    policy.default_version = found->number;
    policy.updated = clock_.now();
    return {};
  });
}

Result<void> ManagedPolicies::delete_version(std::string_view arn, std::string_view version) {
  return update(arn, [&](ManagedPolicy& policy) -> Result<void> {
    const PolicyVersion* found = policy.version(version);
    if (found == nullptr) return managed::no_version(arn, version);
    if (found->number == policy.default_version) {
      return Error(kDeleteConflict, "Cannot delete the default version of a policy.");
    }
    policy.versions.erase(policy.versions.begin() + (found - policy.versions.data()));
    return {};
  });
}

Result<void> ManagedPolicies::tag(std::string_view arn, const Tags& tags) {
  return update(arn, [&](ManagedPolicy& policy) -> Result<void> {
    for (const auto& [key, value] : tags) policy.tags[key] = value;
    return managed::check_policy_tags(policy.tags);
  });
}

Result<void> ManagedPolicies::untag(std::string_view arn, const std::vector<std::string>& keys) {
  return update(arn, [&](ManagedPolicy& policy) -> Result<void> {
    for (const auto& key : keys) policy.tags.erase(key);
    return {};
  });
}

void ManagedPolicies::reset(std::string_view account) {
  const std::scoped_lock lock(mutex_);
  storage::WriteBatch batch;
  std::erase_if(policies_, [&](const auto& entry) {
    if (entry.first.first != account) return false;
    batch.erase(storage::Family::kCatalogue, managed::record_key(entry.second));
    return true;
  });
  if (!batch.empty()) commits_.submit(std::move(batch));
}

}  // namespace millrace::iam
