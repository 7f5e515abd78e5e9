#include <algorithm>
#include <charconv>

#include "metrics/errors.h"
#include "metrics/internal/math_node.h"

namespace millrace::metrics {
namespace internal {

const Function* find_function(std::string_view name) {
  static constexpr Function kFunctions[] = {
      {"ABS", 1, 1},         {"AVG", 1, 1},         {"CEIL", 1, 1},    {"DATAPOINT_COUNT", 1, 1},
      {"DIFF", 1, 1},        {"DIFF_TIME", 1, 1},   {"DATE", 1, 1},    {"DAY", 1, 1},
      {"EPOCH", 1, 1},       {"FILL", 2, 2},        {"FIRST", 1, 1},   {"FLOOR", 1, 1},
      {"HOUR", 1, 1},        {"IF", 2, 3},          {"LAST", 1, 1},    {"LOG", 1, 1},
      {"LOG10", 1, 1},       {"MAX", 1, 1},         {"METRICS", 0, 1}, {"METRIC_COUNT", 1, 1},
      {"MIN", 1, 1},         {"MINUTE", 1, 1},      {"MONTH", 1, 1},   {"PERIOD", 1, 1},
      {"RATE", 1, 1},        {"RUNNING_SUM", 1, 1}, {"STDDEV", 1, 1},  {"SUM", 1, 1},
      {"TIME_SERIES", 1, 1}, {"YEAR", 1, 1}};
  const auto it = std::ranges::find(kFunctions, name, &Function::name);
  return it == std::end(kFunctions) ? nullptr : it;
}

}  // namespace internal

namespace {

using Node = Expression::Node;
using NodePointer = std::shared_ptr<const Node>;

bool is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

constexpr std::string_view kRefused[] = {"ANOMALY_DETECTION_BAND",
                                         "DB_PERF_INSIGHTS",
                                         "INSIGHT_RULE_METRIC",
                                         "LAMBDA",
                                         "REMOVE_EMPTY",
                                         "SEARCH",
                                         "SERVICE_QUOTA",
                                         "SLICE",
                                         "SORT",
                                         "SELECT"};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text), rest_(text) {}

  Result<NodePointer> parse() {
    MR_ASSIGN_OR_RETURN(NodePointer root, binary(0, 0));
    skip_space();
    if (!rest_.empty()) return wrong("unexpected '" + std::string(rest_.substr(0, 10)) + "'");
    return root;
  }

