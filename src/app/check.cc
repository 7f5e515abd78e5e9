#include "app/check.h"

#include <string>
#include <vector>

#include "app/internal/check_catalogues.h"
#include "functions/check.h"
#include "s3/check.h"
#include "sqs/check.h"
#include "storage/rocks/data_directory.h"
#include "tables/check.h"
#include "triggers/check.h"

namespace millrace::app {

namespace {

using codec::Json;

struct Problems {
  Json shown = Json::array();
  std::uint64_t count = 0;
  void add(const std::string& problem) {
    if (count++ < kProblemsShown) shown.push(problem);
  }
};

struct Counts {
  tables::CheckCounts tables;
  s3::ObjectCheckCounts objects;
  sqs::QueueCheckCounts queues;
  functions::FunctionCheckCounts functions;
  triggers::MappingCheckCounts mappings;
};

Json counts_of(const Counts& counts) {
  const auto number = [](std::uint64_t count) { return static_cast<std::int64_t>(count); };
  const auto& [tables, objects, queues, functions, mappings] = counts;
  return Json::object({{"tables", number(tables.tables)},
                       {"items", number(tables.items)},
                       {"index_entries", number(tables.index_entries)},
                       {"expiry_entries", number(tables.expiry_entries)},
                       {"stream_records", number(tables.records)},
                       {"objects", number(objects.objects)},
                       {"object_files", number(objects.files)},
                       {"object_bytes", number(objects.bytes)},
                       {"queues", number(queues.queues)},
                       {"messages", number(queues.messages)},
                       {"leftovers_of_deleted_queues", number(queues.leftovers)},
                       {"functions", number(functions.functions)},
                       {"versions", number(functions.versions)},
                       {"layers", number(functions.layers)},
                       {"code_archives", number(functions.archives)},
                       {"asynchronous_events", number(functions.events)},
                       {"mappings", number(mappings.mappings)},
                       {"positions", number(mappings.positions)}});
}

Result<Json> check_store(const storage::RocksStore& store, const std::filesystem::path& path, Problems& problems,
                         const Progress& progress) {
  for (const std::string& damage :
       store.find_damage([&](std::uint64_t done, std::uint64_t all) { progress("reading table files", done, all); })) {
    problems.add(damage);
  }
  const auto problem = [&](const std::string& text) { problems.add(text); };
  const auto entries = [&](std::uint64_t count) {
    if (count % 4096 == 0) progress("comparing entries", count, 0);
  };
  Counts counts;
  const auto take = [&](const char* what, auto checked, auto& into) {
    if (checked.ok()) into = *checked;
    if (!checked.ok()) {
      problems.add("The " + std::string(what) + " cannot be checked to the end: " + checked.error().message());
    }
  };
  take("tables", tables::check_tables(store, problem, entries), counts.tables);
  progress("looking at queues, functions, mappings and what else is set up", 0, 0);
  check_catalogues(store, problem);
  take("queues", sqs::check_queues(store, problem), counts.queues);
  take("functions", functions::check_functions(store, path / "functions", problem), counts.functions);
  take("mappings", triggers::check_mappings(store, problem), counts.mappings);
  if (const auto folder = path / "objects"; std::filesystem::exists(folder)) {
    const auto blobs = s3::view_file_blob_store(folder.string());
    const auto bytes = [&](std::uint64_t count) { progress("reading objects", count, 0); };
    take("objects", s3::check_objects(store, *blobs, problem, bytes), counts.objects);
  }
  return counts_of(counts);
}

}  // namespace

Result<Json> check_directory(const std::filesystem::path& path, const Progress& progress) {
  MR_ASSIGN_OR_RETURN(const auto directory, storage::DataDirectory::look(path.string()));
  Problems problems;
  if (std::filesystem::exists(path / "backup.json")) {
    MR_ASSIGN_OR_RETURN(const std::vector<std::string> wrong, verify_backup(path, progress));
    for (const std::string& text : wrong) problems.add(text);
  }
  storage::RocksOptions options;
  options.path = directory->database_path();
  options.head_file = directory->head_path();
  options.read_only = true;
  Json checked = Json::object();
  auto store = storage::RocksStore::open(options);
  if (!store.ok()) {
    problems.add(store.error().message());
    options.head_file.clear();  // what is left may still be in order
    store = storage::RocksStore::open(options);
  }
  if (store.ok()) {
    MR_ASSIGN_OR_RETURN(checked, check_store(**store, path, problems, progress));
  }
  return Json::object({{"path", path.string()},
                       {"ok", problems.count == 0},
                       {"format", directory->format()},
                       {"problem_count", static_cast<std::int64_t>(problems.count)},
                       {"problems", std::move(problems.shown)},
                       {"checked", std::move(checked)}});
}

}  // namespace millrace::app
