#include "api/ecr/repository.h"

#include <gtest/gtest.h>

namespace millrace::api_ecr {
namespace {

Repository read(std::string_view text) { return repository_from_json(*codec::parse_json(text)); }

TEST(RepositoryTest, SurvivesBeingSaved) {
  Repository repository;
  repository.shown.set("repositoryName", "r");
  repository.lifecycle = "{}";
  repository.policy = "{\"Statement\":[]}";
  repository.tags.set("a", "b");
  EXPECT_EQ(to_json(repository_from_json(to_json(repository))), to_json(repository));
}

// It can still be shown, tagged and deleted: each part is of the kind that these rest on.
TEST(RepositoryTest, PartsOfAnotherKindAreAbsent) {
  for (const char* text : {"7", "[]", R"({"shown":[1],"lifecycle":7,"policy":{},"tags":"x"})",
                           R"({"shown":"s","tags":[{"Key":"a","Value":"b"}]})", R"({"tags":{"a":1}})"}) {
    EXPECT_EQ(to_json(read(text)), to_json(Repository{})) << text;
  }
  EXPECT_EQ(read(R"({"tags":{"a":1,"b":"c"}})").tags.dump(), R"({"b":"c"})");
}

}  // namespace
}  // namespace millrace::api_ecr
