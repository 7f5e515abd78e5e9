// One function per operation; the AWS API reference says what each does. Thread-safe.
#pragma once

#include <algorithm>

#include "api/events/service.h"
#include "wire/page.h"

namespace millrace::api_events {

using codec::Json;
using wire::Document;
using wire::Reply;
using wire::RequestContext;

// operations/rules.cc
Result<Reply> put_rule(const Resources& all, const RequestContext& context, const Document& input);
Result<Reply> describe_rule(const Resources& all, const RequestContext& context, const Document& input);
Result<Reply> list_rules(const Resources& all, const RequestContext& context, const Document& input);
Result<Reply> delete_rule(const Resources& all, const RequestContext& context, const Document& input);
Result<Reply> enable_rule(const Resources& all, const RequestContext& context, const Document& input);
Result<Reply> disable_rule(const Resources& all, const RequestContext& context, const Document& input);
Result<Reply> tag_resource(const Resources& all, const RequestContext& context, const Document& input);
Result<Reply> untag_resource(const Resources& all, const RequestContext& context, const Document& input);
Result<Reply> list_tags(const Resources& all, const RequestContext& context, const Document& input);

// operations/targets.cc
Result<Reply> put_targets(const Resources& all, const RequestContext& context, const Document& input);
Result<Reply> remove_targets(const Resources& all, const RequestContext& context, const Document& input);
Result<Reply> list_targets_by_rule(const Resources& all, const RequestContext& context, const Document& input);
Result<Reply> list_rule_names_by_target(const Resources& all, const RequestContext& context, const Document& input);

// operations/put_events.cc
Result<Reply> put_events(const Resources& all, const RequestContext& context, const Document& input);
Result<Reply> test_event_pattern(const Resources& all, const RequestContext& context, const Document& input);

Reply reply(const Resources& all, Document output = Document::object());
// There is the default bus, by name or ARN. Error: ResourceNotFoundException.
Result<void> check_bus(const RequestContext& context, std::string_view name);
inline Result<void> check_bus(const RequestContext& context, const Document& input) {
  return check_bus(context, input.string_or("EventBusName", ""));
}

// Of `items`, in order of their names, the page that Limit and NextToken ask for; sets NextToken.
template <typename Item, typename NameOf>
std::vector<Item> page_of(std::vector<Item> items, const Document& input, Document& output, NameOf name_of) {
  auto page = wire::page_of(std::move(items), static_cast<std::size_t>(input.int_or("Limit", 100)),
                            input.string_or("NextToken", ""), name_of);
  output.set_if(!page.next.empty(), "NextToken", page.next);
  return std::move(page.items);
}

}  // namespace millrace::api_events
