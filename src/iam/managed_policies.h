// Managed policies: an account's own, with their versions, and the few of AWS's whose text is known here. Recorded and
// shown; not enforced.
//
// One record per policy: kCatalogue `iam/policies/<account>/<name>`, JSON with "v":1. All state is also in memory.
// Thread-safe; nothing waits for a disk. Batches are submitted under the mutex; an answer must be held until
// last_commit() is durable.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "iam/roles.h"
#include "storage/service_commits.h"

namespace millrace::iam {

inline constexpr std::size_t kPoliciesMax = 1500;       // per account (AWS quota)
inline constexpr std::size_t kPolicyVersionsMax = 5;    // AWS
inline constexpr std::size_t kPolicyBytesMax = 6'144;   // white space not counted (AWS)
inline constexpr std::string_view kAwsAccount = "aws";  // whose policies are AWS's

struct PolicyVersion {
  int number = 1;
  Time created{};
  std::string document;  // JSON text as given
  std::string id() const { return "v" + std::to_string(number); }
};

struct ManagedPolicy {
  std::string account;
  std::string name;
  std::string path = "/";
  std::string id;  // ANPA...
  Time created{};
  Time updated{};
  std::string description;
  Tags tags;
  std::vector<PolicyVersion> versions;  // oldest first
  int default_version = 1;
  int last_version = 1;  // numbers are not used again
  std::string arn() const { return "arn:aws:iam::" + account + ":policy" + path + name; }
  const PolicyVersion* version(std::string_view id) const;  // nullptr: there is none
};

struct NewPolicy {
  std::string name;
  std::string path = "/";
  std::string document;
  std::string description;
  Tags tags;
};

class ManagedPolicies {
 public:
  ManagedPolicies(storage::Store& store, storage::Commits& commits, platform::Clock& clock, platform::Random& random)
      : store_(store), commits_(commits, "iam"), clock_(clock), random_(random) {
    commits_.set_restore([this] { return load(); });
  }
  // Before anything else, and when the store refused a change.
  Result<void> load();
  storage::CommitNumber last_commit() const { return commits_.last(); }

  // kEntityAlreadyExists, kMalformedPolicyDocument, kLimitExceeded.
  Result<ManagedPolicy> create(std::string_view account, NewPolicy policy);
  // By ARN; kNoSuchEntity, like all below. AWS's own are found too, and cannot be changed (kInvalidInput).
  Result<ManagedPolicy> get(std::string_view arn) const;
  // Whether `arn` can be attached in the account: its own policy, or any name of AWS's. kNoSuchEntity, kInvalidInput.
  Result<void> check_attachable(std::string_view account, std::string_view arn) const;
  std::vector<ManagedPolicy> list(std::string_view account) const;  // kAwsAccount: AWS's; by name
  // kDeleteConflict while it has other versions than the default. The caller sees to it that nobody has it.
  Result<void> remove(std::string_view arn);
  Result<PolicyVersion> create_version(std::string_view arn, std::string document, bool as_default);
  Result<void> set_default_version(std::string_view arn, std::string_view version);
  Result<void> delete_version(std::string_view arn, std::string_view version);  // kDeleteConflict: the default one
  Result<void> tag(std::string_view arn, const Tags& tags);
  Result<void> untag(std::string_view arn, const std::vector<std::string>& keys);

  void reset(std::string_view account);

 private:
  using Key = std::pair<std::string, std::string>;  // account, name
  Result<const ManagedPolicy*> find(std::string_view arn) const;
  Result<const ManagedPolicy*> find_own(std::string_view arn) const;  // kInvalidInput for AWS's
  template <typename Change>
  Result<void> update(std::string_view arn, Change change);
  void save(const ManagedPolicy& policy);

  storage::Store& store_;
  storage::ServiceCommits commits_;
  platform::Clock& clock_;
  platform::Random& random_;
  mutable std::mutex mutex_;  // guards below
  std::map<Key, ManagedPolicy> policies_;
};

// AWS's policies whose text is known here: those for Lambda, X-Ray's, and AdministratorAccess. Constant.
const std::vector<ManagedPolicy>& aws_policies();

}  // namespace millrace::iam
