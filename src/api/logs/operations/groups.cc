#include <algorithm>

#include "api/logs/operations.h"
#include "logs/errors.h"
#include "wire/generated/logs_views.h"

namespace millrace::api_logs {
namespace {

logs::Tags to_tags(wire::MapView<std::string_view> view) {
  logs::Tags tags;
  for (auto [key, value] : view) tags[std::string(key)] = value;
  return tags;
}

std::vector<std::string> to_keys(wire::ListView<std::string_view> view) {
  std::vector<std::string> keys;
  for (auto key : view) keys.emplace_back(key);
  return keys;
}

Document group_document(const logs::GroupInfo& group) {
  Document document = Document::object();
  document.set("logGroupName", group.name.name)
      .set("creationTime", to_unix_ms(group.created))
      .set_if(group.retention_days.has_value(), "retentionInDays", group.retention_days.value_or(0))
      .set("metricFilterCount", 0)
      .set("arn", group.arn() + ":*")
      .set("storedBytes", static_cast<std::int64_t>(group.stored_bytes))
      .set("logGroupClass", group.log_class)
      .set("logGroupArn", group.arn());
  return document;
}

Result<Reply> tags_reply(logs::Service& logs, const logs::GroupName& group) {
  MR_ASSIGN_OR_RETURN(const auto info, logs.describe_group(group));
  Document tags = Document::object();
  for (const auto& [key, value] : info.tags) tags.set(key, value);
  return reply(logs, Document::object({{"tags", std::move(tags)}}));
}

logs::GroupName named(const RequestContext& context, std::string_view name) {
  return {context.caller.scope, std::string(name)};
}

}  // namespace

Result<Reply> create_log_group(logs::Service& logs, const RequestContext& context, const Document& input) {
  const wire::logs::CreateLogGroupRequest request(input);
  if (request.kms_key_id()) return not_supported("kmsKeyId");
  if (request.deletion_protection_enabled().value_or(false)) return not_supported("deletionProtectionEnabled");
  const auto log_class = request.log_group_class().value_or("STANDARD");
  if (log_class == "DELIVERY") return not_supported("logGroupClass DELIVERY");
  MR_RETURN_IF_ERROR(
      logs.create_group(named(context, request.log_group_name()), std::string(log_class), to_tags(request.tags())));
  return reply(logs);
}

Result<Reply> delete_log_group(logs::Service& logs, const RequestContext& context, const Document& input) {
  const wire::logs::DeleteLogGroupRequest request(input);
  MR_RETURN_IF_ERROR(logs.delete_group(named(context, request.log_group_name())));
  return reply(logs);
}

Result<Reply> describe_log_groups(logs::Service& logs, const RequestContext& context, const Document& input) {
  const wire::logs::DescribeLogGroupsRequest request(input);
  if (request.include_linked_accounts().value_or(false)) return not_supported("includeLinkedAccounts");
  if (!request.account_identifiers().empty()) return not_supported("accountIdentifiers");
  const auto prefix = request.log_group_name_prefix();
  const auto pattern = request.log_group_name_pattern();
  if (prefix && pattern) {
    return Error(logs::kInvalidParameter,
                 "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.");
  }
  std::vector<std::string> names;
  for (auto identifier : request.log_group_identifiers()) {
    MR_ASSIGN_OR_RETURN(auto group, group_of(context, std::nullopt, identifier));
    names.push_back(std::move(group.name));
  }
  const auto wanted = [&](const logs::GroupInfo& group) {
    const std::string& name = group.name.name;
    if (!names.empty() && std::ranges::find(names, name) == names.end()) return false;
    if (request.log_group_class() && group.log_class != *request.log_group_class()) return false;
    return name.starts_with(prefix.value_or("")) && name.find(pattern.value_or("")) != std::string::npos;
  };
  MR_ASSIGN_OR_RETURN(const auto page, logs.list_groups(context.caller.scope, wanted,
                                                        static_cast<std::size_t>(request.limit().value_or(50)),
                                                        request.next_token().value_or("")));
  Document groups = Document::array();
  for (const auto& group : page.items) groups.push(group_document(group));
  Document output = Document::object({{"logGroups", std::move(groups)}});
  output.set_if(!page.next_token.empty(), "nextToken", page.next_token);
  return reply(logs, std::move(output));
}

Result<Reply> put_retention_policy(logs::Service& logs, const RequestContext& context, const Document& input) {
  const wire::logs::PutRetentionPolicyRequest request(input);
  MR_RETURN_IF_ERROR(
      logs.set_retention(named(context, request.log_group_name()),
                         static_cast<int>(std::clamp<std::int64_t>(request.retention_in_days(), 0, 100'000))));
  return reply(logs);
}

Result<Reply> delete_retention_policy(logs::Service& logs, const RequestContext& context, const Document& input) {
  const wire::logs::DeleteRetentionPolicyRequest request(input);
  MR_RETURN_IF_ERROR(logs.set_retention(named(context, request.log_group_name()), std::nullopt));
  return reply(logs);
}

Result<Reply> tag_resource(logs::Service& logs, const RequestContext& context, const Document& input) {
  const wire::logs::TagResourceRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto group, group_of(context, std::nullopt, request.resource_arn()));
  MR_RETURN_IF_ERROR(logs.tag(group, to_tags(request.tags())));
  return reply(logs);
}

Result<Reply> untag_resource(logs::Service& logs, const RequestContext& context, const Document& input) {
  const wire::logs::UntagResourceRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto group, group_of(context, std::nullopt, request.resource_arn()));
  MR_RETURN_IF_ERROR(logs.untag(group, to_keys(request.tag_keys())));
  return reply(logs);
}

Result<Reply> list_tags_for_resource(logs::Service& logs, const RequestContext& context, const Document& input) {
  const wire::logs::ListTagsForResourceRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto group, group_of(context, std::nullopt, request.resource_arn()));
  return tags_reply(logs, group);
}

Result<Reply> tag_log_group(logs::Service& logs, const RequestContext& context, const Document& input) {
  const wire::logs::TagLogGroupRequest request(input);
  MR_RETURN_IF_ERROR(logs.tag(named(context, request.log_group_name()), to_tags(request.tags())));
  return reply(logs);
}

Result<Reply> untag_log_group(logs::Service& logs, const RequestContext& context, const Document& input) {
  const wire::logs::UntagLogGroupRequest request(input);
  MR_RETURN_IF_ERROR(logs.untag(named(context, request.log_group_name()), to_keys(request.tags())));
  return reply(logs);
}

Result<Reply> list_tags_log_group(logs::Service& logs, const RequestContext& context, const Document& input) {
  const wire::logs::ListTagsLogGroupRequest request(input);
  return tags_reply(logs, named(context, request.log_group_name()));
}

}  // namespace millrace::api_logs
