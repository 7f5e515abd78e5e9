#include "expressions/internal/tokens.h"

#include <algorithm>
#include <charconv>

#include "expressions/parse.h"

namespace millrace::expressions::internal {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

std::size_t word_end(std::string_view text, std::size_t at) {
  while (at < text.size() && (is_letter(text[at]) || is_digit(text[at]))) ++at;
  return at;
}

Token next_token(std::string_view text, std::size_t at) {
  using Kind = Token::Kind;
  const char c = text[at];
  if (is_letter(c)) return {Kind::kWord, at, word_end(text, at)};
  if (is_digit(c)) {
    std::size_t end = at;
    while (end < text.size() && is_digit(text[end])) ++end;
    return {Kind::kInteger, at, end};
  }
  if (c == '#' || c == ':') {
    const std::size_t end = word_end(text, at + 1);
    if (end == at + 1) return {Kind::kUnknown, at, end};
    return {c == '#' ? Kind::kName : Kind::kValue, at, end};
  }
  const std::string_view two = text.substr(at, 2);
  if (two == "<>" || two == "<=" || two == ">=") return {Kind::kSymbol, at, at + 2};
  if (std::string_view("()[],.=<>+-").find(c) != std::string_view::npos) return {Kind::kSymbol, at, at + 1};
  return {Kind::kUnknown, at, at + 1};
}

}  // namespace

bool equals_ignore_case(std::string_view a, std::string_view upper) {
  return a.size() == upper.size() && std::equal(a.begin(), a.end(), upper.begin(), [](char x, char y) {
           return (x >= 'a' && x <= 'z' ? static_cast<char>(x - 'a' + 'A') : x) == y;
         });
}

Cursor::Cursor(std::string_view text, std::string_view member, Substitutions& substitutions)
    : text_(text), member_(member), substitutions_(substitutions) {
  if (text.size() > kExpressionBytesMax) text = {};
  std::size_t at = 0;
  while (true) {
    while (at < text.size() && is_space(text[at])) ++at;
    if (at >= text.size()) break;
    tokens_.push_back(next_token(text, at));
    at = tokens_.back().end;
  }
  tokens_.push_back({Token::Kind::kEnd, text.size(), text.size()});
}

Result<void> Cursor::check_text() const {
  if (text_.size() > kExpressionBytesMax) {
    return invalid("Expression size has exceeded the maximum allowed size; expression size: " +
                   std::to_string(text_.size()));
  }
  if (at_end()) return invalid("The expression can not be empty;");
  return {};
}

Result<void> Cursor::check_meaning() {
  if (operators_ > kOperatorsMax) {
    return invalid("The expression contains too many operators; operator count: " +
                   std::to_string(kOperatorsMax + 1));  // AWS: stops counting there
  }
  for (std::optional<Error>& error : noted_) {
    if (error) return *std::move(error);
  }
  return {};
}

const Token& Cursor::peek(std::size_t ahead) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }

bool Cursor::at_symbol(std::string_view symbol) const {
  return peek().kind == Token::Kind::kSymbol && text(peek()) == symbol;
}

bool Cursor::at_keyword(std::string_view upper) const {
  return peek().kind == Token::Kind::kWord && equals_ignore_case(text(peek()), upper);
}

bool Cursor::take_symbol(std::string_view symbol) {
  if (!at_symbol(symbol)) return false;
  ++at_;
  return true;
}

bool Cursor::take_keyword(std::string_view upper) {
  if (!at_keyword(upper)) return false;
  ++at_;
  return true;
}

Token Cursor::take() {
  const Token token = peek();
  if (token.kind != Token::Kind::kEnd) ++at_;
  return token;
}

Error Cursor::syntax_error() const {
  // AWS shows the offending token with one token on either side.
  const Token& token = peek();
  const std::size_t from = at_ > 0 ? tokens_[at_ - 1].begin : token.begin;
  const std::size_t to = peek(1).end;
  const std::string shown = token.kind == Token::Kind::kEnd ? "<EOF>" : std::string(text(token));
  return invalid("Syntax error; token: \"" + shown + "\", near: \"" + std::string(text_.substr(from, to - from)) +
                 "\"");
}

Error Cursor::invalid(std::string message) const {
  return Error(kValidationException, "Invalid " + std::string(member_) + ": " + std::move(message));
}

void Cursor::note(Priority priority, std::string message) {
  std::optional<Error>& slot = noted_[static_cast<std::size_t>(priority)];
  if (!slot) slot = invalid(std::move(message));
}

Result<void> Cursor::enter() {
  if (++depth_ > kExpressionDepthMax) return invalid("The expression is nested too deeply");
  return {};
}

Result<std::string> Cursor::parse_name(bool (*is_keyword)(std::string_view)) {
  const Token token = peek();
  const std::string_view word = text(token);
  if (token.kind == Token::Kind::kWord && !is_keyword(word)) {
    take();
    if (is_reserved_word(word)) {
      note(Priority::kNames, "Attribute name is a reserved keyword; reserved keyword: " + std::string(word));
    }
    return std::string(word);
  }
  if (token.kind != Token::Kind::kName) return syntax_error();
  take();
  if (const std::string* name = substitutions_.name(word)) return *name;
  note(Priority::kNames,
       "An expression attribute name used in the document path is not defined; attribute name: " + std::string(word));
  return std::string(word);
}

Result<Path> Cursor::parse_path(bool (*is_keyword)(std::string_view)) {
  Path path;
  MR_ASSIGN_OR_RETURN(std::string root, parse_name(is_keyword));
  path.steps.emplace_back(std::move(root));
  while (true) {
    if (take_symbol(".")) {
      MR_ASSIGN_OR_RETURN(std::string name, parse_name(is_keyword));
      path.steps.emplace_back(std::move(name));
    } else if (take_symbol("[")) {
      if (peek().kind != Token::Kind::kInteger) return syntax_error();
      const std::string_view digits = text(peek());
      std::uint32_t index = 0;
      const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
      if (error != std::errc() || stop != digits.data() + digits.size()) {
        note(Priority::kNames, "List index is not within the allowable range; index: [" + std::string(digits) + "]");
      }
      take();
      if (!take_symbol("]")) return syntax_error();
      path.steps.emplace_back(index);
    } else {
      break;
    }
  }
  if (path.steps.size() > kPathStepsMax) {
    note(Priority::kNames,
         "The document path has too many nesting elements; nesting levels: " + std::to_string(path.steps.size()));
  }
  return path;
}

const model::AttributeValue* Cursor::take_value() {
  const std::string_view placeholder = text(take());
  const model::AttributeValue* value = substitutions_.value(placeholder);
  if (value == nullptr) {
    note(Priority::kNames, "An expression attribute value used in expression is not defined; attribute value: " +
                               std::string(placeholder));
  }
  return value;
}

}  // namespace millrace::expressions::internal
