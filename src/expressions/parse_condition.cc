#include <algorithm>
#include <array>

#include "expressions/internal/tokens.h"
#include "expressions/parse.h"
#include "model/json.h"

namespace millrace::expressions {
namespace {

using internal::Cursor;
using internal::equals_ignore_case;
using internal::Token;
using model::AttributeValue;
using model::Type;
using Priority = Cursor::Priority;
using Kind = Condition::Kind;

bool is_condition_keyword(std::string_view word) {
  constexpr std::array<std::string_view, 5> kWords = {"AND", "OR", "NOT", "BETWEEN", "IN"};
  return std::any_of(kWords.begin(), kWords.end(), [&](std::string_view k) { return equals_ignore_case(word, k); });
}

struct Function {
  std::string_view name;
  Kind kind;
  std::size_t operands;
  bool path_first;
};
constexpr std::array<Function, 5> kFunctions = {{{"attribute_exists", Kind::kAttributeExists, 1, true},
                                                 {"attribute_not_exists", Kind::kAttributeNotExists, 1, true},
                                                 {"attribute_type", Kind::kAttributeType, 2, true},
                                                 {"begins_with", Kind::kBeginsWith, 2, false},
                                                 {"contains", Kind::kContains, 2, false}}};
constexpr std::array<std::pair<std::string_view, Kind>, 6> kComparators = {{{"=", Kind::kEqual},
                                                                            {"<>", Kind::kNotEqual},
                                                                            {"<", Kind::kLess},
                                                                            {"<=", Kind::kLessOrEqual},
                                                                            {">", Kind::kGreater},
                                                                            {">=", Kind::kGreaterOrEqual}}};

const Function* find_function(std::string_view name) {
  for (const Function& function : kFunctions) {
    if (function.name == name) return &function;
  }
  return nullptr;
}

bool has_order(Type type) { return type == Type::kString || type == Type::kNumber || type == Type::kBinary; }

// nullptr unless the operand is a defined value.
const AttributeValue* literal(const Operand& operand) {
  return operand.kind == Operand::Kind::kValue ? operand.value : nullptr;
}

std::string shown(const AttributeValue& value) {
  std::string payload;
  switch (value.type()) {
    case Type::kString:
      payload = value.get<std::string>();
      break;
    case Type::kNumber:
      payload = value.get<model::Number>().text();
      break;
    default:
      model::append_json(payload, value);
      return "AttributeValue: " + payload;
  }
  return "AttributeValue: {" + std::string(model::type_name(value.type())) + ":" + payload + "}";
}

// What a parenthesis may hold: a condition, or an operand that a comparison goes on with.
struct Parsed {
  Condition condition;
  std::optional<Operand> operand;  // set: not a condition (yet)
  std::string function;            // set: the operand is this function's call
  bool parenthesised = false;
};

class ConditionParser {
 public:
  explicit ConditionParser(Cursor& cursor) : cursor_(cursor) {}

  Result<Condition> parse() {
    MR_ASSIGN_OR_RETURN(Parsed parsed, parse_or());
    MR_RETURN_IF_ERROR(require_condition(parsed));
    if (!cursor_.at_end()) return cursor_.syntax_error();
    return std::move(parsed.condition);
  }

 private:
  Result<void> require_condition(const Parsed& parsed) {
    if (!parsed.operand) return {};
    if (parsed.function.empty()) return cursor_.syntax_error();
    cursor_.note(Priority::kNames,
                 "The function is not allowed to be used this way in an expression; function: " + parsed.function);
    return {};
  }

  Result<Parsed> combine(Kind kind, Parsed left, Parsed right) {
    MR_RETURN_IF_ERROR(require_condition(right));
    cursor_.count_operator();
    Parsed out;
    out.condition.kind = kind;
    out.condition.children.push_back(std::move(left.condition));
    out.condition.children.push_back(std::move(right.condition));
    return out;
  }

  Result<Parsed> parse_or() {
    MR_ASSIGN_OR_RETURN(Parsed left, parse_and());
    while (cursor_.at_keyword("OR")) {
      MR_RETURN_IF_ERROR(require_condition(left));
      cursor_.take();
      MR_ASSIGN_OR_RETURN(Parsed right, parse_and());
      MR_ASSIGN_OR_RETURN(left, combine(Kind::kOr, std::move(left), std::move(right)));
    }
    return left;
  }

  Result<Parsed> parse_and() {
    MR_ASSIGN_OR_RETURN(Parsed left, parse_not());
    while (cursor_.at_keyword("AND")) {
      MR_RETURN_IF_ERROR(require_condition(left));
      cursor_.take();
      MR_ASSIGN_OR_RETURN(Parsed right, parse_not());
      MR_ASSIGN_OR_RETURN(left, combine(Kind::kAnd, std::move(left), std::move(right)));
    }
    return left;
  }

