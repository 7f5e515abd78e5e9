#include "codec/wildcard.h"

namespace millrace::codec {

bool matches_wildcard(std::string_view pattern, std::string_view text, QuestionMark question_mark) {
  const bool any_character = question_mark == QuestionMark::kAnyCharacter;
  std::size_t p = 0, t = 0;
  std::size_t star = std::string_view::npos, mark = 0;  // the last star, and what it is tried to end before
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && (pattern[p] == text[t] || (any_character && pattern[p] == '?'))) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace millrace::codec
