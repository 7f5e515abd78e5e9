// Patterns in which "*" stands for any text. Pure.
#pragma once

#include <string_view>

namespace millrace::codec {

// Whether '?' stands for any one character, or for itself.
enum class QuestionMark { kLiteral, kAnyCharacter };

// Linear in practice, never worse than pattern times text; no recursion.
bool matches_wildcard(std::string_view pattern, std::string_view text,
                      QuestionMark question_mark = QuestionMark::kLiteral);

}  // namespace millrace::codec
