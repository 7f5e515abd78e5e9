// Where the functions behind custom resources send their answers: a PUT to the ResponseURL of their event, whose last
// part is the token that the stack waits for. Thread-safe.
#pragma once

#include "http/message.h"
#include "stacks/stacks.h"

namespace millrace::api_cloudformation {

inline constexpr std::size_t kResourceAnswerBytesMax = 4096;  // AWS

class ResourceAnswers final : public http::Application {
 public:
  explicit ResourceAnswers(stacks::Stacks& engine) : engine_(engine) {}
  // Answers 200; 403 as S3 does for an expired URL when nobody waits (any more); 405 for what is no PUT.
  std::unique_ptr<http::RequestSink> begin(std::shared_ptr<const http::RequestHead> head) override;

 private:
  stacks::Stacks& engine_;
};

}  // namespace millrace::api_cloudformation
