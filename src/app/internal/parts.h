// Everything a running server is made of, for the parts of app that look into all of it. Not owned.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "app/config.h"
#include "base/time.h"

namespace millrace::events {
class Events;
}
namespace millrace::functions {
class Functions;
}
namespace millrace::http {
class Server;
}
namespace millrace::iam {
class Identities;
class ManagedPolicies;
class Roles;
class Sessions;
}  // namespace millrace::iam
namespace millrace::logs {
class Service;
}
namespace millrace::metrics {
class Alarms;
class Store;
}  // namespace millrace::metrics
namespace millrace::platform {
class ControlLoop;
}
namespace millrace::records {
class Records;
}
namespace millrace::runtimes {
class ProcessHost;
}
namespace millrace::s3 {
class ObjectStore;
}
namespace millrace::sns {
class Service;
}
namespace millrace::sqs {
class Service;
}
namespace millrace::stacks {
class Stacks;
}
namespace millrace::storage {
class Committer;
class RocksStore;
}  // namespace millrace::storage
namespace millrace::streams {
class Streams;
}
namespace millrace::tables {
class Tables;
}
namespace millrace::telemetry {
class Registry;
}
namespace millrace::traces {
class Store;
}
namespace millrace::triggers {
class Engine;
}
namespace millrace::wire {
class Dispatcher;
class FaultPlan;
}  // namespace millrace::wire

namespace millrace::app {

class BackupJob;
class MappingJobs;
class SelfWrites;

// Moves of the clock that are under way: the offsets they will end with, which are noted before they begin, because
// what happens on the way is durable at once.
struct ClockMoves {
  std::mutex mutex;
  std::multiset<Milliseconds> offsets;
};

struct Parts {
  const Config* config = nullptr;
  std::string endpoint;  // "http://127.0.0.1:4566"
  Deadline started{};
  platform::ControlLoop* loop = nullptr;
  std::shared_ptr<ClockMoves> clock_moves = std::make_shared<ClockMoves>();
  telemetry::Registry* registry = nullptr;
  storage::RocksStore* store = nullptr;
  storage::Committer* committer = nullptr;
  streams::Streams* streams = nullptr;
  tables::Tables* tables = nullptr;
  s3::ObjectStore* objects = nullptr;
  sqs::Service* queues = nullptr;
  sns::Service* topics = nullptr;
  iam::Identities* identities = nullptr;
  iam::ManagedPolicies* policies = nullptr;
  iam::Roles* roles = nullptr;
  records::Records* records = nullptr;
  iam::Sessions* sessions = nullptr;
  logs::Service* logs = nullptr;
  events::Events* events = nullptr;
  metrics::Alarms* alarms = nullptr;
  metrics::Store* metrics = nullptr;
  traces::Store* traces = nullptr;
  runtimes::ProcessHost* processes = nullptr;
  functions::Functions* functions = nullptr;
  triggers::Engine* engine = nullptr;
  stacks::Stacks* stacks = nullptr;
  MappingJobs* jobs = nullptr;
  SelfWrites* self_writes = nullptr;
  wire::Dispatcher* dispatcher = nullptr;
  wire::FaultPlan* faults = nullptr;
  BackupJob* backup = nullptr;
};

inline constexpr const char* kVersion = "0.1.0";

}  // namespace millrace::app
