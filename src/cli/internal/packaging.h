// Local code in templates: folders and files become zip archives in a bucket, as `aws cloudformation package` does it.
//
// Reads files; what leaves goes through Uploader. Not thread-safe.
#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/json.h"

namespace millrace::cli {

inline constexpr std::uint64_t kCodeBytesMax = 262'144'000;  // AWS: of a function's code, unzipped
inline constexpr int kNestedMax = 8;                         // templates within templates

// Where archives and nested templates go. `key` is the digest of the content: what is there already need not be sent.
struct Uploader {
  std::string bucket;
  std::function<Result<void>(const std::string& key, std::string content)> upload;
};

struct Packaged {
  codec::Json document;  // with addresses instead of paths
  std::string text;      // as it was read
  bool changed = false;  // something was a path
};

using TemplateReader = std::function<Result<codec::Json>(std::string_view text)>;

// Packages the template in `file`; relative paths are relative to its folder. What may be a path: Code of
// AWS::Lambda::Function, Content of AWS::Lambda::LayerVersion, CodeUri of AWS::Serverless::Function, ContentUri of
// AWS::Serverless::LayerVersion, TemplateURL of AWS::CloudFormation::Stack and Location of
// AWS::Serverless::Application: a text without a scheme. Errors: kNotFound for paths that are not there, the reader's,
// the uploader's. `read_from` (if given) gets the template, nested ones, code files and folders, also when it fails.
Result<Packaged> package(const std::filesystem::path& file, const TemplateReader& read, const Uploader& uploader,
                         std::set<std::filesystem::path>* read_from);

// The archive of a folder, or of a single file. Errors: kNotFound, kInvalidArgument when it is larger than
// kCodeBytesMax.
Result<std::string> archive(const std::filesystem::path& path);

// A text that changes when one of the files, or one in the folders, does. What is not there counts, too.
std::string fingerprint(const std::set<std::filesystem::path>& paths);

// The whole file. Error: kNotFound.
Result<std::string> read_file(const std::filesystem::path& path);

}  // namespace millrace::cli
