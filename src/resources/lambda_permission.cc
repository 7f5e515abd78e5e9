// AWS::Lambda::Permission
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace lambda_permission {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::Lambda::Permission",
                 {{"Action", Update::kReplace, Effect::kEffective, kRequired},
                  {"EventSourceToken", Update::kReplace},
                  {"FunctionName", Update::kReplace, Effect::kEffective, kRequired},
                  {"FunctionUrlAuthType", Update::kReplace},
                  {"InvokedViaFunctionUrl", Update::kReplace},
                  {"Principal", Update::kReplace, Effect::kEffective, kRequired},
                  {"PrincipalOrgID", Update::kReplace},
                  {"SourceAccount", Update::kReplace},
                  {"SourceArn", Update::kReplace}},
                 {"Id"}) {}

  Result<Resource> create(const Work& work) const override {
    Document input =
        pick(work.properties, {"Action", "EventSourceToken", "FunctionName", "FunctionUrlAuthType",
                               "InvokedViaFunctionUrl", "Principal", "PrincipalOrgID", "SourceAccount", "SourceArn"});
    const std::string id = work.generated_name(100);
    input.set("StatementId", id);
    MR_RETURN_IF_ERROR(work.call("lambda", "AddPermission", std::move(input)));
    return Resource{id, Document::object({{"Id", id}}), ""};
  }
  Result<Resource> update(const Work& work) const override {
    return Resource{work.physical_id, Document::object({{"Id", work.physical_id}}), ""};
  }
  Result<void> remove(const Work& work) const override {
    const std::string id = work.physical_id.empty() ? work.generated_name(100) : work.physical_id;
    return ignore_gone(
        work.call("lambda", "RemovePermission",
                  Document::object({{"FunctionName", text_of(work.properties, "FunctionName")}, {"StatementId", id}})));
  }
};

}  // namespace lambda_permission

std::unique_ptr<stacks::ResourceType> make_lambda_permission() { return std::make_unique<lambda_permission::Type>(); }

}  // namespace millrace::resources
