#include "runtimes/internal/request_parser.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace millrace::runtimes::internal {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return result;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

bool parse_size(std::string_view text, int base, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

RequestParser::Status RequestParser::feed(std::string& input) {
  while (state_ != State::kComplete && state_ != State::kMalformed && step(input)) {
  }
  if (state_ == State::kComplete) return Status::kComplete;
  return state_ == State::kMalformed ? Status::kMalformed : Status::kNeedMore;
}

ApiRequest RequestParser::take() {
  state_ = State::kHead;
  left_ = 0;
  wants_continue_ = false;
  return std::exchange(request_, ApiRequest());
}

bool RequestParser::wants_continue() { return std::exchange(wants_continue_, false); }

bool RequestParser::take_line(std::string& input, std::string& line) {
  const auto end = input.find("\r\n");
  if (end == std::string::npos) {
    if (input.size() > kHeadBytesMax) state_ = State::kMalformed;
    return false;
  }
  line = input.substr(0, end);
  input.erase(0, end + 2);
  return true;
}

bool RequestParser::step(std::string& input) {
  std::string line;
  switch (state_) {
    case State::kHead: {
      const auto end = input.find("\r\n\r\n");
      if (end == std::string::npos) {
        if (input.size() > kHeadBytesMax) state_ = State::kMalformed;
        return false;
      }
      read_head(std::string_view(input).substr(0, end + 2));
      input.erase(0, end + 4);
      return true;
    }
    case State::kBody:
    case State::kChunk: {
      if (input.empty() && left_ > 0) return false;
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
      append(std::string_view(input).substr(0, count));
      input.erase(0, count);
      left_ -= count;
      if (left_ == 0) state_ = state_ == State::kBody ? State::kComplete : State::kChunkEnd;
      return true;
    }
    case State::kChunkHead: {
      if (!take_line(input, line)) return false;
      if (!parse_size(trimmed(std::string_view(line).substr(0, line.find(';'))), 16, left_)) {
        state_ = State::kMalformed;
      } else {
        state_ = left_ == 0 ? State::kTrailers : State::kChunk;
      }
      return true;
    }
    case State::kChunkEnd:
      if (!take_line(input, line)) return false;
      state_ = line.empty() ? State::kChunkHead : State::kMalformed;
      return true;
    case State::kTrailers:
      if (!take_line(input, line)) return false;
      if (line.empty()) state_ = State::kComplete;
      return true;
    case State::kComplete:
    case State::kMalformed:
      return false;
  }
  return false;
}

void RequestParser::read_head(std::string_view head) {
  const auto line_end = head.find("\r\n");
  const std::string_view line = head.substr(0, line_end);
  const auto first = line.find(' ');
  const auto second = line.find(' ', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos ||
      !line.substr(second + 1).starts_with("HTTP/1.")) {
    state_ = State::kMalformed;
    return;
  }
  request_.method = line.substr(0, first);
  request_.path = line.substr(first + 1, second - first - 1);
  for (std::size_t at = line_end + 2; at < head.size();) {
    const auto end = head.find("\r\n", at);
    const auto field = head.substr(at, end - at);
    const auto colon = field.find(':');
    if (colon == std::string_view::npos) {
      state_ = State::kMalformed;
      return;
    }
    request_.fields[lower(field.substr(0, colon))] = trimmed(field.substr(colon + 1));
    at = end + 2;
  }
  const auto expect = request_.fields.find("expect");
  wants_continue_ = expect != request_.fields.end() && lower(expect->second) == "100-continue";
  const auto encoding = request_.fields.find("transfer-encoding");
  const auto length = request_.fields.find("content-length");
  if (encoding != request_.fields.end()) {
    state_ = lower(encoding->second) == "chunked" ? State::kChunkHead : State::kMalformed;
  } else if (length != request_.fields.end()) {
    state_ = parse_size(length->second, 10, left_) ? State::kBody : State::kMalformed;
  } else {
    state_ = State::kComplete;
  }
}

void RequestParser::append(std::string_view bytes) {
  request_.body_bytes += bytes.size();
  if (request_.body.size() < body_max_) request_.body.append(bytes.substr(0, body_max_ - request_.body.size()));
}

}  // namespace millrace::runtimes::internal
