// Where the code of a function or layer comes from, as requests say it.
#pragma once

#include <string>
#include <string_view>

#include "api/lambda/internal/function_document.h"
#include "functions/errors.h"

namespace millrace::api_lambda {

// `code` has the members of FunctionCode.
template <typename Request>
Result<functions::CodeSource> code_source(const Request& code, std::string_view operation) {
  MR_RETURN_IF_ERROR(refuse_members(code.document(), {"ImageUri", "SourceKMSKeyArn"}));
  functions::CodeSource source;
  source.bucket = code.s3_bucket().value_or("");
  source.key = code.s3_key().value_or("");
  source.version = code.s3_object_version().value_or("");
  const bool from_bucket = !source.bucket.empty() || !source.key.empty();
  auto archive = code.zip_file();
  if (archive && from_bucket) {
    return Error(functions::kInvalidParameterValue,
                 "Please do not provide other FunctionCode parameters when providing a ZipFile.");
  }
  if (!archive && (source.bucket.empty() || source.key.empty())) {
    return Error(functions::kInvalidParameterValue, "Please provide a source for function code.");
  }
  if (archive && archive->size() > functions::kArchiveBytesMax) {
    return Error(functions::kRequestEntityTooLarge,
                 "Request must be smaller than 69905067 bytes for the " + std::string(operation) + " operation");
  }
  if (archive) source.archive = std::move(*archive);
  return source;
}

}  // namespace millrace::api_lambda
