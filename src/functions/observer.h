// What happens to functions, as CloudWatch's metrics of AWS/Lambda count it. The registry and the asynchronous queue
// tell; who keeps and aggregates the numbers is not known here.
//
// Names, units and meaning are AWS's. A measurement carries everything its dimensions are made of:
//   FunctionName                              function.name
//   FunctionName, Resource                    "name" for unqualified invocations, else "name:qualifier"
//   FunctionName, Resource, ExecutedVersion   where a version ran: "$LATEST" or a number
// The two metrics of an account have an empty function.name.
#pragma once

#include <string>
#include <string_view>

#include "base/time.h"
#include "functions/configuration.h"

namespace millrace::functions {

enum class Metric {
  kInvocations,                     // 1 per invocation whose code ran, failed or not
  kErrors,                          // 1 or 0 with every invocation, so that a rate can be told
  kDuration,                        // milliseconds, without the start of the process
  kThrottles,                       // 1 per request that was refused for want of concurrency
  kConcurrentExecutions,            // of the function, all versions, whenever an invocation begins, it included
  kAccountConcurrentExecutions,     // ConcurrentExecutions without dimensions
  kUnreservedConcurrentExecutions,  // of the account: functions without reserved concurrency
  kAsyncEventsReceived,             // 1 per event that was queued
  kAsyncEventAge,                   // milliseconds from queued to begun, every attempt
  kAsyncEventsDropped,              // 1 per event that ended without success
  kDeadLetterErrors,                // 1 per event that the dead letter queue did not take
  kDestinationDeliveryFailures,     // 1 per record that a destination did not take
};

// AWS's name: "Invocations", and "ConcurrentExecutions" for both of that kind.
constexpr std::string_view metric_name(Metric metric) {
  switch (metric) {
    case Metric::kInvocations:
      return "Invocations";
    case Metric::kErrors:
      return "Errors";
    case Metric::kDuration:
      return "Duration";
    case Metric::kThrottles:
      return "Throttles";
    case Metric::kConcurrentExecutions:
    case Metric::kAccountConcurrentExecutions:
      return "ConcurrentExecutions";
    case Metric::kUnreservedConcurrentExecutions:
      return "UnreservedConcurrentExecutions";
    case Metric::kAsyncEventsReceived:
      return "AsyncEventsReceived";
    case Metric::kAsyncEventAge:
      return "AsyncEventAge";
    case Metric::kAsyncEventsDropped:
      return "AsyncEventsDropped";
    case Metric::kDeadLetterErrors:
      return "DeadLetterErrors";
    case Metric::kDestinationDeliveryFailures:
      return "DestinationDeliveryFailures";
  }
  return "";
}
// AWS's unit: "Count" or "Milliseconds".
constexpr std::string_view metric_unit(Metric metric) {
  return metric == Metric::kDuration || metric == Metric::kAsyncEventAge ? "Milliseconds" : "Count";
}

struct Measurement {
  Metric metric{};
  Time time{};  // by the movable clock; of an invocation: its start
  FunctionName function;
  std::string resource;
  std::string executed_version;  // "" where no version ran
  double value = 1;
};

class Observer {
 public:
  virtual ~Observer() = default;
  // Called from any thread, never with a lock of `functions` held; must not block.
  virtual void observe(const Measurement& measurement) = 0;
};

}  // namespace millrace::functions
