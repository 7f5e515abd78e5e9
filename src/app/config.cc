#include "app/config.h"

#include <charconv>
#include <cstdlib>
#include <functional>
#include <map>
#include <type_traits>

#include <yaml-cpp/yaml.h>

#include "storage/rocks/rocks_store.h"

namespace millrace::app {
namespace {

using Setter = std::function<void(const YAML::Node&)>;  // throws YAML::Exception or std::string
using Section = std::map<std::string, Setter>;

template <typename T>
Setter into(T& target) {
  return [&target](const YAML::Node& node) { target = node.as<T>(); };
}

Setter into_paths(std::vector<std::filesystem::path>& target) {
  return [&target](const YAML::Node& node) {
    target.clear();
    for (const auto& entry : node) target.emplace_back(entry.as<std::string>());
  };
}

Setter into_duration(Milliseconds& target) {
  return [&target](const YAML::Node& node) {
    const auto duration = parse_duration(node.as<std::string>());
    if (!duration) throw std::string("is no duration such as 24h");
    target = *duration;
  };
}

Setter into_size(std::uint64_t& target) {
  return [&target](const YAML::Node& node) {
    const auto size = parse_size(node.as<std::string>());
    if (!size) throw std::string("is no size such as 256MiB");
    target = *size;
  };
}

Setter into_choice(bool& target, std::string when_true, std::string when_false) {
  return [&target, when_true, when_false](const YAML::Node& node) {
    const auto text = node.as<std::string>();
    if (text != when_true && text != when_false) throw "is neither " + when_true + " nor " + when_false;
    target = text == when_true;
  };
}

std::map<std::string, Section> known_keys(Config& config) {
  return {
      {"server",
       {{"address", into(config.address)},
        {"port", into(config.port)},
        {"data", [&config](const YAML::Node& node) { config.data = node.as<std::string>(); }},
        {"threads", into(config.threads)},
        {"memory", into_size(config.memory)},
        {"reserve", into_size(config.reserve)},
        {"durability", into_choice(config.durable, "synced", "os")},
        {"allow_anyone", into(config.allow_anyone)},
        {"aws_timing", into(config.aws_timing)},
        {"log_level", into(config.log_level)},
        {"connections", into(config.connections)},
        {"hosts", into(config.hosts)}}},
      {"functions",
       {{"interpreters", into_paths(config.interpreters)},
        {"node_modules", into_paths(config.node_modules)},
        {"python_path", into_paths(config.python_path)},
        {"async_payload_bytes", into(config.async_payload_bytes)},
        {"account_concurrency", into(config.account_concurrency)},
        {"isolation", into_choice(config.isolate_functions, "auto", "none")}}},
      {"streams",
       {{"shards", into(config.shards)},
        {"retention", into_duration(config.retention)},
        {"bytes_max", into(config.stream_bytes_max)},
        {"roll_after", into_duration(config.roll_after)},
        {"split_records_per_second", into(config.split_rate)},
        {"shards_max", into(config.shards_max)}}},
      {"stacks", {{"skip", into(config.skipped_types)}, {"python", into(config.sam_python)}}},
      {"logs", {{"bytes_per_group", into(config.log_bytes_per_group)}}},
      {"traces",
       {{"sampling", into_choice(config.sample_all_traces, "all", "aws")},
        {"daemon_port", [&config](const YAML::Node& node) { config.daemon_port = node.as<std::uint16_t>(); }},
        {"bytes", into_size(config.trace_bytes_max)},
        {"otlp", into(config.otlp)}}},
      {"prices",
       {{"currency", into(config.prices.currency)},
        {"per_million_invocations", into(config.prices.per_million_invocations)},
        {"per_gb_second", into(config.prices.per_gb_second)}}},
  };
}

Error bad(const std::filesystem::path& file, const YAML::Mark& mark, const std::string& what) {
  const std::string line = mark.is_null() ? "" : ":" + std::to_string(mark.line + 1);
  return Error(kBadConfiguration, file.string() + line + ": " + what);
}

Result<void> apply(const std::filesystem::path& file, const std::string& name, const YAML::Node& node,
                   const Section& section) {
  if (!node.IsMap()) return bad(file, node.Mark(), name + " must hold keys and values");
  for (const auto& entry : node) {
    const auto key = entry.first.as<std::string>();
    const auto setter = section.find(key);
    if (setter == section.end()) return bad(file, entry.first.Mark(), name + " has no key '" + key + "'");
    try {
      setter->second(entry.second);
    } catch (const std::string& problem) {
      return bad(file, entry.second.Mark(), name + "." + key + " " + problem);
    } catch (const YAML::Exception&) {
      return bad(file, entry.second.Mark(), name + "." + key + " has a value of the wrong kind");
    }
  }
  return {};
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  constexpr std::pair<std::string_view, std::uint64_t> kUnits[] = {
      {"", 1},       {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20},  {"GiB", 1ULL << 30},
      {"KB", 1'000}, {"MB", 1'000'000},   {"GB", 1'000'000'000}};
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const auto& [name, factor] : kUnits) {
    if (unit == name && number <= UINT64_MAX / factor) return number * factor;
  }
  return std::nullopt;
}

Result<void> load_config(const std::filesystem::path& file, Config& config) {
  const auto sections = known_keys(config);
  try {
    const YAML::Node document = YAML::LoadFile(file.string());
    if (document.IsNull()) return {};
    if (!document.IsMap()) return bad(file, document.Mark(), "the configuration must hold sections");
    for (const auto& entry : document) {
      const auto name = entry.first.as<std::string>();
      const auto section = sections.find(name);
      if (section == sections.end()) return bad(file, entry.first.Mark(), "there is no section '" + name + "'");
      MR_RETURN_IF_ERROR(apply(file, name, entry.second, section->second));
    }
  } catch (const YAML::BadFile&) {
    return Error(kBadConfiguration, file.string() + ": cannot be read");
  } catch (const YAML::Exception& problem) {
    return bad(file, problem.mark, problem.msg);
  }
  return {};
}

std::filesystem::path default_data_directory() {
  if (const char* own = std::getenv("MILLRACE_DATA"); own != nullptr && *own != '\0') return own;
  if (const char* xdg = std::getenv("XDG_DATA_HOME"); xdg != nullptr && *xdg == '/')
    return std::filesystem::path(xdg) / "millrace";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home != nullptr && *home != '\0' ? home : "/var/lib") / ".local/share/millrace";
}

