#include "tables/schema.h"

#include <algorithm>
#include <set>

#include "tables/errors.h"

namespace millrace::tables {
namespace {

constexpr std::string_view kInvalid = "One or more parameter values were invalid: ";

Error invalid_schema(std::string message) {
  return Error(kValidationException, std::string(kInvalid) + std::move(message));
}

std::string joined(const std::vector<std::string>& names) {
  std::string out = "[";
  for (const std::string& name : names) out += (out.size() > 1 ? ", " : "") + name;
  return out + "]";
}

std::vector<std::string> names_of(const std::vector<model::KeyAttribute>& definitions) {
  std::vector<std::string> names;
  for (const model::KeyAttribute& definition : definitions) names.push_back(definition.name);
  return names;
}

const model::KeyAttribute* find_definition(const CreateRequest& request, std::string_view name) {
  for (const model::KeyAttribute& definition : request.definitions) {
    if (definition.name == name) return &definition;
  }
  return nullptr;
}

Result<void> check_key_elements(const std::vector<KeyElement>& keys) {
  if (!keys[0].hash) {
    return Error(kValidationException, "Invalid KeySchema: The first KeySchemaElement is not a HASH key type");
  }
  if (keys.size() == 1) return {};
  if (keys[1].hash) {
    return Error(kValidationException, "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type");
  }
  if (keys[0].name == keys[1].name) {
    return Error(kValidationException,
                 "Both the Hash Key and the Range Key element in the KeySchema have the same name");
  }
  return {};
}

// Every key attribute is defined; fills the schema.
Result<model::KeySchema> make_keys(const CreateRequest& request, const std::vector<KeyElement>& elements,
                                   std::string_view index_word) {
  MR_RETURN_IF_ERROR(check_key_elements(elements));
  std::vector<std::string> missing;
  for (const KeyElement& element : elements) {
    if (find_definition(request, element.name) == nullptr) missing.push_back(element.name);
  }
  if (!missing.empty()) {
    return invalid_schema("Some " + std::string(index_word) +
                          "key attributes are not defined in AttributeDefinitions. Keys: " + joined(missing) +
                          ", AttributeDefinitions: " + joined(names_of(request.definitions)));
  }
  model::KeySchema keys;
  keys.partition = *find_definition(request, elements[0].name);
  if (elements.size() > 1) keys.sort = *find_definition(request, elements[1].name);
  return keys;
}

Result<IndexProjection> make_projection(const IndexRequest& request) {
  IndexProjection projection;
  if (request.projection_type == "INCLUDE") {
    projection.kind = IndexProjection::Kind::kInclude;
    if (!request.attributes) return invalid_schema("ProjectionType is INCLUDE, but NonKeyAttributes is not specified");
    projection.attributes = *request.attributes;
    return projection;
  }
  if (request.projection_type.empty()) return invalid_schema("Unknown ProjectionType: null");
  if (request.attributes) {
    return invalid_schema("ProjectionType is " + request.projection_type + ", but NonKeyAttributes is specified");
  }
  projection.kind =
      request.projection_type == "KEYS_ONLY" ? IndexProjection::Kind::kKeysOnly : IndexProjection::Kind::kAll;
  return projection;
}

Result<void> check_local(const CreateRequest& request, const IndexRequest& index) {
  if (request.keys.size() < 2) {
    return invalid_schema(
        "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex");
  }
  if (index.keys.size() < 2)
    return invalid_schema("Index KeySchema does not have a range key for index: " + index.name);
  if (index.keys[0].name != request.keys[0].name) {
    return invalid_schema(
        "Index KeySchema does not have the same leading hash key as table KeySchema for index: " + index.name +
        ". index hash key: " + index.keys[0].name + ", table hash key: " + request.keys[0].name);
  }
  return {};
}

Result<void> check_index_throughput(const CreateRequest& request, const IndexRequest& index) {
  if (request.billing == BillingMode::kPayPerRequest && index.throughput) {
    return invalid_schema("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified for index: " + index.name +
                          " when BillingMode is PAY_PER_REQUEST");
  }
  if (request.billing == BillingMode::kProvisioned && !index.throughput) {
    return invalid_schema("ProvisionedThroughput must be specified for index: " + index.name);
  }
  return {};
}

Result<void> check_index_limits(const TableInfo& info) {
  std::size_t locals = 0;
  std::size_t projected = 0;
  for (const Index& index : info.indexes) {
    locals += index.kind == Index::Kind::kLocal ? 1 : 0;
    projected += index.projection.attributes.size();
  }
  if (locals > kLocalIndexesMax) return invalid_schema("Number of LocalSecondaryIndexes exceeds per-table limit of 5");
  if (info.indexes.size() - locals > kGlobalIndexesMax) {
    return invalid_schema("Number of GlobalSecondaryIndexes exceeds per-table limit of 20");
  }
  if (projected > kProjectedAttributesMax) {
    return invalid_schema("Number of NonKeyAttributes over all indexes exceeds per-table limit of 100");
  }
  return {};
}

Result<void> add_indexes(const CreateRequest& request, TableInfo& info) {
  std::set<std::string> names;
  for (const IndexRequest& wanted : request.indexes) {
    Index index;
    index.number = info.next_index++;
    index.name = wanted.name;
    index.kind = wanted.kind;
    if (!names.insert(wanted.name).second) return invalid_schema("Duplicate index name: " + wanted.name);
    MR_ASSIGN_OR_RETURN(index.keys, make_keys(request, wanted.keys, "index "));
    if (wanted.kind == Index::Kind::kLocal) {
      MR_RETURN_IF_ERROR(check_local(request, wanted));
    } else {
      MR_RETURN_IF_ERROR(check_index_throughput(request, wanted));
      index.throughput = wanted.throughput.value_or(Throughput());
    }
    MR_ASSIGN_OR_RETURN(index.projection, make_projection(wanted));
    info.indexes.push_back(std::move(index));
  }
  return check_index_limits(info);
}

Result<void> check_definitions_used(const CreateRequest& request, const TableInfo& info) {
  std::set<std::string> used;
  const auto use = [&](const model::KeySchema& keys) {
    used.insert(keys.partition.name);
    if (keys.sort) used.insert(keys.sort->name);
  };
  use(info.keys);
  for (const Index& index : info.indexes) use(index.keys);
  if (used.size() == request.definitions.size()) return {};
  if (info.indexes.empty()) {
    return invalid_schema(
        "Number of attributes in KeySchema does not exactly match number of attributes defined in "
        "AttributeDefinitions");
  }
  return invalid_schema(
      "Some AttributeDefinitions are not used. AttributeDefinitions: " + joined(names_of(request.definitions)) +
      ", keys used: " + joined(std::vector<std::string>(used.begin(), used.end())));
}

Result<void> check_billing(BillingMode billing, const std::optional<Throughput>& throughput) {
  if (billing == BillingMode::kPayPerRequest && throughput) {
    return invalid_schema(
        "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST");
  }
  if (billing == BillingMode::kProvisioned && !throughput) {
    return invalid_schema(
        "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED");
  }
  return {};
}

Result<void> check_new_stream(const std::optional<StreamRequest>& stream) {
  if (!stream) return {};
  if (stream->enabled && !stream->view) {
    return invalid_schema("Table is being created with a stream enabled, UpdateViewType is required");
  }
  if (!stream->enabled && stream->view) {
    return invalid_schema("Table is being created with a stream disabled, UpdateViewType should not be specified");
  }
  return {};
}

Result<void> check_tags(const std::map<std::string, std::string>& tags) {
  if (tags.size() > kTagsMax) return Error(kValidationException, "Too many tags: the limit is 50 per resource");
  return {};
}

std::optional<Encryption> make_encryption(const Scope& scope, const EncryptionRequest& request) {
  if (!request.enabled) return std::nullopt;
  if (request.key_id.starts_with("arn:")) return Encryption{request.key_id};
  const std::string prefix = "arn:aws:kms:" + scope.region + ":" + scope.account + ":";
  if (request.key_id.empty()) return Encryption{prefix + "alias/aws/dynamodb"};
  const bool alias = request.key_id.starts_with("alias/");
  return Encryption{prefix + (alias ? "" : "key/") + request.key_id};
}

Result<void> check_stream_update(const TableInfo& info, const UpdateRequest& request) {
  const StreamRequest& wanted = *request.stream;
  const bool enabled = info.stream && info.stream->enabled;
  if (request.throughput || request.billing || !request.indexes.empty()) {
    return invalid_schema("You cannot modify stream status while updating table IOPS");
  }
  if (wanted.enabled && !wanted.view) {
    return invalid_schema("If stream is being enabled then UpdateViewType is required");
  }
  if (!wanted.enabled && wanted.view) {
    return invalid_schema("If stream is being disabled, then UpdateViewType must not be specified");
  }
  if (wanted.enabled && enabled) {
    return Error(kValidationException, "Table already has an enabled stream: TableName: " + info.name);
  }
  if (!wanted.enabled && !enabled) {
    return Error(kValidationException, "Table has no stream to disable: TableName: " + info.name);
  }
  return {};
}

Error same_throughput(const Throughput& throughput) {
  return Error(
      kValidationException,
      "The provisioned throughput for the table will not change. The requested value equals the current value. "
      "Current ReadCapacityUnits provisioned for the table: " +
          std::to_string(throughput.read) + ". Requested ReadCapacityUnits: " + std::to_string(throughput.read) +
          ". Current WriteCapacityUnits provisioned for the table: " + std::to_string(throughput.write) +
          ". Requested WriteCapacityUnits: " + std::to_string(throughput.write) +
          ". Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.");
}

Result<void> update_billing(const UpdateRequest& request, Time now, TableInfo& info) {
  const BillingMode before = info.billing;
  info.billing = request.billing.value_or(before);
  if (info.billing == BillingMode::kPayPerRequest) {
    MR_RETURN_IF_ERROR(check_billing(info.billing, request.throughput));
    if (before != info.billing) info.pay_per_request_since = now;
    info.throughput = {};
    for (Index& index : info.indexes) index.throughput = {};
    return {};
  }
  if (before == BillingMode::kPayPerRequest) {
    MR_RETURN_IF_ERROR(check_billing(info.billing, request.throughput));
    info.throughput = *request.throughput;
    for (const Index& index : info.indexes) {
      if (index.kind == Index::Kind::kLocal) continue;
      const bool given = std::any_of(request.indexes.begin(), request.indexes.end(),
                                     [&](const IndexThroughput& wanted) { return wanted.name == index.name; });
      if (!given) return invalid_schema("ProvisionedThroughput must be specified for index: " + index.name);
    }
    return {};
  }
  if (!request.throughput) return {};
  if (*request.throughput == info.throughput && request.indexes.empty()) return same_throughput(info.throughput);
  if (request.throughput->read > info.throughput.read || request.throughput->write > info.throughput.write) {
    info.throughput_raised = now;
  }
  if (request.throughput->read < info.throughput.read || request.throughput->write < info.throughput.write) {
    info.throughput_lowered = now;
  }
  info.throughput = *request.throughput;
  return {};
}

Result<void> update_indexes(const UpdateRequest& request, TableInfo& info) {
  for (const IndexThroughput& wanted : request.indexes) {
    const auto it = std::find_if(info.indexes.begin(), info.indexes.end(), [&](const Index& index) {
      return index.name == wanted.name && index.kind == Index::Kind::kGlobal;
    });
    if (it == info.indexes.end()) {
      return Error(kResourceNotFound,
                   "Requested resource not found: No global secondary index with name: " + wanted.name);
    }
    if (info.billing == BillingMode::kPayPerRequest) {
      return invalid_schema(
          "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is "
          "PAY_PER_REQUEST");
    }
    it->throughput = wanted.throughput;
  }
  return {};
}

// AWS: what UpdateTable defines adds to what is defined; the types of attributes in use stay.
Result<void> define_attributes(const UpdateRequest& request, TableInfo& info) {
  for (const model::KeyAttribute& wanted : request.definitions) {
    const auto same = [&](const model::KeyAttribute& there) { return there.name == wanted.name; };
    const auto there = std::find_if(info.definitions.begin(), info.definitions.end(), same);
    if (there == info.definitions.end()) {
      info.definitions.push_back(wanted);
    } else if (there->type != wanted.type) {
      return invalid_schema("Attribute " + wanted.name + " is defined with another type already");
    }
  }
  return {};
}

Result<void> create_index(const IndexRequest& wanted, TableInfo& info) {
  if (info.find_index(wanted.name) != nullptr) {
    return Error(kValidationException, "Attempting to create an index which already exists");
  }
  CreateRequest table;  // in the words of CreateTable, whose rules these are
  table.definitions = info.definitions;
  table.billing = info.billing;
  Index index;
  index.number = info.next_index++;
  index.name = wanted.name;
  index.building = true;
  MR_ASSIGN_OR_RETURN(index.keys, make_keys(table, wanted.keys, "index "));
  MR_RETURN_IF_ERROR(check_index_throughput(table, wanted));
  index.throughput = wanted.throughput.value_or(Throughput());
  MR_ASSIGN_OR_RETURN(index.projection, make_projection(wanted));
  info.indexes.push_back(std::move(index));
  MR_RETURN_IF_ERROR(check_index_limits(info));
  table.indexes.push_back(wanted);
  return check_definitions_used(table, info);
}

Result<void> delete_index(std::string_view name, TableInfo& info) {
  const Index* found = info.find_index(name);
  if (found == nullptr || found->kind != Index::Kind::kGlobal) {
    return Error(kResourceNotFound,
                 "Requested resource not found: No global secondary index with name: " + std::string(name));
  }
  info.indexes.erase(info.indexes.begin() + (found - info.indexes.data()));
  std::erase_if(info.definitions, [&](const model::KeyAttribute& definition) {
    if (info.keys.has(definition.name)) return false;
    return std::none_of(info.indexes.begin(), info.indexes.end(),
                        [&](const Index& index) { return index.keys.has(definition.name); });
  });
  return {};
}

Result<void> reshape_indexes(const UpdateRequest& request, TableInfo& info) {
  const std::size_t changes = request.create_indexes.size() + request.delete_indexes.size();
  const bool building =
      std::any_of(info.indexes.begin(), info.indexes.end(), [](const Index& i) { return i.building; });
  // A build that is under way may be ended by deleting its index.
  const bool ends = request.delete_indexes.size() == 1 && request.create_indexes.empty();
  if (changes > 1 || (changes == 1 && building && !ends)) {
    return Error(kLimitExceeded,
                 "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table");
  }
  MR_RETURN_IF_ERROR(define_attributes(request, info));
  for (const IndexRequest& wanted : request.create_indexes) MR_RETURN_IF_ERROR(create_index(wanted, info));
  for (const std::string& name : request.delete_indexes) MR_RETURN_IF_ERROR(delete_index(name, info));
  if (request.create_indexes.empty() && !request.definitions.empty()) {
    CreateRequest table;
    table.definitions = info.definitions;
    return check_definitions_used(table, info);
  }
  return {};
}

}  // namespace

Result<TableInfo> make_table(const Scope& scope, const CreateRequest& request) {
  TableInfo info;
  info.scope = scope;
  info.name = request.name;
  info.arn = table_arn(scope, request.name);
  info.definitions = request.definitions;
  info.billing = request.billing;
  MR_RETURN_IF_ERROR(check_billing(request.billing, request.throughput));
  info.throughput = request.throughput.value_or(Throughput());
  MR_ASSIGN_OR_RETURN(info.keys, make_keys(request, request.keys, request.indexes.empty() ? "" : "index "));
  MR_RETURN_IF_ERROR(add_indexes(request, info));
  MR_RETURN_IF_ERROR(check_definitions_used(request, info));
  MR_RETURN_IF_ERROR(check_new_stream(request.stream));
  MR_RETURN_IF_ERROR(check_tags(request.tags));
  if (request.encryption) info.encryption = make_encryption(scope, *request.encryption);
  info.table_class = request.table_class;
  info.deletion_protection = request.deletion_protection;
  info.tags = request.tags;
  return info;
}

Result<TableInfo> apply_update(const TableInfo& info, const UpdateRequest& request, Time now) {
  TableInfo out = info;
  if (request.stream) {
    MR_RETURN_IF_ERROR(check_stream_update(info, request));
    if (!request.stream->enabled) out.stream->enabled = false;
  }
  if (request.throughput || request.billing) MR_RETURN_IF_ERROR(update_billing(request, now, out));
  MR_RETURN_IF_ERROR(update_indexes(request, out));
  MR_RETURN_IF_ERROR(reshape_indexes(request, out));
  if (request.encryption) out.encryption = make_encryption(info.scope, *request.encryption);
  if (request.table_class) out.table_class = *request.table_class;
  if (request.deletion_protection) out.deletion_protection = *request.deletion_protection;
  return out;
}

}  // namespace millrace::tables
