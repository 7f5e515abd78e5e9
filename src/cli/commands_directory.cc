// backup, restore, check: data directories as a whole.
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "cli/internal/commands.h"
#include "platform/machine_clock.h"

namespace millrace::cli {
namespace {

using codec::Json;

constexpr auto kShowInterval = std::chrono::milliseconds(100);

// One line on standard error: rewritten on a terminal, else one per kind of work. Nothing in JSON mode.
class ProgressLine {
 public:
  explicit ProgressLine(bool json) : shown_(!json), terminal_(isatty(STDERR_FILENO) != 0) {}
  ~ProgressLine() {
    if (shown_ && terminal_ && !what_.empty()) std::cerr << '\n';
  }
  void show(std::string_view what, std::uint64_t done, std::uint64_t all) {
    if (!shown_) return;
    const bool changed = what != what_;
    const Deadline now = clock_.monotonic_now();
    if (!changed && (!terminal_ || now - last_ < kShowInterval)) return;
    last_ = now;
    what_ = what;
    std::string text = "millrace: " + what_;
    if (terminal_) text += " " + std::to_string(done) + (all > 0 ? " of " + std::to_string(all) : "");
    std::cerr << (terminal_ ? "\r\033[K" + text : text + "\n") << std::flush;
  }

 private:
  const bool shown_;
  const bool terminal_;
  std::string what_;
  platform::MachineClock clock_;
  Deadline last_{};
};

Result<int> back_up(Api& api, Output& output, const std::filesystem::path& to) {
  MR_ASSIGN_OR_RETURN(Json status, api.post("backup", Json::object({{"to", std::filesystem::absolute(to).string()}})));
  {
    const std::string look = "backup?wait_ms=100&number=" + std::to_string(status.int_or("number", 0));
    ProgressLine line(output.json());
    while (status.string_or("state", "") == "running") {
      line.show(status.string_or("what", ""), static_cast<std::uint64_t>(status.int_or("done", 0)),
                static_cast<std::uint64_t>(status.int_or("all", 0)));
      MR_ASSIGN_OR_RETURN(status, api.get(look));
    }
  }
  if (const Json* result = status.find("result")) {
    output.details(*result);
    return kDone;
  }
  std::cerr << "millrace: " << status.string_or("error", "the backup failed") << '\n';
  return kFailed;
}

Result<int> check(const Callbacks& callbacks, Output& output, const std::filesystem::path& path) {
  Result<Json> report = Json();
  {
    ProgressLine line(output.json());
    report = callbacks.check(path, [&line](auto what, auto done, auto all) { line.show(what, done, all); });
  }
  if (!report.ok()) return report.error();
  const bool good = report->bool_or("ok", false);
  if (output.json()) {
    output.document(*report);
    return good ? kDone : kFailed;
  }
  for (const Json& problem : report->find("problems")->as_array())
    std::cout << output.warning(problem.as_string()) << '\n';
  output.details(*report->find("checked"));
  output.line(good ? "Everything is as it should be."
                   : std::to_string(report->int_or("problem_count", 0)) + " problems.");
  return good ? kDone : kFailed;
}

}  // namespace

void add_directory_commands(CLI::App& app, Session& session) {
  auto path = std::make_shared<std::filesystem::path>();
  auto data = std::make_shared<std::filesystem::path>();
  CLI::App* backup =
      add_command(app, session, "backup", "copy a running server's data into a new folder, while it goes on serving",
                  "  millrace backup /backups/monday\n",
                  [path](Api& api, Output& output) -> Result<int> { return back_up(api, output, *path); });
  backup->add_option("dir", *path, "a folder on the server's machine that does not exist or is empty")->required();
  CLI::App* restore = add_command(
      app, session, "restore", "make a data directory of a backup",
      "  millrace restore /backups/monday --data ./data\n  millrace serve --data ./data\n",
      [&session, path, data](Api&, Output& output) -> Result<int> {
        ProgressLine line(output.json());
        MR_ASSIGN_OR_RETURN(const Json done,
                            session.callbacks->restore(
                                *path, *data, [&line](auto what, auto at, auto all) { line.show(what, at, all); }));
        output.details(done);
        return kDone;
      });
  restore->add_option("dir", *path, "the backup")->required();
  restore->add_option("--data", *data, "the new data directory: it must not exist, or be empty")->required();
  CLI::App* checking = add_command(
      app, session, "check", "compare everything in a stopped server's data directory, or in a backup",
      "  millrace check ./data\n  millrace check /backups/monday --json\n",
      [&session, path](Api&, Output& output) -> Result<int> { return check(*session.callbacks, output, *path); });
  checking->add_option("dir", *path, "the data directory or backup; nothing in it is changed")->required();
}

}  // namespace millrace::cli
