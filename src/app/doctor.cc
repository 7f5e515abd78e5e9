#include "app/doctor.h"

#include <array>
#include <cstdio>
#include <filesystem>

#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/control_loop.h"
#include "platform/random.h"
#include "runtimes/interpreters.h"
#include "runtimes/process_host.h"

namespace millrace::app {
namespace {

using codec::Json;

constexpr std::uintmax_t kDiskWanted = std::uintmax_t{1} << 30;
constexpr rlim_t kFilesWanted = 4096;

std::vector<std::string> texts_of(const std::vector<std::filesystem::path>& paths) {
  std::vector<std::string> out;
  for (const auto& path : paths) out.push_back(path.string());
  return out;
}

// First line that `command` prints, "" when it fails.
std::string first_line(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return "";
  std::array<char, 256> buffer{};
  std::string line;
  if (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) line = buffer.data();
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) {
  }
  const bool good = ::pclose(pipe) == 0;
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  return good ? line : "";
}

// "2.15.30" of "aws-cli/2.15.30 Python/...": numbers after `prefix`, to compare.
std::vector<int> version_after(const std::string& text, const std::string& prefix) {
  std::vector<int> parts;
  const auto at = text.find(prefix);
  if (at == std::string::npos) return parts;
  const char* cursor = text.c_str() + at + prefix.size();
  char* end = nullptr;
  for (long part = std::strtol(cursor, &end, 10); end != cursor; part = std::strtol(cursor, &end, 10)) {
    parts.push_back(static_cast<int>(part));
    cursor = *end == '.' ? end + 1 : end;
    if (*end != '.') break;
  }
  return parts;
}

class Checks {
 public:
  void add(std::string what, std::string found, bool ok, std::string advice = {}) {
    list_.push(Json::object({{"what", std::move(what)}, {"found", std::move(found)}, {"ok", ok}})
                   .set_if(!advice.empty(), "advice", advice));
  }
  Json document() && { return Json::object({{"checks", std::move(list_)}}); }

 private:
  Json list_ = Json::array();
};

void check_interpreters(Checks& checks, const Config& config) {
  runtimes::Interpreters interpreters(texts_of(config.interpreters));
  std::string node, python;
  for (const auto& found : interpreters.installed()) {
    std::string& list = found.language == runtimes::Language::kNode ? node : python;
    list += (list.empty() ? "" : ", ") + found.label();
  }
  checks.add("Node.js for functions", node.empty() ? "none" : node, !node.empty(),
             "install the Debian package nodejs, or the npm package node");
  checks.add("Python for functions", python.empty() ? "none" : python, !python.empty(),
             "install the Debian package python3");
}

void check_port(Checks& checks, const Config& config) {
  const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int reuse = 1;
  ::setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(config.port);
  ::inet_pton(AF_INET, config.address.c_str(), &address.sin_addr);
  const bool is_free = ::bind(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(probe);
  checks.add("port " + std::to_string(config.port), is_free ? "free" : "in use", is_free,
             "a server may be running already: `millrace status`; or use --port 0");
}

void check_machine(Checks& checks, const Config& config) {
  auto folder = config.data.empty() ? default_data_directory() : config.data;
  while (!std::filesystem::exists(folder) && folder.has_parent_path() && folder != folder.parent_path())
    folder = folder.parent_path();
  std::error_code error;
  const auto space = std::filesystem::space(folder, error);
  const auto megabytes = error ? 0 : space.available >> 20;
  checks.add("disk at " + folder.string(), std::to_string(megabytes) + " MiB free",
             !error && space.available > kDiskWanted, "less than 1 GiB is free");
  checks.add("data directory", ::access(folder.c_str(), W_OK) == 0 ? "writable" : "not writable",
             ::access(folder.c_str(), W_OK) == 0, "choose another with --data");
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  checks.add("open files", std::to_string(files.rlim_cur),
             files.rlim_cur >= kFilesWanted || files.rlim_max >= kFilesWanted,
             "raise it with ulimit -n 10000 for many connections");
}

void check_clients(Checks& checks) {
  const std::string cli = first_line("aws --version");
  const auto cli_version = version_after(cli, "aws-cli/");
  if (!cli_version.empty())
    checks.add("AWS CLI", cli,
               cli_version >= std::vector<int>{1, 29, 0} && cli_version != std::vector<int>{2} &&
                   !(cli_version[0] == 2 && cli_version < std::vector<int>{2, 13, 0}),
               "too old for AWS_ENDPOINT_URL: use --endpoint-url, or update it");
  if (!cli_version.empty() && cli_version[0] == 1)
    checks.add("AWS CLI, sqs", "version 1", false,
               "it sends `aws sqs` to the real AWS whatever AWS_ENDPOINT_URL says: use --endpoint-url, or version 2");
  const std::string boto3 = first_line("python3 -c 'import boto3; print(\"boto3/\" + boto3.__version__)'");
  const auto boto3_version = version_after(boto3, "boto3/");
  if (!boto3_version.empty())
    checks.add("boto3", boto3, boto3_version >= std::vector<int>{1, 28, 0},
               "too old for AWS_ENDPOINT_URL: pass endpoint_url, or update it");
}

}  // namespace

Json doctor(const Config& config, runtimes::ProcessHost* processes) {
  Checks checks;
  check_interpreters(checks, config);
  std::string isolation;
  if (processes != nullptr) {
    isolation = processes->isolation();
  } else {
    platform::ControlLoop clock;
    platform::SystemRandom random;
    runtimes::Interpreters none({});
    runtimes::HostOptions options;
    options.run_folder = std::filesystem::temp_directory_path() / ("millrace-doctor-" + std::to_string(::getpid()));
    options.bubblewrap = config.isolate_functions;
    {
      runtimes::ProcessHost probe(options, clock, random, none, [](runtimes::LogLines) {});
      isolation = probe.isolation();
    }
    std::error_code ignored;
    std::filesystem::remove_all(options.run_folder, ignored);
  }
  checks.add("isolation of functions", isolation, isolation.find("bubblewrap") != std::string::npos,
             "install the Debian package bubblewrap for private /tmp and read-only code");
  if (processes == nullptr) check_port(checks, config);
  check_machine(checks, config);
  check_clients(checks);
  return std::move(checks).document();
}

}  // namespace millrace::app
