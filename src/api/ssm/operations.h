// One function per operation; the AWS API reference says what each does. Thread-safe.
#pragma once

#include "api/ssm/parameters.h"
#include "api/ssm/service.h"

namespace millrace::api_ssm {

using wire::Document;
using wire::Reply;
using wire::RequestContext;

struct ParameterStore {
  records::Records& records;
  platform::Clock& clock;
  Presets presets;

  // nullopt: neither put nor preset.
  std::optional<Parameter> find(const Scope& scope, std::string_view name) const;
  records::Name record(const Scope& scope, std::string_view name) const {
    return {"ssm/parameter", scope, std::string(name)};
  }
};

// operations/changes.cc
Result<Reply> put_parameter(ParameterStore& store, const RequestContext& context, const Document& input);
Result<Reply> delete_parameter(ParameterStore& store, const RequestContext& context, const Document& input);
Result<Reply> delete_parameters(ParameterStore& store, const RequestContext& context, const Document& input);
Result<Reply> add_tags(ParameterStore& store, const RequestContext& context, const Document& input);
Result<Reply> remove_tags(ParameterStore& store, const RequestContext& context, const Document& input);
Result<Reply> list_tags(ParameterStore& store, const RequestContext& context, const Document& input);

// operations/queries.cc
Result<Reply> get_parameter(ParameterStore& store, const RequestContext& context, const Document& input);
Result<Reply> get_parameters(ParameterStore& store, const RequestContext& context, const Document& input);
Result<Reply> get_parameters_by_path(ParameterStore& store, const RequestContext& context, const Document& input);
Result<Reply> get_parameter_history(ParameterStore& store, const RequestContext& context, const Document& input);
Result<Reply> describe_parameters(ParameterStore& store, const RequestContext& context, const Document& input);

Reply reply(const ParameterStore& store, Document output = Document::object());

}  // namespace millrace::api_ssm
