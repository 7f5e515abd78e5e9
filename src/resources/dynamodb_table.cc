// AWS::DynamoDB::Table. Source of the table: CloudFormation's template reference, "AWS::DynamoDB::Table".
#include <algorithm>
#include <vector>

#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace {

constexpr Property kTableProperties[] = {
    {"AttributeDefinitions"},
    {"BillingMode"},
    {"ContributorInsightsSpecification", Update::kInPlace, Effect::kRecorded},
    {"DeletionProtectionEnabled"},
    {"GlobalSecondaryIndexes"},
    {"ImportSourceSpecification", Update::kReplace, Effect::kRecorded},
    {"KeySchema", Update::kReplace, Effect::kEffective, true},
    {"KinesisStreamSpecification", Update::kInPlace, Effect::kRecorded},
    {"LocalSecondaryIndexes", Update::kReplace},
    {"OnDemandThroughput", Update::kInPlace, Effect::kRecorded},
    {"PointInTimeRecoverySpecification", Update::kInPlace, Effect::kRecorded},
    {"ProvisionedThroughput"},
    {"ResourcePolicy", Update::kInPlace, Effect::kRecorded},
    {"SSESpecification", Update::kInPlace, Effect::kRecorded},
    {"StreamSpecification"},
    {"TableClass"},
    {"TableName", Update::kReplace},
    {"Tags"},
    {"TimeToLiveSpecification"},
    {"WarmThroughput", Update::kInPlace, Effect::kRecorded},
};

Document without(Document document, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) document.erase(name);
  return document;
}

// An index as CreateTable takes it.
Document index_of(const Document& property) {
  return without(property, {"ContributorInsightsSpecification", "OnDemandThroughput", "WarmThroughput"});
}

const Document* index_named(const Document* indexes, const std::string& name) {
  if (indexes == nullptr || !indexes->is_array()) return nullptr;
  for (const Document& index : indexes->as_array()) {
    if (text_of(index, "IndexName") == name) return &index;
  }
  return nullptr;
}

// CloudFormation's StreamSpecification has no StreamEnabled.
Document stream_of(const Document& property) {
  Document stream = Document::object({{"StreamEnabled", true}});
  copy_members(property, stream, {"StreamViewType"});
  return stream;
}

class DynamoDbTable final : public stacks::ResourceType {
 public:
  std::string_view name() const override { return "AWS::DynamoDB::Table"; }
  std::span<const Property> properties() const override { return kTableProperties; }
  std::vector<std::string_view> attributes() const override { return {"Arn", "StreamArn"}; }

  Result<Resource> create(const Work& work) const override {
    const std::string table = work.name_or_generated("TableName", 255);
    Document input = Document::object({{"TableName", table}});
    copy_members(work.properties, input,
                 {"AttributeDefinitions", "KeySchema", "BillingMode", "ProvisionedThroughput", "TableClass",
                  "DeletionProtectionEnabled", "LocalSecondaryIndexes"});
    if (const Document* indexes = work.property("GlobalSecondaryIndexes"); indexes != nullptr && indexes->is_array()) {
      Document list = Document::array();
      for (const Document& index : indexes->as_array()) list.push(index_of(index));
      input.set("GlobalSecondaryIndexes", std::move(list));
    }
    if (const Document* stream = work.property("StreamSpecification")) {
      input.set("StreamSpecification", stream_of(*stream));
    }
    input.set("Tags", tag_list(work, work.properties));
    MR_RETURN_IF_ERROR(work.call("dynamodb", "CreateTable", std::move(input)));
    work.created(table);
    if (work.property("TimeToLiveSpecification") != nullptr) MR_RETURN_IF_ERROR(set_expiry(work, table));
    return described(work, table);
  }

  Result<Resource> update(const Work& work) const override {
    MR_RETURN_IF_ERROR(update_table(work));
    MR_RETURN_IF_ERROR(update_indexes(work));
    if (differs(work, "TimeToLiveSpecification")) MR_RETURN_IF_ERROR(set_expiry(work, work.physical_id));
    MR_ASSIGN_OR_RETURN(Resource resource, described(work, work.physical_id));
    const std::string arn = text_of(resource.attributes, "Arn");
    MR_RETURN_IF_ERROR(
        update_tags(work, {"dynamodb", "UntagResource", "TagResource", Document::object({{"ResourceArn", arn}})},
                    tag_list(work, work.properties)));
    return resource;
  }

  Result<void> remove(const Work& work) const override {
    return ignore_gone(work.call("dynamodb", "DeleteTable",
                                 Document::object({{"TableName", work.name_or_generated("TableName", 255)}})));
  }

  Result<Resource> read(const Work& work) const override {
    return described(work, work.name_or_generated("TableName", 255));
  }

