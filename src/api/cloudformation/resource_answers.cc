#include "api/cloudformation/resource_answers.h"

#include <utility>

#include "codec/json.h"

namespace millrace::api_cloudformation {
namespace {

// The rest of an answer that is too long is not kept, but read: the handler shall see the reason in its stack.
constexpr std::size_t kReadBytesMax = 1 << 20;
constexpr ErrorType kTooLarge{"EntityTooLarge", 400, ErrorKind::kClient};

http::Response refused(int status, std::string_view code, std::string_view message) {
  http::Response response;
  response.status = status;
  response.fields.set("Content-Type", "application/xml");
  response.body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>" + std::string(code) + "</Code><Message>" +
                  std::string(message) + "</Message></Error>";
  return response;
}

// A text stands for what cannot be read.
codec::Json document_of(const std::string& body, bool too_long) {
  if (too_long) return "Response object is too long.";
  auto document = codec::parse_json(body);
  if (!document.ok() || !document->is_object()) return "Invalid response object: it is not a JSON object.";
  return std::move(*document);
}

class Sink final : public http::RequestSink {
 public:
  Sink(stacks::Stacks& engine, std::shared_ptr<const http::RequestHead> head)
      : engine_(engine), head_(std::move(head)) {}

  Result<void> body(std::string_view piece) override {
    bytes_ += piece.size();
    if (bytes_ > kReadBytesMax) return Error(kTooLarge, "the answer is too long");
    if (bytes_ <= kResourceAnswerBytesMax) body_ += piece;
    return {};
  }

  void end(http::Responder respond) override {
    if (head_->method != "PUT") return respond(refused(405, "MethodNotAllowed", "Answers are sent by PUT."));
    const std::string token = head_->path.substr(head_->path.rfind('/') + 1);
    if (!engine_.answer(token, document_of(body_, bytes_ > kResourceAnswerBytesMax))) {
      return respond(refused(403, "AccessDenied", "Request has expired"));
    }
    http::Response response;
    response.fields.set("ETag", "\"" + token + "\"");
    respond(std::move(response));
  }

 private:
  stacks::Stacks& engine_;
  const std::shared_ptr<const http::RequestHead> head_;
  std::string body_;
  std::size_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<http::RequestSink> ResourceAnswers::begin(std::shared_ptr<const http::RequestHead> head) {
  return std::make_unique<Sink>(engine_, std::move(head));
}

}  // namespace millrace::api_cloudformation
