// What most types have in common: the tables as members, and small ways to shape documents.
#pragma once

#include <initializer_list>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "resources/helpers.h"

namespace millrace::resources {

inline constexpr bool kRequired = true;

// What CloudFormation itself finds wrong with a resource.
inline constexpr ErrorType kInvalidRequest{"InvalidRequest", 400};

class TypeBase : public stacks::ResourceType {
 public:
  TypeBase(std::string_view name, std::vector<Property> properties, std::vector<std::string_view> attributes = {})
      : name_(name), properties_(std::move(properties)), attributes_(std::move(attributes)) {}
  std::string_view name() const override { return name_; }
  std::span<const Property> properties() const override { return properties_; }
  std::vector<std::string_view> attributes() const override { return attributes_; }

 private:
  std::string_view name_;
  std::vector<Property> properties_;
  std::vector<std::string_view> attributes_;
};

// A property that AWS knows and that has no effect here.
constexpr Property recorded(std::string_view name, Update update = Update::kInPlace) {
  return {name, update, Effect::kRecorded};
}
constexpr Property required(std::string_view name, Update update = Update::kInPlace) {
  return {name, update, Effect::kEffective, kRequired};
}

// The members of `from` that are named and there.
Document pick(const Document& from, std::initializer_list<std::string_view> names);
// A string as it is, anything else as JSON text; "" when absent.
std::string text_of(const Document* value);
// The elements; none when absent or no list.
const Document::Array& list_of(const Document* value);
// The same as texts.
std::set<std::string> texts_of(const Document* list);
// A member of each.
std::set<std::string> texts_of(const Document* list, std::string_view member);

bool any_differs(const Work& work, std::initializer_list<std::string_view> properties);

// How a service takes tags from a resource and gives them to it.
struct Tagging {
  std::string_view service;
  std::string_view untag;  // operations
  std::string_view tag;
  Document resource;  // what both are told it by
  std::string_view keys_member = "TagKeys";
  std::string_view tags_member = "Tags";
};
// Brings tags from the old properties to the new ones: takes the keys that are gone, and gives `tags`, all that are
// there, the stack's own included. Calls neither for none.
Result<void> update_tags(const Work& work, const Tagging& how, Document tags);

}  // namespace millrace::resources
