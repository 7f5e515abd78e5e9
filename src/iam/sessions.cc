#include "iam/sessions.h"

#include <algorithm>

#include "codec/json.h"
#include "iam/errors.h"
#include "storage/scan.h"

namespace millrace::iam {
namespace {

using codec::Json;
using storage::Family;

constexpr std::string_view kSessionPrefix = "iam/sessions/";

std::string session_key(std::string_view access_key) { return std::string(kSessionPrefix) + std::string(access_key); }

struct RoleArn {
  std::string account;
  std::string name;
};

std::optional<RoleArn> parse_role_arn(std::string_view arn) {
  // arn:aws:iam::123456789012:role/path/name
  const auto resource = arn.find(":role/");
  if (!arn.starts_with("arn:") || resource == std::string_view::npos) return std::nullopt;
  const auto head = arn.substr(0, resource);
  const auto iam = head.find(":iam::");
  if (iam == std::string_view::npos) return std::nullopt;
  RoleArn parsed{std::string(head.substr(iam + 6)), std::string(arn.substr(arn.rfind('/') + 1))};
  const bool digits =
      parsed.account.size() == 12 && std::ranges::all_of(parsed.account, [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || parsed.name.empty()) return std::nullopt;
  return parsed;
}

std::string to_json(const Session& session) {
  Json json = Json::object();
  json.set("v", 1)
      .set("account", session.principal.account)
      .set("arn", session.principal.arn)
      .set("user", session.principal.user_id)
      .set("role", session.role_arn)
      .set("secret", session.secret_key)
      .set("token", session.session_token)
      .set("expires", to_unix_ms(session.expiration));
  return json.dump();
}

Session session_from_json(const Json& json) {
  Session session;
  session.principal.account = json.string_or("account", "");
  session.principal.arn = json.string_or("arn", "");
  session.principal.user_id = json.string_or("user", "");
  session.role_arn = json.string_or("role", "");
  session.secret_key = json.string_or("secret", "");
  session.session_token = json.string_or("token", "");
  session.expiration = from_unix_ms(json.int_or("expires", 0));
  return session;
}

}  // namespace

Sessions::Sessions(storage::Store& store, storage::Commits& commits, platform::Clock& clock, platform::Random& random,
                   const Roles& roles)
    : store_(store), commits_(commits, "iam"), clock_(clock), random_(random), roles_(roles) {
  commits_.set_restore([this] { return load(); });
}

Result<void> Sessions::load() {
  const std::scoped_lock lock(mutex_);
  for (const auto& [key, session] : sessions_) known_.erase(key);
  sessions_.clear();
  by_expiration_.clear();
  const auto read = [&](std::string_view record, std::string_view value) -> Result<void> {
    const auto json = codec::parse_json(value);
    if (!json.ok() || json->int_or("v", 0) != 1) return storage::damaged("session", record);
    std::string key(record.substr(kSessionPrefix.size()));
    Session session = session_from_json(*json);
    if (session.secret_key.empty() || session.session_token.empty()) return storage::damaged("session", record);
    by_expiration_.emplace(session.expiration, key);
    know(key, session);
    sessions_.emplace(std::move(key), std::move(session));
    return {};
  };
  MR_RETURN_IF_ERROR(storage::for_each(store_, Family::kCatalogue, kSessionPrefix, read));
  if (!commits_.may_write(storage::Commits::Purpose::kFrees)) return {};
  storage::WriteBatch batch;
  drop_expired(clock_.machine_now(), batch);
  if (!batch.empty()) commits_.submit(std::move(batch));
  return {};
}

void Sessions::drop_expired(Time now, storage::WriteBatch& batch) {
  while (!by_expiration_.empty() && by_expiration_.begin()->first <= now) {
    const auto node = by_expiration_.extract(by_expiration_.begin());
    batch.erase(Family::kCatalogue, session_key(node.value().second));
    known_.erase(node.value().second);
    sessions_.erase(node.value().second);
  }
}

void Sessions::know(std::string_view access_key, const Session& session) {
  known_.set(access_key, std::make_shared<const Known>(Known{session.principal, session.expiration}));
}

Result<Credentials> Sessions::issue(std::string_view role_arn, std::string_view session_name, Seconds duration) {
  const auto role = parse_role_arn(role_arn);
  if (!role) return Error(kValidation, std::string(role_arn) + " is invalid");
  const auto known = roles_.get(role->account, role->name);
  // A role that does not exist always shows the same id.
  const std::string role_id = known.ok() ? known->id : derived_id("AROA", role_arn);
  const Time now = clock_.machine_now();
  Session session;
  session.principal.account = role->account;
  session.principal.arn =
      "arn:aws:sts::" + role->account + ":assumed-role/" + role->name + "/" + std::string(session_name);
  session.principal.user_id = role_id + ":" + std::string(session_name);
  session.role_arn = role_arn;
  session.expiration = now + duration;
  return store(std::move(session), now);
}

Credentials Sessions::issue_for(Principal principal, Seconds duration) {
  const Time now = clock_.machine_now();
  Session session;
  session.principal = std::move(principal);
  session.expiration = now + duration;
  return store(std::move(session), now);
}

Credentials Sessions::store(Session session, Time now) {
  const std::scoped_lock lock(mutex_);
  Credentials credentials;
  credentials.access_key = new_id(random_, "ASIA", 16);
  session.secret_key = credentials.secret_key = new_secret(random_);
  session.session_token = credentials.session_token = random_text(random_, 24);
  credentials.expiration = session.expiration;
  storage::WriteBatch batch;
  drop_expired(now, batch);
  batch.put(Family::kCatalogue, session_key(credentials.access_key), to_json(session));
  commits_.submit(std::move(batch));
  by_expiration_.emplace(session.expiration, credentials.access_key);
  know(credentials.access_key, session);
  sessions_.emplace(credentials.access_key, std::move(session));
  return credentials;
}

std::optional<Session> Sessions::resolve(std::string_view access_key) const {
  const std::scoped_lock lock(mutex_);
  const Session* session = live(access_key);
  return session == nullptr ? std::nullopt : std::optional(*session);
}

const Session* Sessions::live(std::string_view access_key) const {
  const auto it = sessions_.find(access_key);
  return it == sessions_.end() || it->second.expiration <= clock_.machine_now() ? nullptr : &it->second;
}

std::optional<Principal> Sessions::principal_of(std::string_view access_key) const {
  const auto known = known_.find(access_key);
  if (known != nullptr && known->expiration > clock_.machine_now()) return known->principal;
  return identities_ == nullptr ? std::nullopt : identities_->principal_of_key(access_key);
}

Principal Sessions::principal_of(std::string_view account, std::string_view access_key) const {
  if (auto known = principal_of(access_key)) return *std::move(known);
  const std::string id(account);
  return {id, "arn:aws:iam::" + id + ":root", id};
}

std::optional<std::string> Sessions::account_of(std::string_view role_arn) {
  auto role = parse_role_arn(role_arn);
  if (!role) return std::nullopt;
  return std::move(role->account);
}

void Sessions::reset(std::string_view account) {
  const std::scoped_lock lock(mutex_);
  storage::WriteBatch batch;
  std::erase_if(sessions_, [&](const auto& entry) {
    if (entry.second.principal.account != account) return false;
    batch.erase(Family::kCatalogue, session_key(entry.first));
    by_expiration_.erase({entry.second.expiration, entry.first});
    known_.erase(entry.first);
    return true;
  });
  if (!batch.empty()) commits_.submit(std::move(batch));
}

}  // namespace millrace::iam
