// One function per operation of DynamoDB. Those on items take an ItemCall, so that both ways of reading a request share
// them; the others take the validated document. All thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "api/dynamodb/internal/item_call.h"
#include "base/result.h"
#include "tables/tables.h"
#include "wire/service.h"

namespace millrace::api_dynamodb {

Result<wire::Reply> put_item(tables::Tables& tables, const Scope& scope, ItemCall call);
Result<wire::Reply> update_item(tables::Tables& tables, const Scope& scope, ItemCall call);
Result<wire::Reply> delete_item(tables::Tables& tables, const Scope& scope, ItemCall call);
Result<wire::Reply> get_item(tables::Tables& tables, const Scope& scope, ItemCall call);
// `give_up_bytes` as in tables::ReadRequest.
Result<wire::Reply> query(tables::Tables& tables, const Scope& scope, ItemCall call,
                          std::optional<std::size_t> give_up_bytes = {});
Result<wire::Reply> scan(tables::Tables& tables, const Scope& scope, ItemCall call,
                         std::optional<std::size_t> give_up_bytes = {});

Result<wire::Reply> batch_get_item(tables::Tables& tables, const Scope& scope, const wire::Document& input);
// What a call did before it was refused with storage::kWouldBlock is left in `done_before`, for the next call to go on
// from.
Result<wire::Reply> batch_write_item(tables::Tables& tables, const Scope& scope, const wire::Document& input,
                                     std::shared_ptr<void>& done_before);
// Straight from the text; nullopt: not a common form.
std::optional<Result<wire::Reply>> batch_write_item(tables::Tables& tables, const Scope& scope, std::string_view body,
                                                    std::shared_ptr<void>& done_before);
Result<wire::Reply> transact_get_items(tables::Tables& tables, const Scope& scope, const wire::Document& input);
Result<wire::Reply> transact_write_items(tables::Tables& tables, const Scope& scope, const wire::Document& input);

Result<wire::Reply> create_table(tables::Tables& tables, const Scope& scope, const wire::Document& input);
Result<wire::Reply> describe_table(tables::Tables& tables, const Scope& scope, const wire::Document& input);
Result<wire::Reply> list_tables(tables::Tables& tables, const Scope& scope, const wire::Document& input);
Result<wire::Reply> update_table(tables::Tables& tables, const Scope& scope, const wire::Document& input);
Result<wire::Reply> delete_table(tables::Tables& tables, const Scope& scope, const wire::Document& input);

Result<wire::Reply> update_time_to_live(tables::Tables& tables, const Scope& scope, const wire::Document& input);
Result<wire::Reply> describe_time_to_live(tables::Tables& tables, const Scope& scope, const wire::Document& input);
Result<wire::Reply> tag_resource(tables::Tables& tables, const Scope& scope, const wire::Document& input);
Result<wire::Reply> untag_resource(tables::Tables& tables, const Scope& scope, const wire::Document& input);
Result<wire::Reply> list_tags_of_resource(tables::Tables& tables, const Scope& scope, const wire::Document& input);
Result<wire::Reply> describe_limits(tables::Tables& tables, const Scope& scope, const wire::Document& input);
Result<wire::Reply> describe_endpoints(const wire::RequestContext& context);

}  // namespace millrace::api_dynamodb
