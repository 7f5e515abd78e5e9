#include "cli/internal/packaging.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <sys/stat.h>

#include "codec/zip.h"
#include "crypto/digest.h"

namespace millrace::cli {
namespace {

using codec::Json;
namespace fs = std::filesystem;

enum class AddressForm : std::uint8_t { kBucketAndKey, kS3Uri, kTemplateUrl };

struct Place {
  std::string_view type;
  std::string_view property;
  AddressForm address;
};

constexpr Place kPlaces[] = {
    {"AWS::Lambda::Function", "Code", AddressForm::kBucketAndKey},
    {"AWS::Lambda::LayerVersion", "Content", AddressForm::kBucketAndKey},
    {"AWS::Serverless::Function", "CodeUri", AddressForm::kS3Uri},
    {"AWS::Serverless::LayerVersion", "ContentUri", AddressForm::kS3Uri},
    {"AWS::CloudFormation::Stack", "TemplateURL", AddressForm::kTemplateUrl},
    {"AWS::Serverless::Application", "Location", AddressForm::kTemplateUrl},
};

bool is_path(const Json& value) {
  return value.is_string() && !value.as_string().empty() && value.as_string().find("://") == std::string::npos;
}

// All files below `folder`, by their names in an archive. Links are followed.
Result<std::vector<std::pair<std::string, fs::path>>> files_of(const fs::path& folder) {
  std::vector<std::pair<std::string, fs::path>> files;
  std::error_code problem;
  fs::recursive_directory_iterator at(folder, fs::directory_options::follow_directory_symlink, problem);
  for (; !problem && at != fs::recursive_directory_iterator(); at.increment(problem)) {
    if (at->is_regular_file(problem))
      files.emplace_back(at->path().lexically_relative(folder).generic_string(), at->path());
    problem.clear();
  }
  if (problem) return Error(kNotFound, "cannot read " + folder.string() + ": " + problem.message());
  std::ranges::sort(files);
  return files;
}

std::string stamp_of(const fs::path& path) {
  struct ::stat status {};
  if (::stat(path.c_str(), &status) != 0) return path.string() + " -\n";
  return path.string() + " " + std::to_string(status.st_size) + " " + std::to_string(status.st_ino) + " " +
         std::to_string(status.st_mtim.tv_sec) + "." + std::to_string(status.st_mtim.tv_nsec) + "\n";
}

class Packager {
 public:
  Packager(const TemplateReader& read, const Uploader& uploader, std::set<fs::path>& read_from)
      : read_(read), uploader_(uploader), read_from_(read_from) {}

  Result<Packaged> run(const fs::path& file, int depth) {
    if (depth > kNestedMax) return Error(kInvalidArgument, file.string() + ": templates are nested too deeply");
    read_from_.insert(file);
    MR_ASSIGN_OR_RETURN(std::string text, read_file(file));
    auto document = read_(text);
    if (!document.ok()) return Error(document.error().type(), file.string() + ": " + document.error().message());
    Packaged packaged{*std::move(document), std::move(text)};
    Json* resources = packaged.document.find("Resources");
    if (resources == nullptr || !resources->is_object()) return packaged;
    for (auto& [id, resource] : resources->as_object()) {
      Json* properties = resource.find("Properties");
      if (properties == nullptr || !properties->is_object()) continue;
      for (const Place& place : kPlaces) {
        Json* value = resource.string_or("Type", "") == place.type ? properties->find(place.property) : nullptr;
        if (value == nullptr || !is_path(*value)) continue;
        const fs::path path = (file.parent_path() / value->as_string()).lexically_normal();
        auto address = address_of(path, place.address, depth);
        if (!address.ok())
          return Error(address.error().type(), file.string() + ": " + std::string(place.property) + " of " + id + ": " +
                                                   address.error().message());
        *value = *std::move(address);
        packaged.changed = true;
      }
    }
    return packaged;
  }

 private:
  Result<Json> address_of(const fs::path& path, AddressForm address, int depth) {
    std::string key;
    if (address == AddressForm::kTemplateUrl) {
      MR_ASSIGN_OR_RETURN(const Packaged nested, run(path, depth + 1));
      MR_ASSIGN_OR_RETURN(key, send(nested.document.dump(), ".template"));
      return Json("https://s3.amazonaws.com/" + uploader_.bucket + "/" + key);
    }
    read_from_.insert(path);
    MR_ASSIGN_OR_RETURN(std::string bytes, archive(path));
    MR_ASSIGN_OR_RETURN(key, send(std::move(bytes), ".zip"));
    if (address == AddressForm::kS3Uri) return Json("s3://" + uploader_.bucket + "/" + key);
    return Json::object({{"S3Bucket", uploader_.bucket}, {"S3Key", key}});
  }

  Result<std::string> send(std::string content, const std::string& ending) {
    const std::string key = crypto::sha256_hex(content) + ending;
    MR_RETURN_IF_ERROR(uploader_.upload(key, std::move(content)));
    return key;
  }

  const TemplateReader& read_;
  const Uploader& uploader_;
  std::set<fs::path>& read_from_;
};

}  // namespace

Result<Packaged> package(const fs::path& file, const TemplateReader& read, const Uploader& uploader,
                         std::set<fs::path>* read_from) {
  std::set<fs::path> unasked;
  return Packager(read, uploader, read_from == nullptr ? unasked : *read_from).run(file, 0);
}

Result<std::string> archive(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored)) {
    if (path.extension() == ".zip" || path.extension() == ".jar") return read_file(path);
  } else if (!fs::is_directory(path, ignored)) {
    return Error(kNotFound, "there is no file or folder " + path.string());
  }
  std::vector<std::pair<std::string, fs::path>> files{{path.filename().string(), path}};
  if (fs::is_directory(path, ignored)) {
    MR_ASSIGN_OR_RETURN(files, files_of(path));
    if (files.empty()) return Error(kInvalidArgument, "the folder " + path.string() + " is empty");
  }
  codec::ZipWriter zip;
  std::uint64_t bytes = 0;
  for (const auto& [name, file] : files) {
    MR_ASSIGN_OR_RETURN(const std::string content, read_file(file));
    bytes += content.size();
    if (bytes > kCodeBytesMax)
      return Error(kInvalidArgument, path.string() + " holds more than 250 MiB: Lambda would refuse it");
    const bool executable = (fs::status(file, ignored).permissions() & fs::perms::owner_exec) != fs::perms::none;
    zip.add(name, content, executable ? codec::ZipWriter::Mode::kExecutable : codec::ZipWriter::Mode::kFile);
  }
  return zip.finish();
}

std::string fingerprint(const std::set<fs::path>& paths) {
  std::string stamps;
  std::error_code ignored;
  for (const fs::path& path : paths) {
    stamps += stamp_of(path);
    if (!fs::is_directory(path, ignored)) continue;
    const auto files = files_of(path);
    if (!files.ok()) continue;
    for (const auto& [name, file] : *files) stamps += stamp_of(file);
  }
  return crypto::sha256_hex(stamps);
}

Result<std::string> read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::error_code ignored;
  if (!file || fs::is_directory(path, ignored)) return Error(kNotFound, "cannot read " + path.string());
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace millrace::cli
