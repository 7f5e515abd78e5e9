// traces: X-Ray as a person reads it.
#include <algorithm>
#include <cmath>
#include <memory>

#include <CLI/CLI.hpp>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/time.h"
#include "cli/internal/commands.h"
#include "cli/internal/waterfall.h"

namespace millrace::cli {
namespace {

using codec::Json;

constexpr std::size_t kColumns = 120;  // where there is no terminal

struct WantedTraces {
  std::string since = "1h";
  std::string filter;
  std::size_t limit = 50;
};

std::size_t terminal_columns() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) == 1 && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return size.ws_col;
  return kColumns;
}

double number(const Json& json, std::string_view name) {
  const Json* value = json.find(name);
  return value != nullptr && value->is_number() ? value->as_double() : 0;
}

std::string state_of(const Json& summary) {
  if (summary.bool_or("HasFault", false)) return "FAULT";
  if (summary.bool_or("HasThrottle", false)) return "THROTTLED";
  if (summary.bool_or("HasError", false)) return "ERROR";
  return summary.bool_or("IsPartial", false) ? "partial" : "ok";
}

std::string services_of(const Json& summary) {
  std::string out;
  std::vector<std::string> names;
  for (const auto& each : elements(summary, "ServiceIds")) {
    std::string name(each.string_or("Name", ""));
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    out += (out.empty() ? "" : " ") + name;
    names.push_back(std::move(name));
  }
  return out;
}

Result<Json> summaries(Api& api, const WantedTraces& wanted) {
  const auto since = parse_duration(wanted.since);
  if (!since) return Error(kInvalidArgument, "--since is no duration: " + wanted.since);
  MR_ASSIGN_OR_RETURN(const Json clock, api.get("clock"));
  const double now = static_cast<double>(clock.int_or("now_ms", 0)) / 1000;
  Json body = Json::object({{"StartTime", now - static_cast<double>(since->count()) / 1000},
                            {"EndTime", now + 60},
                            {"TimeRangeType", "Event"}});
  body.set_if(!wanted.filter.empty(), "FilterExpression", wanted.filter);
  Json all = Json::array();
  while (all.as_array().size() < wanted.limit) {
    MR_ASSIGN_OR_RETURN(const Json page, api.rest("xray", "/TraceSummaries", body));
    for (const auto& each : elements(page, "TraceSummaries"))
      if (all.as_array().size() < wanted.limit) all.push(each);
    const std::string token(page.string_or("NextToken", ""));
    if (token.empty()) break;
    body.set("NextToken", token);
  }
  // As they come, the order is right to the second.
  std::ranges::stable_sort(all.as_array(), std::greater<>(),
                           [](const Json& each) { return number(each, "StartTime"); });
  return Json::object({{"TraceSummaries", std::move(all)}});
}

Result<int> list_traces(Api& api, Output& output, const WantedTraces& wanted) {
  MR_ASSIGN_OR_RETURN(const Json found, summaries(api, wanted));
  if (output.json()) {
    output.document(found);
    return 0;
  }
  Json rows = Json::array();
  for (const auto& each : elements(found, "TraceSummaries")) {
    rows.push(Json::object({{"id", each.string_or("Id", "")},
                            {"time", format_iso_ms(from_unix_ms(std::llround(number(each, "StartTime") * 1000)))},
                            {"duration", span_text(number(each, "Duration"))},
                            {"state", state_of(each)},
                            {"services", services_of(each)}}));
  }
  output.table(Json::object({{"traces", std::move(rows)}}), "traces",
               {{"TRACE", "id"},
                {"BEGAN", "time"},
                {"DURATION", "duration", true},
                {"STATE", "state", false, Form::kState},
                {"SERVICES", "services", false, Form::kText, 60}},
               "No traces. Functions are traced when their TracingConfig is Active.");
  return 0;
}

Result<int> show_trace(Api& api, Output& output, const std::string& id) {
  MR_ASSIGN_OR_RETURN(const Json found, api.rest("xray", "/Traces", Json::object({{"TraceIds", Json::array({id})}})));
  const auto& traces = elements(found, "Traces");
  if (traces.empty()) return Error(kNotFound, "there is no trace " + id);
  const Json& trace = traces.front();
  std::vector<Json> segments;
  for (const auto& each : elements(trace, "Segments")) {
    MR_ASSIGN_OR_RETURN(Json segment, codec::parse_json(each.string_or("Document", "")));
    segments.push_back(std::move(segment));
  }
  if (output.json()) {
    Json list = Json::array();
    for (auto& each : segments) list.push(std::move(each));
    output.document(Json::object({{"Id", id}, {"Duration", number(trace, "Duration")}, {"Segments", std::move(list)}}));
    return 0;
  }
  output.line(id + "  " + span_text(number(trace, "Duration")));
  for (const auto& line : waterfall(segments, terminal_columns()))
    output.line(line.failed ? output.warning(line.text) : line.text);
  if (trace.bool_or("LimitExceeded", false)) output.line("The trace has more segments than are kept.");
  return 0;
}

}  // namespace

void add_trace_commands(CLI::App& app, Session& session) {
  CLI::App* traces = add_noun(app, "traces", "X-Ray traces");
  auto wanted = std::make_shared<WantedTraces>();
  CLI::App* ls = add_command(*traces, session, "ls", "traces, newest first",
                             "  millrace traces ls --since 10m\n"
                             "  millrace traces ls --filter 'service(\"indexer\") { fault }'\n",
                             [wanted](Api& api, Output& output) { return list_traces(api, output, *wanted); });
  ls->add_option("--since", wanted->since, "how far back: 10m, 3d");
  ls->add_option("--filter", wanted->filter, "a filter expression of X-Ray");
  ls->add_option("--limit", wanted->limit, "how many at most")->check(CLI::Range(1, 100'000));
  auto id = std::make_shared<std::string>();
  CLI::App* show = add_command(*traces, session, "show", "where the time of one trace went",
                               "  millrace traces show 1-67891233-abcdef012345678912345678\n",
                               [id](Api& api, Output& output) { return show_trace(api, output, *id); });
  show->add_option("trace", *id)->required();
}

}  // namespace millrace::cli
