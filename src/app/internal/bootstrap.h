// What `cdk bootstrap` would make, so that CDK deploys without it: there for every account and region. Its roles need
// not exist to be assumed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace millrace::app {

// CDK's own qualifier; others are bootstrapped as on AWS.
inline constexpr std::string_view kBootstrapQualifier = "hnb659fds";
inline constexpr const char* kBootstrapParameter = "/cdk-bootstrap/hnb659fds/version";
inline constexpr const char* kBootstrapVersion = "33";

// The region of the assets' bucket "cdk-hnb659fds-assets-ACCOUNT-REGION" of that account; nullopt for other names.
inline std::optional<std::string> bootstrap_bucket(std::string_view account, std::string_view name) {
  constexpr std::string_view kStart = "cdk-hnb659fds-assets-";
  if (!name.starts_with(kStart)) return std::nullopt;
  name.remove_prefix(kStart.size());
  if (!name.starts_with(account) || name.substr(account.size(), 1) != "-") return std::nullopt;
  name.remove_prefix(account.size() + 1);
  // "us-east-1", "us-gov-west-1"
  const auto digit = name.find_first_of("0123456789");
  if (name.size() < 5 || digit != name.size() - 1 || name[digit - 1] != '-' || name[2] != '-') return std::nullopt;
  return std::string(name);
}

}  // namespace millrace::app