  Result<Parsed> parse_not() {
    if (!cursor_.take_keyword("NOT")) return parse_comparison();
    MR_RETURN_IF_ERROR(cursor_.enter());
    MR_ASSIGN_OR_RETURN(Parsed inner, parse_not());
    cursor_.leave();
    MR_RETURN_IF_ERROR(require_condition(inner));
    cursor_.count_operator();
    Parsed out;
    out.condition.kind = Kind::kNot;
    out.condition.children.push_back(std::move(inner.condition));
    return out;
  }

  Result<Parsed> parse_comparison() {
    MR_ASSIGN_OR_RETURN(Parsed left, parse_primary());
    if (!left.operand) return left;
    for (const auto& [symbol, kind] : kComparators) {
      if (cursor_.take_symbol(symbol)) return parse_comparator(kind, symbol, *std::move(left.operand));
    }
    if (cursor_.take_keyword("BETWEEN")) return parse_between(*std::move(left.operand));
    if (cursor_.take_keyword("IN")) return parse_in(*std::move(left.operand));
    return left;
  }

  Result<Parsed> parse_primary() {
    if (!cursor_.at_symbol("(")) return parse_plain();
    cursor_.take();
    MR_RETURN_IF_ERROR(cursor_.enter());
    MR_ASSIGN_OR_RETURN(Parsed inner, parse_or());
    cursor_.leave();
    if (!cursor_.take_symbol(")")) return cursor_.syntax_error();
    if (inner.parenthesised) cursor_.note(Priority::kNames, "The expression has redundant parentheses;");
    inner.parenthesised = true;
    return inner;
  }

  // A function call, a path or a value.
  Result<Parsed> parse_plain() {
    Parsed out;
    const Token& token = cursor_.peek();
    const Token& after = cursor_.peek(1);
    if (token.kind == Token::Kind::kWord && after.kind == Token::Kind::kSymbol && cursor_.text(after) == "(" &&
        !is_condition_keyword(cursor_.text(token))) {
      return parse_call();
    }
    out.operand.emplace();
    if (token.kind == Token::Kind::kValue) {
      out.operand->kind = Operand::Kind::kValue;
      out.operand->value = cursor_.take_value();
      return out;
    }
    MR_ASSIGN_OR_RETURN(out.operand->path, cursor_.parse_path(is_condition_keyword));
    return out;
  }

  Result<Operand> parse_operand() {
    MR_ASSIGN_OR_RETURN(Parsed parsed, parse_primary());
    if (parsed.operand) return *std::move(parsed.operand);
    if (parsed.function.empty()) return cursor_.syntax_error();
    cursor_.note(Priority::kNames,
                 "The function is not allowed to be used this way in an expression; function: " + parsed.function);
    return Operand();
  }

  Result<std::vector<Operand>> parse_arguments() {
    std::vector<Operand> arguments;
    cursor_.take();  // "("
    MR_RETURN_IF_ERROR(cursor_.enter());
    do {
      MR_ASSIGN_OR_RETURN(Operand argument, parse_operand());
      arguments.push_back(std::move(argument));
    } while (cursor_.take_symbol(","));
    cursor_.leave();
    if (!cursor_.take_symbol(")")) return cursor_.syntax_error();
    return arguments;
  }

  Result<Parsed> parse_call() {
    const std::string name(cursor_.text(cursor_.take()));
    MR_ASSIGN_OR_RETURN(std::vector<Operand> arguments, parse_arguments());
    cursor_.count_operator();
    Parsed out;
    out.function = name;
    if (name == "size") {
      check_size(arguments);
      out.operand.emplace();
      out.operand->kind = Operand::Kind::kSize;
      out.operand->arguments = std::move(arguments);
      return out;
    }
    const Function* function = find_function(name);
    if (function == nullptr) {
      const bool updates = name == "if_not_exists" || name == "list_append";
      cursor_.note(Priority::kNames, updates
                                         ? "The function is not allowed in a condition expression; function: " + name
                                         : "Invalid function name; function: " + name);
      out.operand.emplace();  // whichever it was meant to be: the noted error wins
      return out;
    }
    check_call(*function, arguments);
    out.condition.kind = function->kind;
    out.condition.operands = std::move(arguments);
    return out;
  }

  void note_count(std::string_view function, std::size_t count) {
    cursor_.note(Priority::kNames, "Incorrect number of operands for operator or function; operator or function: " +
                                       std::string(function) + ", number of operands: " + std::to_string(count));
  }
  void note_type(std::string_view label, std::string_view name, Type type) {
    cursor_.note(Priority::kOperands, "Incorrect operand type for operator or function; " + std::string(label) + ": " +
                                          std::string(name) + ", operand type: " + std::string(model::type_name(type)));
  }

  void check_size(const std::vector<Operand>& arguments) {
    if (arguments.size() != 1) return note_count("size", arguments.size());
    const AttributeValue* value = literal(arguments[0]);
    if (value == nullptr) return;
    if (value->is(Type::kNumber) || value->is(Type::kBool) || value->is(Type::kNull)) {
      note_type("operator or function", "size", value->type());
    }
  }

