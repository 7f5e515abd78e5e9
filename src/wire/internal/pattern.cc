#include "wire/internal/pattern.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace::wire::internal {
namespace {

std::u32string decode_utf8(std::string_view text) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    char32_t value = length == 1 ? lead : lead & (0xff >> (length + 1));
    for (std::size_t k = 1; k < length && i + k < text.size(); ++k) {
      value = (value << 6) | (static_cast<unsigned char>(text[i + k]) & 0x3f);
    }
    out += value;
    i += length;
  }
  return out;
}

struct Range {
  char32_t first, last;
};

struct Node;
using Sequence = std::vector<Node>;

struct Node {
  enum class Type { kClass, kGroup, kStart, kEnd, kBoundary, kAhead, kNotAhead, kNotBehind };
  Type type = Type::kClass;
  std::vector<Range> ranges;           // kClass
  bool negated = false;                // kClass
  std::vector<Sequence> alternatives;  // groups and lookarounds
  int min = 1, max = 1;                // max -1: no bound
};

constexpr char32_t kLast = 0x10ffff;

void complement(std::vector<Range>& out, std::initializer_list<Range> ranges) {
  char32_t next = 0;
  for (const Range& range : ranges) {
    if (range.first > next) out.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  out.push_back({next, kLast});
}

class Parser {
 public:
  explicit Parser(std::string_view pattern) : text_(decode_utf8(pattern)) {}

  std::optional<std::vector<Sequence>> parse() {
    auto alternatives = parse_alternatives(0);
    if (failed_ || at_ != text_.size()) return std::nullopt;
    return alternatives;
  }

 private:
  bool more() const { return at_ < text_.size(); }
  bool take(std::u32string_view token) {
    if (text_.compare(at_, token.size(), token) != 0) return false;
    at_ += token.size();
    return true;
  }

  std::vector<Sequence> parse_alternatives(int depth) {
    std::vector<Sequence> alternatives(1);
    if (depth > 20) failed_ = true;
    while (more() && !failed_) {
      if (text_[at_] == U')') break;
      if (take(U"|")) {
        alternatives.emplace_back();
        continue;
      }
      Node node = parse_atom(depth);
      parse_quantifier(node);
      alternatives.back().push_back(std::move(node));
    }
    return alternatives;
  }

  Node parse_group(int depth) {
    Node node;
    node.type = Node::Type::kGroup;
    if (take(U"?:")) {
    } else if (take(U"?=")) {
      node.type = Node::Type::kAhead;
    } else if (take(U"?!")) {
      node.type = Node::Type::kNotAhead;
    } else if (take(U"?<!")) {
      node.type = Node::Type::kNotBehind;
    } else if (take(U"?")) {
      failed_ = true;
    }
    node.alternatives = parse_alternatives(depth + 1);
    if (!take(U")")) failed_ = true;
    return node;
  }

  Node parse_atom(int depth) {
    Node node;
    if (take(U"(")) return parse_group(depth);
    if (take(U"^")) {
      node.type = Node::Type::kStart;
    } else if (take(U"$")) {
      node.type = Node::Type::kEnd;
    } else if (take(U"\\b")) {
      node.type = Node::Type::kBoundary;
    } else if (take(U"[")) {
      parse_class(node);
    } else if (take(U".")) {
      complement(node.ranges, {{U'\n', U'\n'}, {U'\r', U'\r'}});
    } else if (take(U"\\")) {
      parse_escape(node.ranges);
    } else {
      const char32_t c = text_[at_++];
      if (c == U'*' || c == U'+' || c == U'?') failed_ = true;
      node.ranges.push_back({c, c});
    }
    return node;
  }

  void parse_quantifier(Node& node) {
    if (take(U"*")) {
      node.min = 0;
      node.max = -1;
    } else if (take(U"+")) {
      node.max = -1;
    } else if (take(U"?")) {
      node.min = 0;
    } else if (more() && text_[at_] == U'{') {
      ++at_;
      node.min = number();
      node.max = node.min;
      if (take(U",")) node.max = more() && text_[at_] == U'}' ? -1 : number();
      if (!take(U"}")) failed_ = true;
    } else {
      return;
    }
    (void)take(U"?");  // lazy: the same set of whole matches
  }

  int number() {
    int value = 0;
    while (more() && text_[at_] >= U'0' && text_[at_] <= U'9' && value < 100000) {
      value = value * 10 + static_cast<int>(text_[at_++] - U'0');
    }
    return value;
  }

  char32_t hex(int digits) {
    char32_t value = 0;
    for (; digits > 0 && more(); --digits) {
      const char32_t c = text_[at_++];
      const char32_t digit = c >= U'0' && c <= U'9'   ? c - U'0'
                             : c >= U'a' && c <= U'f' ? c - U'a' + 10
                             : c >= U'A' && c <= U'F' ? c - U'A' + 10
                                                      : 99;
      if (digit == 99) failed_ = true;
      value = value * 16 + digit;
    }
    return value;
  }

  // Appends what the escape stands for. Returns the character of a single one, for ranges.
  std::optional<char32_t> parse_escape(std::vector<Range>& out) {
    if (!more()) {
      failed_ = true;
      return std::nullopt;
    }
    const char32_t c = text_[at_++];
    char32_t single = c;
    switch (c) {
      case U'd':
        out.push_back({U'0', U'9'});
        return std::nullopt;
      case U'D':
        complement(out, {{U'0', U'9'}});
        return std::nullopt;
      case U'w':
        out.insert(out.end(), {{U'0', U'9'}, {U'A', U'Z'}, {U'_', U'_'}, {U'a', U'z'}});
        return std::nullopt;
      case U'W':
        complement(out, {{U'0', U'9'}, {U'A', U'Z'}, {U'_', U'_'}, {U'a', U'z'}});
        return std::nullopt;
      case U's':
        out.insert(out.end(), {{U'\t', U'\r'}, {U' ', U' '}});
        return std::nullopt;
      case U'S':
        complement(out, {{U'\t', U'\r'}, {U' ', U' '}});
        return std::nullopt;
      case U'p':
        parse_property(out);
        return std::nullopt;
      case U'x':
        single = hex(2);
        break;
      case U'u':
        single = hex(4);
        break;
      case U'n':
        single = U'\n';
        break;
      case U'r':
        single = U'\r';
        break;
      case U't':
        single = U'\t';
        break;
      default:
        // A letter that means something else elsewhere: not understood, rather than taken for itself.
        if ((c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z')) failed_ = true;
        break;
    }
    out.push_back({single, single});
    return single;
  }

  // Letters, separators and numbers beyond ASCII are not told apart: all of them count.
  void parse_property(std::vector<Range>& out) {
    if (take(U"{L}")) {
      out.insert(out.end(), {{U'A', U'Z'}, {U'a', U'z'}, {0xaa, kLast}});
    } else if (take(U"{N}")) {
      out.insert(out.end(), {{U'0', U'9'}, {0xb2, kLast}});
    } else if (take(U"{Z}")) {
      out.insert(out.end(), {{U' ', U' '}, {0xa0, 0xa0}, {0x1680, 0x1680}, {0x2000, 0x3000}});
    } else if (take(U"{Print}")) {
      out.push_back({0x20, 0x7e});
    } else {
      failed_ = true;
    }
  }

  void parse_class(Node& node) {
    node.negated = take(U"^");
    bool first = true;
    while (more() && (first || text_[at_] != U']') && !failed_) {
      first = false;
      std::optional<char32_t> low;
      if (take(U"\\")) {
        low = parse_escape(node.ranges);
      } else {
        low = text_[at_++];
        node.ranges.push_back({*low, *low});
      }
      // A hyphen makes a range only between two characters.
      if (!low.has_value() || at_ + 1 >= text_.size() || text_[at_] != U'-' || text_[at_ + 1] == U']') continue;
      ++at_;
      std::vector<Range> high_ranges;
      std::optional<char32_t> high;
      if (take(U"\\")) {
        high = parse_escape(high_ranges);
      } else {
        high = text_[at_++];
      }
      if (high.has_value()) {
        node.ranges.back() = {*low, *high};
      } else {
        node.ranges.push_back({U'-', U'-'});
        node.ranges.insert(node.ranges.end(), high_ranges.begin(), high_ranges.end());
      }
    }
    if (!take(U"]")) failed_ = true;
  }

  std::u32string text_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

bool contains(const Node& node, char32_t c) {
  for (const Range& range : node.ranges) {
    if (c >= range.first && c <= range.last) return !node.negated;
  }
  return node.negated;
}

// Continuation-passing matcher; the stack is bounded by the depth of the pattern times kStackMax repetitions of groups
// (single characters repeat in a loop).
class Matcher {
 public:
  using Then = std::function<bool(std::size_t)>;

  explicit Matcher(const std::u32string& text) : text_(text) {}

  bool whole(const std::vector<Sequence>& alternatives) {
    return any(alternatives, 0, [this](std::size_t at) { return at == text_.size(); }) || gave_up_;
  }

 private:
  static constexpr int kStackMax = 2000;

  bool spend() {
    if (++steps_ > kPatternStepsMax) gave_up_ = true;
    return !gave_up_;
  }

  bool any(const std::vector<Sequence>& alternatives, std::size_t at, const Then& then) {
    for (const Sequence& sequence : alternatives) {
      if (run(sequence, 0, at, then)) return true;
    }
    return false;
  }

  bool run(const Sequence& sequence, std::size_t index, std::size_t at, const Then& then) {
    if (!spend()) return false;
    if (index == sequence.size()) return then(at);
    const Node& node = sequence[index];
    const Then next = [&](std::size_t after) { return run(sequence, index + 1, after, then); };
    switch (node.type) {
      case Node::Type::kStart:
        return at == 0 && next(at);
      case Node::Type::kEnd:
        return at == text_.size() && next(at);
      case Node::Type::kBoundary:
        return is_word(at) != (at > 0 && is_word(at - 1)) && next(at);
      case Node::Type::kAhead:
        return any(node.alternatives, at, [](std::size_t) { return true; }) && next(at);
      case Node::Type::kNotAhead:
        return !any(node.alternatives, at, [](std::size_t) { return true; }) && next(at);
      case Node::Type::kNotBehind:
        return !behind(node, at) && next(at);
      case Node::Type::kClass:
        return repeat_class(node, at, next);
      case Node::Type::kGroup:
        return repeat_group(node, 0, at, next);
    }
    return false;
  }

  bool is_word(std::size_t at) const {
    if (at >= text_.size()) return false;
    const char32_t c = text_[at];
    return (c >= U'0' && c <= U'9') || (c >= U'A' && c <= U'Z') || (c >= U'a' && c <= U'z') || c == U'_';
  }

  bool behind(const Node& node, std::size_t at) {
    for (std::size_t start = at; start + 4 > at; --start) {  // the models look back over single characters
      if (any(node.alternatives, start, [at](std::size_t end) { return end == at; })) return true;
      if (start == 0) break;
    }
    return false;
  }

  bool repeat_class(const Node& node, std::size_t at, const Then& next) {
    std::size_t end = at;
    while (end < text_.size() && (node.max < 0 || end - at < static_cast<std::size_t>(node.max)) &&
           contains(node, text_[end])) {
      ++end;
    }
    for (;; --end) {  // the longest first
      if (end - at < static_cast<std::size_t>(node.min) || end < at) return false;
      if (next(end)) return true;
      if (gave_up_ || end == at) return false;
    }
  }

  bool repeat_group(const Node& node, int count, std::size_t at, const Then& next) {
    if (count > kStackMax) gave_up_ = true;
    if (!spend()) return false;
    if (node.max < 0 || count < node.max) {
      const bool more = any(node.alternatives, at, [&](std::size_t after) {
        if (after == at && count >= node.min) return false;  // an empty round changes nothing
        return repeat_group(node, count + 1, after, next);
      });
      if (more) return true;
    }
    return count >= node.min && next(at);
  }

  const std::u32string& text_;
  int steps_ = 0;
  bool gave_up_ = false;
};

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view text) {
  const auto alternatives = Parser(pattern).parse();
  if (!alternatives.has_value()) return true;
  const std::u32string characters = decode_utf8(text);
  return Matcher(characters).whole(*alternatives);
}

}  // namespace millrace::wire::internal
