// All event source mappings of this server: their catalogue, and a runner for each.
//
// The catalogue (create, get, list, update, remove, status) is called from any thread; mappings work on the control
// thread of the scheduler, reads and filters on its pool. A commit wakes the mappings of its stream through their
// subscription; an idle mapping is a subscription and a position. Each is independent of the others: the engine never
// waits for a function, a disk or a queue.
//
// Durable: every change of the catalogue, every settled position, every attempt that counts. After a restart mappings
// continue from there; a batch that was in flight comes again.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/scope.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "storage/committer.h"
#include "storage/store.h"
#include "telemetry/metrics.h"
#include "triggers/errors.h"
#include "triggers/failures.h"
#include "triggers/history.h"
#include "triggers/mapping.h"
#include "triggers/ports.h"
#include "triggers/queue_ports.h"
#include "triggers/replay.h"
#include "triggers/sender.h"
#include "triggers/status.h"

namespace millrace::triggers {

struct Ports {
  EventSource& source;
  Invoker& invoker;
  Settlement& settlement;
  QueueSource* queues = nullptr;  // without: mappings of queues do nothing
};

// A mapping after a change, and the commit an answer about it must wait for.
struct Changed {
  Mapping mapping;
  storage::CommitNumber after = 0;
};

// What one invocation with a batch that is failing came to; nothing else has changed by it.
struct Tried {
  std::string shard;
  unsigned lane = 0;
  SequenceNumber first = 0;
  SequenceNumber last = 0;
  std::size_t records = 0;
  std::size_t done = 0;  // leading records that would be settled
  bool ok = false;       // all of them, and what else the batch needs
  Tries tries;           // of the batch, so far, without this one
  InvokeResult result;
};

// Thread-safe. The scheduler must be stopped, or outlive every call of a port that is still running; all other
// arguments outlive the engine.
class Engine {
 public:
  struct Resources {
    platform::Scheduler& scheduler;
    platform::Random& random;
    telemetry::Registry& registry;
    storage::Store& store;
    storage::Commits& commits;
  };
  Engine(const Resources& resources, const Ports& ports);
  ~Engine();  // stop()
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Loads the catalogue and sets every mapping to work. Once, before anything else. Error: storage, or damaged records.
  Result<void> start();
  // Begins nothing any more and waits for reads that are running. Answers of functions that come later are ignored:
  // their batches come again after the next start. Idempotent.
  void stop();

  // Gives `mapping` its UUID, LastModified and, for LATEST, its start: the records committed from now on. Error:
  // kResourceConflict when the same stream and function (qualifier included) are already mapped.
  Result<Changed> create(Mapping mapping);
  std::optional<Mapping> find(const Scope& scope, std::string_view uuid) const;
  std::vector<Mapping> list(const Scope& scope) const;  // by UUID
  // Applies `change` to a copy and, if that succeeds, puts it into force. Errors: kResourceNotFound, that of `change`,
  // kResourceConflict as above.
  Result<Changed> update(const Scope& scope, std::string_view uuid,
                         const std::function<Result<void>(Mapping&)>& change);
  // Tags are not part of LastModified. Error: kResourceNotFound.
  Result<Changed> change_tags(const Scope& scope, std::string_view uuid,
                              const std::function<void(std::map<std::string, std::string>&)>& change);
  Result<Changed> remove(const Scope& scope, std::string_view uuid);
  Result<Changed> set_enabled(const Scope& scope, std::string_view uuid, bool enabled);  // pause and resume
  void remove_all(const Scope& scope);

  // Interventions. `done` is called once, on the control thread; it is not when the engine stops. They wait for the
  // invocations in flight, while nothing new begins; killed before that, nothing has happened.
  using InterventionDone = std::function<void(Result<void>)>;
  // The record after `target` comes next; `said` is how it was asked for. Errors: kResourceNotFound, kInvalidParameter
  // when no shard is further, kResourceInUse while another intervention waits.
  void rewind(const Scope& scope, std::string_view uuid, SequenceNumber target, std::string said,
              InterventionDone done);
  // The record is never delivered; `reason` goes into the history. Errors: as above, kInvalidParameter when it is
  // settled already. `key_hash` is that of the record.
  void skip(const Scope& scope, std::string_view uuid, SkippedRecord record, std::uint64_t key_hash, std::string reason,
            InterventionDone done);
  // Invokes `function_arn` (empty: the mapping's function) once with the batch that is failing. Nothing changes but a
  // line in the history. Errors: kResourceNotFound; kInvalidParameter when nothing is failing, or its records are gone;
  // kResourceInUse while it is being invoked.
  void try_batch(const Scope& scope, std::string_view uuid, std::string function_arn,
                 std::function<void(Result<Tried>)> done);
  // Begins to send a part of the stream to a function; `request.mapping` is filled in. Error: kResourceNotFound.
  Result<std::shared_ptr<Replay>> replay(const Scope& scope, std::string_view uuid, ReplayRequest request);
  // The records that a failure document tells of, read again: see triggers/failures.h. Reads the disk.
  Result<std::deque<Record>> read_failed_batch(const Mapping& mapping, const Failure& failure) const;
  // What send() needs to act for a mapping.
  SenderTools sender_tools(const Scope& scope, std::string_view uuid);

  std::string last_result(std::string_view uuid) const;  // LastProcessingResult
  // What answers about the catalogue have to wait for.
  storage::CommitNumber last_commit() const;

  std::optional<Status> status(std::string_view uuid) const;
  std::vector<Status> statuses() const;  // of all scopes
  // The last invocations, newest first. Reads the disk. Error: of the store.
  Result<std::vector<HistoryEntry>> history(std::string_view uuid, std::size_t limit) const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace millrace::triggers
