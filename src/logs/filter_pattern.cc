#include "logs/filter_pattern.h"

#include <algorithm>
#include <optional>

#include "logs/errors.h"

namespace millrace::logs {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

Error invalid(std::string_view why) { return Error(kInvalidParameter, "Invalid filter pattern: " + std::string(why)); }

// Reads a quoted phrase; `text` starts behind the opening quote and ends up behind the closing one.
std::optional<std::string> read_phrase(std::string_view& text) {
  std::string phrase;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return phrase;
    }
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    phrase.push_back(text[i]);
  }
  return std::nullopt;
}

std::string read_word(std::string_view& text) {
  const auto end = std::ranges::find_if_not(text, is_word) - text.begin();
  std::string word(text.substr(0, static_cast<std::size_t>(end)));
  text.remove_prefix(static_cast<std::size_t>(end));
  return word;
}

}  // namespace

Result<FilterPattern> FilterPattern::parse(std::string_view text) {
  FilterPattern pattern;
  const auto skip_space = [&] {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  };
  skip_space();
  if (text.starts_with('{') || text.starts_with('[')) {
    MR_ASSIGN_OR_RETURN(pattern.structured_, StructuredPattern::parse(text));
    return pattern;
  }
  for (; !text.empty(); skip_space()) {
    auto* terms = &pattern.all_;
    if (text.front() == '?' || text.front() == '-') {
      terms = text.front() == '?' ? &pattern.any_ : &pattern.none_;
      text.remove_prefix(1);
    }
    if (text.starts_with('%')) return invalid("regular expressions are not supported by this server.");
    std::string term;
    if (text.starts_with('"')) {
      text.remove_prefix(1);
      auto phrase = read_phrase(text);
      if (!phrase) return invalid("a quote is not closed.");
      term = *std::move(phrase);
    } else {
      term = read_word(text);
      if (!text.empty() && !is_space(text.front())) {
        return invalid("a term with other characters than letters, digits and underscores must stand in quotes.");
      }
    }
    if (term.empty()) return invalid("a term is empty.");
    terms->push_back(std::move(term));
  }
  return pattern;
}

std::optional<Extracted> FilterPattern::match(std::string_view message) const {
  if (structured_) return structured_->match(message);
  return matches(message) ? std::optional(Extracted()) : std::nullopt;
}

std::optional<std::string> FilterPattern::value_of(std::string_view selector, std::string_view message) const {
  return structured_ ? structured_->value_of(selector, message) : std::nullopt;
}

bool FilterPattern::matches(std::string_view message) const {
  if (structured_) return structured_->match(message).has_value();
  const auto occurs = [&](const std::string& term) { return message.find(term) != std::string_view::npos; };
  if (!std::ranges::all_of(all_, occurs) || std::ranges::any_of(none_, occurs)) return false;
  // AWS: "?" terms count only when they stand alone.
  const bool only_any = all_.empty() && none_.empty() && !any_.empty();
  return !only_any || std::ranges::any_of(any_, occurs);
}

}  // namespace millrace::logs
