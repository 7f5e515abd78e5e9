// The regular expressions of the service models: a small backtracking matcher with a bound on its work.
//
// std::regex recurses per character and cannot bound its time; inputs come from clients. Supports what the models use:
// alternation, groups, (?: (?= (?! (?<!, classes with ranges and negation, \d \w \s \S \D \W, \p{L} \p{Z} \p{N}
// \p{Print}, \xHH, \uHHHH, quantifiers * + ? {m} {m,} {m,n} (lazy ones too), anchors ^ $ \b.
#pragma once

#include <string_view>

namespace millrace::wire::internal {

inline constexpr int kPatternStepsMax = 200000;

// Whether the whole of `text` (UTF-8) matches. True also when the work exceeds kPatternStepsMax or the pattern is not
// understood: the services' own checks follow, a model's pattern must not refuse what it cannot judge.
bool matches_pattern(std::string_view pattern, std::string_view text);

}  // namespace millrace::wire::internal
