// A map by text for what every request looks up and few change: find() takes no lock (see base/published.h), a change
// copies the one part of the map that its key is in. Values are shared; what is found stays valid however long it is
// held, and is counted apart from what other threads hold. Thread-safe.
//
// A thread that does not look any more holds on to parts of the map as they were: values should own nothing that must
// go at a certain time.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/published.h"

namespace millrace {

template <typename Value>
class ReadMostlyMap {
 public:
  // nullptr: there is none.
  std::shared_ptr<Value> find(std::string_view key) const {
    const std::shared_ptr<const Entries> entries = part(key).entries.read();
    const auto it = entries->find(key);
    if (it == entries->end()) return nullptr;
    return std::shared_ptr<Value>(entries, it->second.get());
  }

  void set(std::string_view key, std::shared_ptr<Value> value) {
    change(key, [&](Entries& entries) { entries.insert_or_assign(std::string(key), std::move(value)); });
  }

  // What is there already, else what `make` makes, which then everybody finds.
  template <typename Make>
  std::shared_ptr<Value> find_or_make(std::string_view key, Make make) {
    if (auto found = find(key)) return found;
    std::shared_ptr<Value> value;
    change(key, [&](Entries& entries) {
      auto& slot = entries[std::string(key)];
      if (slot == nullptr) slot = make();
      value = slot;
    });
    return value;
  }

  void erase(std::string_view key) {
    if (find(key) == nullptr) return;
    change(key, [&](Entries& entries) {
      if (const auto it = entries.find(key); it != entries.end()) entries.erase(it);
    });
  }

  // Many at once, at the cost of one change of each part.
  void erase_all(const std::vector<std::string>& keys) {
    in_parts(
        keys.size(), [&](std::size_t i) -> std::string_view { return keys[i]; },
        [&](Entries& entries, std::size_t i) { entries.erase(keys[i]); });
  }

  void set_all(std::vector<std::pair<std::string, std::shared_ptr<Value>>> values) {
    in_parts(
        values.size(), [&](std::size_t i) -> std::string_view { return values[i].first; },
        [&](Entries& entries, std::size_t i) {
          entries.insert_or_assign(std::move(values[i].first), std::move(values[i].second));
        });
  }

 private:
  using Entries = std::map<std::string, std::shared_ptr<Value>, std::less<>>;
  static constexpr std::size_t kParts = 32;
  struct Part {
    Published<Entries> entries{std::make_shared<const Entries>()};
    std::mutex changing;  // held while a part is copied; no reader takes it
  };

  static std::size_t number_of(std::string_view key) { return std::hash<std::string_view>()(key) % kParts; }
  const Part& part(std::string_view key) const { return parts_[number_of(key)]; }

  // Calls `apply` for each of `count` keys, after one copy of each part that has any.
  template <typename KeyOf, typename Apply>
  void in_parts(std::size_t count, const KeyOf& key_of, const Apply& apply) {
    std::array<std::vector<std::size_t>, kParts> of_part;
    for (std::size_t i = 0; i < count; ++i) of_part[number_of(key_of(i))].push_back(i);
    for (const auto& numbers : of_part) {
      if (numbers.empty()) continue;
      change(key_of(numbers.front()), [&](Entries& entries) {
        for (const std::size_t i : numbers) apply(entries, i);
      });
    }
  }

  template <typename Change>
  void change(std::string_view key, const Change& apply) {
    Part& part = parts_[number_of(key)];
    const std::lock_guard lock(part.changing);
    auto next = std::make_shared<Entries>(*part.entries.read());
    apply(*next);
    part.entries.publish(std::move(next));
  }

  std::array<Part, kParts> parts_;
};

}  // namespace millrace
