// The code of a function, as it was uploaded: what Code.Location of GetFunction leads to.
#include <filesystem>
#include <fstream>

#include "app/internal/admin_endpoints.h"
#include "functions/service.h"

namespace millrace::app {
namespace {

class FileSource final : public http::BodySource {
 public:
  explicit FileSource(std::ifstream file) : file_(std::move(file)) {}
  Result<std::string> read(std::size_t max) override {
    std::string piece(max, '\0');
    file_.read(piece.data(), static_cast<std::streamsize>(max));
    piece.resize(static_cast<std::size_t>(file_.gcount()));
    return piece;
  }

 private:
  std::ifstream file_;
};

http::Response refusal(int status, const std::string& message) {
  http::Response response;
  response.status = status;
  response.fields.add("content-type", "application/json");
  response.body = codec::Json::object({{"error", message}}).dump() + "\n";
  return response;
}

// "NAME", "NAME:VERSION" or "layer:NAME:VERSION".
Result<std::filesystem::path> archive_of(Parts& parts, const Scope& scope, const std::string& text) {
  if (text.starts_with("layer:")) {
    const auto layer =
        functions::parse_layer_version("arn:aws:lambda:" + scope.region + ":" + scope.account + ":" + text);
    if (!layer) return Error(kNoSuchEndpoint, "not a layer's version: " + text);
    MR_ASSIGN_OR_RETURN(const auto version, parts.functions->layers().get(layer->first, layer->second));
    return parts.functions->layers().archive(version);
  }
  const auto function = functions::parse_reference(scope, text);
  if (!function) return Error(kNoSuchEndpoint, "not the name of a function: " + text);
  return parts.functions->archive_of(*function);
}

}  // namespace

bool is_archive(const AdminRequest& request) {
  return request.path.size() == 5 && request.path[0] == "functions" && request.path[4] == "code.zip";
}

http::Response archive_response(Parts& parts, const AdminRequest& request) {
  if (request.method != "GET") return refusal(400, "an archive can be read only: GET");
  const auto archive = archive_of(parts, {request.path[1], request.path[2]}, request.path[3]);
  if (!archive.ok()) return refusal(404, archive.error().message());
  std::error_code missing;
  const auto bytes = std::filesystem::file_size(*archive, missing);
  std::ifstream file(*archive, std::ios::binary);
  if (missing || !file) return refusal(404, "the archive has been replaced meanwhile; ask GetFunction again");
  http::Response response;
  response.fields.add("content-type", "application/zip");
  response.source = std::make_unique<FileSource>(std::move(file));
  response.source_bytes = bytes;
  return response;
}

}  // namespace millrace::app
