#include <utility>
#include <vector>

#include "api/kms/keys.h"
#include "api/kms/service.h"
#include "wire/generated/kms.h"
#include "wire/generated/kms_views.h"
#include "wire/page.h"
#include "wire/refusals.h"

namespace millrace::api_kms {
namespace {

using namespace std::chrono_literals;

Error invalid(std::string message) { return Error(wire::kms::kValidationException, std::move(message)); }

Error unsupported(std::string_view member) {
  return Error(wire::kms::kUnsupportedOperationException, std::string(member) + " is not supported by this server.");
}

// The members that a page adds to `output`.
template <typename Item>
void set_page(Document& output, const wire::Page<Item>& page) {
  output.set("Truncated", !page.next.empty()).set_if(!page.next.empty(), "NextMarker", page.next);
}

// Of pairs of a name and a value, in order.
template <typename Request, typename Item>
wire::Page<Item> page_of(const Request& request, std::vector<Item> all) {
  return wire::page_of(std::move(all), static_cast<std::size_t>(request.limit().value_or(100)),
                       request.marker().value_or(""), [](const Item& item) { return item.first; });
}

template <typename Tags>
Result<void> add_tags(Key& key, const Tags& tags) {
  for (auto tag : tags) {
    if (tag.tag_key().starts_with("aws:")) {
      return Error(wire::kms::kTagException, "Tag keys starting with 'aws:' are reserved");
    }
    key.tags[std::string(tag.tag_key())] = tag.tag_value();
  }
  if (key.tags.size() > kTagsMax) return Error(wire::kms::kTagException, "Too many tags");
  return {};
}

// ------------------------------------------------------------------------------------------------------------ Keys

Result<Reply> create_key(KeyStore& store, const RequestContext& context, const Document& input) {
  const wire::kms::CreateKeyRequest request(input);
  if (request.custom_key_store_id()) return unsupported("CustomKeyStoreId");
  if (request.xks_key_id()) return unsupported("XksKeyId");
  if (request.origin().value_or("AWS_KMS") != "AWS_KMS") return unsupported("Origin " + std::string(*request.origin()));
  if (request.multi_region().value_or(false)) return unsupported("MultiRegion");
  const Scope& scope = context.caller.scope;
  Key key;
  key.id = store.random.uuid();
  key.created = store.clock.now();
  key.description = request.description().value_or("");
  key.spec = request.key_spec().value_or(request.customer_master_key_spec().value_or(key.spec));
  if (!request.key_usage() && key.spec != "SYMMETRIC_DEFAULT") {
    return invalid("You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.");
  }
  key.usage = request.key_usage().value_or(key.usage);
  MR_RETURN_IF_ERROR(check_kind(key));
  key.policy = request.policy() ? std::string(*request.policy()) : default_policy(scope.account);
  MR_RETURN_IF_ERROR(check_policy(key.policy));
  MR_RETURN_IF_ERROR(add_tags(key, request.tags()));
  const auto step = [&](const Json*) -> Result<Json> { return to_json(key); };
  MR_RETURN_IF_ERROR(store.records.change({std::string(kKeyKind), scope, key.id}, step));
  return store.reply(Document::object({{"KeyMetadata", metadata_of(key, scope)}}));
}

Result<Reply> describe_key(KeyStore& store, const RequestContext& context, const Document& input) {
  const wire::kms::DescribeKeyRequest request(input);
  MR_ASSIGN_OR_RETURN(const Reference reference,
                      store.resolve(context.caller.scope, request.key_id(), KeyStore::Aliases::kToo));
  MR_ASSIGN_OR_RETURN(const Key key, store.find(reference));
  return store.reply(Document::object({{"KeyMetadata", metadata_of(key, reference.scope)}}));
}

Result<Reply> list_keys(KeyStore& store, const RequestContext& context, const Document& input) {
  const wire::kms::ListKeysRequest request(input);
  const Scope& scope = context.caller.scope;
  store.remove_due(scope);
  const auto page = page_of(request, store.records.list(kKeyKind, scope));
  Document keys = Document::array();
  for (const auto& [id, json] : page.items) {
    keys.push(Document::object({{"KeyId", id}, {"KeyArn", arn_of(scope, "key/" + id)}}));
  }
  Document output = Document::object({{"Keys", std::move(keys)}});
  set_page(output, page);
  return store.reply(std::move(output));
}

// For operations that only change the key which the request's KeyId names.
template <typename Request>
Result<Reply> change_key(KeyStore& store, const RequestContext& context, const Document& input,
                         const std::function<Result<void>(const Request&, Key&)>& change) {
  const Request request(input);
  MR_ASSIGN_OR_RETURN(const Reference reference, store.resolve(context.caller.scope, request.key_id()));
  MR_RETURN_IF_ERROR(store.change(reference, [&](Key& key) { return change(request, key); }));
  return store.reply();
}

Result<Reply> enable_key(KeyStore& store, const RequestContext& context, const Document& input) {
  return change_key<wire::kms::EnableKeyRequest>(store, context, input, [](const auto&, Key& key) -> Result<void> {
    key.enabled = true;
    return {};
  });
}

Result<Reply> disable_key(KeyStore& store, const RequestContext& context, const Document& input) {
  return change_key<wire::kms::DisableKeyRequest>(store, context, input, [](const auto&, Key& key) -> Result<void> {
    key.enabled = false;
    return {};
  });
}

Result<Reply> update_key_description(KeyStore& store, const RequestContext& context, const Document& input) {
  return change_key<wire::kms::UpdateKeyDescriptionRequest>(store, context, input,
                                                            [](const auto& request, Key& key) -> Result<void> {
                                                              key.description = request.description();
                                                              return {};
                                                            });
}

Result<void> check_rotation(const Key& key) {
  if (key.spec == "SYMMETRIC_DEFAULT") return {};
  return Error(wire::kms::kUnsupportedOperationException, "");
}

Result<Reply> enable_key_rotation(KeyStore& store, const RequestContext& context, const Document& input) {
  return change_key<wire::kms::EnableKeyRotationRequest>(
      store, context, input, [](const auto& request, Key& key) -> Result<void> {
        MR_RETURN_IF_ERROR(check_rotation(key));
        if (!key.enabled) return Error(wire::kms::kDisabledException, key.id + " is disabled.");
        key.rotation_days = static_cast<int>(request.rotation_period_in_days().value_or(kRotationDays));
        return {};
      });
}

Result<Reply> disable_key_rotation(KeyStore& store, const RequestContext& context, const Document& input) {
  return change_key<wire::kms::DisableKeyRotationRequest>(store, context, input,
                                                          [](const auto&, Key& key) -> Result<void> {
                                                            MR_RETURN_IF_ERROR(check_rotation(key));
                                                            key.rotation_days = 0;
                                                            return {};
                                                          });
}

Result<Reply> get_key_rotation_status(KeyStore& store, const RequestContext& context, const Document& input) {
  const wire::kms::GetKeyRotationStatusRequest request(input);
  MR_ASSIGN_OR_RETURN(const Reference reference, store.resolve(context.caller.scope, request.key_id()));
  MR_ASSIGN_OR_RETURN(const Key key, store.find(reference));
  MR_RETURN_IF_ERROR(check_rotation(key));
  Document output = Document::object(
      {{"KeyRotationEnabled", key.rotation_days > 0}, {"KeyId", arn_of(reference.scope, "key/" + key.id)}});
  if (key.rotation_days > 0) output.set("RotationPeriodInDays", key.rotation_days);
  return store.reply(std::move(output));
}

Result<Reply> schedule_key_deletion(KeyStore& store, const RequestContext& context, const Document& input) {
  const wire::kms::ScheduleKeyDeletionRequest request(input);
  MR_ASSIGN_OR_RETURN(const Reference reference, store.resolve(context.caller.scope, request.key_id()));
  const auto days = request.pending_window_in_days().value_or(kDeletionDays);
  if (days < 7 || days > 30) {
    return invalid("1 validation error detected: PendingWindowInDays must be between 7 and 30.");
  }
  MR_ASSIGN_OR_RETURN(const Key key, store.change(reference, [&](Key& one) -> Result<void> {
    one.deletion = store.clock.now() + days * 24h;
    one.enabled = false;
    return {};
  }));
  return store.reply(Document::object({{"KeyId", arn_of(reference.scope, "key/" + key.id)},
                                       {"DeletionDate", to_unix_s(*key.deletion)},
                                       {"KeyState", "PendingDeletion"},
                                       {"PendingWindowInDays", days}}));
}

// AWS: the key is disabled afterwards.
Result<Reply> cancel_key_deletion(KeyStore& store, const RequestContext& context, const Document& input) {
  const wire::kms::CancelKeyDeletionRequest request(input);
  MR_ASSIGN_OR_RETURN(const Reference reference, store.resolve(context.caller.scope, request.key_id()));
  const std::string arn = arn_of(reference.scope, "key/" + reference.id);
  const auto cancel = [&](Key& key) -> Result<void> {
    if (!key.deletion) return Error(wire::kms::kKMSInvalidStateException, arn + " is not pending deletion.");
    key.deletion.reset();
    return {};
  };
  MR_RETURN_IF_ERROR(store.change(reference, cancel, KeyStore::Pending::kTaken));
  return store.reply(Document::object({{"KeyId", arn}}));
}

// -------------------------------------------------------------------------------------------------------- Policies

// AWS: the only name.
Result<void> check_policy_name(std::optional<std::string_view> name) {
  if (!name || *name == "default") return {};
  return Error(wire::kms::kNotFoundException, "No such policy exists");
}

Result<Reply> get_key_policy(KeyStore& store, const RequestContext& context, const Document& input) {
  const wire::kms::GetKeyPolicyRequest request(input);
  MR_ASSIGN_OR_RETURN(const Reference reference, store.resolve(context.caller.scope, request.key_id()));
  MR_ASSIGN_OR_RETURN(const Key key, store.find(reference));
  MR_RETURN_IF_ERROR(check_policy_name(request.policy_name()));
  return store.reply(Document::object({{"Policy", key.policy}, {"PolicyName", "default"}}));
}

Result<Reply> put_key_policy(KeyStore& store, const RequestContext& context, const Document& input) {
  return change_key<wire::kms::PutKeyPolicyRequest>(store, context, input,
                                                    [](const auto& request, Key& key) -> Result<void> {
                                                      MR_RETURN_IF_ERROR(check_policy_name(request.policy_name()));
                                                      MR_RETURN_IF_ERROR(check_policy(request.policy()));
                                                      key.policy = request.policy();
                                                      return {};
                                                    });
}

Result<Reply> list_key_policies(KeyStore& store, const RequestContext& context, const Document& input) {
  const wire::kms::ListKeyPoliciesRequest request(input);
  MR_ASSIGN_OR_RETURN(const Reference reference, store.resolve(context.caller.scope, request.key_id()));
  MR_RETURN_IF_ERROR(store.find(reference));
  return store.reply(Document::object({{"PolicyNames", Document::array({"default"})}, {"Truncated", false}}));
}

// ------------------------------------------------------------------------------------------------------------ Tags

Result<Reply> tag_resource(KeyStore& store, const RequestContext& context, const Document& input) {
  return change_key<wire::kms::TagResourceRequest>(
      store, context, input, [](const auto& request, Key& key) { return add_tags(key, request.tags()); });
}

Result<Reply> untag_resource(KeyStore& store, const RequestContext& context, const Document& input) {
  return change_key<wire::kms::UntagResourceRequest>(store, context, input,
                                                     [](const auto& request, Key& key) -> Result<void> {
                                                       for (auto name : request.tag_keys())
                                                         key.tags.erase(std::string(name));
                                                       return {};
                                                     });
}

Result<Reply> list_resource_tags(KeyStore& store, const RequestContext& context, const Document& input) {
  const wire::kms::ListResourceTagsRequest request(input);
  MR_ASSIGN_OR_RETURN(const Reference reference, store.resolve(context.caller.scope, request.key_id()));
  MR_ASSIGN_OR_RETURN(const Key key, store.find(reference));
  const auto page =
      page_of(request, std::vector<std::pair<std::string, std::string>>(key.tags.begin(), key.tags.end()));
  Document tags = Document::array();
  for (const auto& [name, value] : page.items) tags.push(Document::object({{"TagKey", name}, {"TagValue", value}}));
  Document output = Document::object({{"Tags", std::move(tags)}});
  set_page(output, page);
  return store.reply(std::move(output));
}

// --------------------------------------------------------------------------------------------------------- Aliases

Result<void> check_alias(std::string_view name) {
  if (!name.starts_with("alias/") || name.size() == 6) {
    return invalid(
        "Alias must start with the prefix \"alias/\". Please see "
        "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html");
  }
  if (name.starts_with("alias/aws/")) {
    return Error(wire::kms::kInvalidAliasNameException, "Alias names that begin with alias/aws/ are reserved.");
  }
  return {};
}

// The key that an alias is to stand for. AWS: of the same account and region, and not about to go.
Result<Reference> target_of(KeyStore& store, const Scope& scope, std::string_view text) {
  MR_ASSIGN_OR_RETURN(Reference target, store.resolve(scope, text));
  if (target.scope != scope) return Error(wire::kms::kNotFoundException, "Invalid arn " + std::string(text));
  MR_ASSIGN_OR_RETURN(const Key key, store.find(target));
  if (key.deletion) {
    return Error(wire::kms::kKMSInvalidStateException, arn_of(scope, "key/" + key.id) + " is pending deletion.");
  }
  return target;
}

Result<Reply> create_alias(KeyStore& store, const RequestContext& context, const Document& input) {
  const wire::kms::CreateAliasRequest request(input);
  MR_RETURN_IF_ERROR(check_alias(request.alias_name()));
  const Scope& scope = context.caller.scope;
  MR_ASSIGN_OR_RETURN(const Reference target, target_of(store, scope, request.target_key_id()));
  const std::int64_t now = to_unix_ms(store.clock.now());
  const std::string name(request.alias_name());
  MR_RETURN_IF_ERROR(store.records.change({std::string(kAliasKind), scope, name}, [&](const Json* old) -> Result<Json> {
    if (old != nullptr) {
      return Error(wire::kms::kAlreadyExistsException,
                   "An alias with the name " + arn_of(scope, name) + " already exists");
    }
    return Json::object({{"target", target.id}, {"created", now}, {"updated", now}});
  }));
  return store.reply();
}

Result<Json> no_alias(const Scope& scope, const std::string& name) {
  return Error(wire::kms::kNotFoundException, "Alias " + arn_of(scope, name) + " is not found.");
}

Result<Reply> update_alias(KeyStore& store, const RequestContext& context, const Document& input) {
  const wire::kms::UpdateAliasRequest request(input);
  MR_RETURN_IF_ERROR(check_alias(request.alias_name()));
  const Scope& scope = context.caller.scope;
  MR_ASSIGN_OR_RETURN(const Reference target, target_of(store, scope, request.target_key_id()));
  const std::string name(request.alias_name());
  MR_RETURN_IF_ERROR(store.records.change({std::string(kAliasKind), scope, name}, [&](const Json* old) -> Result<Json> {
    if (old == nullptr) return no_alias(scope, name);
    Json changed = *old;
    changed.set("target", target.id).set("updated", to_unix_ms(store.clock.now()));
    return changed;
  }));
  return store.reply();
}

Result<Reply> delete_alias(KeyStore& store, const RequestContext& context, const Document& input) {
  const wire::kms::DeleteAliasRequest request(input);
  MR_RETURN_IF_ERROR(check_alias(request.alias_name()));
  const Scope& scope = context.caller.scope;
  const std::string name(request.alias_name());
  MR_RETURN_IF_ERROR(store.records.change({std::string(kAliasKind), scope, name}, [&](const Json* old) -> Result<Json> {
    if (old == nullptr) return no_alias(scope, name);
    return Json();
  }));
  return store.reply();
}

Result<Reply> list_aliases(KeyStore& store, const RequestContext& context, const Document& input) {
  const wire::kms::ListAliasesRequest request(input);
  const Scope& scope = context.caller.scope;
  store.remove_due(scope);
  records::Listed all = store.records.list(kAliasKind, scope);
  if (request.key_id()) {
    MR_ASSIGN_OR_RETURN(const Reference key, store.resolve(scope, *request.key_id()));
    MR_RETURN_IF_ERROR(store.find(key));
    std::erase_if(all, [&](const auto& entry) { return entry.second.string_or("target", "") != key.id; });
  }
  const auto page = page_of(request, std::move(all));
  Document aliases = Document::array();
  for (const auto& [name, json] : page.items) {
    aliases.push(Document::object({{"AliasName", name},
                                   {"AliasArn", arn_of(scope, name)},
                                   {"TargetKeyId", json.string_or("target", "")},
                                   {"CreationDate", json.int_or("created", 0) / 1000},
                                   {"LastUpdatedDate", json.int_or("updated", 0) / 1000}}));
  }
  Document output = Document::object({{"Aliases", std::move(aliases)}});
  set_page(output, page);
  return store.reply(std::move(output));
}

}  // namespace

std::unique_ptr<wire::Service> make_kms_service(records::Records& records, platform::Clock& clock,
                                                platform::Random& random) {
  auto service = std::make_unique<wire::Service>(wire::kms::kModel);
  const auto store = std::make_shared<KeyStore>(KeyStore{records, clock, random});
  using Operation = Result<Reply> (*)(KeyStore&, const RequestContext&, const Document&);
  const auto serve = [&](std::string_view name, Operation operation) {
    service->on(name, [store, operation](const RequestContext& context, const Document& input) {
      return operation(*store, context, input);
    });
  };
  serve("CreateKey", create_key);
  serve("DescribeKey", describe_key);
  serve("ListKeys", list_keys);
  serve("EnableKey", enable_key);
  serve("DisableKey", disable_key);
  serve("UpdateKeyDescription", update_key_description);
  serve("EnableKeyRotation", enable_key_rotation);
  serve("DisableKeyRotation", disable_key_rotation);
  serve("GetKeyRotationStatus", get_key_rotation_status);
  serve("ScheduleKeyDeletion", schedule_key_deletion);
  serve("CancelKeyDeletion", cancel_key_deletion);
  serve("GetKeyPolicy", get_key_policy);
  serve("PutKeyPolicy", put_key_policy);
  serve("ListKeyPolicies", list_key_policies);
  serve("TagResource", tag_resource);
  serve("UntagResource", untag_resource);
  serve("ListResourceTags", list_resource_tags);
  serve("CreateAlias", create_alias);
  serve("UpdateAlias", update_alias);
  serve("DeleteAlias", delete_alias);
  serve("ListAliases", list_aliases);
  wire::hold_refusals(*service, [store] { return store->records.last_commit(); });
  return service;
}

}  // namespace millrace::api_kms
