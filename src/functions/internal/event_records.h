// Stored forms of asynchronous events, and the documents their destinations get. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "functions/async_queue.h"

namespace millrace::functions::internal {

inline constexpr std::string_view kEventPrefix = "async/e/";
inline constexpr std::string_view kStatePrefix = "async/s/";
inline constexpr std::string_view kDamagedPrefix = "async/x/";

std::string lanes_key(std::string_view prefix, const FunctionName& function);  // of all lanes of a function
std::string lane_key(std::string_view prefix, const FunctionReference& function);
std::string event_key(std::string_view prefix, const FunctionReference& function, std::uint64_t number);
// Function and number of a key that starts with kEventPrefix.
std::optional<std::pair<FunctionReference, std::uint64_t>> parse_event_key(std::string_view key);

std::string encode_event(const Event& event);
std::optional<Event> decode_event(const FunctionReference& function, std::string_view text);

struct EventState {
  int invocations = 0;
  Time next_try{};
  std::string response;
  std::string executed_version = kLatest;
};
std::string encode_state(const EventState& state);
std::optional<EventState> decode_state(std::string_view text);

struct ResultDocument {
  Time now;
  std::string_view condition;  // Success, RetriesExhausted, EventAgeExceeded, ZeroReservedConcurrency
  int invocations = 0;
  const std::string* response = nullptr;  // nullptr: it never answered
  std::string executed_version = kLatest;
  bool has_payloads = true;
};
// AWS: the record that asynchronous destinations get. A payload that is no JSON appears as a string.
std::string result_document(const Event& event, const ResultDocument& result);
// AWS: a dead letter queue gets the event itself.
delivery::Message dead_letter(const Event& event, std::string_view response);

}  // namespace millrace::functions::internal
