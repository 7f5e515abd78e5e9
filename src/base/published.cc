#include "base/published.h"

#include <vector>

namespace millrace::internal {

namespace {

// Numbers of places, of the whole process: threads outlive the objects whose values they keep, and the other way round.
struct Numbers {
  std::mutex mutex;  // guards below
  std::vector<std::size_t> free;
  std::size_t next = 0;
};
Numbers& numbers() {
  static auto* const all = new Numbers;  // never destroyed: objects of static lifetime may be older
  return *all;
}

std::size_t take_number() {
  Numbers& all = numbers();
  const std::lock_guard lock(all.mutex);
  if (all.free.empty()) return all.next++;
  const std::size_t number = all.free.back();
  all.free.pop_back();
  return number;
}

}  // namespace

ThreadPlace::ThreadPlace() : number_(take_number()) {}

ThreadPlace::~ThreadPlace() {
  Numbers& all = numbers();
  const std::lock_guard lock(all.mutex);
  all.free.push_back(number_);
}

ThreadPlace::Kept& ThreadPlace::of_this_thread() const {
  thread_local std::vector<Kept> places;
  if (number_ >= places.size()) places.resize(number_ + 1);
  return places[number_];
}

std::uint64_t ThreadPlace::next_version() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace millrace::internal
