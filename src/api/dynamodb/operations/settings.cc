// Time to live, tags, limits, endpoints.
#include "api/dynamodb/internal/answer.h"
#include "api/dynamodb/operations.h"
#include "tables/errors.h"
#include "wire/generated/dynamodb_views.h"

namespace millrace::api_dynamodb {
namespace {

namespace shapes = wire::dynamodb;
using wire::Document;
using wire::Reply;

Error tagged_not_found(std::string_view arn) {
  return Error(tables::kResourceNotFound, "Requested resource not found: ResourcArn: " + std::string(arn) +
                                              " not found");  // AWS: spelled like this
}

Reply reply_after(storage::CommitNumber after) {
  Reply reply;
  reply.after = after;
  return reply;
}

}  // namespace

Result<Reply> update_time_to_live(tables::Tables& tables, const Scope& scope, const Document& document) {
  const shapes::UpdateTimeToLiveInput input(document);
  const shapes::TimeToLiveSpecification wanted = input.time_to_live_specification();
  MR_ASSIGN_OR_RETURN(const TableRef ref, resolve_table(scope, input.table_name()));
  MR_ASSIGN_OR_RETURN(const storage::CommitNumber after,
                      tables.set_ttl(ref.scope, ref.name, wanted.attribute_name(), wanted.enabled()));
  Reply reply = reply_after(after);
  reply.output.set("TimeToLiveSpecification",
                   Document::object({{"Enabled", wanted.enabled()}, {"AttributeName", wanted.attribute_name()}}));
  return reply;
}

Result<Reply> describe_time_to_live(tables::Tables& tables, const Scope& scope, const Document& document) {
  MR_ASSIGN_OR_RETURN(const TableRef ref, resolve_table(scope, shapes::DescribeTimeToLiveInput(document).table_name()));
  MR_ASSIGN_OR_RETURN(const tables::Description description, tables.describe(ref.scope, ref.name));
  using enum tables::TableStatus;
  if (description.status == kCreating || description.status == kDeleting) {
    const std::string status(tables::status_name(description.status));
    return invalid("Cannot describe time to live while table is in " + status + " state: Current table state is " +
                   status);
  }
  const tables::TimeToLive& ttl = description.info->ttl;
  Document shown = Document::object({{"TimeToLiveStatus", ttl.enabled ? "ENABLED" : "DISABLED"}});
  shown.set_if(ttl.enabled, "AttributeName", ttl.attribute);
  Reply reply = reply_after(description.after);
  reply.output.set("TimeToLiveDescription", std::move(shown));
  return reply;
}

Result<Reply> tag_resource(tables::Tables& tables, const Scope& scope, const Document& document) {
  const shapes::TagResourceInput input(document);
  MR_ASSIGN_OR_RETURN(const TableRef ref, resolve_arn(scope, input.resource_arn()));
  std::map<std::string, std::string> tags;
  for (const shapes::Tag tag : input.tags()) tags[std::string(tag.key())] = tag.value();
  if (tags.empty()) return invalid("Atleast one Tag needs to be provided as Input.");
  const auto after = tables.tag(ref.scope, ref.name, tags);
  if (!after.ok() && after.error().is(tables::kResourceNotFound)) return tagged_not_found(input.resource_arn());
  if (!after.ok()) return after.error();
  return reply_after(*after);
}

Result<Reply> untag_resource(tables::Tables& tables, const Scope& scope, const Document& document) {
  const shapes::UntagResourceInput input(document);
  MR_ASSIGN_OR_RETURN(const TableRef ref, resolve_arn(scope, input.resource_arn()));
  std::vector<std::string> keys;
  for (const std::string_view key : input.tag_keys()) keys.emplace_back(key);
  if (keys.empty()) return invalid("Atleast one Tag Key needs to be provided as Input.");
  const auto after = tables.untag(ref.scope, ref.name, keys);
  if (!after.ok() && after.error().is(tables::kResourceNotFound)) return tagged_not_found(input.resource_arn());
  if (!after.ok()) return after.error();
  return reply_after(*after);
}

Result<Reply> list_tags_of_resource(tables::Tables& tables, const Scope& scope, const Document& document) {
  const shapes::ListTagsOfResourceInput input(document);
  MR_ASSIGN_OR_RETURN(const TableRef ref, resolve_arn(scope, input.resource_arn()));
  // All of the at most 50 tags fit one answer, hence no token was ever given out.
  if (input.next_token()) return invalid("Invalid NextToken: " + std::string(*input.next_token()));
  const auto description = tables.describe(ref.scope, ref.name);
  if (!description.ok()) {
    return description.error().is(tables::kResourceNotFound) ? tagged_not_found(input.resource_arn())
                                                             : description.error();
  }
  Document tags = Document::array();
  for (const auto& [key, value] : description->info->tags)
    tags.push(Document::object({{"Key", key}, {"Value", value}}));
  Reply reply = reply_after(description->after);
  reply.output.set("Tags", std::move(tags));
  return reply;
}

// AWS: the default quotas of an account. They are not enforced.
Result<Reply> describe_limits(tables::Tables&, const Scope&, const Document&) {
  Reply reply;
  reply.output = Document::object({{"AccountMaxReadCapacityUnits", 80000},
                                   {"AccountMaxWriteCapacityUnits", 80000},
                                   {"TableMaxReadCapacityUnits", 40000},
                                   {"TableMaxWriteCapacityUnits", 40000}});
  return reply;
}

Result<Reply> describe_endpoints(const wire::RequestContext& context) {
  const std::size_t scheme = context.service_host.find("://");
  const std::string address =
      scheme == std::string::npos ? context.service_host : context.service_host.substr(scheme + 3);
  Reply reply;
  reply.output.set("Endpoints",
                   Document::array({Document::object({{"Address", address}, {"CachePeriodInMinutes", 1440}})}));
  return reply;
}

}  // namespace millrace::api_dynamodb