 private:
  static Result<void> update_table(const Work& work) {
    Document input = Document::object({{"TableName", work.physical_id}});
    for (const std::string_view name :
         {"BillingMode", "ProvisionedThroughput", "TableClass", "DeletionProtectionEnabled"}) {
      if (differs(work, name)) copy_members(work.properties, input, {name});
    }
    if (differs(work, "DeletionProtectionEnabled") && work.property("DeletionProtectionEnabled") == nullptr) {
      input.set("DeletionProtectionEnabled", false);
    }
    if (input.as_object().size() > 1) MR_RETURN_IF_ERROR(work.call("dynamodb", "UpdateTable", std::move(input)));
    if (!differs(work, "StreamSpecification")) return {};
    const Document off = Document::object({{"StreamEnabled", false}});
    if (work.old_properties.find("StreamSpecification") != nullptr) {
      MR_RETURN_IF_ERROR(work.call("dynamodb", "UpdateTable",
                                   Document::object({{"TableName", work.physical_id}, {"StreamSpecification", off}})));
    }
    const Document* stream = work.property("StreamSpecification");
    if (stream == nullptr) return {};
    MR_RETURN_IF_ERROR(
        work.call("dynamodb", "UpdateTable",
                  Document::object({{"TableName", work.physical_id}, {"StreamSpecification", stream_of(*stream)}})));
    return {};
  }

  static Result<void> change_index(const Work& work, std::string_view verb, Document index) {
    Document input = Document::object({{"TableName", work.physical_id}});
    if (verb == "Create") copy_members(work.properties, input, {"AttributeDefinitions"});
    Document change = Document::object();
    change.set(verb, std::move(index));
    input.set("GlobalSecondaryIndexUpdates", Document::array({std::move(change)}));
    MR_RETURN_IF_ERROR(work.call("dynamodb", "UpdateTable", std::move(input)));
    return {};
  }

  // UpdateTable makes or deletes one index at a time.
  static Result<void> update_indexes(const Work& work) {
    const Document* before = work.old_properties.find("GlobalSecondaryIndexes");
    const Document* after = work.property("GlobalSecondaryIndexes");
    if (before != nullptr && before->is_array()) {
      for (const Document& old : before->as_array()) {
        const std::string index = text_of(old, "IndexName");
        const Document* kept = index_named(after, index);
        if (kept != nullptr && same_index(old, *kept)) continue;
        MR_RETURN_IF_ERROR(change_index(work, "Delete", Document::object({{"IndexName", index}})));
      }
    }
    if (after == nullptr || !after->is_array()) return {};
    for (const Document& wanted : after->as_array()) {
      const std::string index = text_of(wanted, "IndexName");
      const Document* old = index_named(before, index);
      if (old == nullptr || !same_index(*old, wanted)) {
        MR_RETURN_IF_ERROR(change_index(work, "Create", index_of(wanted)));
      } else if (text_of(*old, "ProvisionedThroughput") != text_of(wanted, "ProvisionedThroughput") &&
                 wanted.find("ProvisionedThroughput") != nullptr) {
        Document change = Document::object({{"IndexName", index}});
        copy_members(wanted, change, {"ProvisionedThroughput"});
        MR_RETURN_IF_ERROR(change_index(work, "Update", std::move(change)));
      }
    }
    return {};
  }

  static bool same_index(const Document& a, const Document& b) {
    return text_of(a, "KeySchema") == text_of(b, "KeySchema") && text_of(a, "Projection") == text_of(b, "Projection");
  }

  // AWS: TimeToLiveSpecification taken out of the template switches it off.
  static Result<void> set_expiry(const Work& work, const std::string& table) {
    const Document* after = work.property("TimeToLiveSpecification");
    const Document* before = work.old_properties.find("TimeToLiveSpecification");
    const bool was_on = before != nullptr && text_of(*before, "Enabled") == "true";
    if (was_on && (after == nullptr || text_of(*after, "AttributeName") != text_of(*before, "AttributeName") ||
                   text_of(*after, "Enabled") != "true")) {
      Document off = *before;
      off.set("Enabled", false);
      MR_RETURN_IF_ERROR(work.call("dynamodb", "UpdateTimeToLive",
                                   Document::object({{"TableName", table}, {"TimeToLiveSpecification", off}})));
    }
    if (after == nullptr || text_of(*after, "Enabled") != "true") return {};
    MR_RETURN_IF_ERROR(work.call("dynamodb", "UpdateTimeToLive",
                                 Document::object({{"TableName", table}, {"TimeToLiveSpecification", *after}})));
    return {};
  }

  static Result<Resource> described(const Work& work, const std::string& table) {
    MR_ASSIGN_OR_RETURN(const Document found,
                        work.call("dynamodb", "DescribeTable", Document::object({{"TableName", table}})));
    Resource resource;
    resource.physical_id = table;
    if (const Document* description = found.find("Table")) {
      resource.attributes.set("Arn", text_of(*description, "TableArn"));
      if (description->find("LatestStreamArn") != nullptr && work.property("StreamSpecification") != nullptr) {
        resource.attributes.set("StreamArn", text_of(*description, "LatestStreamArn"));
      }
    }
    return resource;
  }
};

}  // namespace

std::unique_ptr<stacks::ResourceType> make_dynamodb_table() { return std::make_unique<DynamoDbTable>(); }

}  // namespace millrace::resources