 private:
  Error wrong(const std::string& why) const {
    return Error(kValidationError, "Error in expression '" + std::string(text_) + "': " + why);
  }
  void skip_space() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t' || rest_.front() == '\n'))
      rest_.remove_prefix(1);
  }
  bool take(std::string_view token) {
    skip_space();
    if (!rest_.starts_with(token)) return false;
    const bool word = is_name(token.front());
    if (word && rest_.size() > token.size() && is_name(rest_[token.size()])) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  // The operator of this level at the front, or "".
  std::string_view take_operator(int level) {
    static constexpr std::pair<std::string_view, std::string_view> kLevels[][6] = {
        {{"||", "OR"}, {"OR", "OR"}},
        {{"&&", "AND"}, {"AND", "AND"}},
        {{"==", "=="}, {"!=", "!="}, {"<=", "<="}, {">=", ">="}, {"<", "<"}, {">", ">"}},
        {{"+", "+"}, {"-", "-"}},
        {{"*", "*"}, {"/", "/"}}};
    for (const auto& [token, name] : kLevels[level]) {
      if (!token.empty() && take(token)) return name;
    }
    return {};
  }

  Result<NodePointer> binary(int level, int depth) {
    if (depth > kExpressionDepthMax) return wrong("nested too deeply");
    if (level == 5) return power(depth);
    MR_ASSIGN_OR_RETURN(NodePointer left, binary(level + 1, depth));
    int count = 0;
    for (std::string_view name = take_operator(level); !name.empty(); name = take_operator(level)) {
      if (++count > kExpressionDepthMax * 2) return wrong("too long");
      MR_ASSIGN_OR_RETURN(NodePointer right, binary(level + 1, depth));
      left = operation(name, {left, right});
    }
    return left;
  }

  Result<NodePointer> power(int depth) {
    if (depth > kExpressionDepthMax) return wrong("nested too deeply");
    if (take("-")) {
      MR_ASSIGN_OR_RETURN(NodePointer value, power(depth + 1));
      return operation("neg", {value});
    }
    MR_ASSIGN_OR_RETURN(NodePointer base, primary(depth));
    if (!take("^")) return base;
    MR_ASSIGN_OR_RETURN(NodePointer exponent, power(depth + 1));
    return operation("^", {base, exponent});
  }

  static NodePointer operation(std::string_view name, std::vector<NodePointer> parts) {
    Node node;
    node.kind = Node::Kind::kOperator;
    node.text = name;
    node.parts = std::move(parts);
    return std::make_shared<const Node>(std::move(node));
  }

  Result<NodePointer> primary(int depth) {
    skip_space();
    if (rest_.empty()) return wrong("it ends early");
    if (take("(")) {
      MR_ASSIGN_OR_RETURN(NodePointer inner, binary(0, depth + 1));
      if (!take(")")) return wrong("a ')' is missing");
      return inner;
    }
    if (take("[")) return list(Node::Kind::kArray, "", "]", depth);
    const char first = rest_.front();
    if (first == '"' || first == '\'') return quoted(first);
    if ((first >= '0' && first <= '9') || first == '.') return number();
    if (!is_name(first)) return wrong("unexpected '" + std::string(1, first) + "'");
    std::size_t length = 0;
    while (length < rest_.size() && is_name(rest_[length])) ++length;
    const std::string name(rest_.substr(0, length));
    rest_.remove_prefix(length);
    if (take("(")) return call(name, depth);
    if (name.front() < 'a' || name.front() > 'z') {
      if (name == "REPEAT" || name == "LINEAR") return leaf(Node::Kind::kText, name);
      return wrong("'" + name + "' is no id: ids start with a lower case letter");
    }
    return leaf(Node::Kind::kId, name);
  }

  static NodePointer leaf(Node::Kind kind, std::string text) {
    Node node;
    node.kind = kind;
    node.text = std::move(text);
    return std::make_shared<const Node>(std::move(node));
  }

  Result<NodePointer> quoted(char quote) {
    const auto end = rest_.find(quote, 1);
    if (end == std::string_view::npos) return wrong("a quote is not closed");
    auto node = leaf(Node::Kind::kText, std::string(rest_.substr(1, end - 1)));
    rest_.remove_prefix(end + 1);
    return node;
  }

  Result<NodePointer> number() {
    Node node;
    const auto end = std::from_chars(rest_.data(), rest_.data() + rest_.size(), node.number);
    if (end.ec != std::errc()) return wrong("malformed number");
    rest_.remove_prefix(static_cast<std::size_t>(end.ptr - rest_.data()));
    return std::make_shared<const Node>(std::move(node));
  }

  Result<NodePointer> list(Node::Kind kind, const std::string& name, std::string_view close, int depth) {
    Node node;
    node.kind = kind;
    node.text = name;
    if (!take(close)) {
      do {
        MR_ASSIGN_OR_RETURN(NodePointer part, binary(0, depth + 1));
        node.parts.push_back(std::move(part));
      } while (take(","));
      if (!take(close)) return wrong("a '" + std::string(close) + "' is missing");
    }
    return std::make_shared<const Node>(std::move(node));
  }

  Result<NodePointer> call(const std::string& name, int depth) {
    const auto* function = internal::find_function(name);
    if (function == nullptr) {
      if (std::ranges::find(kRefused, name) != std::end(kRefused))
        return wrong("the function " + name + " is not supported by this server");
      return wrong("there is no function " + name);
    }
    MR_ASSIGN_OR_RETURN(NodePointer node, list(Node::Kind::kCall, name, ")", depth));
    if (node->parts.size() < function->arguments_min || node->parts.size() > function->arguments_max)
      return wrong("wrong number of arguments of " + name);
    return node;
  }

  std::string_view text_;
  std::string_view rest_;
};

void collect(const Node& node, std::vector<std::string>& out) {
  if (node.kind == Node::Kind::kId) out.push_back(node.text);
  if (node.kind == Node::Kind::kCall && node.text == "METRICS") out.emplace_back("*");
  for (const auto& part : node.parts) collect(*part, out);
}

}  // namespace

Result<Expression> Expression::parse(std::string_view text) {
  MR_ASSIGN_OR_RETURN(NodePointer root, Parser(text).parse());
  return Expression(std::move(root));
}

std::vector<std::string> Expression::references() const {
  std::vector<std::string> out;
  collect(*root_, out);
  return out;
}

}  // namespace millrace::metrics