  void check_call(const Function& function, const std::vector<Operand>& arguments) {
    if (arguments.size() != function.operands) return note_count(function.name, arguments.size());
    if (function.path_first && arguments[0].kind != Operand::Kind::kPath) {
      return cursor_.note(Priority::kOperands, "Operator or function requires a document path; operator or function: " +
                                                   std::string(function.name));
    }
    if (function.kind == Kind::kAttributeType) return check_type_name(arguments[1]);
    if (function.kind == Kind::kBeginsWith) {
      for (const Operand& argument : arguments) {
        const AttributeValue* value = literal(argument);
        if (value != nullptr && !value->is(Type::kString) && !value->is(Type::kBinary)) {
          note_type("operator or function", function.name, value->type());
        }
      }
    }
    if (function.operands == 2) check_distinct(function.name, arguments);
  }

  void check_type_name(const Operand& operand) {
    const AttributeValue* value = literal(operand);
    if (value == nullptr) return;
    if (!value->is(Type::kString)) return note_type("operator or function", "attribute_type", value->type());
    const std::string& wanted = value->get<std::string>();
    for (int i = 0; i <= static_cast<int>(Type::kBinarySet); ++i) {
      if (model::type_name(static_cast<Type>(i)) == wanted) return;
    }
    cursor_.note(Priority::kOperands, "Invalid attribute type name found; type: " + wanted +
                                          ", valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}");
  }

  void check_distinct(std::string_view name, const std::vector<Operand>& operands) {
    if (operands[0].kind != Operand::Kind::kPath) return;
    for (std::size_t i = 1; i < operands.size(); ++i) {
      if (operands[i].kind != Operand::Kind::kPath || operands[i].path != operands[0].path) continue;
      cursor_.note(Priority::kDistinct,
                   "The first operand must be distinct from the remaining operands for this operator or function; "
                   "operator: " +
                       std::string(name) + ", first operand: " + operands[0].path.text());
    }
  }

  void check_ordered(std::string_view name, const std::vector<Operand>& operands) {
    for (const Operand& operand : operands) {
      const AttributeValue* value = literal(operand);
      if (value != nullptr && !has_order(value->type())) note_type("operator", name, value->type());
    }
  }

  Result<Parsed> parse_comparator(Kind kind, std::string_view symbol, Operand left) {
    MR_ASSIGN_OR_RETURN(Operand right, parse_operand());
    cursor_.count_operator();
    Parsed out;
    out.condition.kind = kind;
    out.condition.operands.push_back(std::move(left));
    out.condition.operands.push_back(std::move(right));
    if (kind != Kind::kEqual && kind != Kind::kNotEqual) check_ordered(symbol, out.condition.operands);
    check_distinct(symbol, out.condition.operands);
    return out;
  }

  Result<Parsed> parse_between(Operand left) {
    Parsed out;
    out.condition.kind = Kind::kBetween;
    out.condition.operands.push_back(std::move(left));
    MR_ASSIGN_OR_RETURN(Operand low, parse_operand());
    if (!cursor_.take_keyword("AND")) return cursor_.syntax_error();
    MR_ASSIGN_OR_RETURN(Operand high, parse_operand());
    cursor_.count_operator();
    check_bounds(literal(low), literal(high));
    out.condition.operands.push_back(std::move(low));
    out.condition.operands.push_back(std::move(high));
    check_ordered("BETWEEN", out.condition.operands);
    check_distinct("BETWEEN", out.condition.operands);
    return out;
  }

  void check_bounds(const AttributeValue* low, const AttributeValue* high) {
    if (low == nullptr || high == nullptr) return;
    const std::string bounds = "; lower bound operand: " + shown(*low) + ", upper bound operand: " + shown(*high);
    if (low->type() != high->type()) {
      return cursor_.note(Priority::kOperands,
                          "The BETWEEN operator requires same data type for lower and upper bounds" + bounds);
    }
    if (has_order(low->type()) && model::compare(*high, *low) < 0) {
      cursor_.note(Priority::kOperands,
                   "The BETWEEN operator requires upper bound to be greater than or equal to lower bound" + bounds);
    }
  }

  Result<Parsed> parse_in(Operand left) {
    Parsed out;
    out.condition.kind = Kind::kIn;
    out.condition.operands.push_back(std::move(left));
    if (!cursor_.at_symbol("(")) return cursor_.syntax_error();
    MR_ASSIGN_OR_RETURN(std::vector<Operand> candidates, parse_arguments());
    cursor_.count_operator();
    if (candidates.size() > kInOperandsMax) note_count("IN", candidates.size() + 1);
    for (Operand& candidate : candidates) out.condition.operands.push_back(std::move(candidate));
    check_distinct("IN", out.condition.operands);
    return out;
  }

  Cursor& cursor_;
};

}  // namespace

Result<Condition> parse_condition(std::string_view text, std::string_view member, Substitutions& substitutions) {
  Cursor cursor(text, member, substitutions);
  MR_RETURN_IF_ERROR(cursor.check_text());
  MR_ASSIGN_OR_RETURN(Condition condition, ConditionParser(cursor).parse());
  MR_RETURN_IF_ERROR(cursor.check_meaning());
  return condition;
}

}  // namespace millrace::expressions
