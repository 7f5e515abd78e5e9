#include <algorithm>
#include <array>

#include "expressions/internal/tokens.h"
#include "expressions/parse.h"

namespace millrace::expressions {
namespace {

using internal::Cursor;
using internal::equals_ignore_case;
using internal::Token;
using model::AttributeValue;
using model::Type;
using Priority = Cursor::Priority;
using Kind = UpdateAction::Kind;

constexpr std::array<std::pair<std::string_view, Kind>, 4> kSections = {
    {{"SET", Kind::kSet}, {"REMOVE", Kind::kRemove}, {"ADD", Kind::kAdd}, {"DELETE", Kind::kDelete}}};

bool is_update_keyword(std::string_view word) {
  return std::any_of(kSections.begin(), kSections.end(),
                     [&](const auto& section) { return equals_ignore_case(word, section.first); });
}

bool is_set(Type type) { return type == Type::kStringSet || type == Type::kNumberSet || type == Type::kBinarySet; }

// How the texts about ADD and DELETE spell types.
std::string_view long_type_name(Type type) {
  constexpr std::string_view kNames[] = {"NULL", "BOOLEAN", "STRING",     "NUMBER",     "BINARY",
                                         "MAP",  "LIST",    "STRING_SET", "NUMBER_SET", "BINARY_SET"};
  return kNames[static_cast<std::size_t>(type)];
}

class UpdateParser {
 public:
  explicit UpdateParser(Cursor& cursor) : cursor_(cursor) {}

  Result<Update> parse() {
    std::array<bool, 4> seen{};
    while (!cursor_.at_end()) {
      const auto section =
          std::find_if(kSections.begin(), kSections.end(), [&](const auto& s) { return cursor_.at_keyword(s.first); });
      if (section == kSections.end()) return cursor_.syntax_error();
      cursor_.take();
      if (std::exchange(seen[static_cast<std::size_t>(section - kSections.begin())], true)) {
        cursor_.note(Priority::kNames, "The \"" + std::string(section->first) +
                                           "\" section can only be used once in an update expression;");
      }
      do {
        MR_RETURN_IF_ERROR(parse_action(section->second, section->first));
      } while (cursor_.take_symbol(","));
    }
    return std::move(update_);
  }

 private:
  Result<void> parse_action(Kind kind, std::string_view section) {
    UpdateAction action;
    action.kind = kind;
    MR_ASSIGN_OR_RETURN(action.path, cursor_.parse_path(is_update_keyword));
    // AWS: actions and the "=" of SET are no operators; "SET a = :x + :y" has one.
    if (kind == Kind::kSet) {
      if (!cursor_.take_symbol("=")) return cursor_.syntax_error();
      MR_ASSIGN_OR_RETURN(action.operand, parse_sum());
    } else if (kind != Kind::kRemove) {
      if (cursor_.peek().kind != Token::Kind::kValue) return cursor_.syntax_error();
      action.operand.kind = Operand::Kind::kValue;
      action.operand.value = cursor_.take_value();
      check_section_value(kind, section, action.operand.value);
    }
    update_.actions.push_back(std::move(action));
    return {};
  }

  void check_section_value(Kind kind, std::string_view section, const AttributeValue* value) {
    if (value == nullptr || is_set(value->type())) return;
    if (kind == Kind::kAdd && value->is(Type::kNumber)) return;
    cursor_.note(Priority::kOperands,
                 "Incorrect operand type for operator or function; operator: " + std::string(section) +
                     ", operand type: " + std::string(long_type_name(value->type())) + ", typeSet: ALLOWED_FOR_" +
                     std::string(section) + "_OPERAND");
  }

  Result<Operand> parse_sum() {
    MR_ASSIGN_OR_RETURN(Operand left, parse_operand());
    const bool plus = cursor_.at_symbol("+");
    if (!plus && !cursor_.at_symbol("-")) return left;
    cursor_.take();
    cursor_.count_operator();
    MR_ASSIGN_OR_RETURN(Operand right, parse_operand());
    Operand out;
    out.kind = plus ? Operand::Kind::kPlus : Operand::Kind::kMinus;
    out.arguments.push_back(std::move(left));
    out.arguments.push_back(std::move(right));
    check_types(plus ? "+" : "-", out.arguments, Type::kNumber);
    return out;
  }

  Result<Operand> parse_operand() {
    const Token token = cursor_.peek();
    Operand out;
    if (token.kind == Token::Kind::kValue) {
      out.kind = Operand::Kind::kValue;
      out.value = cursor_.take_value();
      return out;
    }
    if (cursor_.at_symbol("(")) {
      cursor_.take();
      MR_RETURN_IF_ERROR(cursor_.enter());
      MR_ASSIGN_OR_RETURN(out, parse_sum());
      cursor_.leave();
      if (!cursor_.take_symbol(")")) return cursor_.syntax_error();
      return out;
    }
    const Token& after = cursor_.peek(1);
    if (token.kind == Token::Kind::kWord && after.kind == Token::Kind::kSymbol && cursor_.text(after) == "(") {
      return parse_call();
    }
    MR_ASSIGN_OR_RETURN(out.path, cursor_.parse_path(is_update_keyword));
    return out;
  }

