// Temporary credentials: who is behind an access key.
//
// issue() makes a key (ASIA...) that resolve() maps back to account and assumed role, for functions (their role) and
// for STS AssumeRole. Sessions are durable (kCatalogue `iam/sessions/<key>`) until they expire, by the machine's clock:
// clients compare the expiry with their own. A bare 12-digit access key is an account by itself and is not known here.
// Thread-safe; nothing waits for a disk, and asking who is behind a key takes no lock.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/read_mostly_map.h"
#include "base/result.h"
#include "base/time.h"
#include "iam/identities.h"
#include "iam/roles.h"
#include "storage/service_commits.h"

namespace millrace::iam {

struct Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;
  Time expiration{};  // machine time
};

struct Session {
  Principal principal;
  std::string role_arn;
  std::string secret_key;
  std::string session_token;
  Time expiration{};
};

class Sessions {
 public:
  Sessions(storage::Store& store, storage::Commits& commits, platform::Clock& clock, platform::Random& random,
           const Roles& roles);
  // Before anything else, and when the store refused a change.
  Result<void> load();
  storage::CommitNumber last_commit() const { return commits_.last(); }

  // The role need not exist (a function may outlive its role; trust is not enforced): then its id is derived from the
  // ARN. kValidation when `role_arn` is no role's ARN. REQUIRES: session_name matches [\w+=,.@-]{2,64}.
  Result<Credentials> issue(std::string_view role_arn, std::string_view session_name, Seconds duration);

  // For the principal itself (GetSessionToken): the account's root user, or a user of it.
  Credentials issue_for(Principal principal, Seconds duration);

  // nullopt: not a key of ours, or expired.
  std::optional<Session> resolve(std::string_view access_key) const;
  // From now on users are known by their access keys, too. `identities` outlives this. Before use.
  void know(const Identities& identities) { identities_ = &identities; }
  // Who is behind a key of ours: an assumed role or a user. nullopt: nobody.
  std::optional<Principal> principal_of(std::string_view access_key) const;
  // The same of a caller as the dispatcher knows him: else the account's root user.
  Principal principal_of(std::string_view account, std::string_view access_key) const;

  // The account of a role's ARN ("arn:aws:iam::123456789012:role/path/name"), or nullopt.
  static std::optional<std::string> account_of(std::string_view role_arn);
  void reset(std::string_view account);

 private:
  const Session* live(std::string_view access_key) const;  // guarded; nullptr: none, or expired
  Credentials store(Session session, Time now);
  void know(std::string_view access_key, const Session& session);  // guarded
  void drop_expired(Time now, storage::WriteBatch& batch);

  storage::Store& store_;
  storage::ServiceCommits commits_;
  platform::Clock& clock_;
  platform::Random& random_;
  const Roles& roles_;
  const Identities* identities_ = nullptr;
  // What every request asks for, by access key, as sessions_.
  struct Known {
    Principal principal;
    Time expiration{};
  };
  ReadMostlyMap<const Known> known_;
  mutable std::mutex mutex_;  // guards below
  std::map<std::string, Session, std::less<>> sessions_;
  std::set<std::pair<Time, std::string>> by_expiration_;
};

}  // namespace millrace::iam
