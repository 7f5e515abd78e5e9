// Roles of an account: recorded and shown, with their policies; not enforced yet.
//
// One record per role: kCatalogue `iam/roles/<account>/<name>`, JSON with "v":1. All state is also in memory.
// Thread-safe; nothing waits for a disk. Batches are submitted under the mutex; an answer must be held until
// last_commit() is durable.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "storage/service_commits.h"
#include "storage/store.h"

namespace millrace::iam {

using Tags = std::map<std::string, std::string, std::less<>>;

inline constexpr std::size_t kRolesMax = 1000;                // per account (AWS quota)
inline constexpr std::size_t kAttachedPoliciesMax = 10;       // per role (AWS quota)
inline constexpr std::size_t kInlinePolicyBytesMax = 10'240;  // per role, all together, white space not counted
inline constexpr std::size_t kTrustPolicyBytesMax = 2'048;
inline constexpr std::size_t kRoleTagsMax = 50;

struct Role {
  std::string account;
  std::string name;
  std::string path = "/";
  std::string id;  // AROA...
  Time created{};
  std::string trust_policy;  // JSON text as given
  std::optional<std::string> description;
  int max_session_seconds = 3600;
  std::string permissions_boundary;  // ARN, "" = none
  Tags tags;
  std::map<std::string, std::string, std::less<>> inline_policies;  // name -> JSON text
  std::set<std::string, std::less<>> attached_policies;             // ARNs
  std::string arn() const { return "arn:aws:iam::" + account + ":role" + path + name; }
};

// What CreateRole takes; the rest of Role is made here.
struct NewRole {
  std::string name;
  std::string path = "/";
  std::string trust_policy;
  std::optional<std::string> description;
  int max_session_seconds = 3600;
  std::string permissions_boundary;
  Tags tags;
};

template <typename T>
struct Page {
  std::vector<T> items;
  std::string marker;  // "" at the end
};
struct PageRequest {
  int items_max = 100;
  std::string_view marker;
};

class Roles {
 public:
  Roles(storage::Store& store, storage::Commits& commits, platform::Clock& clock, platform::Random& random);
  // Before anything else, and when the store refused a change.
  Result<void> load();
  storage::CommitNumber last_commit() const { return commits_.last(); }

  // kEntityAlreadyExists, kMalformedPolicyDocument, kLimitExceeded.
  Result<Role> create(std::string_view account, NewRole role);
  Result<Role> get(std::string_view account, std::string_view name) const;  // kNoSuchEntity, like all below
  Result<Page<Role>> list(std::string_view account, std::string_view path_prefix, PageRequest page) const;
  std::vector<Role> all(std::string_view account) const;                 // by name
  Result<void> remove(std::string_view account, std::string_view name);  // kDeleteConflict while it has policies
  // What is nullopt stays as it is.
  Result<void> set_settings(std::string_view account, std::string_view name, std::optional<std::string> description,
                            std::optional<int> max_session_seconds);
  Result<void> set_trust_policy(std::string_view account, std::string_view name, std::string document);

  Result<void> put_policy(std::string_view account, std::string_view name, std::string_view policy,
                          std::string document);
  Result<std::string> get_policy(std::string_view account, std::string_view name, std::string_view policy) const;
  Result<Page<std::string>> list_policies(std::string_view account, std::string_view name, PageRequest page) const;
  Result<void> delete_policy(std::string_view account, std::string_view name, std::string_view policy);

  // REQUIRES: ManagedPolicies::check_attachable.
  Result<void> attach(std::string_view account, std::string_view name, std::string_view policy_arn);
  Result<void> detach(std::string_view account, std::string_view name, std::string_view policy_arn);
  Result<Page<std::string>> list_attached(std::string_view account, std::string_view name, std::string_view path_prefix,
                                          PageRequest page) const;

  Result<void> tag(std::string_view account, std::string_view name, const Tags& tags);
  Result<void> untag(std::string_view account, std::string_view name, const std::vector<std::string>& keys);

  // Removes every role of the account, policies or not.
  void reset(std::string_view account);

 private:
  using Key = std::pair<std::string, std::string>;  // account, name
  Result<const Role*> find(std::string_view account, std::string_view name) const;
  // Changes a copy by `change`; stores it unless that fails.
  template <typename Change>
  Result<void> update(std::string_view account, std::string_view name, Change change);
  void save(const Role& role);

  storage::Store& store_;
  storage::ServiceCommits commits_;
  platform::Clock& clock_;
  platform::Random& random_;
  mutable std::mutex mutex_;  // guards below
  std::map<Key, Role> roles_;
};

// "ASIA", "AROA" and the like: `prefix` and `digits` characters of base32 (A-Z, 2-7).
std::string new_id(platform::Random& random, std::string_view prefix, std::size_t digits);
// As new_id() of 17 characters, always the same for a `text`.
std::string derived_id(std::string_view prefix, std::string_view text);
// That many random words as base64.
std::string random_text(platform::Random& random, std::size_t words);
// 40 characters of base64.
std::string new_secret(platform::Random& random);

}  // namespace millrace::iam
