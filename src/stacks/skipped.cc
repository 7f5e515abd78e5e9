// Skipped resource types: deployed as a record, so that the rest of a stack can be.
#include <algorithm>

#include "stacks/resource_type.h"

namespace millrace::stacks {
namespace {

constexpr std::size_t kNameMax = 128;

bool matches(std::string_view pattern, std::string_view type) {
  if (!pattern.ends_with('*')) return pattern == type;
  pattern.remove_suffix(1);
  return type.starts_with(pattern);
}

class Skipped final : public ResourceType {
 public:
  std::string_view name() const override { return "skipped"; }
  std::span<const Property> properties() const override { return {}; }
  bool is_open() const override { return true; }
  Result<Resource> create(const Work& work) const override {
    return Resource{work.generated_name(kNameMax), Document::object(), ""};
  }
  Result<Resource> update(const Work& work) const override {
    return Resource{work.physical_id, Document::object(), ""};
  }
  Result<void> remove(const Work&) const override { return {}; }
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

}  // namespace

const ResourceType& skipped_type() {
  static const Skipped kType;
  return kType;
}

Document skipped_attribute(const Scope& scope, std::string_view type, const std::string& physical_id,
                           const Document& properties, std::string_view attribute) {
  if (attribute.ends_with("Arn")) {
    // AWS::EC2::VPC: arn:aws:ec2:REGION:ACCOUNT:vpc/ID.
    const auto first = type.find("::");
    const auto last = type.rfind("::");
    const bool three = first != std::string_view::npos && last > first;
    const std::string service = lower(three ? type.substr(first + 2, last - first - 2) : type.substr(0, first));
    const std::string kind = lower(last == std::string_view::npos ? type : type.substr(last + 2));
    return "arn:aws:" + service + ":" + scope.region + ":" + scope.account + ":" + kind + "/" + physical_id;
  }
  const Document* given = properties.find(attribute);
  if (given != nullptr && (given->is_string() || given->is_number())) return *given;
  return physical_id + "." + std::string(attribute);
}

bool TypeRegistry::is_skipped(const Document& document, std::string_view type) const {
  if (std::ranges::any_of(skipped_, [&](const std::string& pattern) { return matches(pattern, type); })) return true;
  const Document* metadata = document.find("Metadata");
  const Document* patterns = metadata == nullptr ? nullptr : metadata->find(kSkipMetadata);
  if (patterns == nullptr || !patterns->is_array()) return false;
  return std::ranges::any_of(patterns->as_array(), [&](const Document& pattern) {
    return pattern.is_string() && matches(pattern.as_string(), type);
  });
}

const ResourceType* TypeRegistry::find_in(const Document& document, std::string_view name) const {
  return is_skipped(document, name) ? &skipped_type() : find(name);
}

}  // namespace millrace::stacks
