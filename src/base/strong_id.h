// Identifiers that cannot be mixed up: `using TableId = StrongId<struct TableIdTag, std::uint64_t>;`
#pragma once

#include <compare>
#include <functional>
#include <utility>

namespace millrace {

template <typename Tag, typename T>
class StrongId {
 public:
  using Value = T;
  constexpr StrongId() = default;
  constexpr explicit StrongId(T value) : value_(std::move(value)) {}
  constexpr const T& value() const { return value_; }
  friend constexpr auto operator<=>(const StrongId&, const StrongId&) = default;
  friend constexpr bool operator==(const StrongId&, const StrongId&) = default;

 private:
  T value_{};
};

}  // namespace millrace

template <typename Tag, typename T>
struct std::hash<millrace::StrongId<Tag, T>> {
  std::size_t operator()(const millrace::StrongId<Tag, T>& id) const noexcept { return std::hash<T>()(id.value()); }
};
