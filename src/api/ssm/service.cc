#include "api/ssm/service.h"

#include "api/ssm/operations.h"
#include "wire/generated/ssm.h"
#include "wire/refusals.h"

namespace millrace::api_ssm {

std::optional<Parameter> ParameterStore::find(const Scope& scope, std::string_view name) const {
  if (const auto document = records.find(record(scope, name))) return parameter_from_json(*document);
  const auto preset = presets.find(name);
  if (preset == presets.end()) return std::nullopt;
  Parameter parameter;
  parameter.versions.push_back({.number = 1, .type = "String", .value = preset->second});
  return parameter;
}

Reply reply(const ParameterStore& store, Document output) {
  Reply answer;
  answer.output = std::move(output);
  answer.after = store.records.last_commit();
  return answer;
}

std::unique_ptr<wire::Service> make_ssm_service(records::Records& records, platform::Clock& clock, Presets presets) {
  auto service = std::make_unique<wire::Service>(wire::ssm::kModel);
  const auto store = std::make_shared<ParameterStore>(ParameterStore{records, clock, std::move(presets)});
  using Operation = Result<Reply> (*)(ParameterStore&, const RequestContext&, const Document&);
  const auto serve = [&](std::string_view name, Operation operation) {
    service->on(name, [store, operation](const RequestContext& context, const Document& input) {
      return operation(*store, context, input);
    });
  };
  serve("PutParameter", put_parameter);
  serve("DeleteParameter", delete_parameter);
  serve("DeleteParameters", delete_parameters);
  serve("GetParameter", get_parameter);
  serve("GetParameters", get_parameters);
  serve("GetParametersByPath", get_parameters_by_path);
  serve("GetParameterHistory", get_parameter_history);
  serve("DescribeParameters", describe_parameters);
  serve("AddTagsToResource", add_tags);
  serve("RemoveTagsFromResource", remove_tags);
  serve("ListTagsForResource", list_tags);
  wire::hold_refusals(*service, [store] { return store->records.last_commit(); });
  return service;
}

}  // namespace millrace::api_ssm
