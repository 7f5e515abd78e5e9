#include "codec/wildcard.h"

#include <gtest/gtest.h>

namespace millrace::codec {
namespace {

TEST(Wildcard, AStarStandsForAnyText) {
  for (const auto& [pattern, text] : {std::pair("", ""),
                                      {"*", ""},
                                      {"*", "abc"},
                                      {"a*c", "ac"},
                                      {"a*c", "abbc"},
                                      {"*b*", "abc"},
                                      {"a**", "a"},
                                      {"*ab", "aab"},
                                      {"a*b*c", "axbbxc"}})
    EXPECT_TRUE(matches_wildcard(pattern, text)) << pattern << " " << text;
  for (const auto& [pattern, text] : {std::pair("", "a"), {"a", ""}, {"a*c", "ab"}, {"*ab", "aba"}, {"abc", "abcd"}})
    EXPECT_FALSE(matches_wildcard(pattern, text)) << pattern << " " << text;
}

TEST(Wildcard, AQuestionMarkStandsForItselfOrForOneCharacter) {
  EXPECT_FALSE(matches_wildcard("a?c", "abc"));
  EXPECT_TRUE(matches_wildcard("a?c", "a?c"));
  EXPECT_TRUE(matches_wildcard("a?c*", "abcd", QuestionMark::kAnyCharacter));
  EXPECT_FALSE(matches_wildcard("a?", "a", QuestionMark::kAnyCharacter));
}

TEST(Wildcard, MatchesRunsAndSingleBytes) {
  EXPECT_TRUE(matches_wildcard("*", "", QuestionMark::kAnyCharacter));
  EXPECT_TRUE(matches_wildcard("uploads/*.json", "uploads/a/b.json", QuestionMark::kAnyCharacter));
  EXPECT_TRUE(matches_wildcard("a?c", "abc", QuestionMark::kAnyCharacter));
  EXPECT_FALSE(matches_wildcard("a?c", "ac", QuestionMark::kAnyCharacter));
  EXPECT_TRUE(matches_wildcard("*ab*ab", "abab", QuestionMark::kAnyCharacter));
  EXPECT_FALSE(matches_wildcard("a*b", "ab1", QuestionMark::kAnyCharacter));
}

}  // namespace
}  // namespace millrace::codec
