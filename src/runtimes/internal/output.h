// A function's output: cut into lines, bounded, with the tail that Invoke returns. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtimes::internal {

inline constexpr std::size_t kLineBytesMax = 256 * 1024;  // AWS: one log event

class Output {
 public:
  explicit Output(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  // A new invocation: the budget and the tail start again.
  void begin();
  // Takes bytes of the process; complete lines are added to `lines`. Beyond the budget they are counted and dropped.
  void append(std::string_view bytes, std::vector<std::string>& lines);
  // What is left without a line end becomes a line, and a notice says how much was dropped.
  void finish(std::vector<std::string>& lines);
  // A line of the platform (START, REPORT): outside the budget.
  void platform(std::string line, std::vector<std::string>& lines);
  bool over_budget() const { return taken_ >= bytes_max_; }
  std::string tail() const;  // at most kLogTailBytes

 private:
  void emit(std::string line, std::vector<std::string>& lines);

  const std::size_t bytes_max_;
  std::size_t taken_ = 0;
  std::size_t dropped_ = 0;
  std::string partial_;
  std::string tail_;
};

}  // namespace millrace::runtimes::internal
