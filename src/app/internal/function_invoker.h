// The trigger engine's invoker over the local functions. Thread-safe.
#pragma once

#include "functions/service.h"
#include "triggers/ports.h"

namespace millrace::app {

class FunctionInvoker final : public triggers::Invoker {
 public:
  explicit FunctionInvoker(functions::Functions& functions) : functions_(functions) {}
  void invoke(triggers::InvokeRequest request, std::function<void(triggers::InvokeResult)> done) override;

 private:
  functions::Functions& functions_;
};

}  // namespace millrace::app
