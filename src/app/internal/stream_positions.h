// Places in a stream as people name them: `horizon`, `now`, a time, how long ago, a sequence number.
//
// Reads the disk (a binary search over stamps: some fifty short reads per shard); not on the control thread.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "streams/streams.h"

namespace millrace::app {

struct FoundRecord {
  std::uint64_t shard = 0;
  std::uint64_t key_hash = 0;
};

// The record with that sequence number. Error: kBadRequest when it is no sequence number, or not (any more) in it.
Result<FoundRecord> find_record(const streams::Streams& streams, const streams::Stream& stream,
                                const std::string& sequence);

// The stamp after which records of the place begin: of the horizon 0, of a sequence number the one before, of a time
// the last record before it. Error: kBadRequest for what is no place, a time to come, or a record that has left.
Result<streams::Stamp> stamp_before(const streams::Streams& streams, const streams::Stream& stream,
                                    const std::string& place);
// The stamp of the last record up to the place: a sequence number counts itself, a time does not.
Result<streams::Stamp> stamp_up_to(const streams::Streams& streams, const streams::Stream& stream,
                                   const std::string& place);

}  // namespace millrace::app
