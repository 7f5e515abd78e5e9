// Answers of the batch operations: {"Successful": [...], "Failed": [...]}.
#pragma once

#include "sqs/service.h"
#include "wire/service.h"

namespace millrace::api_sqs {

inline wire::Document failed_entry(const std::string& id, const Error& error) {
  return wire::Document::object({{"Id", id},
                                 {"SenderFault", error.type().http_status < 500},
                                 {"Code", error.type().name},
                                 {"Message", error.message()}});
}

// `successful` makes an entry of Successful from one result; "Id" is added.
template <typename T, typename Successful>
wire::Document batch_output(const sqs::BatchResult<T>& results, Successful successful) {
  wire::Document done = wire::Document::array();
  wire::Document failed = wire::Document::array();
  for (const auto& [id, result] : results) {
    if (!result.ok()) {
      failed.push(failed_entry(id, result.error()));
      continue;
    }
    wire::Document entry = successful(*result);
    entry.set("Id", id);
    done.push(std::move(entry));
  }
  wire::Document output = wire::Document::object();
  output.set_if(!done.as_array().empty(), "Successful", done).set_if(!failed.as_array().empty(), "Failed", failed);
  return output;
}

}  // namespace millrace::api_sqs
