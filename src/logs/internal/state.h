// The service's own types and byte formats: included by its .cc files only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "logs/service.h"

namespace millrace::logs {

// Some events of one stream, in order of arrival.
struct Service::Chunk {
  std::uint64_t stream = 0;
  Time first = Time::max();  // the smallest and the largest timestamp in it
  Time last = Time::min();
  Time ingested{};  // of the last event
  std::uint32_t count = 0;
  std::size_t bytes = 0;
  std::shared_ptr<const std::string> unstored;  // the text, until the store has it
};

struct Service::Stream {
  std::uint64_t number = 0;
  StreamInfo info;
  std::uint64_t open_number = 0;  // of the chunk that gathers events, 0: none
  Chunk open;
  std::string open_text;
};

struct Service::Group {
  std::uint64_t number = 0;
  GroupInfo info;
  std::map<std::string, Stream, std::less<>> streams;
  std::map<std::uint64_t, std::string> stream_names;
  std::map<std::uint64_t, Chunk> chunks;         // by number, which is by age
  std::shared_ptr<const MetricFilters> filters;  // nullptr: none
  platform::Timer retention_timer;
  Time armed_for = kNever;
};

// Which events a read wants.
struct Service::Range {
  Time start{};                      // inclusive
  Time end = kNever;                 // exclusive
  Position from{Time::min(), 0, 0};  // inclusive
  std::optional<Position> before;    // exclusive
  std::size_t limit = 10'000;
  std::size_t bytes = 1'048'576;
  std::function<bool(const std::string& stream)> wanted_stream;
  std::function<bool(std::string_view message)> wanted;
};

// A chunk to be read.
struct Service::Source {
  Time first{};
  std::uint64_t number = 0;
  std::uint64_t group = 0;
  std::string stream;
  std::shared_ptr<const std::string> unstored;
};

namespace internal {

inline constexpr std::string_view kGroupPrefix = "logs/groups/";
inline constexpr std::string_view kStreamPrefix = "logs/s/";
inline constexpr std::string_view kIndexPrefix = "logs/i/";
inline constexpr std::string_view kChunkPrefix = "logs/c/";

void append_be(std::string& out, std::uint64_t value, int bytes);
std::uint64_t read_be(std::string_view& text, std::size_t bytes);  // REQUIRES: text.size() >= bytes
std::string key(std::string_view prefix, std::uint64_t group);
std::string key(std::string_view prefix, std::uint64_t group, std::uint64_t chunk);

std::string position_text(const Position& position);  // "1767225600000-12-0"
std::optional<Position> parse_position(std::string_view text);

}  // namespace internal

}  // namespace millrace::logs
