// AWS::Lambda::Function
#include "crypto/digest.h"
#include "crypto/encoding.h"
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace lambda_function {

void le16(std::string& out, std::uint32_t value) {
  out.push_back(static_cast<char>(value));
  out.push_back(static_cast<char>(value >> 8));
}
void le32(std::string& out, std::uint32_t value) {
  le16(out, value & 0xffff);
  le16(out, value >> 16);
}

// What local and central headers share, from "version needed" to the lengths of name and extra field.
std::string zip_fields(std::string_view name, std::string_view content) {
  std::string fields;
  le16(fields, 20);           // version needed
  le16(fields, 0);            // flags
  le16(fields, 0);            // stored
  le32(fields, 0x21u << 16);  // 1980-01-01 00:00
  le32(fields, crypto::crc32(content));
  le32(fields, static_cast<std::uint32_t>(content.size()));
  le32(fields, static_cast<std::uint32_t>(content.size()));
  le16(fields, static_cast<std::uint32_t>(name.size()));
  le16(fields, 0);  // extra
  return fields;
}

// An archive of one file, stored.
std::string zip_of(std::string_view name, std::string_view content) {
  std::string out("PK\x03\x04", 4);
  out += zip_fields(name, content);
  out.append(name).append(content);
  const auto directory = static_cast<std::uint32_t>(out.size());
  out.append("PK\x01\x02", 4);
  le16(out, 0x0314);  // made by Unix
  out += zip_fields(name, content);
  le16(out, 0);               // comment
  le16(out, 0);               // disk
  le16(out, 0);               // internal attributes
  le32(out, 0100644u << 16);  // mode
  le32(out, 0);               // offset
  out.append(name);
  const auto bytes = static_cast<std::uint32_t>(out.size()) - directory;
  out.append("PK\x05\x06", 4);
  le32(out, 0);
  le16(out, 1);
  le16(out, 1);
  le32(out, bytes);
  le32(out, directory);
  le16(out, 0);
  return out;
}

// Code of the operations: the object, or inline text as an archive (AWS: index.js or index.py by runtime).
Result<Document> code_of(const Document& properties) {
  const Document* code = properties.find("Code");
  if (code == nullptr || !code->is_object()) return Error(kInvalidRequest, "Code is required.");
  for (const auto& [name, value] : code->as_object()) {
    if (name != "S3Bucket" && name != "S3Key" && name != "S3ObjectVersion" && name != "ZipFile") {
      return Error(kInvalidRequest, "Code." + name + " is not supported by this server.");
    }
  }
  Document out = pick(*code, {"S3Bucket", "S3Key", "S3ObjectVersion"});
  if (const Document* inline_text = code->find("ZipFile")) {
    const std::string runtime = text_of(properties, "Runtime");
    std::string_view file;
    if (runtime.starts_with("nodejs")) file = "index.js";
    if (runtime.starts_with("python")) file = "index.py";
    if (file.empty()) {
      return Error(kInvalidRequest, "ZipFile can only be used when Runtime is set to either of nodejs or python.");
    }
    out.set("ZipFile", crypto::base64_encode(zip_of(file, text_of(inline_text))));
  }
  return out;
}

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::Lambda::Function",
                 {{"Architectures"},
                  {"Code", Update::kInPlace, Effect::kEffective, kRequired},
                  recorded("CodeSigningConfigArn"),
                  {"DeadLetterConfig"},
                  {"Description"},
                  {"Environment"},
                  {"EphemeralStorage"},
                  recorded("FileSystemConfigs"),
                  {"FunctionName", Update::kReplace},
                  {"Handler"},
                  recorded("KmsKeyArn"),
                  {"Layers"},
                  {"LoggingConfig"},
                  {"MemorySize"},
                  {"PackageType", Update::kReplace},
                  recorded("RecursiveLoop"),
                  {"ReservedConcurrentExecutions"},
                  {"Role", Update::kInPlace, Effect::kEffective, kRequired},
                  {"Runtime"},
                  recorded("RuntimeManagementConfig"),
                  recorded("SnapStart"),
                  {"Tags"},
                  {"Timeout"},
                  {"TracingConfig"},
                  recorded("VpcConfig")},
                 {"Arn"}) {}

  Result<Resource> create(const Work& work) const override {
    const std::string name = work.name_or_generated("FunctionName", 64);
    Document input = pick(work.properties, {"Architectures", "DeadLetterConfig", "Description", "Environment",
                                            "EphemeralStorage", "Handler", "Layers", "LoggingConfig", "MemorySize",
                                            "PackageType", "Role", "Runtime", "Timeout", "TracingConfig"});
    MR_ASSIGN_OR_RETURN(Document code, code_of(work.properties));
    input.set("FunctionName", name).set("Code", std::move(code));
    input.set("Tags", tag_map(work, work.properties));
    MR_ASSIGN_OR_RETURN(const Document made, work.call("lambda", "CreateFunction", std::move(input)));
    work.created(name);
    MR_RETURN_IF_ERROR(set_concurrency(work, name));
    return resource(name, made);
  }

  Result<Resource> update(const Work& work) const override {
    const std::string& name = work.physical_id;
    const bool inline_runtime = work.properties.find("Code") != nullptr &&
                                work.properties.find("Code")->find("ZipFile") != nullptr && differs(work, "Runtime");
    if (any_differs(work, {"Code", "Architectures"}) || inline_runtime) {
      MR_ASSIGN_OR_RETURN(Document input, code_of(work.properties));
      input.set("FunctionName", name);
      if (const Document* architectures = work.property("Architectures")) input.set("Architectures", *architectures);
      MR_RETURN_IF_ERROR(work.call("lambda", "UpdateFunctionCode", std::move(input)));
    }
    if (any_differs(work, {"DeadLetterConfig", "Description", "Environment", "EphemeralStorage", "Handler", "Layers",
                           "LoggingConfig", "MemorySize", "Role", "Runtime", "Timeout", "TracingConfig"})) {
      // What the template does not have any more goes back to its default.
      Document input = Document::object({{"Description", ""},
                                         {"MemorySize", 128},
                                         {"Timeout", 3},
                                         {"Layers", Document::array()},
                                         {"DeadLetterConfig", Document::object({{"TargetArn", ""}})},
                                         {"Environment", Document::object({{"Variables", Document::object()}})},
                                         {"EphemeralStorage", Document::object({{"Size", 512}})},
                                         {"TracingConfig", Document::object({{"Mode", "PassThrough"}})}});
      const Document given = pick(
          work.properties, {"DeadLetterConfig", "Description", "Environment", "EphemeralStorage", "Handler", "Layers",
                            "LoggingConfig", "MemorySize", "Role", "Runtime", "Timeout", "TracingConfig"});
      for (const auto& [member, value] : given.as_object()) input.set(member, value);
      input.set("FunctionName", name);
      MR_RETURN_IF_ERROR(work.call("lambda", "UpdateFunctionConfiguration", std::move(input)));
    }
    if (differs(work, "ReservedConcurrentExecutions")) MR_RETURN_IF_ERROR(set_concurrency(work, name));
    MR_ASSIGN_OR_RETURN(Resource found, read(work));
    const std::string arn = text_of(found.attributes, "Arn");
    const auto untag = [&](Document keys) {
      return work.call("lambda", "UntagResource", Document::object({{"Resource", arn}, {"TagKeys", std::move(keys)}}));
    };
    const auto tag = [&] {
      return work.call("lambda", "TagResource",
                       Document::object({{"Resource", arn}, {"Tags", tag_map(work, work.properties)}}));
    };
    if (tags_differ(work)) MR_RETURN_IF_ERROR(update_tags(work, untag, tag));
    return found;
  }

  Result<void> remove(const Work& work) const override {
    return ignore_gone(work.call("lambda", "DeleteFunction",
                                 Document::object({{"FunctionName", work.name_or_generated("FunctionName", 64)}})));
  }

  Result<Resource> read(const Work& work) const override {
    const std::string name = work.name_or_generated("FunctionName", 64);
    MR_ASSIGN_OR_RETURN(const Document found,
                        work.call("lambda", "GetFunctionConfiguration", Document::object({{"FunctionName", name}})));
    return resource(name, found);
  }

 private:
  static Resource resource(const std::string& name, const Document& configuration) {
    return {name, Document::object({{"Arn", configuration.string_or("FunctionArn", "")}}), ""};
  }

  static Result<void> set_concurrency(const Work& work, const std::string& name) {
    const Document* reserved = work.property("ReservedConcurrentExecutions");
    if (reserved == nullptr) {
      if (work.old_properties.find("ReservedConcurrentExecutions") == nullptr) return {};
      return ignore_gone(work.call("lambda", "DeleteFunctionConcurrency", Document::object({{"FunctionName", name}})));
    }
    MR_RETURN_IF_ERROR(
        work.call("lambda", "PutFunctionConcurrency",
                  Document::object({{"FunctionName", name}, {"ReservedConcurrentExecutions", *reserved}})));
    return {};
  }
};

}  // namespace lambda_function

std::unique_ptr<stacks::ResourceType> make_lambda_function() { return std::make_unique<lambda_function::Type>(); }

}  // namespace millrace::resources
