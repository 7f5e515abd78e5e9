// What is told of a trace in one line: a fold over its segments. Pure. AWS: TraceSummary of the X-Ray API reference.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codec/json.h"
#include "traces/segment.h"

namespace millrace::traces {

// A node of the service map: a segment, or a subsegment that stands for a remote service which sent none of its own.
struct Node {
  const Json* json = nullptr;
  int caller = -1;  // index of the node that called it; -1: nobody in this trace
  std::string name;
  std::string type;  // AWS::Lambda::Function, remote, client, ... or ""
  bool inferred = false;
};

struct Flags {
  bool fault = false;
  bool error = false;
  bool throttle = false;
  bool in_progress = false;
};
Flags flags_of(const Json& segment);

// Segments of one trace, as assemble() gave them. References stay valid as long as this.
class Picture {
 public:
  Picture(std::string id, std::vector<Json> segments);
  Picture(const Picture&) = delete;
  Picture& operator=(const Picture&) = delete;

  const std::string& id() const { return id_; }
  const std::vector<Json>& segments() const { return segments_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  // The first one that nobody in this trace called. REQUIRES: there are segments.
  const Node& root() const { return nodes_[root_]; }
  double start() const { return start_; }
  // From the root's start to the end of the last segment.
  double duration() const { return end_ - start_; }
  double response_time() const;  // of the root
  bool is_partial() const { return partial_; }

  // TraceSummary; root causes are left out.
  Json summary(std::string_view account) const;

 private:
  std::string id_;
  std::vector<Json> segments_;
  std::vector<Node> nodes_;
  std::size_t root_ = 0;
  double start_ = 0;
  double end_ = 0;
  bool partial_ = false;
};

// "http"."request"."url" and such; nullptr where there is none.
const Json* member_at(const Json& json, std::initializer_list<std::string_view> path);

}  // namespace millrace::traces
