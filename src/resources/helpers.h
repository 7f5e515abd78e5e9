// What several resource types need.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "stacks/resource_type.h"

namespace millrace::resources {

using stacks::Document;
using stacks::Effect;
using stacks::Property;
using stacks::Resource;
using stacks::Update;
using stacks::Work;

// The tags of the stack, overridden by the resource's own (Tags: [{Key, Value}]), as a list of {Key, Value}. With
// work.old_properties: those that were in effect.
Document tag_list(const Work& work, const Document& properties);
// The same as a map, for services that take one.
Document tag_map(const Work& work, const Document& properties);
// Copies those of `names` that are there.
void copy_members(const Document& from, Document& to, std::initializer_list<std::string_view> names);
// As the text of an attribute: JSON for documents, "true" and "5" for scalars.
std::string attribute_text(const Document& value);
// The member, or "".
std::string text_of(const Document& document, std::string_view name);
// True when the member differs between work.old_properties and work.properties.
bool differs(const Work& work, std::string_view name);
// True when the tags differ, the resource's own or the stack's.
bool tags_differ(const Work& work);
// Success where `error` says that there is nothing (names of errors that end in NotFound, NoSuch..., DoesNotExist).
bool is_gone(const Error& error);
Result<void> ignore_gone(Result<Document> result);

}  // namespace millrace::resources