  Result<Operand> parse_call() {
    const std::string name(cursor_.text(cursor_.take()));
    Operand out;
    cursor_.take();  // "("
    MR_RETURN_IF_ERROR(cursor_.enter());
    do {
      MR_ASSIGN_OR_RETURN(Operand argument, parse_operand());
      out.arguments.push_back(std::move(argument));
    } while (cursor_.take_symbol(","));
    cursor_.leave();
    if (!cursor_.take_symbol(")")) return cursor_.syntax_error();
    cursor_.count_operator();
    check_call(name, out);
    return out;
  }

  void check_call(const std::string& name, Operand& call) {
    if (name != "if_not_exists" && name != "list_append") {
      constexpr std::string_view kConditions[] = {
          "attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size"};
      const bool known = std::find(std::begin(kConditions), std::end(kConditions), name) != std::end(kConditions);
      return cursor_.note(Priority::kNames,
                          known ? "The function is not allowed in an update expression; function: " + name
                                : "Invalid function name; function: " + name);
    }
    call.kind = name == "if_not_exists" ? Operand::Kind::kIfNotExists : Operand::Kind::kListAppend;
    if (call.arguments.size() != 2) {
      return cursor_.note(Priority::kNames,
                          "Incorrect number of operands for operator or function; operator or function: " + name +
                              ", number of operands: " + std::to_string(call.arguments.size()));
    }
    if (call.kind == Operand::Kind::kListAppend) return check_types(name, call.arguments, Type::kList);
    if (call.arguments[0].kind != Operand::Kind::kPath) {
      cursor_.note(Priority::kOperands, "Operator or function requires a document path; operator or function: " + name);
    }
  }

  void check_types(std::string_view name, const std::vector<Operand>& operands, Type wanted) {
    for (const Operand& operand : operands) {
      if (operand.kind != Operand::Kind::kValue || operand.value == nullptr || operand.value->is(wanted)) continue;
      cursor_.note(Priority::kOperands,
                   "Incorrect operand type for operator or function; operator or function: " + std::string(name) +
                       ", operand type: " + std::string(model::type_name(operand.value->type())));
    }
  }

  Cursor& cursor_;
  Update update_;
};

// True when one path is the beginning of the other (or both are equal).
bool overlap(const Path& a, const Path& b) {
  const std::size_t common = std::min(a.steps.size(), b.steps.size());
  return std::equal(a.steps.begin(), a.steps.begin() + static_cast<std::ptrdiff_t>(common), b.steps.begin());
}

// True when the paths part at a step that is an index in one and a name in the other.
bool conflict(const Path& a, const Path& b) {
  for (std::size_t i = 0; i < std::min(a.steps.size(), b.steps.size()); ++i) {
    if (a.steps[i] == b.steps[i]) continue;
    return a.steps[i].index() != b.steps[i].index();
  }
  return false;
}

bool is_no_keyword(std::string_view) { return false; }

}  // namespace

std::string Path::text() const {
  std::string out = "[";
  for (const PathStep& step : steps) {
    if (out.size() > 1) out += ", ";
    if (const auto* name = std::get_if<std::string>(&step)) {
      out += *name;
    } else {
      out += "[" + std::to_string(std::get<std::uint32_t>(step)) + "]";
    }
  }
  return out + "]";
}

Result<void> check_paths_distinct(const std::vector<const Path*>& paths, std::string_view member) {
  for (std::size_t i = 0; i < paths.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const bool overlaps = overlap(*paths[j], *paths[i]);
      if (!overlaps && !conflict(*paths[j], *paths[i])) continue;
      return Error(kValidationException,
                   "Invalid " + std::string(member) + ": Two document paths " + (overlaps ? "overlap" : "conflict") +
                       " with each other; must remove or rewrite one of these paths; path one: " + paths[j]->text() +
                       ", path two: " + paths[i]->text());
    }
  }
  return {};
}

Result<Update> parse_update(std::string_view text, Substitutions& substitutions) {
  constexpr std::string_view kMember = "UpdateExpression";
  Cursor cursor(text, kMember, substitutions);
  MR_RETURN_IF_ERROR(cursor.check_text());
  MR_ASSIGN_OR_RETURN(Update update, UpdateParser(cursor).parse());
  MR_RETURN_IF_ERROR(cursor.check_meaning());
  std::vector<const Path*> paths;
  for (const UpdateAction& action : update.actions) paths.push_back(&action.path);
  MR_RETURN_IF_ERROR(check_paths_distinct(paths, kMember));
  return update;
}

Result<Projection> parse_projection(std::string_view text, Substitutions& substitutions) {
  constexpr std::string_view kMember = "ProjectionExpression";
  Cursor cursor(text, kMember, substitutions);
  MR_RETURN_IF_ERROR(cursor.check_text());
  Projection projection;
  do {
    MR_ASSIGN_OR_RETURN(Path path, cursor.parse_path(is_no_keyword));
    projection.push_back(std::move(path));
  } while (cursor.take_symbol(","));
  if (!cursor.at_end()) return cursor.syntax_error();
  MR_RETURN_IF_ERROR(cursor.check_meaning());
  std::vector<const Path*> paths;
  for (const Path& path : projection) paths.push_back(&path);
  MR_RETURN_IF_ERROR(check_paths_distinct(paths, kMember));
  return projection;
}

}  // namespace millrace::expressions
