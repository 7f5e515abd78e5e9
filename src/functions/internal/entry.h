// Functions in memory. Guarded by the mutex of Functions; names and versions are constant.
#pragma once

#include <deque>
#include <map>
#include <memory>

#include "functions/service.h"

namespace millrace::functions {

// One version, $LATEST included: what runs.
struct Functions::Unit {
  Function function;
  std::shared_ptr<runtimes::Runtime> runtime;  // null: made at the next invocation
  std::uint64_t hot_fingerprint = 0;           // of the hot reload folder when `runtime` was made
};

// As a Unit: $LATEST.
struct Functions::Entry : Functions::Unit {
  Attachments attached;
  std::map<int, UnitPointer> versions;
  int running = 0;                     // of all versions
  storage::CommitNumber commit = 0;    // of its last change
  std::deque<PastInvocation> history;  // newest first

  // `version`: "$LATEST" or a number; nullptr: there is none.
  static UnitPointer unit(const EntryPointer& entry, const std::string& version);
  // "", "$LATEST", a version or an alias. An alias means its first version.
  static UnitPointer resolve(const EntryPointer& entry, const std::string& qualifier);
};

// The error of what does not exist, as Invoke and GetFunction word it.
Error not_found(const FunctionReference& reference);
// PreconditionFailed when a revision is given and is not `present`.
Result<void> check_revision(const std::string& present, const std::optional<std::string>& given);
// The `what` of the one that may be a bucket (AWS).
inline constexpr std::string_view kFailureDestination = "on-failure destination";
// Whether `arn` can be where results of `function` go. One that does not exist (yet) is taken, with a warning.
Result<void> check_destination(delivery::Delivery& delivery, const FunctionName& function, const std::string& arn,
                               std::string_view what);

}  // namespace millrace::functions
