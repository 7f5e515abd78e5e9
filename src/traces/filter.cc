#include "traces/filter.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <functional>
#include <optional>
#include <variant>
#include <vector>

namespace millrace::traces {
namespace {

constexpr int kNestingMax = 50;
constexpr std::size_t kTextMax = 4000;

enum class Kind { kBoolean, kNumber, kText, kAnnotation };
constexpr std::pair<std::string_view, Kind> kKeywords[] = {
    {"ok", Kind::kBoolean},          {"error", Kind::kBoolean},
    {"throttle", Kind::kBoolean},    {"fault", Kind::kBoolean},
    {"partial", Kind::kBoolean},     {"inferred", Kind::kBoolean},
    {"responsetime", Kind::kNumber}, {"duration", Kind::kNumber},
    {"http.status", Kind::kNumber},  {"http.url", Kind::kText},
    {"http.method", Kind::kText},    {"http.useragent", Kind::kText},
    {"http.clientip", Kind::kText},  {"user", Kind::kText},
    {"name", Kind::kText},           {"type", Kind::kText},
    {"resource.arn", Kind::kText},   {"instance.id", Kind::kText},
    {"message", Kind::kText},        {"availabilityzone", Kind::kText}};

using Value = std::variant<bool, double, std::string>;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

struct NodeTest {
  std::optional<std::string> name, type, account;
  bool fits(const Node& node, std::string_view of_account) const {
    return (!name || *name == node.name) && (!type || *type == node.type) && (!account || *account == of_account);
  }
};

}  // namespace

struct Filter::Term {
  enum class What { kAnd, kOr, kNot, kCompare, kService, kEdge };
  What what = What::kAnd;
  std::vector<std::shared_ptr<const Term>> parts;  // of service and edge: none or one
  Kind kind = Kind::kBoolean;                      // kCompare
  std::string keyword;                             // or the annotation's key
  std::string op;                                  // "": the boolean keyword, or the annotation, alone
  Value value = true;
  std::array<NodeTest, 2> nodes;  // kService: the first
};

namespace {

using Term = Filter::Term;
using TermPointer = std::shared_ptr<const Term>;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<TermPointer> all() {
    MR_ASSIGN_OR_RETURN(auto term, expression(0));
    skip();
    if (at_ < text_.size()) return unexpected();
    return term;
  }

  bool is_blank() {
    skip();
    return at_ >= text_.size();
  }

 private:
  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  char peek() {
    skip();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(std::string_view sign) {
    skip();
    if (!text_.substr(at_).starts_with(sign)) return false;
    at_ += sign.size();
    return true;
  }
  static bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
  }
  std::string_view ahead() {
    skip();
    std::size_t end = at_;
    while (end < text_.size() && is_word(text_[end])) ++end;
    return text_.substr(at_, end - at_);
  }
  bool take_word(std::string_view word) {
    const auto found = ahead();
    if (lower(found) != word) return false;
    at_ += found.size();
    return true;
  }
  Error bad(const std::string& why) const {
    return Error(kInvalidArgument, "Invalid filter expression: " + why + " at position " + std::to_string(at_) + ".");
  }
  Error unexpected() {
    return at_ >= text_.size() ? bad("unexpected end") : bad("unexpected '" + std::string(1, text_[at_]) + "'");
  }

  Result<TermPointer> expression(int depth) {
    if (depth > kNestingMax) return bad("it is nested too deeply");
    auto either = std::make_shared<Term>();
    either->what = Term::What::kOr;
    do {
      auto both = std::make_shared<Term>();
      do {
        MR_ASSIGN_OR_RETURN(auto next, term(depth));
        both->parts.push_back(std::move(next));
      } while (take_word("and") || starts_term());
      either->parts.push_back(std::move(both));
    } while (take_word("or"));
    return TermPointer(std::move(either));
  }

  bool starts_term() {
    const char c = peek();
    return c == '!' || c == '(' || (std::isalpha(static_cast<unsigned char>(c)) != 0 && lower(ahead()) != "or");
  }

