// What the generated views are made of: typed accessors over a validated Document, without storage of their own.
//
//   wire::lambda::CreateEventSourceMappingRequest request(document);
//   request.function_name()                          std::string_view: required members are plain
//   request.batch_size().value_or(100)               std::optional<std::int64_t>
//   for (auto filter : request.filter_criteria()->filters()) ...
//   for (auto [key, value] : request.tags()) ...     lists and maps are empty when absent; present() tells
//
// A view refers to its document, which must outlive it, and to nothing else. A member of another JSON kind than its
// shape's counts as absent (documents that passed the validator have none). Blobs decode on access.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/time.h"
#include "codec/json.h"

namespace millrace::wire {

using Document = codec::Json;

namespace internal {
const Document& empty_document();
std::string decode_blob(const Document& document);  // "" when it is no base64
Time to_time(const Document& document);             // from seconds with fraction; REQUIRES: a number
}  // namespace internal

// Reads one value; nullopt when the JSON kind is another.
template <typename T>
std::optional<T> read_value(const Document& document) {
  if constexpr (std::is_same_v<T, std::string_view>) {
    if (document.is_string()) return std::string_view(document.as_string());
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (document.is_string()) return internal::decode_blob(document);
  } else if constexpr (std::is_same_v<T, bool>) {
    if (document.is_bool()) return document.as_bool();
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    if (document.is_number()) return document.as_int();
  } else if constexpr (std::is_same_v<T, double>) {
    if (document.is_number()) return document.as_double();
  } else if constexpr (std::is_same_v<T, Time>) {
    if (document.is_number()) return internal::to_time(document);
  } else {
    return T(document);  // structures, lists, maps
  }
  return std::nullopt;
}

class StructView {
 public:
  StructView() : document_(&internal::empty_document()) {}
  explicit StructView(const Document& document) : document_(&document) {}
  const Document& document() const { return *document_; }

 protected:
  // nullptr: absent or null.
  const Document* member(std::string_view name) const {
    const Document* found = document_->find(name);
    return found == nullptr || found->is_null() ? nullptr : found;
  }
  template <typename T>
  std::optional<T> optional(std::string_view name) const {
    const Document* found = member(name);
    return found == nullptr ? std::nullopt : read_value<T>(*found);
  }
  template <typename T>
  T required(std::string_view name) const {
    return optional<T>(name).value_or(T());
  }

 private:
  const Document* document_;
};

template <typename T>
class ListView {
 public:
  ListView() = default;
  explicit ListView(const Document& document) : ListView(&document) {}
  explicit ListView(const Document* document) {
    if (document != nullptr && document->is_array()) elements_ = &document->as_array();
  }

  class Iterator {
   public:
    explicit Iterator(const Document* at) : at_(at) {}
    T operator*() const { return read_value<T>(*at_).value_or(T()); }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return at_ != other.at_; }

   private:
    const Document* at_;
  };

  bool present() const { return elements_ != nullptr; }
  bool empty() const { return size() == 0; }
  std::size_t size() const { return present() ? elements_->size() : 0; }
  // REQUIRES: index < size().
  T operator[](std::size_t index) const { return *Iterator(elements_->data() + index); }
  Iterator begin() const { return Iterator(present() ? elements_->data() : nullptr); }
  Iterator end() const { return Iterator(present() ? elements_->data() + elements_->size() : nullptr); }

 private:
  const Document::Array* elements_ = nullptr;
};

template <typename T>
class MapView {
 public:
  MapView() = default;
  explicit MapView(const Document& document) : MapView(&document) {}
  explicit MapView(const Document* document) {
    if (document != nullptr && document->is_object()) members_ = &document->as_object();
  }

  class Iterator {
   public:
    explicit Iterator(const Document::Member* at) : at_(at) {}
    std::pair<std::string_view, T> operator*() const { return {at_->first, read_value<T>(at_->second).value_or(T())}; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return at_ != other.at_; }

   private:
    const Document::Member* at_;
  };

  bool present() const { return members_ != nullptr; }
  bool empty() const { return size() == 0; }
  std::size_t size() const { return present() ? members_->size() : 0; }
  std::optional<T> find(std::string_view key) const {
    for (std::size_t i = 0; i < size(); ++i) {
      if ((*members_)[i].first == key) return read_value<T>((*members_)[i].second);
    }
    return std::nullopt;
  }
  Iterator begin() const { return Iterator(present() ? members_->data() : nullptr); }
  Iterator end() const { return Iterator(present() ? members_->data() + members_->size() : nullptr); }

 private:
  const Document::Object* members_ = nullptr;
};

}  // namespace millrace::wire
