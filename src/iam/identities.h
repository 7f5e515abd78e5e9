// Users and groups of an account, with their policies, memberships and access keys: recorded and shown, not enforced.
// A user's access key tells account and user of whoever signs with it.
//
// One record per identity: kCatalogue `iam/users/<account>/<name>` and `iam/groups/<account>/<name>`, JSON with "v":1.
// All state is also in memory. Thread-safe; nothing waits for a disk. Batches are submitted under the mutex; an answer
// must be held until last_commit() is durable.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/read_mostly_map.h"
#include "iam/roles.h"
#include "storage/service_commits.h"

namespace millrace::iam {

inline constexpr std::size_t kUsersMax = 5000;                    // per account (AWS quota)
inline constexpr std::size_t kGroupsMax = 300;                    // per account (AWS quota)
inline constexpr std::size_t kGroupsPerUserMax = 10;              // AWS quota
inline constexpr std::size_t kAccessKeysMax = 2;                  // per user (AWS quota)
inline constexpr std::size_t kUserInlinePolicyBytesMax = 2'048;   // all together (AWS)
inline constexpr std::size_t kGroupInlinePolicyBytesMax = 5'120;  // all together (AWS)

enum class IdentityKind : std::uint8_t { kUser, kGroup };

struct AccessKey {
  std::string id;  // AKIA...
  std::string secret;
  Time created{};
  bool active = true;
};

struct Identity {
  IdentityKind kind = IdentityKind::kUser;
  std::string account;
  std::string name;
  std::string path = "/";
  std::string id;  // AIDA..., AGPA...
  Time created{};
  std::map<std::string, std::string, std::less<>> inline_policies;  // name -> JSON text
  std::set<std::string, std::less<>> attached_policies;             // ARNs
  // Users only.
  std::string permissions_boundary;  // ARN, "" = none
  Tags tags;
  std::set<std::string, std::less<>> groups;
  std::vector<AccessKey> access_keys;
  std::string arn() const {
    return "arn:aws:iam::" + account + (kind == IdentityKind::kUser ? ":user" : ":group") + path + name;
  }
};

// Who a caller is.
struct Principal {
  std::string account;
  std::string arn;      // of a user, or arn:aws:sts::<account>:assumed-role/<role>/<session>
  std::string user_id;  // of a user, or <role id>:<session>
};

struct NewIdentity {
  std::string name;
  std::string path = "/";
  std::string permissions_boundary;
  Tags tags;
};

class Identities {
 public:
  Identities(storage::Store& store, storage::Commits& commits, platform::Clock& clock, platform::Random& random)
      : store_(store), commits_(commits, "iam"), clock_(clock), random_(random) {
    commits_.set_restore([this] { return load(); });
  }
  // Before anything else, and when the store refused a change.
  Result<void> load();
  storage::CommitNumber last_commit() const { return commits_.last(); }

  // Which user or group is meant.
  struct Name {
    IdentityKind kind;
    std::string_view account;
    std::string_view name;
  };
  // kEntityAlreadyExists, kLimitExceeded.
  Result<Identity> create(IdentityKind kind, std::string_view account, NewIdentity given);
  Result<Identity> get(const Name& name) const;                                   // kNoSuchEntity, like all below
  std::vector<Identity> list(IdentityKind kind, std::string_view account) const;  // by name
  // kDeleteConflict while it has policies, access keys, members or groups.
  Result<void> remove(const Name& name);
  // What is nullopt stays. kEntityAlreadyExists. Memberships follow a new name.
  Result<void> rename(const Name& name, std::optional<std::string> new_name, std::optional<std::string> new_path);

  Result<void> put_policy(const Name& name, std::string_view policy, std::string document);
  Result<std::string> get_policy(const Name& name, std::string_view policy) const;
  Result<void> delete_policy(const Name& name, std::string_view policy);
  // REQUIRES: ManagedPolicies::check_attachable.
  Result<void> attach(const Name& name, std::string_view policy_arn);
  Result<void> detach(const Name& name, std::string_view policy_arn);

  Result<void> tag(const Name& user, const Tags& tags);
  Result<void> untag(const Name& user, const std::vector<std::string>& keys);
  Result<void> add_to_group(std::string_view account, std::string_view user, std::string_view group);
  Result<void> remove_from_group(std::string_view account, std::string_view user, std::string_view group);
  std::vector<Identity> users_of(std::string_view account, std::string_view group) const;

  Result<AccessKey> create_key(const Name& user);  // kLimitExceeded
  Result<void> set_key_active(const Name& user, std::string_view key, bool active);
  Result<void> delete_key(const Name& user, std::string_view key);
  // The user whose key it is, active or not; nullopt: nobody's.
  std::optional<Identity> user_of_key(std::string_view access_key) const;
  // The same, without what belongs to the user: asked with every request, takes no lock.
  std::optional<Principal> principal_of_key(std::string_view access_key) const;

  void reset(std::string_view account);

 private:
  using Key = std::tuple<IdentityKind, std::string, std::string>;  // account, name
  static Key key_of(const Name& name) { return {name.kind, std::string(name.account), std::string(name.name)}; }
  Result<const Identity*> find(const Name& name) const;
  const Identity* holder(std::string_view access_key) const;  // guarded; nullptr: nobody
  template <typename Change>
  Result<void> update(const Name& name, Change change);
  void save(const Identity& identity);
  void keep(Key key, Identity identity);  // guarded; in memory
  bool has_users(std::string_view account, std::string_view group) const;

  storage::Store& store_;
  storage::ServiceCommits commits_;
  platform::Clock& clock_;
  platform::Random& random_;
  ReadMostlyMap<const Principal> principals_;  // by access key, as keys_
  mutable std::mutex mutex_;                   // guards below
  std::map<Key, Identity> identities_;
  std::map<std::string, Key, std::less<>> keys_;  // access key -> its user
};

}  // namespace millrace::iam