  Result<TermPointer> term(int depth) {
    if (depth > kNestingMax) return bad("it is nested too deeply");
    if (take("!") || take_word("not")) {
      auto out = std::make_shared<Term>();
      out->what = Term::What::kNot;
      MR_ASSIGN_OR_RETURN(auto part, term(depth + 1));
      out->parts.push_back(std::move(part));
      return TermPointer(std::move(out));
    }
    if (take("(")) {
      MR_ASSIGN_OR_RETURN(auto inner, expression(depth + 1));
      if (!take(")")) return unexpected();
      return inner;
    }
    if (take_word("service")) return nodes(Term::What::kService, depth);
    if (take_word("edge")) return nodes(Term::What::kEdge, depth);
    return comparison();
  }

  Result<TermPointer> nodes(Term::What what, int depth) {
    auto out = std::make_shared<Term>();
    out->what = what;
    if (!take("(")) return unexpected();
    if (what == Term::What::kEdge || peek() != ')') {
      MR_ASSIGN_OR_RETURN(out->nodes[0], node());
    }
    if (what == Term::What::kEdge) {
      if (!take(",")) return unexpected();
      MR_ASSIGN_OR_RETURN(out->nodes[1], node());
    }
    if (!take(")")) return unexpected();
    if (take("{")) {
      if (!take("}")) {
        MR_ASSIGN_OR_RETURN(auto inner, expression(depth + 1));
        out->parts.push_back(std::move(inner));
        if (!take("}")) return unexpected();
      }
    }
    return TermPointer(std::move(out));
  }

  Result<NodeTest> node() {
    NodeTest out;
    if (peek() == '"' || peek() == '\'') {
      MR_ASSIGN_OR_RETURN(out.name, text());
      return out;
    }
    if (!take_word("id")) return unexpected();
    if (!take("(")) return unexpected();
    while (!take(")")) {
      const std::string what = lower(ahead());
      at_ += what.size();
      if (!take(":")) return unexpected();
      MR_ASSIGN_OR_RETURN(std::string value, text());
      if (what == "name") {
        out.name = std::move(value);
      } else if (what == "type") {
        out.type = std::move(value);
      } else if (what == "account.id") {
        out.account = std::move(value);
      } else {
        return bad("id() has no '" + what + "'");
      }
      (void)take(",");
    }
    return out;
  }

  Result<std::string> text() {
    const char quote = peek();
    if (quote != '"' && quote != '\'') return bad("a text in quotes was expected");
    std::string out;
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      out += text_[at_];
    }
    if (at_ >= text_.size()) return unexpected();
    ++at_;
    return out;
  }

  Result<void> keyword(Term& out) {
    const std::string_view word = ahead();
    if (word.empty()) return unexpected();
    const std::string name = lower(word);
    const std::size_t begin = at_;
    at_ += word.size();
    if (name == "annotation" && take("[")) {
      out.kind = Kind::kAnnotation;
      if (peek() == '"' || peek() == '\'') {
        MR_ASSIGN_OR_RETURN(out.keyword, text());
      } else {
        out.keyword = ahead();
        at_ += out.keyword.size();
      }
      if (!take("]")) return unexpected();
      return {};
    }
    if (name.starts_with("annotation.") && word.size() > 11) {
      out.kind = Kind::kAnnotation;
      out.keyword = word.substr(11);  // keys have case
      return {};
    }
    for (const auto& [known, kind] : kKeywords) {
      if (known != name) continue;
      out.kind = kind;
      out.keyword = known;
      return {};
    }
    at_ = begin;
    if (name.starts_with("rootcause.") || name == "group.name" || name == "json" || name == "coverage" ||
        name == "remote")
      return bad("the keyword " + name + " is not supported by this server");
    return bad("there is no keyword '" + name + "'");
  }

  std::string operation() {
    for (const std::string_view sign : {"!=", "<=", ">=", "=", "<", ">"}) {
      if (take(sign)) return std::string(sign);
    }
    for (const std::string_view word : {"contains", "beginswith", "endswith"}) {
      if (take_word(word)) return std::string(word);
    }
    return {};
  }

