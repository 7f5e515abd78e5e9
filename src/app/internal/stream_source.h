// The trigger engine's event source over the local streams: reads the log, shares out lanes, renders events.
//
// Thread-safe, as Streams is. Reads at most kScannedMax records per call, so that one lane of many does not hold a pool
// thread while it skips the records of the others.
#pragma once

#include "streams/streams.h"
#include "triggers/ports.h"

namespace millrace::app {

class StreamSource final : public triggers::EventSource {
 public:
  explicit StreamSource(streams::Streams& streams) : streams_(streams) {}

  Result<triggers::StreamInfo> describe(const std::string& stream_arn) override;
  Result<triggers::Page> read(const triggers::ReadRequest& request) override;
  triggers::Backlog backlog(const std::string& stream_arn, std::uint64_t shard,
                            triggers::SequenceNumber after) override;
  triggers::Subscription subscribe(const std::string& stream_arn,
                                   std::function<void(std::uint64_t shard)> grew) override;

 private:
  streams::Streams& streams_;
};

}  // namespace millrace::app
