#include "api/dynamodb/internal/table_document.h"

namespace millrace::api_dynamodb {
namespace {

using codec::Json;
using tables::Index;
using tables::TableInfo;

double seconds(Time time) { return static_cast<double>(to_unix_ms(time)) / 1000; }

Json key_schema_document(const model::KeySchema& keys) {
  Json out = Json::array();
  out.push(Json::object({{"AttributeName", keys.partition.name}, {"KeyType", "HASH"}}));
  if (keys.sort) out.push(Json::object({{"AttributeName", keys.sort->name}, {"KeyType", "RANGE"}}));
  return out;
}

Json throughput_document(const tables::Throughput& throughput) {
  return Json::object({{"NumberOfDecreasesToday", 0},
                       {"ReadCapacityUnits", throughput.read},
                       {"WriteCapacityUnits", throughput.write}});
}

Json projection_document(const tables::IndexProjection& projection) {
  using Kind = tables::IndexProjection::Kind;
  Json out = Json::object({{"ProjectionType", projection.kind == Kind::kAll        ? "ALL"
                                              : projection.kind == Kind::kKeysOnly ? "KEYS_ONLY"
                                                                                   : "INCLUDE"}});
  if (projection.kind == Kind::kInclude) {
    Json names = Json::array();
    for (const std::string& name : projection.attributes) names.push(name);
    out.set("NonKeyAttributes", std::move(names));
  }
  return out;
}

Json index_document(const TableInfo& info, const Index& index, const tables::TableCounts& counts,
                    std::string_view status) {
  Json out = Json::object({{"IndexName", index.name},
                           {"KeySchema", key_schema_document(index.keys)},
                           {"Projection", projection_document(index.projection)}});
  if (index.kind == Index::Kind::kGlobal) {
    out.set("IndexStatus", index.building ? "CREATING" : status);
    if (index.building) out.set("Backfilling", true);
    out.set("ProvisionedThroughput", throughput_document(index.throughput));
  }
  out.set("IndexSizeBytes", counts.bytes);
  out.set("ItemCount", counts.items);
  out.set("IndexArn", tables::index_arn(info, index.name));
  return out;
}

void add_indexes(const tables::Description& description, Json& out) {
  // An update of the table leaves its indexes active.
  const bool updating = description.status == tables::TableStatus::kUpdating;
  const std::string_view status = tables::status_name(updating ? tables::TableStatus::kActive : description.status);
  Json local = Json::array();
  Json global = Json::array();
  const TableInfo& info = *description.info;
  for (std::size_t i = 0; i < info.indexes.size(); ++i) {
    Json& list = info.indexes[i].kind == Index::Kind::kLocal ? local : global;
    list.push(index_document(info, info.indexes[i], description.index_counts[i], status));
  }
  out.set_if(!local.as_array().empty(), "LocalSecondaryIndexes", local);
  out.set_if(!global.as_array().empty(), "GlobalSecondaryIndexes", global);
}

void add_billing(const TableInfo& info, Json& out) {
  Json throughput = throughput_document(info.throughput);
  if (info.throughput_raised) throughput.set("LastIncreaseDateTime", seconds(*info.throughput_raised));
  if (info.throughput_lowered) throughput.set("LastDecreaseDateTime", seconds(*info.throughput_lowered));
  out.set("ProvisionedThroughput", std::move(throughput));
  // AWS: absent as long as a table was never on demand.
  const bool on_demand = info.billing == tables::BillingMode::kPayPerRequest;
  if (!on_demand && !info.pay_per_request_since) return;
  Json summary = Json::object({{"BillingMode", on_demand ? "PAY_PER_REQUEST" : "PROVISIONED"}});
  if (info.pay_per_request_since) {
    summary.set("LastUpdateToPayPerRequestDateTime", seconds(*info.pay_per_request_since));
  }
  out.set("BillingModeSummary", std::move(summary));
}

void add_stream(const TableInfo& info, Json& out) {
  if (!info.stream) return;
  if (info.stream->enabled) {
    out.set("StreamSpecification",
            Json::object({{"StreamEnabled", true}, {"StreamViewType", model::view_type_name(info.stream->view)}}));
  }
  out.set("LatestStreamLabel", info.stream->label);
  out.set("LatestStreamArn", info.stream->arn);
}

}  // namespace

Json table_document(const tables::Description& description) {
  const TableInfo& info = *description.info;
  Json definitions = Json::array();
  for (const model::KeyAttribute& definition : info.definitions) {
    definitions.push(
        Json::object({{"AttributeName", definition.name}, {"AttributeType", model::key_type_name(definition.type)}}));
  }
  Json out = Json::object({{"AttributeDefinitions", std::move(definitions)},
                           {"TableName", info.name},
                           {"KeySchema", key_schema_document(info.keys)},
                           {"TableStatus", tables::status_name(description.status)},
                           {"CreationDateTime", seconds(info.created)}});
  add_billing(info, out);
  out.set("TableSizeBytes", description.counts.bytes);
  out.set("ItemCount", description.counts.items);
  out.set("TableArn", info.arn);
  out.set("TableId", info.uuid);
  add_indexes(description, out);
  add_stream(info, out);
  if (info.encryption) {
    out.set("SSEDescription",
            Json::object({{"Status", "ENABLED"}, {"SSEType", "KMS"}, {"KMSMasterKeyArn", info.encryption->key_arn}}));
  }
  if (!info.table_class.empty()) out.set("TableClassSummary", Json::object({{"TableClass", info.table_class}}));
  out.set("DeletionProtectionEnabled", info.deletion_protection);
  return out;
}

}  // namespace millrace::api_dynamodb
