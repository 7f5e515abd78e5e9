#include "app/internal/trace_export.h"

#include <charconv>
#include <vector>

#include "app/config.h"
#include "http/client.h"
#include "telemetry/log.h"
#include "traces/otlp.h"

namespace millrace::app {
namespace {

constexpr std::size_t kBatchMax = 500;  // segments of one request
constexpr Milliseconds kGather{200};    // for what belongs together
constexpr Milliseconds kAgain{1000};
constexpr Milliseconds kSendLimit{5000};

}  // namespace

std::optional<TraceExport::Collector> TraceExport::parse(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return std::nullopt;
  url.remove_prefix(kScheme.size());
  Collector out;
  const auto slash = url.find('/');
  if (slash != std::string_view::npos && url.substr(slash) != "/") out.path = url.substr(slash);
  std::string_view place = url.substr(0, slash);
  if (const auto colon = place.rfind(':'); colon != std::string_view::npos) {
    const std::string_view digits = place.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
    if (error != std::errc() || end != digits.data() + digits.size() || out.port == 0) return std::nullopt;
    place = place.substr(0, colon);
  }
  out.host = place;
  if (out.host.empty()) return std::nullopt;
  return out;
}

Result<std::unique_ptr<TraceExport>> TraceExport::start(const std::string& url, telemetry::Registry& registry) {
  auto collector = parse(url);
  if (!collector) return Error(kBadConfiguration, "traces.otlp must be a URL as http://HOST:PORT, not " + url);
  std::unique_ptr<TraceExport> out(new TraceExport(std::move(*collector), registry));
  out->thread_ = std::thread([raw = out.get()] { raw->run(); });
  return out;
}

TraceExport::TraceExport(Collector collector, telemetry::Registry& registry)
    : collector_(std::move(collector)),
      sent_(registry.counter("millrace_traces_exported_segments_total", {{"result", "sent"}},
                             "Segments for the OpenTelemetry collector")),
      dropped_(registry.counter("millrace_traces_exported_segments_total", {{"result", "dropped"}},
                                "Segments for the OpenTelemetry collector")) {}

TraceExport::~TraceExport() { stop(Milliseconds(0)); }

void TraceExport::add(const Scope& scope, const traces::Segment& segment) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  if (queue_.size() >= kQueueMax) {
    queue_.pop_front();
    dropped_.add();
  }
  queue_.push_back({scope, segment.document});
  changed_.notify_one();
}

void TraceExport::stop(Milliseconds limit) {
  {
    std::unique_lock lock(mutex_);
    if (!thread_.joinable()) return;
    stopping_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, limit, [this] { return queue_.empty(); });
    dropped_.add(queue_.size());
    queue_.clear();
    changed_.notify_all();
  }
  thread_.join();
}

TraceExport::Sent TraceExport::send(const std::string& body) {
  http::Client client(collector_.host, collector_.port);
  http::ClientRequest request{.method = "POST", .target = collector_.path, .body = body, .timeout = kSendLimit};
  request.fields.add("content-type", "application/json");
  const auto answer = client.request(request);
  const bool passes = !answer.ok() || answer->status == 408 || answer->status == 429 || answer->status >= 500;
  if (answer.ok() && answer->status < 300) {
    silent_ = false;
    return Sent::kTaken;
  }
  if (!silent_) {
    silent_ = true;
    telemetry::log_warning(
        "traces", "the collector at " + collector_.host + ":" + std::to_string(collector_.port) + " takes no traces: " +
                      (answer.ok() ? "status " + std::to_string(answer->status) : answer.error().message()));
  }
  return passes ? Sent::kTryAgain : Sent::kRefused;
}

void TraceExport::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;  // stopping
    if (!stopping_) changed_.wait_for(lock, kGather, [this] { return stopping_ || queue_.size() >= kBatchMax; });
    std::vector<Item> batch;
    while (!queue_.empty() && batch.size() < kBatchMax) {
      batch.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    lock.unlock();
    traces::ExportRequest request;
    for (const Item& item : batch) {
      const auto document = codec::parse_json(item.document);
      if (document.ok()) request.add(*document, item.scope.account, item.scope.region);
    }
    const Sent result = request.spans() == 0 ? Sent::kTaken : send(request.take().dump());
    lock.lock();
    if (result == Sent::kTaken) sent_.add(batch.size());
    if (result == Sent::kRefused) dropped_.add(batch.size());
    if (result == Sent::kTryAgain && !stopping_) {
      const std::size_t room = kQueueMax - std::min(kQueueMax, queue_.size());
      const std::size_t lost = batch.size() - std::min(batch.size(), room);
      dropped_.add(lost);
      for (std::size_t i = batch.size(); i-- > lost;) queue_.push_front(std::move(batch[i]));
      changed_.wait_for(lock, kAgain, [this] { return stopping_; });
    } else if (result == Sent::kTryAgain) {
      dropped_.add(batch.size());
    }
    changed_.notify_all();
  }
}

}  // namespace millrace::app
