// AWS::DynamoDB::GlobalTable with one replica, in the stack's own region: a table of that region. Source of the table:
// CloudFormation's template reference.
#include <algorithm>

#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace dynamodb_global_table {

// Of a replica. What has an effect here is used below; the rest is recorded.
constexpr std::string_view kReplicaProperties[] = {"ContributorInsightsSpecification",
                                                   "DeletionProtectionEnabled",
                                                   "GlobalSecondaryIndexes",
                                                   "GlobalTableSettingsReplicationMode",
                                                   "KinesisStreamSpecification",
                                                   "PointInTimeRecoverySpecification",
                                                   "ReadOnDemandThroughputSettings",
                                                   "ReadProvisionedThroughputSettings",
                                                   "Region",
                                                   "ReplicaStreamSpecification",
                                                   "ResourcePolicy",
                                                   "SSESpecification",
                                                   "TableClass",
                                                   "Tags"};

// Units of "ReadProvisionedThroughputSettings" and "WriteProvisionedThroughputSettings": as given, else where automatic
// scaling would begin. null: not given.
Document units_of(const Document* settings, std::string_view direction) {
  if (settings == nullptr) return {};
  const std::string word(direction);
  if (const Document* units = settings->find(word + "CapacityUnits")) return *units;
  const Document* scaling = settings->find(word + "CapacityAutoScalingSettings");
  if (scaling == nullptr) return {};
  if (const Document* seed = scaling->find("SeedCapacity")) return *seed;
  const Document* least = scaling->find("MinCapacity");
  return least == nullptr ? Document() : *least;
}

// Sets ProvisionedThroughput from where a global table has it: writes with the table, reads with the replica.
void set_throughput(Document& out, const Document& table_side, const Document* replica_side) {
  const Document writes = units_of(table_side.find("WriteProvisionedThroughputSettings"), "Write");
  const Document* own_reads =
      replica_side == nullptr ? nullptr : replica_side->find("ReadProvisionedThroughputSettings");
  if (own_reads == nullptr) own_reads = table_side.find("ReadProvisionedThroughputSettings");
  const Document reads = units_of(own_reads, "Read");
  if (writes.is_null() && reads.is_null()) return;
  Document throughput = Document::object();
  throughput.set_if(!reads.is_null(), "ReadCapacityUnits", reads);
  throughput.set_if(!writes.is_null(), "WriteCapacityUnits", writes);
  out.set("ProvisionedThroughput", std::move(throughput));
}

const Document* index_named(const Document* indexes, const std::string& name) {
  for (const auto& index : list_of(indexes)) {
    if (text_of(index, "IndexName") == name) return &index;
  }
  return nullptr;
}

// The properties of AWS::DynamoDB::Table that mean the same.
Document table_properties(const Document& properties) {
  Document out = pick(properties, {"AttributeDefinitions", "BillingMode", "KeySchema", "LocalSecondaryIndexes",
                                   "StreamSpecification", "TableName", "TimeToLiveSpecification"});
  const auto& replicas = list_of(properties.find("Replicas"));
  const Document* replica = replicas.empty() ? nullptr : &replicas.front();
  set_throughput(out, properties, replica);
  if (replica != nullptr) copy_members(*replica, out, {"DeletionProtectionEnabled", "TableClass", "Tags"});
  if (properties.find("GlobalSecondaryIndexes") == nullptr) return out;
  Document indexes = Document::array();
  for (const auto& given : list_of(properties.find("GlobalSecondaryIndexes"))) {
    Document index = pick(given, {"IndexName", "KeySchema", "Projection"});
    const Document* own = replica == nullptr ? nullptr : replica->find("GlobalSecondaryIndexes");
    set_throughput(index, given, index_named(own, text_of(given, "IndexName")));
    indexes.push(std::move(index));
  }
  out.set("GlobalSecondaryIndexes", std::move(indexes));
  return out;
}

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::DynamoDB::GlobalTable",
                 {required("AttributeDefinitions"),
                  {"BillingMode"},
                  {"GlobalSecondaryIndexes"},
                  recorded("GlobalTableSourceArn", Update::kReplace),
                  recorded("GlobalTableWitnesses"),
                  required("KeySchema", Update::kReplace),
                  {"LocalSecondaryIndexes", Update::kReplace},
                  recorded("MultiRegionConsistency"),
                  recorded("ReadOnDemandThroughputSettings"),
                  {"ReadProvisionedThroughputSettings"},
                  required("Replicas"),
                  recorded("SSESpecification"),
                  {"StreamSpecification"},
                  {"TableName", Update::kReplace},
                  {"TimeToLiveSpecification"},
                  recorded("WarmThroughput"),
                  recorded("WriteOnDemandThroughputSettings"),
                  {"WriteProvisionedThroughputSettings"}},
                 {"Arn", "StreamArn", "TableId"}),
        table_(make_dynamodb_table()) {}

  Result<Resource> create(const Work& work) const override {
    MR_RETURN_IF_ERROR(check(work));
    return with_id(work, table_->create(as_table(work)));
  }
  Result<Resource> update(const Work& work) const override {
    MR_RETURN_IF_ERROR(check(work));
    return with_id(work, table_->update(as_table(work)));
  }
  Result<void> remove(const Work& work) const override { return table_->remove(as_table(work)); }
  Result<Resource> read(const Work& work) const override { return with_id(work, table_->read(as_table(work))); }

 private:
  static Work as_table(const Work& work) {
    Work table = work;
    table.properties = table_properties(work.properties);
    table.old_properties = table_properties(work.old_properties);
    return table;
  }

  static Result<void> check(const Work& work) {
    const auto& replicas = list_of(work.property("Replicas"));
    if (replicas.empty()) return Error(kInvalidRequest, "Property Replicas cannot be empty.");
    for (const auto& replica : replicas) {
      if (const std::string region = text_of(replica, "Region"); region != work.caller.scope.region) {
        return Error(kInvalidRequest, "A replica of a global table in another region than the stack's (" + region +
                                          ") is not supported by this server.");
      }
      for (const auto& [name, value] : replica.as_object()) {
        if (std::ranges::find(kReplicaProperties, name) == std::end(kReplicaProperties)) {
          return Error(kInvalidRequest, "Encountered unsupported property " + name);
        }
      }
    }
    if (replicas.size() > 1) return Error(kInvalidRequest, "Replicas must have distinct regions.");
    return {};
  }

  static Result<Resource> with_id(const Work& work, Result<Resource> made) {
    if (!made.ok()) return made;
    MR_ASSIGN_OR_RETURN(const Document found,
                        work.call("dynamodb", "DescribeTable", Document::object({{"TableName", made->physical_id}})));
    if (const Document* table = found.find("Table")) made->attributes.set("TableId", text_of(*table, "TableId"));
    return made;
  }

  std::unique_ptr<stacks::ResourceType> table_;
};

}  // namespace dynamodb_global_table

std::unique_ptr<stacks::ResourceType> make_dynamodb_global_table() {
  return std::make_unique<dynamodb_global_table::Type>();
}

}  // namespace millrace::resources
