// tables, streams, queues, objects.
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>

#include "cli/internal/commands.h"

namespace millrace::cli {
namespace {

using codec::Json;

constexpr std::size_t kBodyWidth = 100;  // of a message; --json prints it whole

void add_tables(CLI::App& app, Session& session) {
  CLI::App* tables = add_noun(app, "tables", "DynamoDB tables");
  add_command(*tables, session, "ls", "all tables", "  millrace tables ls\n",
              [](Api& api, Output& output) -> Result<int> {
                MR_ASSIGN_OR_RETURN(const Json found, api.get("tables"));
                output.table(found, "tables",
                             {{"TABLE", "name"},
                              {"STATUS", "status"},
                              {"ITEMS", "items", true},
                              {"BYTES", "bytes", true},
                              {"BILLING", "billing"},
                              {"STREAM", "stream"},
                              {"TTL", "ttl"},
                              {"INDEXES", "indexes"}},
                             "No tables.");
                return kDone;
              });
  auto name = std::make_shared<std::string>();
  CLI::App* show = add_command(*tables, session, "show", "one table: keys, indexes, stream, expiry, size",
                               "  millrace tables show posts\n", [name](Api& api, Output& output) -> Result<int> {
                                 MR_ASSIGN_OR_RETURN(const Json table, api.get("tables/" + encode(*name)));
                                 output.details(table);
                                 return kDone;
                               });
  show->add_option("table", *name)->required();
}

void print_record(const Json& record, Output& output) {
  if (output.json()) {
    std::cout << record.dump() << std::endl;
    return;
  }
  const Json* change = record.find("dynamodb");
  if (change == nullptr) return;
  std::string line =
      std::string(change->string_or("SequenceNumber", "")) + "  " + std::string(record.string_or("eventName", ""));
  if (const Json* keys = change->find("Keys"); keys != nullptr) line += "  " + keys->dump();
  if (record.find("userIdentity") != nullptr) line += "  (expired)";
  for (const auto name : {"OldImage", "NewImage"})
    if (const Json* image = change->find(name); image != nullptr)
      line += std::string("\n    ") + (name[0] == 'O' ? "- " : "+ ") + image->dump();
  std::cout << line << std::endl;
}

// Follows a stream: each answer holds what was committed since the last one, at once when there is something.
Result<int> tail(Api& api, Output& output, const std::string& table, bool from_start, bool follow) {
  std::string after = from_start ? "horizon" : "latest";
  while (true) {
    MR_ASSIGN_OR_RETURN(const Json page, api.get("streams/" + encode(table) + "/records?after=" + after +
                                                 (follow ? "&wait_ms=10000" : "")));
    const auto& records = page.find("records")->as_array();
    for (const auto& record : records) print_record(record, output);
    after = page.string_or("next", after);
    if (!follow && records.empty()) return kDone;
  }
}

// split, merge, roll.
void add_reshape(CLI::App& streams, Session& session, const std::string& action, const std::string& description,
                 const std::string& what_shard) {
  struct Asked {
    std::string table, shard;
  };
  auto asked = std::make_shared<Asked>();
  CLI::App* command =
      add_command(streams, session, action, description, "  millrace streams " + action + " posts\n",
                  [asked, action](Api& api, Output& output) -> Result<int> {
                    Json body = Json::object({{"action", action}});
                    body.set_if(!asked->shard.empty(), "shard", asked->shard);
                    MR_ASSIGN_OR_RETURN(const Json stream, api.post("streams/" + encode(asked->table), body));
                    output.table(stream, "shards",
                                 {{"SHARD", "shard"}, {"STATE", "state"}, {"PARENT", "parent"}, {"OPENED", "opened"}},
                                 "No shards.");
                    return kDone;
                  });
  command->add_option("table", asked->table)->required();
  command->add_option("--shard", asked->shard, what_shard);
}

void add_retention(CLI::App& streams, Session& session) {
  struct Asked {
    std::string table, retention;
  };
  auto asked = std::make_shared<Asked>();
  CLI::App* command =
      add_command(streams, session, "retention", "how long the records of a table's newest stream can be read",
                  "  millrace streams retention posts 7d\n  millrace streams retention posts default\n",
                  [asked](Api& api, Output& output) -> Result<int> {
                    MR_ASSIGN_OR_RETURN(const Json stream, api.post("streams/" + encode(asked->table) + "/retention",
                                                                    Json::object({{"retention", asked->retention}})));
                    output.details(stream);
                    return kDone;
                  });
  command->add_option("table", asked->table)->required();
  command
      ->add_option("retention", asked->retention,
                   "1h to 365d, or default: as long as the server's; the longest of any stream keeps "
                   "the records of all on disk")
      ->required();
}

void add_chaos(CLI::App& streams, Session& session) {
  struct Asked {
    std::string table, delayed_children = "0s";
    double duplicates = 0, throttles = 0, expired = 0;
  };
  auto asked = std::make_shared<Asked>();
  CLI::App* command = add_command(
      streams, session, "chaos",
      "trouble for readers of a table's newest stream, never for mappings; no option: off, as after a restart",
      "  millrace streams chaos posts --duplicates 0.2 --throttles 0.1\n"
      "  millrace streams chaos posts --delayed-children 30s --expired-iterators 0.05\n"
      "  millrace streams chaos posts\n",
      [asked](Api& api, Output& output) -> Result<int> {
        MR_ASSIGN_OR_RETURN(const Json chaos, api.post("streams/" + encode(asked->table) + "/chaos",
                                                       Json::object({{"duplicates", asked->duplicates},
                                                                     {"throttles", asked->throttles},
                                                                     {"expired_iterators", asked->expired},
                                                                     {"delayed_children", asked->delayed_children}})));
        output.details(chaos);
        return kDone;
      });
  command->add_option("table", asked->table)->required();
  command->add_option("--duplicates", asked->duplicates,
                      "chance, 0 to 0.9, that the second half of a GetRecords' records comes again with the next one");
  command->add_option("--throttles", asked->throttles,
                      "chance, 0 to 1, that a GetRecords is refused with LimitExceededException");
  command->add_option("--expired-iterators", asked->expired,
                      "chance, 0 to 1, that a GetRecords is refused with ExpiredIteratorException");
  command->add_option("--delayed-children", asked->delayed_children,
                      "how long after it was opened a child shard is not shown (clock, such as 30s)");
}

void add_streams(CLI::App& app, Session& session) {
  CLI::App* streams = add_noun(app, "streams", "change streams of tables");
  add_command(*streams, session, "ls", "all streams, disabled ones too while they can be read",
              "  millrace streams ls\n", [](Api& api, Output& output) -> Result<int> {
                MR_ASSIGN_OR_RETURN(const Json found, api.get("streams"));
                output.table(found, "streams",
                             {{"TABLE", "table"},
                              {"LABEL", "label"},
                              {"STATUS", "status"},
                              {"VIEW", "view_type"},
                              {"SHARDS", "shards", true}},
                             "No streams.");
                return kDone;
              });
  auto table = std::make_shared<std::string>();
  CLI::App* show = add_command(*streams, session, "show", "streams of one table with their shards",
                               "  millrace streams show posts\n", [table](Api& api, Output& output) -> Result<int> {
                                 MR_ASSIGN_OR_RETURN(const Json stream, api.get("streams/" + encode(*table)));
                                 output.details(stream);
                                 return kDone;
                               });
  show->add_option("table", *table)->required();
  add_reshape(*streams, session, "split", "close a shard and open two children, each for half of its keys",
              "the shard's id (default: the one with the widest range of keys)");
  add_reshape(*streams, session, "merge", "close two neighbouring shards and open one child for both",
              "one of the two (default: those with the narrowest ranges)");
  add_reshape(*streams, session, "roll",
              "close every open shard and open a child of the same keys, as after four hours", "only this shard");
  add_retention(*streams, session);
  add_chaos(*streams, session);
  auto from_start = std::make_shared<bool>(false);
  auto once = std::make_shared<bool>(false);
  CLI::App* tailing =
      add_command(*streams, session, "tail", "print records as they commit, until Ctrl-C",
                  "  millrace streams tail posts\n  millrace streams tail posts --from-start --json | jq .eventName\n",
                  [table, from_start, once](Api& api, Output& output) {
                    return tail(api, output, *table, *from_start || *once, !*once);
                  });
  tailing->add_option("table", *table)->required();
  tailing->add_flag("--from-start", *from_start, "begin with the oldest record");
  tailing->add_flag("--once", *once, "print what is there from the oldest record on, then stop");
}

void add_queues(CLI::App& app, Session& session) {
  CLI::App* queues = add_noun(app, "queues", "SQS queues");
  add_command(*queues, session, "ls", "all queues", "  millrace queues ls\n",
              [](Api& api, Output& output) -> Result<int> {
                MR_ASSIGN_OR_RETURN(const Json found, api.get("queues"));
                output.table(found, "queues",
                             {{"QUEUE", "name"},
                              {"READY", "ready", true},
                              {"DELAYED", "delayed", true},
                              {"IN FLIGHT", "in_flight", true},
                              {"OLDEST", "oldest_age_ms", true, Form::kDuration}},
                             "No queues.");
                return kDone;
              });
  auto name = std::make_shared<std::string>();
  auto count = std::make_shared<int>(10);
  CLI::App* peek = add_command(
      *queues, session, "peek", "the first messages, without receiving them", "  millrace queues peek work -n 3\n",
      [name, count](Api& api, Output& output) -> Result<int> {
        MR_ASSIGN_OR_RETURN(const Json found, api.get("queues/" + encode(*name) + "?n=" + std::to_string(*count)));
        output.table(found, "messages",
                     {{"MESSAGE", "id"},
                      {"STATE", "state"},
                      {"SENT", "sent"},
                      {"RECEIVED", "receive_count", true},
                      {"BODY", "body", false, Form::kText, kBodyWidth}},
                     "No messages.");
        return kDone;
      });
  peek->add_option("queue", *name)->required();
  peek->add_option("-n,--count", *count, "how many")->capture_default_str()->check(CLI::Range(1, 1000));
}

// All pages.
Result<Json> all_objects(Api& api, const std::string& bucket, const std::string& prefix) {
  Json all = Json::array();
  for (std::string after;;) {
    MR_ASSIGN_OR_RETURN(const Json page,
                        api.get("objects/" + encode(bucket) + "?prefix=" + encode(prefix) + "&after=" + encode(after)));
    for (const auto& object : page.find("objects")->as_array()) all.push(object);
    after = page.string_or("next", "");
    if (after.empty()) return Json::object({{"objects", std::move(all)}});
  }
}

void add_objects(CLI::App& app, Session& session) {
  CLI::App* objects = add_noun(app, "objects", "S3 buckets and objects");
  auto bucket = std::make_shared<std::string>();
  auto prefix = std::make_shared<std::string>();
  CLI::App* ls =
      add_command(*objects, session, "ls", "buckets, or the objects of one",
                  "  millrace objects ls\n  millrace objects ls staging --prefix uploads/\n",
                  [bucket, prefix](Api& api, Output& output) -> Result<int> {
                    if (bucket->empty()) {
                      MR_ASSIGN_OR_RETURN(const Json found, api.get("objects"));
                      output.table(found, "buckets", {{"BUCKET", "name"}, {"REGION", "region"}, {"CREATED", "created"}},
                                   "No buckets.");
                      return kDone;
                    }
                    MR_ASSIGN_OR_RETURN(const Json found, all_objects(api, *bucket, *prefix));
                    output.table(found, "objects",
                                 {{"KEY", "key"},
                                  {"BYTES", "bytes", true},
                                  {"CLASS", "class"},
                                  {"MODIFIED", "modified"},
                                  {"EXPIRES", "expires"}},
                                 "No objects.");
                    return kDone;
                  });
  ls->add_option("bucket", *bucket);
  ls->add_option("--prefix", *prefix, "only keys that start so");
}

}  // namespace

void add_data_commands(CLI::App& app, Session& session) {
  add_tables(app, session);
  add_streams(app, session);
  add_queues(app, session);
  add_objects(app, session);
}

}  // namespace millrace::cli
