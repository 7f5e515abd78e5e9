// Documents under a name, for services of which only the records matter here: SSM's parameters, KMS's keys, ECR's
// repositories, rules. What a document means is its face's affair.
//
// Kept in Family::kCatalogue: "records/" text kind, text account, text region, text name (parts as in codec/key.h), the
// value is the document as JSON. All of them are also in memory.
// Thread-safe; nothing waits for a disk. Batches are submitted under the mutex; an answer must be held until
// last_commit() is durable.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/scope.h"
#include "codec/json.h"
#include "storage/service_commits.h"
#include "storage/store.h"

namespace millrace::records {

struct Name {
  std::string kind;  // "ssm/parameter": one per sort of document
  Scope scope;
  std::string name;
  friend auto operator<=>(const Name&, const Name&) = default;
};

using Listed = std::vector<std::pair<std::string, codec::Json>>;

class Records {
 public:
  Records(storage::Store& store, storage::Commits& commits) : store_(store), commits_(commits, "records") {
    commits_.set_restore([this] { return load(); });
  }
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;

  // Reads all documents. Before anything else, and when the store refused a change. kStorageFailed for a damaged one.
  Result<void> load();
  storage::CommitNumber last_commit() const { return commits_.last(); }

  std::optional<codec::Json> find(const Name& name) const;
  // All of a kind in a scope, by name.
  Listed list(std::string_view kind, const Scope& scope) const;

  // One step nobody can come between: `change` gets the document (nullptr: there is none) and gives what is to be there
  // afterwards (null: nothing), or an error, upon which nothing changes. It must not call this object.
  using Change = std::function<Result<codec::Json>(const codec::Json* current)>;
  Result<void> change(const Name& name, const Change& change);

  // Removes the account's documents whose kind begins with `kinds`.
  void reset(std::string_view account, std::string_view kinds = {});

 private:
  storage::Store& store_;
  storage::ServiceCommits commits_;
  mutable std::mutex mutex_;  // guards below
  std::map<Name, codec::Json> documents_;
};

}  // namespace millrace::records
