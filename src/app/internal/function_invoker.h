// The trigger engine's invoker over the local functions. Thread-safe.
#pragma once

#include "app/internal/metric_sources.h"
#include "functions/service.h"
#include "triggers/ports.h"

namespace millrace::app {

class FunctionInvoker final : public triggers::Invoker {
 public:
  FunctionInvoker(functions::Functions& functions, const platform::Clock& clock, MetricSources& sources)
      : functions_(functions), clock_(clock), sources_(sources) {}
  void invoke(triggers::InvokeRequest request, std::function<void(triggers::InvokeResult)> done) override;

 private:
  functions::Functions& functions_;
  const platform::Clock& clock_;
  MetricSources& sources_;
};

}  // namespace millrace::app
