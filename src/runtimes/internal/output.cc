#include "runtimes/internal/output.h"

#include <algorithm>
#include <utility>

#include "runtimes/runtime.h"

namespace millrace::runtimes::internal {

void Output::begin() {
  taken_ = 0;
  dropped_ = 0;
  tail_.clear();
}

void Output::append(std::string_view bytes, std::vector<std::string>& lines) {
  const std::size_t room = bytes_max_ - std::min(taken_, bytes_max_);
  dropped_ += bytes.size() - std::min(room, bytes.size());
  bytes = bytes.substr(0, room);
  taken_ += bytes.size();
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    const auto piece = bytes.substr(0, end);
    partial_.append(piece.substr(0, kLineBytesMax - std::min(kLineBytesMax, partial_.size())));
    if (end == std::string_view::npos) return;
    emit(std::exchange(partial_, {}), lines);
    bytes.remove_prefix(end + 1);
  }
}

void Output::finish(std::vector<std::string>& lines) {
  if (!partial_.empty()) emit(std::exchange(partial_, {}), lines);
  if (dropped_ > 0) {
    emit("millrace: " + std::to_string(dropped_) + " more bytes of output were dropped (limit " +
             std::to_string(bytes_max_) + " bytes per invocation)",
         lines);
    dropped_ = 0;
  }
}

void Output::platform(std::string line, std::vector<std::string>& lines) { emit(std::move(line), lines); }

void Output::emit(std::string line, std::vector<std::string>& lines) {
  if (line.ends_with('\r')) line.pop_back();
  std::replace(line.begin(), line.end(), '\r', '\n');  // the bootstraps send a message's own line ends as \r
  tail_ += line;
  tail_ += '\n';
  if (tail_.size() > 4 * kLogTailBytes) tail_.erase(0, tail_.size() - kLogTailBytes);
  lines.push_back(std::move(line));
}

std::string Output::tail() const {
  return tail_.size() <= kLogTailBytes ? tail_ : tail_.substr(tail_.size() - kLogTailBytes);
}

}  // namespace millrace::runtimes::internal
