#include <functional>
#include <utility>

#include "api/ecr/repository.h"
#include "api/ecr/service.h"
#include "wire/arn.h"
#include "wire/generated/ecr.h"
#include "wire/generated/ecr_views.h"
#include "wire/page.h"
#include "wire/refusals.h"

namespace millrace::api_ecr {
namespace {

using codec::Json;
using wire::Document;
using wire::Reply;
using wire::RequestContext;

constexpr std::string_view kKind = "ecr/repository";
constexpr std::size_t kTagsMax = 50;  // AWS

struct RepositoryStore {
  records::Records& records;
  platform::Clock& clock;

  records::Name record(const Scope& scope, std::string_view name) const {
    return {std::string(kKind), scope, std::string(name)};
  }
  Reply reply(Document output = Document::object()) const {
    Reply answer;
    answer.output = std::move(output);
    answer.after = records.last_commit();
    return answer;
  }
};

std::string quoted_place(std::string_view name, const Scope& scope) {
  return "the repository with name '" + std::string(name) + "' in the registry with id '" + scope.account + "'";
}

Error not_found(std::string_view name, const Scope& scope) {
  return Error(wire::ecr::kRepositoryNotFoundException, "The repository with name '" + std::string(name) +
                                                            "' does not exist in the registry with id '" +
                                                            scope.account + "'");
}

Error invalid(std::string message) { return Error(wire::ecr::kInvalidParameterException, std::move(message)); }

// The scope of a registry: another account's is as good, since nothing is enforced.
Scope scope_of(const RequestContext& context, std::optional<std::string_view> registry) {
  Scope scope = context.caller.scope;
  if (registry) scope.account = *registry;
  return scope;
}

// Changes the repository; `output` gets what `change` adds to names and registry.
Result<Reply> change(RepositoryStore& store, const Scope& scope, std::string_view name,
                     const std::function<Result<void>(Repository&, Document& output)>& change) {
  Document output = Document::object({{"registryId", scope.account}, {"repositoryName", name}});
  const auto step = [&](const Json* current) -> Result<Json> {
    if (current == nullptr) return not_found(name, scope);
    Repository repository = repository_from_json(*current);
    MR_RETURN_IF_ERROR(change(repository, output));
    return to_json(repository);
  };
  MR_RETURN_IF_ERROR(store.records.change(store.record(scope, name), step));
  return store.reply(std::move(output));
}

Result<Repository> find(const RepositoryStore& store, const Scope& scope, std::string_view name) {
  const auto json = store.records.find(store.record(scope, name));
  if (!json) return not_found(name, scope);
  return repository_from_json(*json);
}

// ---------------------------------------------------------------------------------------------------- Repositories

template <typename Tags>
Result<void> add_tags(Document& into, const Tags& tags) {
  for (auto tag : tags) into.set(tag.key(), tag.value());
  if (into.as_object().size() > kTagsMax) {
    return Error(wire::ecr::kTooManyTagsException, "Too many tags: at most 50.");
  }
  return {};
}

Result<Reply> create_repository(RepositoryStore& store, const RequestContext& context, const Document& input) {
  const wire::ecr::CreateRepositoryRequest request(input);
  const Scope scope = scope_of(context, request.registry_id());
  const std::string name(request.repository_name());
  Repository repository;
  MR_RETURN_IF_ERROR(add_tags(repository.tags, request.tags()));
  Document scanning = Document::object({{"scanOnPush", false}});
  if (const Document* given = input.find("imageScanningConfiguration")) scanning = *given;
  Document encryption = Document::object({{"encryptionType", "AES256"}});
  if (const Document* given = input.find("encryptionConfiguration")) encryption = *given;
  repository.shown.set("repositoryArn", wire::format_arn("ecr", scope, "repository/" + name))
      .set("registryId", scope.account)
      .set("repositoryName", name)
      .set("repositoryUri", scope.account + ".dkr.ecr." + scope.region + ".amazonaws.com/" + name)
      .set("createdAt", to_unix_s(store.clock.now()))
      .set("imageTagMutability", request.image_tag_mutability().value_or("MUTABLE"))
      .set("imageScanningConfiguration", std::move(scanning))
      .set("encryptionConfiguration", std::move(encryption));
  if (const Document* filters = input.find("imageTagMutabilityExclusionFilters")) {
    repository.shown.set("imageTagMutabilityExclusionFilters", *filters);
  }
  MR_RETURN_IF_ERROR(store.records.change(store.record(scope, name), [&](const Json* current) -> Result<Json> {
    if (current != nullptr) {
      return Error(
          wire::ecr::kRepositoryAlreadyExistsException,
          "The repository with name '" + name + "' already exists in the registry with id '" + scope.account + "'");
    }
    return to_json(repository);
  }));
  return store.reply(Document::object({{"repository", repository.shown}}));
}

Result<Reply> describe_repositories(RepositoryStore& store, const RequestContext& context, const Document& input) {
  const wire::ecr::DescribeRepositoriesRequest request(input);
  const Scope scope = scope_of(context, request.registry_id());
  Document list = Document::array();
  if (!request.repository_names().empty()) {
    if (request.next_token() || request.max_results()) {
      return invalid("'nextToken' and 'maxResults' cannot be used together with 'repositoryNames'.");
    }
    for (auto name : request.repository_names()) {
      MR_ASSIGN_OR_RETURN(const Repository repository, find(store, scope, name));
      list.push(repository.shown);
    }
    return store.reply(Document::object({{"repositories", std::move(list)}}));
  }
  const auto page =
      wire::page_of(store.records.list(kKind, scope), static_cast<std::size_t>(request.max_results().value_or(100)),
                    request.next_token().value_or(""), [](const auto& entry) { return entry.first; });
  for (const auto& [name, json] : page.items) list.push(repository_from_json(json).shown);
  Document output = Document::object({{"repositories", std::move(list)}});
  output.set_if(!page.next.empty(), "nextToken", page.next);
  return store.reply(std::move(output));
}

// `force` is about images, of which there are none.
Result<Reply> delete_repository(RepositoryStore& store, const RequestContext& context, const Document& input) {
  const wire::ecr::DeleteRepositoryRequest request(input);
  const Scope scope = scope_of(context, request.registry_id());
  Document shown;
  const auto remove = [&](const Json* current) -> Result<Json> {
    if (current == nullptr) return not_found(request.repository_name(), scope);
    shown = repository_from_json(*current).shown;
    return Json();
  };
  MR_RETURN_IF_ERROR(store.records.change(store.record(scope, request.repository_name()), remove));
  return store.reply(Document::object({{"repository", std::move(shown)}}));
}

Result<Reply> put_image_tag_mutability(RepositoryStore& store, const RequestContext& context, const Document& input) {
  const wire::ecr::PutImageTagMutabilityRequest request(input);
  return change(store, scope_of(context, request.registry_id()), request.repository_name(),
                [&](Repository& repository, Document& output) -> Result<void> {
                  constexpr std::string_view kFilters = "imageTagMutabilityExclusionFilters";
                  repository.shown.set("imageTagMutability", request.image_tag_mutability());
                  repository.shown.erase(kFilters);
                  output.set("imageTagMutability", request.image_tag_mutability());
                  if (const Document* filters = input.find(kFilters)) {
                    repository.shown.set(kFilters, *filters);
                    output.set(kFilters, *filters);
                  }
                  return {};
                });
}

Result<Reply> put_image_scanning(RepositoryStore& store, const RequestContext& context, const Document& input) {
  const wire::ecr::PutImageScanningConfigurationRequest request(input);
  return change(store, scope_of(context, request.registry_id()), request.repository_name(),
                [&](Repository& repository, Document& output) -> Result<void> {
                  const Document* given = input.find("imageScanningConfiguration");
                  if (given == nullptr) return {};
                  repository.shown.set("imageScanningConfiguration", *given);
                  output.set("imageScanningConfiguration", *given);
                  return {};
                });
}

// -------------------------------------------------------------------------------------------------------- Policies

// AWS: rules with a priority, a selection and an action.
Result<void> check_lifecycle(std::string_view text) {
  const auto policy = codec::parse_json(text);
  const Json* rules = policy.ok() ? policy->find("rules") : nullptr;
  const auto refuse = [](const std::string& why) {
    return invalid(
        "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation "
        "failure: " +
        why + "'");
  };
  if (!policy.ok()) return refuse("string is not valid JSON");
  if (rules == nullptr || !rules->is_array() || rules->as_array().empty())
    return refuse("object has missing required properties ([\"rules\"])");
  for (const Json& rule : rules->as_array()) {
    for (const char* member : {"rulePriority", "selection", "action"}) {
      if (rule.find(member) == nullptr)
        return refuse("object has missing required properties ([\"" + std::string(member) + "\"])");
    }
  }
  return {};
}

Result<Reply> put_lifecycle_policy(RepositoryStore& store, const RequestContext& context, const Document& input) {
  const wire::ecr::PutLifecyclePolicyRequest request(input);
  MR_RETURN_IF_ERROR(check_lifecycle(request.lifecycle_policy_text()));
  return change(store, scope_of(context, request.registry_id()), request.repository_name(),
                [&](Repository& repository, Document& output) -> Result<void> {
                  repository.lifecycle = request.lifecycle_policy_text();
                  output.set("lifecyclePolicyText", repository.lifecycle);
                  return {};
                });
}

Error no_lifecycle(std::string_view name, const Scope& scope) {
  return Error(wire::ecr::kLifecyclePolicyNotFoundException,
               "Lifecycle policy does not exist for " + quoted_place(name, scope));
}

Result<Reply> get_lifecycle_policy(RepositoryStore& store, const RequestContext& context, const Document& input) {
  const wire::ecr::GetLifecyclePolicyRequest request(input);
  const Scope scope = scope_of(context, request.registry_id());
  MR_ASSIGN_OR_RETURN(const Repository repository, find(store, scope, request.repository_name()));
  if (repository.lifecycle.empty()) return no_lifecycle(request.repository_name(), scope);
  return store.reply(Document::object({{"registryId", scope.account},
                                       {"repositoryName", request.repository_name()},
                                       {"lifecyclePolicyText", repository.lifecycle}}));
}

Result<Reply> delete_lifecycle_policy(RepositoryStore& store, const RequestContext& context, const Document& input) {
  const wire::ecr::DeleteLifecyclePolicyRequest request(input);
  const Scope scope = scope_of(context, request.registry_id());
  return change(store, scope, request.repository_name(), [&](Repository& repository, Document& output) -> Result<void> {
    if (repository.lifecycle.empty()) return no_lifecycle(request.repository_name(), scope);
    output.set("lifecyclePolicyText", std::exchange(repository.lifecycle, ""));
    return {};
  });
}

Result<Reply> set_repository_policy(RepositoryStore& store, const RequestContext& context, const Document& input) {
  const wire::ecr::SetRepositoryPolicyRequest request(input);
  const auto policy = codec::parse_json(request.policy_text());
  if (!policy.ok() || policy->find("Statement") == nullptr) {
    return invalid(
        "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'");
  }
  return change(store, scope_of(context, request.registry_id()), request.repository_name(),
                [&](Repository& repository, Document& output) -> Result<void> {
                  repository.policy = request.policy_text();
                  output.set("policyText", repository.policy);
                  return {};
                });
}

Error no_policy(std::string_view name, const Scope& scope) {
  return Error(wire::ecr::kRepositoryPolicyNotFoundException,
               "Repository policy does not exist for " + quoted_place(name, scope));
}

Result<Reply> get_repository_policy(RepositoryStore& store, const RequestContext& context, const Document& input) {
  const wire::ecr::GetRepositoryPolicyRequest request(input);
  const Scope scope = scope_of(context, request.registry_id());
  MR_ASSIGN_OR_RETURN(const Repository repository, find(store, scope, request.repository_name()));
  if (repository.policy.empty()) return no_policy(request.repository_name(), scope);
  return store.reply(Document::object({{"registryId", scope.account},
                                       {"repositoryName", request.repository_name()},
                                       {"policyText", repository.policy}}));
}

Result<Reply> delete_repository_policy(RepositoryStore& store, const RequestContext& context, const Document& input) {
  const wire::ecr::DeleteRepositoryPolicyRequest request(input);
  const Scope scope = scope_of(context, request.registry_id());
  return change(store, scope, request.repository_name(), [&](Repository& repository, Document& output) -> Result<void> {
    if (repository.policy.empty()) return no_policy(request.repository_name(), scope);
    output.set("policyText", std::exchange(repository.policy, ""));
    return {};
  });
}

// ------------------------------------------------------------------------------------------------------------ Tags

struct Place {
  Scope scope;
  std::string name;
};
Result<Place> place_of(std::string_view arn_text) {
  const auto arn = wire::parse_arn(arn_text);
  if (!arn || arn->service != "ecr" || !arn->resource.starts_with("repository/")) {
    return invalid("Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN'");
  }
  return Place{{arn->account, arn->region}, arn->resource.substr(11)};
}

Result<Reply> tag_resource(RepositoryStore& store, const RequestContext&, const Document& input) {
  const wire::ecr::TagResourceRequest request(input);
  MR_ASSIGN_OR_RETURN(const Place place, place_of(request.resource_arn()));
  MR_RETURN_IF_ERROR(change(store, place.scope, place.name, [&](Repository& repository, Document&) {
    return add_tags(repository.tags, request.tags());
  }));
  return store.reply();
}

Result<Reply> untag_resource(RepositoryStore& store, const RequestContext&, const Document& input) {
  const wire::ecr::UntagResourceRequest request(input);
  MR_ASSIGN_OR_RETURN(const Place place, place_of(request.resource_arn()));
  MR_RETURN_IF_ERROR(change(store, place.scope, place.name, [&](Repository& repository, Document&) -> Result<void> {
    for (auto key : request.tag_keys()) repository.tags.erase(key);
    return {};
  }));
  return store.reply();
}

Result<Reply> list_tags(RepositoryStore& store, const RequestContext&, const Document& input) {
  const wire::ecr::ListTagsForResourceRequest request(input);
  MR_ASSIGN_OR_RETURN(const Place place, place_of(request.resource_arn()));
  MR_ASSIGN_OR_RETURN(const Repository repository, find(store, place.scope, place.name));
  Document tags = Document::array();
  for (const auto& [key, value] : repository.tags.as_object()) {
    tags.push(Document::object({{"Key", key}, {"Value", value}}));
  }
  return store.reply(Document::object({{"tags", std::move(tags)}}));
}

}  // namespace

std::unique_ptr<wire::Service> make_ecr_service(records::Records& records, platform::Clock& clock) {
  auto service = std::make_unique<wire::Service>(wire::ecr::kModel);
  const auto store = std::make_shared<RepositoryStore>(RepositoryStore{records, clock});
  using Operation = Result<Reply> (*)(RepositoryStore&, const RequestContext&, const Document&);
  const auto serve = [&](std::string_view name, Operation operation) {
    service->on(name, [store, operation](const RequestContext& context, const Document& input) {
      return operation(*store, context, input);
    });
  };
  serve("CreateRepository", create_repository);
  serve("DescribeRepositories", describe_repositories);
  serve("DeleteRepository", delete_repository);
  serve("PutImageTagMutability", put_image_tag_mutability);
  serve("PutImageScanningConfiguration", put_image_scanning);
  serve("PutLifecyclePolicy", put_lifecycle_policy);
  serve("GetLifecyclePolicy", get_lifecycle_policy);
  serve("DeleteLifecyclePolicy", delete_lifecycle_policy);
  serve("SetRepositoryPolicy", set_repository_policy);
  serve("GetRepositoryPolicy", get_repository_policy);
  serve("DeleteRepositoryPolicy", delete_repository_policy);
  serve("TagResource", tag_resource);
  serve("UntagResource", untag_resource);
  serve("ListTagsForResource", list_tags);
  wire::hold_refusals(*service, [store] { return store->records.last_commit(); });
  return service;
}

}  // namespace millrace::api_ecr