bool is_loopback(std::string_view address) {
  return address == "localhost" || address == "::1" || address.starts_with("127.");
}

Result<void> check_config(const Config& config) {
  if (!is_loopback(config.address) && !config.allow_anyone)
    return Error(
        kBadConfiguration,
        "address " + config.address +
            " is reachable from other machines, and credentials are not verified; add --allow-anyone if that is what "
            "you want (inside a container, say)");
  if (config.threads < 1 || config.threads > 64) return Error(kBadConfiguration, "threads must be 1 to 64");
  if (config.memory < storage::kMemoryMin) return Error(kBadConfiguration, "memory must be at least 16MiB");
  if (config.shards < 1 || config.shards > 64) return Error(kBadConfiguration, "streams.shards must be 1 to 64");
  if (config.retention < std::chrono::hours(1))
    return Error(kBadConfiguration, "streams.retention must be at least 1h");
  if (!(config.prices.per_million_invocations >= 0) || !(config.prices.per_gb_second >= 0))
    return Error(kBadConfiguration, "prices must be 0 or more");
  if (config.roll_after.count() != 0 && config.roll_after < std::chrono::minutes(1))
    return Error(kBadConfiguration, "streams.roll_after must be at least 1m, or 0s for never");
  if (config.shards_max < 1 || config.shards_max > 256)
    return Error(kBadConfiguration, "streams.shards_max must be 1 to 256");
  for (const std::string& type : config.skipped_types) {
    if (type.find("::") == std::string::npos)
      return Error(kBadConfiguration,
                   "stacks.skip must name resource types such as AWS::EC2::VPC or AWS::EC2::*, not " + type);
  }
  for (const auto level : {"debug", "info", "warning", "error"})
    if (config.log_level == level) return {};
  return Error(kBadConfiguration, "log_level must be debug, info, warning or error");
}

}  // namespace millrace::app
