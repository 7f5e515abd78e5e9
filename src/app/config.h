// What a server is started with: the configuration file, then the command line over it.
//
// The file is YAML; every key is optional, an unknown key or a value of the wrong kind is refused with its place. Keys:
//
//   server:    {address, port, data, threads, durability: synced|os, allow_anyone, aws_timing, log_level, connections,
//               memory, reserve: sizes as in "256MiB",  hosts: [further Host names to accept]}
//   functions: {interpreters: [dirs], node_modules: [dirs], python_path: [dirs], async_payload_bytes,
//   account_concurrency,
//               isolation: auto|none}
//   streams:   {shards, retention, bytes_max, roll_after, split_records_per_second, shards_max}
//
//   stacks:    {skip: [resource types, as AWS::EC2::VPC or AWS::EC2::*, that all stacks only record],
//               python: an interpreter that has aws-sam-translator}
//
//   logs:      {bytes_per_group}
//
//   traces:    {sampling: all|aws, daemon_port, bytes, otlp: http://HOST:PORT of an OpenTelemetry collector}
//
//   prices:    {currency, per_million_invocations, per_gb_second}: what `mappings show` and /metrics count money with
//
// Durations are written as in "24h".
//
// Values only; thread-safe as such.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace millrace::app {

inline constexpr ErrorType kBadConfiguration{"BadConfiguration", 400, ErrorKind::kClient};

// What invocations would cost; the defaults are AWS's list prices of x86 in us-east-1, without the free tier.
struct Prices {
  std::string currency = "USD";
  double per_million_invocations = 0.20;
  double per_gb_second = 0.0000166667;
  double of(std::uint64_t invocations, double gb_seconds) const {
    return static_cast<double>(invocations) * per_million_invocations / 1e6 + gb_seconds * per_gb_second;
  }
};

struct Config {
  std::string address = "127.0.0.1";
  std::uint16_t port = 4566;          // 0: any free one
  std::filesystem::path data;         // empty: default_data_directory(), or a temporary one when ephemeral
  bool ephemeral = false;             // temporary directory, removed at the end; implies durable = false
  bool durable = true;                // false: --durability=os, a power cut may undo acknowledged writes
  bool allow_anyone = false;          // required to listen beyond loopback, as nothing verifies credentials yet
  bool aws_timing = false;            // AWS's delays and cool-downs of tables (tables/tables.h)
  unsigned threads = 2;               // I/O threads
  std::uint64_t memory = 128 << 20;   // the database's budget, in bytes: block cache and write buffers
  std::uint64_t reserve = 256 << 20;  // free space of the disk, in bytes, that new writes do not touch
  bool accept_lost_writes = false;    // start although the log is damaged (storage/rocks/rocks_store.h)
  unsigned connections = 10'000;
  std::string log_level = "info";  // debug, info, warning, error
  std::vector<std::string> hosts;

  std::vector<std::filesystem::path> interpreters;
  std::vector<std::filesystem::path> node_modules;
  std::vector<std::filesystem::path> python_path;
  std::uint64_t async_payload_bytes = 1024 * 1024;
  unsigned account_concurrency = 1000;
  bool isolate_functions = true;

  unsigned shards = 1;  // of a new stream
  Milliseconds retention = std::chrono::hours(24);
  std::uint64_t stream_bytes_max = 0;               // of all streams' records on disk, about; 0: no bound
  Milliseconds roll_after = std::chrono::hours(4);  // 0: shards never roll by themselves
  std::uint64_t split_rate = 1000;                  // records per second into a shard for a minute; 0: never split
  unsigned shards_max = 16;                         // open ones, beyond which a stream is not split by itself
  std::uint64_t log_bytes_per_group = 64 * 1024 * 1024;
  std::vector<std::string> skipped_types;  // of CloudFormation resources: recorded instead of made
  std::string sam_python;                  // runs aws-sam-translator; "": the first python3 of PATH that has it
  Prices prices;

  bool sample_all_traces = true;             // false: as AWS's default rule
  std::optional<std::uint16_t> daemon_port;  // UDP, on 127.0.0.1; unset: the server's own number, else any free one
  std::uint64_t trace_bytes_max = 64 << 20;  // of all traces on disk
  std::string otlp;                          // "": traces are not exported
};

// A size as people write it: a number, then nothing (bytes), KiB, MiB, GiB, KB, MB or GB; nullopt: it is none.
std::optional<std::uint64_t> parse_size(std::string_view text);

// Reads `file` over `config`. Errors: kBadConfiguration with file, line and key.
Result<void> load_config(const std::filesystem::path& file, Config& config);

// $MILLRACE_DATA, else $XDG_DATA_HOME/millrace, else ~/.local/share/millrace.
std::filesystem::path default_data_directory();

// Whether this address only reaches this machine: 127.0.0.0/8, ::1, localhost.
bool is_loopback(std::string_view address);

// Errors: kBadConfiguration when the address is not loopback and allow_anyone is not set, and for impossible values.
Result<void> check_config(const Config& config);

}  // namespace millrace::app
