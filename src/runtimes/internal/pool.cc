#include "runtimes/internal/pool.h"

#include <algorithm>
#include <utility>

#include "runtimes/internal/platform_text.h"
#include "telemetry/log.h"

namespace millrace::runtimes::internal {

Pool::Pool(HostState& host, FunctionSpec spec, std::function<bool()> make_room)
    : host_(host), spec_(std::make_shared<const FunctionSpec>(std::move(spec))), make_room_(std::move(make_room)) {}

void Pool::run(Pending pending) {
  if (retired_) return pending.done(Outcome{.kind = Outcome::Kind::kStopped});
  Environment* warm = nullptr;
  for (const auto& candidate : environments_) {
    if (candidate->ready() && (warm == nullptr || candidate->last_used() > warm->last_used())) warm = candidate.get();
  }
  if (warm != nullptr && !pending.init_timed_out) return warm->assign(std::move(pending));
  if (!make_room_()) return pending.done(Outcome{.kind = Outcome::Kind::kNoCapacity});
  start(std::move(pending));
}

void Pool::start(Pending pending) {
  auto interpreter = host_.interpreters.resolve(spec_->runtime);
  if (!interpreter.ok()) {
    const auto& message = interpreter.error().message();
    telemetry::log_warning("runtimes", spec_->name + ": " + message);
    return pending.done(Outcome{.payload = error_document("Runtime.NotInstalled", message),
                                .function_error = "Unhandled",
                                .log_tail = message + "\n"});
  }
  const auto id = parse_runtime(spec_->runtime);
  if (!std::exchange(announced_, true) && interpreter->language != Language::kProvided) {
    telemetry::log_info("runtimes", spec_->name + " (" + spec_->runtime + ") runs with " + interpreter->label() +
                                        (interpreter->matches(*id) ? "" : ", the nearest version on this machine"));
  }
  const std::weak_ptr<Pool> weak = weak_from_this();
  Environment::Observer observer{.again =
                                     [weak](Environment&, Pending again) {
                                       if (const auto pool = weak.lock()) return pool->run(std::move(again));
                                       again.done(Outcome{.kind = Outcome::Kind::kStopped});
                                     },
                                 .gone =
                                     [weak](Environment& gone) {
                                       const auto pool = weak.lock();
                                       if (!pool) return;
                                       std::erase_if(pool->environments_,
                                                     [&](const auto& e) { return e.get() == &gone; });
                                     }};
  auto environment = std::make_shared<Environment>(host_, spec_, std::move(*interpreter), std::move(observer));
  environments_.push_back(environment);
  environment->start(std::move(pending));
}

void Pool::retire() {
  retired_ = true;
  for (const auto& environment : std::vector(environments_)) environment->retire();
}

void Pool::kill_all() {
  retired_ = true;
  for (const auto& environment : std::vector(environments_)) environment->kill();
}

void Pool::reap(Deadline before) {
  for (const auto& environment : std::vector(environments_)) {
    if (environment->ready() && environment->last_used() < before) environment->kill();
  }
}

Environment* Pool::oldest_idle() const {
  Environment* oldest = nullptr;
  for (const auto& candidate : environments_) {
    if (candidate->ready() && (oldest == nullptr || candidate->last_used() < oldest->last_used())) {
      oldest = candidate.get();
    }
  }
  return oldest;
}

std::size_t Pool::living() const {
  return static_cast<std::size_t>(
      std::count_if(environments_.begin(), environments_.end(), [](const auto& e) { return !e->dying(); }));
}

}  // namespace millrace::runtimes::internal
