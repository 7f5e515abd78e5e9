// Serves function URLs: http://<id>.lambda-url.<region>.localhost:<port>/..., or where such names do not resolve,
// http://<server>/_millrace/lambda-url/<id>/... (the function sees the path behind the id).
//
// AuthType NONE takes everybody; AWS_IAM takes every request that is signed, as all of this server does on loopback,
// and answers 403 to others. Responses are buffered. Thread-safe.
#pragma once

#include <memory>

#include "functions/service.h"
#include "http/message.h"
#include "platform/clock.h"
#include "platform/random.h"

namespace millrace::api_lambda {

class FunctionUrls final : public http::Application {
 public:
  // All outlive this.
  FunctionUrls(functions::Functions& engine, platform::Scheduler& scheduler, platform::Random& random)
      : engine_(engine), scheduler_(scheduler), random_(random) {}
  // REQUIRES: the request is to such a host or path.
  std::unique_ptr<http::RequestSink> begin(std::shared_ptr<const http::RequestHead> head) override;

 private:
  class Sink;
  functions::Functions& engine_;
  platform::Scheduler& scheduler_;
  platform::Random& random_;
};

}  // namespace millrace::api_lambda
