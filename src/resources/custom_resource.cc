// Custom::* and AWS::CloudFormation::CustomResource: a function that is told what to do by an event and answers with a
// PUT to the event's ResponseURL. Source of the rules: CloudFormation's user guide, "Custom resource reference".
#include <algorithm>
#include <charconv>

#include "crypto/encoding.h"
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace custom_resource {

constexpr std::chrono::seconds kTimeoutMax{3600};  // AWS: the default, too
constexpr std::size_t kPhysicalIdBytesMax = 1024;  // AWS
constexpr std::size_t kGeneratedIdBytesMax = 128;
constexpr std::string_view kLambdaMark = ":lambda:";

// AWS: all scalars of the properties arrive as strings.
Document as_strings(const Document& value) {
  if (value.is_array()) {
    Document list = Document::array();
    for (const Document& each : value.as_array()) list.push(as_strings(each));
    return list;
  }
  if (value.is_object()) {
    Document object = Document::object();
    for (const auto& [name, each] : value.as_object()) object.set(name, as_strings(each));
    return object;
  }
  return attribute_text(value);
}

Error failed(std::string reason) { return Error(stacks::kResourceFailed, std::move(reason)); }

Result<std::chrono::seconds> timeout_of(const Document& properties) {
  const std::string text = text_of(properties, "ServiceTimeout");
  if (text.empty()) return kTimeoutMax;
  int seconds = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() || seconds < 1 || seconds > kTimeoutMax.count()) {
    return failed("Invalid ServiceTimeout " + text + ": it must be an integer from 1 to 3600.");
  }
  return std::chrono::seconds(seconds);
}

// Where the function sends its answer. CDK's handlers for Node.js drop scheme and port of the URL; the runtime for
// Node.js brings whatever goes to *.amazonaws.com here. Other runtimes use the URL as it is.
std::string response_url(const Work& work, std::string_view runtime, const std::string& token) {
  if (!runtime.starts_with("nodejs")) return work.endpoint + "/_millrace/custom-resource/" + token;
  std::string region = work.caller.scope.region;
  std::erase(region, '-');
  return "https://cloudformation-custom-resource-response-" + region + ".s3.amazonaws.com/" + token;
}

// Takes what the function sent apart. A failed creation's own id is told to the engine, for the Delete that follows.
Result<Resource> read_answer(const Work& work, const Document& answer) {
  if (answer.is_string()) return failed(answer.as_string());
  const std::string status = text_of(answer, "Status");
  const std::string id = text_of(answer, "PhysicalResourceId");
  if (status == "FAILED") {
    if (work.physical_id.empty() && !id.empty()) work.created(id);
    std::string reason = text_of(answer, "Reason");
    if (reason.empty()) reason = "No reason was given";
    return failed("Received response status [FAILED] from custom resource. Message returned: " + reason +
                  " (RequestId: " + text_of(answer, "RequestId") + ")");
  }
  if (status != "SUCCESS") return failed("Invalid response object: Value of property Status must be SUCCESS or FAILED");
  if (id.empty() || id.size() > kPhysicalIdBytesMax) return failed("Invalid PhysicalResourceId");
  Resource made;
  made.physical_id = id;
  const Document* data = answer.find("Data");
  if (data != nullptr && !data->is_null()) {
    if (!data->is_object()) return failed("Invalid response object: Value of property Data must be an object");
    made.attributes = *data;
  }
  made.hides_attributes = text_of(answer, "NoEcho") == "true";
  return made;
}

class Type final : public TypeBase {
 public:
  explicit Type(std::string_view name) : TypeBase(name, {required("ServiceToken"), {"ServiceTimeout"}}) {}
  bool is_open() const override { return true; }

  Result<Resource> create(const Work& work) const override {
    MR_ASSIGN_OR_RETURN(const auto ask, prepared(work, "Create", work.generated_name(kGeneratedIdBytesMax)));
    // From here on the function may have done something: a Delete follows if this fails.
    work.created(ask.physical_id);
    return send(work, ask);
  }
  Result<Resource> update(const Work& work) const override {
    if (differs(work, "ServiceToken")) return failed("Modifying service token is not allowed.");
    MR_ASSIGN_OR_RETURN(const auto ask, prepared(work, "Update", work.physical_id));
    return send(work, ask);
  }
  Result<void> remove(const Work& work) const override {
    const std::string id = work.physical_id.empty() ? work.generated_name(kGeneratedIdBytesMax) : work.physical_id;
    MR_ASSIGN_OR_RETURN(const auto ask, prepared(work, "Delete", id));
    MR_RETURN_IF_ERROR(send(work, ask));
    return {};
  }

 private:
  struct Ask {
    std::string function;
    std::string runtime;
    std::string physical_id;
    std::chrono::seconds timeout;
    Document event;
  };

  static Result<Ask> prepared(const Work& work, std::string_view request, const std::string& physical_id) {
    Ask ask;
    ask.physical_id = physical_id;
    ask.function = text_of(work.properties, "ServiceToken");
    if (ask.function.find(kLambdaMark) == std::string::npos) {
      return failed(ask.function.find(":sns:") != std::string::npos
                        ? "ServiceToken " + ask.function +
                              " is a topic; millrace serves custom resources of functions only."
                        : "Invalid service token.");
    }
    MR_ASSIGN_OR_RETURN(ask.timeout, timeout_of(work.properties));
    MR_ASSIGN_OR_RETURN(const Document found, work.call("lambda", "GetFunctionConfiguration",
                                                        Document::object({{"FunctionName", ask.function}})));
    ask.runtime = text_of(found, "Runtime");
    ask.event = Document::object({{"RequestType", request}, {"ServiceToken", ask.function}});
    ask.event.set("ResponseURL", "").set("StackId", work.stack_id).set("RequestId", "");
    ask.event.set("LogicalResourceId", work.logical_id);
    ask.event.set_if(request != "Create", "PhysicalResourceId", physical_id);
    ask.event.set("ResourceType", work.type).set("ResourceProperties", as_strings(work.properties));
    ask.event.set_if(request == "Update", "OldResourceProperties", as_strings(work.old_properties));
    return ask;
  }

  static Result<Resource> send(const Work& work, Ask ask) {
    const std::string token = work.open_answer();
    // The token is 32 hexadecimal digits; the same as the id that handlers echo and CloudFormation's texts name.
    const std::string request_id = token.substr(0, 8) + "-" + token.substr(8, 4) + "-" + token.substr(12, 4) + "-" +
                                   token.substr(16, 4) + "-" + token.substr(20);
    ask.event.set("ResponseURL", response_url(work, ask.runtime, token)).set("RequestId", request_id);
    auto invoked = work.call("lambda", "Invoke",
                             Document::object({{"FunctionName", ask.function},
                                               {"InvocationType", "Event"},
                                               {"Payload", crypto::base64_encode(ask.event.dump())}}));
    // Waiting for no time forgets the token.
    const auto answer = work.await_answer(token, invoked.ok() ? ask.timeout : std::chrono::seconds(0));
    if (!invoked.ok()) return std::move(invoked).error();
    if (answer.ok()) return read_answer(work, *answer);
    if (!answer.error().is(stacks::kTimeout)) return answer.error();
    return failed(
        "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId [" +
        request_id +
        "]. If you are using the Python cfn-response module, you may need to update your Lambda function code so that "
        "CloudFormation can attach the updated version.");
  }
};

}  // namespace custom_resource

std::unique_ptr<stacks::ResourceType> make_custom_resource(std::string_view name) {
  return std::make_unique<custom_resource::Type>(name);
}

}  // namespace millrace::resources
