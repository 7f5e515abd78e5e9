#include "api/cloudformation/aws_form.h"

#include <algorithm>
#include <string>

namespace millrace::api_cloudformation {
namespace {

constexpr std::size_t kAccountDigits = 12;

// "/000000000000/orders" of a queue's URL; "" of any other text.
std::string_view queue_path(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return "";
  const auto slash = url.find('/', kScheme.size());
  if (slash == std::string_view::npos) return "";
  const std::string_view path = url.substr(slash);
  if (path.size() < kAccountDigits + 3 || path[kAccountDigits + 1] != '/') return "";
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto of_name = [&](char c) {
    return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.';
  };
  const bool good = std::ranges::all_of(path.substr(1, kAccountDigits), digit) &&
                    std::ranges::all_of(path.substr(kAccountDigits + 2), of_name);
  return good ? path : "";
}

}  // namespace

void use_aws_queue_urls(wire::Document& document, std::string_view region) {
  if (document.is_array()) {
    for (wire::Document& element : document.as_array()) use_aws_queue_urls(element, region);
  }
  if (!document.is_object()) return;
  for (auto& [name, value] : document.as_object()) {
    const bool holds_address = name == "PhysicalResourceId" || name == "OutputValue" || name == "Value";
    if (!value.is_string()) {
      use_aws_queue_urls(value, region);
    } else if (holds_address) {
      const std::string_view path = queue_path(value.as_string());
      if (!path.empty()) value = "https://sqs." + std::string(region) + ".amazonaws.com" + std::string(path);
    }
  }
}

}  // namespace millrace::api_cloudformation
