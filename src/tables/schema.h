// Rules of CreateTable and UpdateTable: what a table may look like. Pure; error texts are AWS's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "tables/table.h"

namespace millrace::tables {

struct KeyElement {
  std::string name;
  bool hash = true;  // else RANGE
};

struct IndexRequest {
  std::string name;
  Index::Kind kind = Index::Kind::kGlobal;
  std::vector<KeyElement> keys;
  std::string projection_type;                         // "" = not given
  std::optional<std::vector<std::string>> attributes;  // NonKeyAttributes
  std::optional<Throughput> throughput;
};

struct StreamRequest {
  bool enabled = false;
  std::optional<model::ViewType> view;
};

struct EncryptionRequest {
  bool enabled = false;
  std::string type;    // "", "KMS"
  std::string key_id;  // "": the service's own key
};

struct CreateRequest {
  std::string name;
  std::vector<model::KeyAttribute> definitions;
  std::vector<KeyElement> keys;
  std::vector<IndexRequest> indexes;  // local ones first
  BillingMode billing = BillingMode::kProvisioned;
  std::optional<Throughput> throughput;
  std::optional<StreamRequest> stream;
  std::optional<EncryptionRequest> encryption;
  std::string table_class;
  bool deletion_protection = false;
  std::map<std::string, std::string> tags;
};

struct IndexThroughput {
  std::string name;
  Throughput throughput;
};

struct UpdateRequest {
  std::vector<model::KeyAttribute> definitions;  // for create_index: its key attributes, at least
  std::vector<IndexRequest> create_indexes;      // AWS: at most one of these two together
  std::vector<std::string> delete_indexes;
  std::optional<BillingMode> billing;
  std::optional<Throughput> throughput;
  std::vector<IndexThroughput> indexes;
  std::optional<StreamRequest> stream;
  std::optional<EncryptionRequest> encryption;
  std::optional<std::string> table_class;
  std::optional<bool> deletion_protection;
};

// Everything but ids, times and the stream. Errors: kValidationException.
Result<TableInfo> make_table(const Scope& scope, const CreateRequest& request);
// The table after the update; its stream is the caller's to open or close. Errors: kValidationException.
Result<TableInfo> apply_update(const TableInfo& info, const UpdateRequest& request, Time now);

}  // namespace millrace::tables
