// Pages of lists whose tokens are the names themselves. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace::wire {

template <typename Item>
struct Page {
  std::vector<Item> items;
  std::string next;  // to be given as `after` for the next page; "" at the end
};

// Of `items`, which are in order of what `name_of` gives, at most `max` behind the name `after`.
template <typename Item, typename NameOf>
Page<Item> page_of(std::vector<Item> items, std::size_t max, std::string_view after, NameOf name_of) {
  if (!after.empty()) std::erase_if(items, [&](const Item& item) { return name_of(item) <= after; });
  Page<Item> page;
  if (items.size() > max) {
    items.erase(items.begin() + static_cast<std::ptrdiff_t>(max), items.end());
    if (max > 0) page.next = name_of(items.back());
  }
  page.items = std::move(items);
  return page;
}

}  // namespace millrace::wire
