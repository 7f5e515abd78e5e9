// What the records and lists of identities and policies have in common. Pure.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codec/json.h"
#include "crypto/encoding.h"
#include "iam/errors.h"
#include "iam/roles.h"

namespace millrace::iam::documents {

template <typename Map>
codec::Json map_to_json(const Map& map) {
  codec::Json json = codec::Json::object();
  for (const auto& [key, value] : map) json.set(key, value);
  return json;
}

inline void read_map(const codec::Json* json, std::map<std::string, std::string, std::less<>>& map) {
  if (json == nullptr || !json->is_object()) return;
  for (const auto& [key, value] : json->as_object()) {
    if (value.is_string()) map[key] = value.as_string();
  }
}

template <typename Set>
codec::Json set_to_json(const Set& set) {
  codec::Json json = codec::Json::array();
  for (const auto& each : set) json.push(each);
  return json;
}

inline void read_set(const codec::Json* json, std::set<std::string, std::less<>>& set) {
  if (json == nullptr || !json->is_array()) return;
  for (const auto& each : json->as_array()) {
    if (each.is_string()) set.insert(each.as_string());
  }
}

// `items` in order of `key_of`; the marker is the base64 of the last key of the page before.
template <typename T, typename KeyOf>
Result<Page<T>> page_of(std::vector<T> items, const PageRequest& request, KeyOf key_of) {
  if (!request.marker.empty()) {
    const auto last = crypto::base64_decode(request.marker);
    if (!last) return Error(kValidation, "Invalid Marker.");
    std::erase_if(items, [&](const T& item) { return key_of(item) <= *last; });
  }
  Page<T> page;
  if (items.size() > static_cast<std::size_t>(request.items_max)) {
    items.erase(items.begin() + request.items_max, items.end());
    page.marker = crypto::base64_encode(key_of(items.back()));
  }
  page.items = std::move(items);
  return page;
}

inline std::size_t bytes_without_space(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return c != ' ' && c != '\n' && c != '\t' && c != '\r'; }));
}

// The path in a policy's ARN: what stands between "policy" and the name, both slashes included.
inline std::string path_of_policy(std::string_view arn) {
  const auto start = arn.find(":policy/");
  if (start == std::string_view::npos) return "/";
  const std::string_view resource = arn.substr(start + 7);
  return std::string(resource.substr(0, resource.rfind('/') + 1));
}

}  // namespace millrace::iam::documents
