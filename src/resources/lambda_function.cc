// AWS::Lambda::Function
#include "codec/zip.h"
#include "crypto/encoding.h"
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace lambda_function {

// What AWS puts beside inline code: how the function behind a custom resource answers, `send(event, context, status,
// data, physicalResourceId, noEcho)`.
constexpr std::string_view kAnswerNode = R"js(const https = require('https');

exports.SUCCESS = 'SUCCESS';
exports.FAILED = 'FAILED';

exports.send = (event, context, status, data, physicalResourceId, noEcho) => new Promise((resolve) => {
  const body = JSON.stringify({
    Status: status,
    Reason: 'See the details in CloudWatch Log Stream: ' + context.logStreamName,
    PhysicalResourceId: physicalResourceId || context.logStreamName,
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
    NoEcho: noEcho || false,
    Data: data,
  });
  const url = new URL(event.ResponseURL);
  const done = () => {
    if (context.done) context.done();
    resolve();
  };
  const request = https.request({
    hostname: url.hostname, path: url.pathname + url.search, method: 'PUT',
    headers: { 'content-type': '', 'content-length': Buffer.byteLength(body) },
  }, (response) => {
    response.resume();
    response.on('end', done);
  });
  request.on('error', (error) => {
    console.log('The answer could not be sent: ' + error);
    done();
  });
  request.end(body);
});
)js";
constexpr std::string_view kAnswerPython = R"py(import json
import urllib.request

SUCCESS = "SUCCESS"
FAILED = "FAILED"


def send(event, context, responseStatus, responseData, physicalResourceId=None, noEcho=False, reason=None):
    body = json.dumps({
        "Status": responseStatus,
        "Reason": reason or "See the details in CloudWatch Log Stream: " + context.log_stream_name,
        "PhysicalResourceId": physicalResourceId or context.log_stream_name,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "NoEcho": noEcho,
        "Data": responseData,
    }).encode()
    request = urllib.request.Request(event["ResponseURL"], data=body, method="PUT", headers={"content-type": ""})
    try:
        urllib.request.urlopen(request).close()
    except Exception as error:
        print("The answer could not be sent:", error)
)py";

// Inline code as an archive (AWS: index.js or index.py by runtime).
Result<std::string> inline_archive(std::string_view runtime, std::string_view code) {
  const bool is_node = runtime.starts_with("nodejs");
  if (!is_node && !runtime.starts_with("python")) {
    return Error(kInvalidRequest, "ZipFile can only be used when Runtime is set to either of nodejs or python.");
  }
  codec::ZipWriter zip;
  const auto mode = codec::ZipWriter::Mode::kFile;
  zip.add(is_node ? "cfn-response.js" : "cfnresponse.py", is_node ? kAnswerNode : kAnswerPython, mode);
  zip.add(is_node ? "index.js" : "index.py", code, mode);
  return zip.finish();
}

// Code of the operations: the object, or inline text as an archive.
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
    MR_ASSIGN_OR_RETURN(const std::string archive,
                        inline_archive(text_of(properties, "Runtime"), text_of(inline_text)));
    out.set("ZipFile", crypto::base64_encode(archive));
  }
  return out;
}

// What UpdateFunctionConfiguration takes by the same name.
const std::initializer_list<std::string_view> kConfiguration = {
    "DeadLetterConfig", "Description", "Environment", "EphemeralStorage", "Handler", "Layers",
    "LoggingConfig",    "MemorySize",  "Role",        "Runtime",          "Timeout", "TracingConfig"};

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
    if (any_differs(work, kConfiguration)) {
      // What the template does not have any more goes back to its default.
      Document input = Document::object({{"Description", ""},
                                         {"MemorySize", 128},
                                         {"Timeout", 3},
                                         {"Layers", Document::array()},
                                         {"DeadLetterConfig", Document::object({{"TargetArn", ""}})},
                                         {"Environment", Document::object({{"Variables", Document::object()}})},
                                         {"EphemeralStorage", Document::object({{"Size", 512}})},
                                         {"TracingConfig", Document::object({{"Mode", "PassThrough"}})}});
      copy_members(work.properties, input, kConfiguration);
      input.set("FunctionName", name);
      MR_RETURN_IF_ERROR(work.call("lambda", "UpdateFunctionConfiguration", std::move(input)));
    }
    if (differs(work, "ReservedConcurrentExecutions")) MR_RETURN_IF_ERROR(set_concurrency(work, name));
    MR_ASSIGN_OR_RETURN(Resource found, read(work));
    const std::string arn = text_of(found.attributes, "Arn");
    if (tags_differ(work))
      MR_RETURN_IF_ERROR(update_tags(work,
                                     {"lambda", "UntagResource", "TagResource", Document::object({{"Resource", arn}})},
                                     tag_map(work, work.properties)));
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
