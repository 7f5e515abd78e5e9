// CreateTable, DescribeTable, ListTables, UpdateTable, DeleteTable.
#include "api/dynamodb/internal/answer.h"
#include "api/dynamodb/internal/table_document.h"
#include "api/dynamodb/operations.h"
#include "wire/generated/dynamodb_views.h"

namespace millrace::api_dynamodb {
namespace {

namespace shapes = wire::dynamodb;
using wire::Document;
using wire::Reply;

constexpr std::size_t kListTablesMax = 100;

Error not_served(std::string_view member) {
  return invalid("One or more parameter values were invalid: " + std::string(member) + " is not supported by millrace");
}

// Refuses the members by their names, if one is there.
Result<void> refuse(const Document& input, std::initializer_list<std::string_view> members, std::string_view where) {
  for (const std::string_view member : members) {
    if (input.find(member) != nullptr) return not_served(std::string(where) + std::string(member));
  }
  return {};
}

tables::Throughput throughput_of(const shapes::ProvisionedThroughput& view) {
  return {view.read_capacity_units(), view.write_capacity_units()};
}

model::KeyType key_type_of(std::string_view name) {
  return name == "S" ? model::KeyType::kString : name == "N" ? model::KeyType::kNumber : model::KeyType::kBinary;
}

std::vector<tables::KeyElement> key_elements(const wire::ListView<shapes::KeySchemaElement>& schema) {
  std::vector<tables::KeyElement> keys;
  for (const shapes::KeySchemaElement element : schema) {
    keys.push_back({std::string(element.attribute_name()), element.key_type() == "HASH"});
  }
  return keys;
}

template <typename View>
tables::IndexRequest index_request(const View& view, tables::Index::Kind kind) {
  tables::IndexRequest index;
  index.name = view.index_name();
  index.kind = kind;
  index.keys = key_elements(view.key_schema());
  index.projection_type = view.projection().projection_type().value_or("");
  if (const auto names = view.projection().non_key_attributes(); names.present()) {
    index.attributes.emplace();
    for (const std::string_view name : names) index.attributes->emplace_back(name);
  }
  return index;
}

Result<std::vector<tables::IndexRequest>> index_requests(const shapes::CreateTableInput& input) {
  if (input.local_secondary_indexes().present() && input.local_secondary_indexes().empty()) {
    return invalid("One or more parameter values were invalid: List of LocalSecondaryIndexes is empty");
  }
  if (input.global_secondary_indexes().present() && input.global_secondary_indexes().empty()) {
    return invalid("One or more parameter values were invalid: List of GlobalSecondaryIndexes is empty");
  }
  std::vector<tables::IndexRequest> indexes;
  for (const shapes::LocalSecondaryIndex local : input.local_secondary_indexes()) {
    indexes.push_back(index_request(local, tables::Index::Kind::kLocal));
  }
  for (const shapes::GlobalSecondaryIndex global : input.global_secondary_indexes()) {
    MR_RETURN_IF_ERROR(refuse(global.document(), {"OnDemandThroughput", "WarmThroughput"}, "GlobalSecondaryIndexes."));
    tables::IndexRequest index = index_request(global, tables::Index::Kind::kGlobal);
    if (const auto given = global.provisioned_throughput()) index.throughput = throughput_of(*given);
    indexes.push_back(std::move(index));
  }
  return indexes;
}

std::optional<tables::StreamRequest> stream_request(const std::optional<shapes::StreamSpecification>& view) {
  if (!view) return std::nullopt;
  tables::StreamRequest request;
  request.enabled = view->stream_enabled();
  if (const auto type = view->stream_view_type()) request.view = model::parse_view_type(*type);
  return request;
}

Result<std::optional<tables::EncryptionRequest>> encryption_request(
    const std::optional<shapes::SSESpecification>& view) {
  if (!view) return std::optional<tables::EncryptionRequest>();
  tables::EncryptionRequest request;
  request.enabled = view->enabled().value_or(false);
  request.type = view->sse_type().value_or("");
  request.key_id = view->kms_master_key_id().value_or("");
  if (request.type == "AES256") {
    return invalid("One or more parameter values were invalid: SSEType AES256 is not supported, use KMS");
  }
  if (!request.enabled && !(request.type.empty() && request.key_id.empty())) {
    return invalid(
        "One or more parameter values were invalid: SSEType and KMSMasterKeyId can only be specified when SSE is "
        "enabled");
  }
  return std::optional(std::move(request));
}

std::optional<tables::BillingMode> billing_mode(const std::optional<std::string_view>& name) {
  if (!name) return std::nullopt;
  return *name == "PAY_PER_REQUEST" ? tables::BillingMode::kPayPerRequest : tables::BillingMode::kProvisioned;
}

Result<std::vector<model::KeyAttribute>> attribute_definitions(
    const wire::ListView<shapes::AttributeDefinition>& given) {
  std::vector<model::KeyAttribute> definitions;
  for (const shapes::AttributeDefinition definition : given) {
    for (const model::KeyAttribute& earlier : definitions) {
      if (earlier.name == definition.attribute_name()) return invalid("Cannot have two attributes with the same name");
    }
    definitions.push_back({std::string(definition.attribute_name()), key_type_of(definition.attribute_type())});
  }
  return definitions;
}

// AWS: operations that make a table take its name alone or its ARN; the name is what counts.
Result<tables::CreateRequest> create_request(const shapes::CreateTableInput& input, std::string name) {
  tables::CreateRequest request;
  request.name = std::move(name);
  MR_ASSIGN_OR_RETURN(request.definitions, attribute_definitions(input.attribute_definitions()));
  request.keys = key_elements(input.key_schema());
  MR_ASSIGN_OR_RETURN(request.indexes, index_requests(input));
  request.billing = billing_mode(input.billing_mode()).value_or(tables::BillingMode::kProvisioned);
  if (const auto given = input.provisioned_throughput()) request.throughput = throughput_of(*given);
  request.stream = stream_request(input.stream_specification());
  MR_ASSIGN_OR_RETURN(request.encryption, encryption_request(input.sse_specification()));
  request.table_class = input.table_class().value_or("");
  request.deletion_protection = input.deletion_protection_enabled().value_or(false);
  for (const shapes::Tag tag : input.tags()) request.tags[std::string(tag.key())] = tag.value();
  return request;
}

Result<void> read_index_updates(const shapes::UpdateTableInput& input, tables::UpdateRequest& request) {
  for (const shapes::GlobalSecondaryIndexUpdate change : input.global_secondary_index_updates()) {
    const auto update = change.update();
    const int kinds = (change.create() ? 1 : 0) + (change.delete_() ? 1 : 0) + (update ? 1 : 0);
    if (kinds > 1) {
      return invalid(
          "One or more parameter values were invalid: Only one of GlobalSecondaryIndexUpdate.Create, "
          "GlobalSecondaryIndexUpdate.Update or GlobalSecondaryIndexUpdate.Delete can be specified");
    }
    if (const auto create = change.create()) {
      MR_RETURN_IF_ERROR(
          refuse(create->document(), {"OnDemandThroughput", "WarmThroughput"}, "GlobalSecondaryIndexUpdates.Create."));
      request.create_indexes.push_back(index_request(*create, tables::Index::Kind::kGlobal));
      if (const auto given = create->provisioned_throughput()) {
        request.create_indexes.back().throughput = throughput_of(*given);
      }
      continue;
    }
    if (const auto removal = change.delete_()) {
      request.delete_indexes.emplace_back(removal->index_name());
      continue;
    }
    if (!update) {
      return invalid(
          "One or more parameter values were invalid: One of GlobalSecondaryIndexUpdate.Create, "
          "GlobalSecondaryIndexUpdate.Update or GlobalSecondaryIndexUpdate.Delete must be specified");
    }
    MR_RETURN_IF_ERROR(
        refuse(update->document(), {"OnDemandThroughput", "WarmThroughput"}, "GlobalSecondaryIndexUpdates.Update."));
    const auto throughput = update->provisioned_throughput();
    if (!throughput) {
      return invalid("One or more parameter values were invalid: ProvisionedThroughput must be specified for index: " +
                     std::string(update->index_name()));
    }
    request.indexes.push_back({std::string(update->index_name()), throughput_of(*throughput)});
  }
  return {};
}

Result<tables::UpdateRequest> update_request(const shapes::UpdateTableInput& input) {
  tables::UpdateRequest request;
  request.billing = billing_mode(input.billing_mode());
  if (const auto given = input.provisioned_throughput()) request.throughput = throughput_of(*given);
  MR_RETURN_IF_ERROR(read_index_updates(input, request));
  MR_ASSIGN_OR_RETURN(request.definitions, attribute_definitions(input.attribute_definitions()));
  request.stream = stream_request(input.stream_specification());
  MR_ASSIGN_OR_RETURN(request.encryption, encryption_request(input.sse_specification()));
  if (const auto given = input.table_class()) request.table_class = std::string(*given);
  request.deletion_protection = input.deletion_protection_enabled();
  const bool anything = request.billing || request.throughput || !request.indexes.empty() || request.stream ||
                        !request.create_indexes.empty() || !request.delete_indexes.empty() || request.encryption ||
                        request.table_class || request.deletion_protection;
  if (!anything) {
    return invalid(
        "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or "
        "SSESpecification or ReplicaUpdates is required");
  }
  return request;
}

Reply description_reply(const tables::Description& description, std::string_view member) {
  Reply reply;
  reply.output.set(member, table_document(description));
  reply.after = description.after;
  return reply;
}

}  // namespace

Result<Reply> create_table(tables::Tables& tables, const Scope& scope, const Document& document) {
  const shapes::CreateTableInput input(document);
  MR_ASSIGN_OR_RETURN(TableRef ref, resolve_table(scope, input.table_name()));
  MR_RETURN_IF_ERROR(refuse(document,
                            {"WarmThroughput", "ResourcePolicy", "OnDemandThroughput", "GlobalTableSourceArn",
                             "GlobalTableSettingsReplicationMode"},
                            ""));
  MR_ASSIGN_OR_RETURN(const tables::CreateRequest request, create_request(input, std::move(ref.name)));
  MR_ASSIGN_OR_RETURN(const tables::Description description, tables.create(ref.scope, request));
  return description_reply(description, "TableDescription");
}

Result<Reply> describe_table(tables::Tables& tables, const Scope& scope, const Document& document) {
  MR_ASSIGN_OR_RETURN(const TableRef ref, resolve_table(scope, shapes::DescribeTableInput(document).table_name()));
  MR_ASSIGN_OR_RETURN(const tables::Description description, tables.describe(ref.scope, ref.name));
  return description_reply(description, "Table");
}

Result<Reply> list_tables(tables::Tables& tables, const Scope& scope, const Document& document) {
  const shapes::ListTablesInput input(document);
  const auto limit = static_cast<std::size_t>(input.limit().value_or(static_cast<std::int64_t>(kListTablesMax)));
  const auto listing = tables.list(scope, input.exclusive_start_table_name().value_or(""), limit);
  Reply reply;
  Document names = Document::array();
  for (const std::string& name : listing.names) names.push(name);
  reply.output.set("TableNames", std::move(names));
  if (listing.more) reply.output.set("LastEvaluatedTableName", listing.names.back());
  return reply;
}

Result<Reply> update_table(tables::Tables& tables, const Scope& scope, const Document& document) {
  const shapes::UpdateTableInput input(document);
  MR_ASSIGN_OR_RETURN(const TableRef ref, resolve_table(scope, input.table_name()));
  MR_RETURN_IF_ERROR(refuse(document,
                            {"ReplicaUpdates", "MultiRegionConsistency", "GlobalTableWitnessUpdates",
                             "OnDemandThroughput", "WarmThroughput", "GlobalTableSettingsReplicationMode"},
                            ""));
  MR_ASSIGN_OR_RETURN(const tables::UpdateRequest request, update_request(input));
  MR_ASSIGN_OR_RETURN(const tables::Description description, tables.update(ref.scope, ref.name, request));
  return description_reply(description, "TableDescription");
}

Result<Reply> delete_table(tables::Tables& tables, const Scope& scope, const Document& document) {
  MR_ASSIGN_OR_RETURN(const TableRef ref, resolve_table(scope, shapes::DeleteTableInput(document).table_name()));
  MR_ASSIGN_OR_RETURN(const tables::Description description, tables.remove(ref.scope, ref.name));
  return description_reply(description, "TableDescription");
}

}  // namespace millrace::api_dynamodb