  Result<Value> value() {
    if (peek() == '"' || peek() == '\'') {
      MR_ASSIGN_OR_RETURN(std::string out, text());
      return Value(std::move(out));
    }
    if (take_word("true")) return Value(true);
    if (take_word("false")) return Value(false);
    skip();
    double number = 0;
    const char* const begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), number);
    if (error != std::errc()) return bad("a value was expected");
    at_ += static_cast<std::size_t>(end - begin);
    return Value(number);
  }

  Result<TermPointer> comparison() {
    auto out = std::make_shared<Term>();
    out->what = Term::What::kCompare;
    MR_RETURN_IF_ERROR(keyword(*out));
    const std::size_t begin = at_;
    out->op = operation();
    if (out->op.empty()) {
      if (out->kind != Kind::kBoolean && out->kind != Kind::kAnnotation)
        return bad("the keyword " + out->keyword + " needs an operator");
      return TermPointer(std::move(out));
    }
    MR_ASSIGN_OR_RETURN(out->value, value());
    const bool is_word_operator = std::isalpha(static_cast<unsigned char>(out->op[0])) != 0;
    const bool is_order = out->op[0] == '<' || out->op[0] == '>';
    const bool text = std::holds_alternative<std::string>(out->value);
    const bool number = std::holds_alternative<double>(out->value);
    const bool fits = out->kind == Kind::kBoolean  ? std::holds_alternative<bool>(out->value)
                      : out->kind == Kind::kNumber ? number
                      : out->kind == Kind::kText   ? text
                                                   : true;
    if (!fits || (is_word_operator && !text) || (is_order && !number)) {
      at_ = begin;
      return bad("the operator or the value is not of the kind of " + out->keyword);
    }
    return TermPointer(std::move(out));
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

bool compare(const Value& have, const std::string& op, const Value& want) {
  if (have.index() != want.index()) return op == "!=";
  if (op == "=") return have == want;
  if (op == "!=") return have != want;
  if (const auto* text = std::get_if<std::string>(&have)) {
    const std::string& part = std::get<std::string>(want);
    if (op == "contains") return text->find(part) != std::string::npos;
    return op == "beginswith" ? text->starts_with(part) : text->ends_with(part);
  }
  const auto* number = std::get_if<double>(&have);
  if (number == nullptr) return false;
  const double limit = std::get<double>(want);
  return op == "<" ? *number < limit : op == "<=" ? *number <= limit : op == ">" ? *number > limit : *number >= limit;
}

// What an expression is about: the trace, or one of its nodes.
struct Subject {
  const Picture& trace;
  const Node* node = nullptr;  // nullptr: the trace
  std::string_view account;
};

std::optional<Value> value_of(const Json* json) {
  if (json == nullptr) return std::nullopt;
  if (json->is_bool()) return Value(json->as_bool());
  if (json->is_number()) return Value(json->as_double());
  if (json->is_string()) return Value(json->as_string());
  return std::nullopt;
}

bool boolean_of(const Subject& subject, const std::string& keyword) {
  const Node& node = subject.node != nullptr ? *subject.node : subject.trace.root();
  const Flags flags = flags_of(*node.json);
  if (keyword == "ok") return !flags.fault && !flags.error && !flags.throttle;
  if (keyword == "error") return flags.error;
  if (keyword == "throttle") return flags.throttle;
  if (keyword == "fault") return flags.fault;
  if (keyword == "inferred") return node.inferred;
  return subject.node != nullptr ? flags.in_progress : subject.trace.is_partial();
}

// All values of a keyword: one of the node, or those of all segments.
std::vector<Value> values_of(const Subject& subject, const Term& term) {
  const Node& node = subject.node != nullptr ? *subject.node : subject.trace.root();
  const std::string& keyword = term.keyword;
  const double own = number_or(*node.json, "end_time", 0) - number_or(*node.json, "start_time", 0);
  std::vector<Value> out;
  const auto add = [&](std::optional<Value> value) {
    if (value) out.push_back(std::move(*value));
  };
  const auto everywhere = [&](const std::function<const Json*(const Json&)>& look) {
    const auto visit = [&](const Json& each, int) { add(value_of(look(each))); };
    if (subject.node != nullptr) return for_each(*node.json, visit);
    for (const auto& segment : subject.trace.segments()) for_each(segment, visit);
  };
  if (term.kind == Kind::kAnnotation) {
    everywhere([&](const Json& each) { return member_at(each, {"annotations", keyword}); });
  } else if (keyword == "responsetime") {
    add(Value(std::max(0.0, own)));
  } else if (keyword == "duration") {
    add(Value(subject.node != nullptr ? std::max(0.0, own) : subject.trace.duration()));
  } else if (keyword == "http.status") {
    add(value_of(member_at(*node.json, {"http", "response", "status"})));
  } else if (keyword == "http.url") {
    add(value_of(member_at(*node.json, {"http", "request", "url"})));
  } else if (keyword == "http.method") {
    add(value_of(member_at(*node.json, {"http", "request", "method"})));
  } else if (keyword == "http.useragent") {
    add(value_of(member_at(*node.json, {"http", "request", "user_agent"})));
  } else if (keyword == "http.clientip") {
    add(value_of(member_at(*node.json, {"http", "request", "client_ip"})));
  } else if (keyword == "name") {
    add(Value(node.name));
  } else if (keyword == "type") {
    add(Value(node.type));
  } else if (keyword == "user") {
    everywhere([](const Json& each) { return each.find("user"); });
  } else if (keyword == "resource.arn") {
    everywhere([](const Json& each) { return each.find("resource_arn"); });
  } else if (keyword == "instance.id") {
    everywhere([](const Json& each) { return member_at(each, {"aws", "ec2", "instance_id"}); });
  } else if (keyword == "availabilityzone") {
    everywhere([](const Json& each) { return member_at(each, {"aws", "ec2", "availability_zone"}); });
  } else {  // message
    everywhere([](const Json& each) -> const Json* {
      const Json* list = member_at(each, {"cause", "exceptions"});
      if (list == nullptr || !list->is_array() || list->as_array().empty()) return nullptr;
      return list->as_array().front().find("message");
    });
  }
  return out;
}

bool holds(const Term& term, const Subject& subject) {
  const auto inside = [&](const Node& node) {
    return term.parts.empty() || holds(*term.parts.front(), {subject.trace, &node, subject.account});
  };
  switch (term.what) {
    case Term::What::kAnd:
      return std::ranges::all_of(term.parts, [&](const auto& part) { return holds(*part, subject); });
    case Term::What::kOr:
      return std::ranges::any_of(term.parts, [&](const auto& part) { return holds(*part, subject); });
    case Term::What::kNot:
      return !holds(*term.parts.front(), subject);
    case Term::What::kService:
      return std::ranges::any_of(subject.trace.nodes(), [&](const Node& node) {
        return term.nodes[0].fits(node, subject.account) && inside(node);
      });
    case Term::What::kEdge:
      return std::ranges::any_of(subject.trace.nodes(), [&](const Node& node) {
        if (node.caller < 0 || !term.nodes[1].fits(node, subject.account)) return false;
        return term.nodes[0].fits(subject.trace.nodes()[static_cast<std::size_t>(node.caller)], subject.account) &&
               inside(node);
      });
    case Term::What::kCompare:
      break;
  }
  if (term.kind == Kind::kBoolean) {
    const bool have = boolean_of(subject, term.keyword);
    return term.op.empty() ? have : compare(Value(have), term.op, term.value);
  }
  const auto values = values_of(subject, term);
  if (term.op.empty()) return !values.empty();
  return std::ranges::any_of(values, [&](const Value& have) { return compare(have, term.op, term.value); });
}

}  // namespace

Result<Filter> Filter::parse(std::string_view text) {
  Filter out;
  if (text.size() > kTextMax)
    return Error(kInvalidArgument, "Invalid filter expression: it is longer than 4000 characters.");
  Parser parser(text);
  if (parser.is_blank()) return out;
  MR_ASSIGN_OR_RETURN(out.term_, parser.all());
  return out;
}

bool Filter::passes(const Picture& trace, std::string_view account) const {
  return term_ == nullptr || holds(*term_, {trace, nullptr, account});
}

}  // namespace millrace::traces
