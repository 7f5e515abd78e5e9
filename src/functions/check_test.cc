// Damage that is planted in a store and among the archives, and whether check_functions() names it.
#include "functions/check.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto/digest.h"
#include "crypto/encoding.h"
#include "functions/attachments.h"
#include "functions/code_store.h"
#include "functions/internal/event_records.h"
#include "storage/memory/memory_store.h"

namespace millrace::functions {
namespace {

namespace fs = std::filesystem;
using storage::Family;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FunctionCheckTest : public ::testing::Test {
 protected:
  FunctionCheckTest() {
    std::string pattern = (fs::temp_directory_path() / "millrace-check-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    function_.name = {Scope{}, "f"};
    function_.code = code_of("first", "bytes of the archive");
    put(function_key(function_.name), to_json(function_).dump());
  }
  ~FunctionCheckTest() override { fs::remove_all(folder_); }

  Code code_of(const std::string& id, const std::string& bytes) {
    const fs::path path = CodeStore(folder_).archive(function_.name, id);
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
    Code code;
    code.id = id;
    code.bytes = static_cast<std::int64_t>(bytes.size());
    code.sha256 = crypto::base64_encode(crypto::digest(crypto::Algorithm::kSha256, bytes));
    return code;
  }
  void put(const std::string& key, std::string_view value, Family family = Family::kCatalogue) {
    storage::WriteBatch batch;
    batch.put(family, key, value);
    ASSERT_TRUE(store_.write(batch, storage::Store::Sync::kUnsynced).ok());
  }
  void put_version(const Function& of, int version) {
    Function published = of;
    published.version = std::to_string(version);
    put(version_key(of.name, version), to_json(published).dump());
  }
  std::vector<std::string> problems() {
    std::vector<std::string> found;
    const auto checked = check_functions(store_, folder_, [&](std::string text) { found.push_back(std::move(text)); });
    EXPECT_TRUE(checked.ok());
    if (checked.ok()) counts_ = *checked;
    return found;
  }

  storage::MemoryStore store_;
  fs::path folder_;
  Function function_;
  FunctionCheckCounts counts_;
};

TEST_F(FunctionCheckTest, WhatIsWholeIsCountedAndNotComplainedOf) {
  put_version(function_, 1);
  const FunctionReference reference{function_.name};
  put(internal::event_key(internal::kEventPrefix, reference, 1), internal::encode_event({}), Family::kQueue);
  put(internal::event_key(internal::kStatePrefix, reference, 1), internal::encode_state({}), Family::kQueue);
  EXPECT_THAT(problems(), IsEmpty());
  EXPECT_EQ(counts_.functions, 1U);
  EXPECT_EQ(counts_.versions, 1U);
  EXPECT_EQ(counts_.archives, 1U);  // shared by both
  EXPECT_EQ(counts_.events, 1U);
}

TEST_F(FunctionCheckTest, CodeThatIsLostOrChangedIsNamed) {
  const fs::path archive = CodeStore(folder_).archive(function_.name, "first");
  std::ofstream(archive, std::ios::binary) << "bytes of the arcHive";
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("Function f has damaged code: " + archive.string())));
  std::ofstream(archive, std::ios::binary) << "bytes of the archive and more";
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("Function f has damaged code")));
  fs::remove(archive);
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("Function f has lost its code: " + archive.string() + " is missing")));
}

TEST_F(FunctionCheckTest, DamagedRecordsAreNamed) {
  put(function_key({Scope{}, "other"}), to_json(function_).dump());
  put(version_key(function_.name, 3), "{");
  put("layers/000000000000/us-east-1/l/1", "{}");
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("of a function is damaged"), HasSubstr("of a version is damaged"),
                                      HasSubstr("of a layer is damaged")));
}

TEST_F(FunctionCheckTest, VersionsNeedTheirFunctionAndAliasesTheirVersions) {
  Function gone = function_;
  gone.name.name = "gone";
  gone.code = function_.code;
  gone.code.hot_folder = "/somewhere";  // no archive
  put_version(gone, 1);
  Attachments attachments;
  attachments.aliases["live"].version = "7";
  codec::Json record = to_json(function_);
  record.set("attached", to_json(attachments));
  put(function_key(function_.name), record.dump());
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("Alias live of function f means version 7, which does not exist"),
                                      HasSubstr("Version 1 of function gone is of a function that does not exist")));
}

TEST_F(FunctionCheckTest, EventsThatCannotBeReadAndStatesOfNoEventAreNamed) {
  const FunctionReference reference{function_.name};
  put(internal::event_key(internal::kEventPrefix, reference, 1), "damage", Family::kQueue);
  put(internal::event_key(internal::kStatePrefix, reference, 1), "damage", Family::kQueue);
  put(internal::event_key(internal::kStatePrefix, reference, 2), internal::encode_state({}), Family::kQueue);
  EXPECT_THAT(problems(),
              ElementsAre(HasSubstr("event that cannot be decoded"), HasSubstr("state of an asynchronous event"),
                          HasSubstr("state of event 2 of function f")));
}

}  // namespace
}  // namespace millrace::functions
