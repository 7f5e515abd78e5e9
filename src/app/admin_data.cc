// tables, streams, queues, objects.
#include <algorithm>
#include <optional>

#include "app/internal/admin_endpoints.h"
#include "app/internal/long_poll.h"
#include "model/change_record.h"
#include "platform/control_loop.h"
#include "s3/object_store.h"
#include "sqs/service.h"
#include "storage/group_committer.h"
#include "streams/reshape.h"
#include "streams/streams.h"
#include "tables/tables.h"

namespace millrace::app {
namespace {

using codec::Json;

constexpr std::size_t kTailRecords = 1000;
constexpr std::int64_t kObjectsPerPage = 1000;

std::string shard_state(const streams::Shard& shard) { return shard.is_open() ? "open" : "closed"; }

Json chaos_json(const streams::Chaos& chaos) {
  return Json::object({{"duplicates", chaos.duplicates},
                       {"throttles", chaos.throttles},
                       {"expired_iterators", chaos.expired},
                       {"delayed_children", format_duration(chaos.delayed_children)}});
}

Json stream_json(const streams::Streams& streams, const streams::Stream& stream) {
  Json json = Json::object({{"table", stream.table_name},
                            {"label", stream.label},
                            {"status", stream.is_enabled() ? "ENABLED" : "DISABLED"}});
  json.set("view_type", model::view_type_name(stream.view)).set("shards", stream.shards.size()).set("arn", stream.arn);
  json.set("retention", format_duration(streams.retention_of(stream)));
  if (stream.chaos.is_on()) json.set("chaos", chaos_json(stream.chaos));
  return json.set("created", format_iso_ms(stream.created));
}

Json shards_json(const streams::Stream& stream) {
  Json shards = Json::array();
  for (const auto& shard : stream.shards) {
    Json json = Json::object({{"shard", shard.id},
                              {"state", shard_state(shard)},
                              {"parent", shard.parent_id.empty() ? "-" : shard.parent_id}});
    json.set_if(!shard.second_parent_id.empty(), "second_parent", shard.second_parent_id);
    json.set("starts_at", model::sequence_number(shard.start))
        .set_if(shard.end.has_value(), "ends_at", model::sequence_number(shard.end.value_or(0)));
    shards.push(json.set("opened", format_iso_ms(shard.created)));
  }
  return shards;
}

// Where a reader that follows all shards of a stream stands: every shard has been read up to here.
streams::Stamp parse_position(const std::string& text, const streams::Streams& streams) {
  if (text == "horizon") return 0;
  if (text == "latest" || text.empty()) return streams.head();
  return model::parse_sequence_number(text).value_or(0);
}

// Records of all shards after `after`, in commit order; nothing beyond what all shards have been read to.
Result<Json> read_stream(streams::Streams& streams, const std::string& arn, streams::Stamp after) {
  const auto stream = streams.find(arn);
  if (!stream) return Error(kNoSuchEndpoint, "the stream is gone");
  streams::Stamp complete = streams.head();
  std::vector<streams::LogRecord> records;
  for (const auto& shard : stream->shards) {
    MR_ASSIGN_OR_RETURN(streams::Page page, streams.read(shard.number, after, {kTailRecords, std::size_t{1} << 20}));
    if (page.more && !page.records.empty()) complete = std::min(complete, page.records.back().stamp);
    std::move(page.records.begin(), page.records.end(), std::back_inserter(records));
  }
  std::sort(records.begin(), records.end(), [](const auto& a, const auto& b) { return a.stamp < b.stamp; });
  Json out = Json::array();
  for (const auto& record : records) {
    if (record.stamp > complete) break;
    const auto change = model::decode_change(record.value);
    std::string text;
    if (!change ||
        !model::append_streams_json(text, *change,
                                    {record.stamp, record.committed, stream->scope.region, stream->arn, stream->view}))
      return Error(kInternalError, "record " + model::sequence_number(record.stamp) + " is damaged");
    MR_ASSIGN_OR_RETURN(Json json, codec::parse_json(text));
    out.push(std::move(json));
  }
  return Json::object({{"records", out}, {"next", model::sequence_number(std::max(after, complete))}});
}

}  // namespace

namespace {

constexpr std::size_t kListedMax = 10'000;

Json key_json(const model::KeySchema& keys) {
  std::string text = keys.partition.name;
  if (keys.sort) text += ", " + keys.sort->name;
  return text;
}

Json table_json(const tables::Description& table) {
  const auto& info = *table.info;
  Json json = Json::object({{"name", info.name},
                            {"status", tables::status_name(table.status)},
                            {"items", table.counts.items},
                            {"bytes", table.counts.bytes}});
  json.set("billing", info.billing == tables::BillingMode::kProvisioned ? "provisioned" : "on demand");
  json.set("stream", info.stream && info.stream->enabled ? Json(model::view_type_name(info.stream->view)) : Json("-"));
  json.set("ttl", info.ttl.enabled ? info.ttl.attribute : "-").set("indexes", info.indexes.size());
  return json.set("key", key_json(info.keys)).set("created", format_iso_ms(info.created)).set("arn", info.arn);
}

Json table_details(const tables::Description& table) {
  Json json = table_json(table);
  json.erase("indexes");
  if (table.info->stream) json.set("stream_arn", table.info->stream->arn);
  Json indexes = Json::array();
  for (std::size_t i = 0; i < table.info->indexes.size(); ++i) {
    const auto& index = table.info->indexes[i];
    indexes.push(Json::object({{"index", index.name},
                               {"kind", index.kind == tables::Index::Kind::kGlobal ? "global" : "local"},
                               {"key", key_json(index.keys)},
                               {"items", table.index_counts[i].items},
                               {"bytes", table.index_counts[i].bytes}}));
  }
  return json.set("indexes", indexes);
}

}  // namespace

// On the pool: counters may have to be read from the disk.
void admin_tables(Parts& parts, const AdminRequest& request, AdminReply reply) {
  if (request.path.size() == 1) {
    const auto work = [&parts, scope = request.scope, reply] {
      Json list = Json::array();
      for (const auto& name : parts.tables->list(scope, "", kListedMax).names) {
        const auto table = parts.tables->describe(scope, name);
        if (table.ok()) list.push(table_json(*table));
      }
      reply(Json::object({{"tables", list}}));
    };
    return parts.loop->offload(work, [] {});
  }
  const auto work = [&parts, scope = request.scope, name = request.path[1], reply] {
    const auto table = parts.tables->describe(scope, name);
    if (!table.ok()) return reply(Error(kNoSuchEndpoint, "there is no table " + name));
    reply(table_details(*table));
  };
  parts.loop->offload(work, [] {});
}

namespace {

// POST streams/TABLE {"action": "split" | "merge" | "roll", "shard"?}. Answers with the stream once that is durable.
void reshape_stream(Parts& parts, const AdminRequest& request, AdminReply reply) {
  const std::string table = request.path[1];
  const auto action = request.body.string_or("action", "");
  const auto shard = std::string(request.body.string_or("shard", ""));
  streams::Reshape::Kind kind;
  if (action == "roll") {
    kind = streams::Reshape::Kind::kRoll;
  } else if (action == "split") {
    kind = streams::Reshape::Kind::kSplit;
  } else if (action == "merge") {
    kind = streams::Reshape::Kind::kMerge;
  } else {
    return reply(Error(kBadRequest, "action must be split, merge or roll"));
  }
  streams::StreamId changed;
  const auto commit = parts.tables->reshape(request.scope, table, [&](const streams::Stream& stream) {
    changed = stream.id;
    return streams::choose_reshape(stream, kind, shard);
  });
  if (!commit.ok()) {
    if (commit.error().is(streams::kResourceNotFound))
      return reply(Error(kNoSuchEndpoint, "there is no table " + table + " with an enabled stream"));
    return reply(Error(kBadRequest, commit.error().message()));
  }
  parts.committer->when_durable(*commit, [&parts, changed, reply](const Error* failed) {
    if (failed != nullptr) return reply(*failed);
    const auto stream = parts.streams->find(changed);
    if (!stream) return reply(Error(kNoSuchEndpoint, "the stream is gone"));
    reply(stream_json(*parts.streams, *stream).set("shards", shards_json(*stream)));
  });
}

// The newest stream of a table, enabled or not.
std::optional<streams::Stream> latest_stream(Parts& parts, const AdminRequest& request) {
  const auto found = parts.streams->list(request.scope, request.path[1]);
  if (found.empty()) return std::nullopt;
  return *std::max_element(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
}

// POST streams/TABLE/retention {"retention": "72h" | "default"}.
void retain_stream(Parts& parts, const AdminRequest& request, AdminReply reply) {
  const auto stream = latest_stream(parts, request);
  if (!stream) return reply(Error(kNoSuchEndpoint, "table " + request.path[1] + " has no stream"));
  const auto text = request.body.string_or("retention", "");
  const auto wanted = text == "default" ? std::nullopt : parse_duration(text);
  if (!wanted && text != "default")
    return reply(Error(kBadRequest, "retention must be a duration such as 72h or 7d, or default"));
  storage::WriteBatch batch;
  if (const auto set = parts.streams->set_retention(stream->id, wanted, batch); !set.ok())
    return reply(Error(kBadRequest, set.error().message()));
  parts.committer->submit(std::move(batch), [&parts, id = stream->id, reply](const storage::Committed& committed) {
    if (committed.error != nullptr) return reply(*committed.error);
    const auto now = parts.streams->find(id);
    reply(now ? stream_json(*parts.streams, *now) : Json::object());
  });
}

// POST streams/TABLE/chaos {"duplicates"?, "throttles"?, "expired_iterators"?, "delayed_children"?}: what is not named
// is off.
void disturb_stream(Parts& parts, const AdminRequest& request, AdminReply reply) {
  const auto stream = latest_stream(parts, request);
  if (!stream) return reply(Error(kNoSuchEndpoint, "table " + request.path[1] + " has no stream"));
  streams::Chaos chaos;
  for (const auto& [name, value] : request.body.as_object()) {
    if (name == "delayed_children" && value.is_string()) {
      const auto delay = parse_duration(value.as_string());
      if (!delay) return reply(Error(kBadRequest, "delayed_children must be a duration such as 30s"));
      chaos.delayed_children = *delay;
      continue;
    }
    double* chance = name == "duplicates"          ? &chaos.duplicates
                     : name == "throttles"         ? &chaos.throttles
                     : name == "expired_iterators" ? &chaos.expired
                                                   : nullptr;
    if (chance == nullptr || !value.is_number())
      return reply(Error(kBadRequest,
                         "say duplicates, throttles or expired_iterators with a number, or delayed_children with a "
                         "duration such as 30s"));
    *chance = value.as_double();
  }
  if (const auto set = parts.streams->set_chaos(stream->id, chaos); !set.ok())
    return reply(Error(kBadRequest, set.error().message()));
  reply(chaos_json(chaos));
}

}  // namespace

void admin_streams(Parts& parts, const AdminRequest& request, AdminReply reply) {
  if (request.method == "POST") {
    const std::string what = request.path.size() == 3 ? request.path[2] : "";
    if (what == "retention") return retain_stream(parts, request, std::move(reply));
    if (what == "chaos") return disturb_stream(parts, request, std::move(reply));
    if (request.path.size() == 2) return reshape_stream(parts, request, std::move(reply));
    return reply(Error(kNoSuchEndpoint, "POST streams/TABLE, streams/TABLE/retention or streams/TABLE/chaos"));
  }
  const auto found = parts.streams->list(request.scope, request.path.size() > 1 ? request.path[1] : std::string());
  Json list = Json::array();
  if (request.path.size() == 1) {
    for (const auto& stream : found) list.push(stream_json(*parts.streams, stream));
    return reply(Json::object({{"streams", list}}));
  }
  if (found.empty()) return reply(Error(kNoSuchEndpoint, "table " + request.path[1] + " has no stream"));
  if (request.path.size() > 2 && request.path[2] == "records") {
    const auto& latest =
        *std::max_element(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    LongPoll::Source source;
    source.subscribe = [streams = parts.streams, id = latest.id](std::function<void()> grew) {
      return std::make_shared<streams::Subscription>(
          streams->subscribe(id, [grew = std::move(grew)](const streams::Wake&) { grew(); }));
    };
    source.read = [streams = parts.streams, arn = latest.arn,
                   after = parse_position(request.query("after"), *parts.streams)] {
      return read_stream(*streams, arn, after);
    };
    source.list = "records";
    return LongPoll::start(*parts.loop, std::move(source), Milliseconds(request.number("wait_ms", 0)),
                           std::move(reply));
  }
  for (const auto& stream : found) list.push(stream_json(*parts.streams, stream).set("shards", shards_json(stream)));
  reply(Json::object({{"streams", list}}));
}

void admin_queues(Parts& parts, const AdminRequest& request, AdminReply reply) {
  const auto counts = [&](const sqs::QueueName& name, Json json) {
    const auto attributes = parts.queues->get_attributes(name, {"All"});
    if (!attributes.ok()) return json;
    const auto value = [&](std::string_view key) {
      const auto found = attributes->find(key);
      return found == attributes->end() ? std::int64_t{0}
                                        : std::int64_t{std::strtoll(found->second.c_str(), nullptr, 10)};
    };
    const auto first = parts.queues->peek(name, 1);
    if (first.ok() && !first->empty())
      json.set("oldest_age_ms", (parts.loop->now() - first->front().message.sent).count());
    json.set("ready", value("ApproximateNumberOfMessages")).set("delayed", value("ApproximateNumberOfMessagesDelayed"));
    return json.set("in_flight", value("ApproximateNumberOfMessagesNotVisible"));
  };
  if (request.path.size() == 1) {
    Json queues = Json::array();
    for (const auto& name : parts.queues->all_queues())
      if (name.scope == request.scope) queues.push(counts(name, Json::object({{"name", name.name}})));
    return reply(Json::object({{"queues", queues}}));
  }
  const sqs::QueueName name{request.scope, request.path[1]};
  const auto messages =
      parts.queues->peek(name, static_cast<std::size_t>(std::clamp<std::int64_t>(request.number("n", 10), 1, 1000)));
  if (!messages.ok()) return reply(Error(kNoSuchEndpoint, "there is no queue " + request.path[1]));
  Json list = Json::array();
  for (const auto& peeked : *messages)
    list.push(Json::object({{"id", peeked.message.id},
                            {"state", peeked.state},
                            {"sent", format_iso_ms(peeked.message.sent)},
                            {"receive_count", peeked.receive_count},
                            {"body", peeked.message.body}}));
  reply(counts(name, Json::object({{"name", name.name}, {"messages", list}})));
}

void admin_objects(Parts& parts, const AdminRequest& request, AdminReply reply) {
  Json list = Json::array();
  if (request.path.size() == 1) {
    for (const auto& bucket : parts.objects->buckets(request.scope.account))
      list.push(Json::object(
          {{"name", bucket->name}, {"region", bucket->region}, {"created", format_iso_s(bucket->created)}}));
    return reply(Json::object({{"buckets", list}}));
  }
  s3::ListRequest query;
  query.prefix = request.query("prefix");
  query.after = request.query("after");
  const auto count = request.number("n", kObjectsPerPage);
  if (count < 1 || count > kObjectsPerPage) return reply(Error(kBadRequest, "n must be a number from 1 to 1000"));
  query.max_keys = static_cast<std::size_t>(count);
  const auto page = parts.objects->list_objects(request.scope.account, request.path[1], query);
  if (!page.ok()) return reply(Error(kNoSuchEndpoint, page.error().message()));
  for (const auto& object : page->objects) {
    const auto& expiration = object.expiration;
    const auto from = expiration.find('"'), to = expiration.find('"', from + 1);
    list.push(Json::object({{"key", object.key},
                            {"bytes", object.bytes},
                            {"class", object.attributes.storage_class},
                            {"modified", format_iso_s(object.modified)},
                            {"expires", to == std::string::npos ? "-" : expiration.substr(from + 1, to - from - 1)}}));
  }
  reply(Json::object({{"objects", list}}).set_if(page->truncated, "next", page->last));
}

}  // namespace millrace::app
