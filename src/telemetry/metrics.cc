#include "telemetry/metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/assert.h"

namespace millrace::telemetry {
namespace {

// Bucket i holds durations from 2^((i - kZero) / 4) up to, not including, the next power: 1 us to over an hour.
constexpr int kZero = 40;
// /metrics shows whole powers of two from 2^kFirstShown to 2^kLastShown ms (16 us to 17 min), always the same ones.
constexpr int kFirstShown = -6;
constexpr int kLastShown = 20;

int bucket_of(double milliseconds) {
  if (!(milliseconds > 0)) return 0;
  const double position = std::floor(4 * std::log2(milliseconds)) + kZero;
  return static_cast<int>(std::clamp(position, 0.0, double{Histogram::kBuckets - 1}));
}

double upper_bound_of(int bucket) { return std::exp2((bucket + 1 - kZero) / 4.0); }

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, value);
  return std::string(text, end.ptr);
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

std::string series(std::string_view name, const Labels& labels, std::string_view le = {}) {
  std::string out(name);
  if (labels.empty() && le.empty()) return out;
  out += '{';
  for (const auto& [key, value] : labels) {
    out.append(key).append("=\"").append(escaped(value)).append("\",");
  }
  if (!le.empty()) out.append("le=\"").append(le).append("\",");
  out.back() = '}';
  return out;
}

template <typename Series>
bool has_name(const Series& all, std::string_view name) {
  const auto it = all.lower_bound({std::string(name), {}});
  return it != all.end() && it->first.first == name;
}

void header(std::string& out, std::string& last, const std::string& name, std::string_view type,
            const std::map<std::string, std::string>& help) {
  if (last == name) return;
  last = name;
  const auto text = help.find(name);
  if (text != help.end()) out.append("# HELP ").append(name).append(" ").append(escaped(text->second)).append("\n");
  out.append("# TYPE ").append(name).append(" ").append(type).append("\n");
}

void line(std::string& out, const std::string& what, const std::string& value) {
  out.append(what).append(" ").append(value).append("\n");
}

}  // namespace

void Histogram::record(double milliseconds) {
  buckets_[static_cast<std::size_t>(bucket_of(milliseconds))].fetch_add(1, std::memory_order_relaxed);
  count_.fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(milliseconds > 0 ? milliseconds : 0, std::memory_order_relaxed);
}

std::uint64_t Histogram::count_below(int power) const {
  std::uint64_t total = 0;
  for (int i = 0; i < std::min(kBuckets, kZero + 4 * power); ++i) {
    total += buckets_[static_cast<std::size_t>(i)].load(std::memory_order_relaxed);
  }
  return total;
}

double Histogram::quantile(double q) const {
  // The sum of the buckets, not count(): another thread may be between the two.
  std::uint64_t total = 0;
  for (const auto& bucket : buckets_) total += bucket.load(std::memory_order_relaxed);
  if (total == 0) return 0;
  const auto rank = static_cast<std::uint64_t>(std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(total)));
  std::uint64_t seen = 0;
  for (int i = 0; i < kBuckets; ++i) {
    seen += buckets_[static_cast<std::size_t>(i)].load(std::memory_order_relaxed);
    if (seen >= std::max<std::uint64_t>(rank, 1)) return upper_bound_of(i);
  }
  return upper_bound_of(kBuckets - 1);
}

Counter& Registry::counter(std::string_view name, Labels labels, std::string_view help) {
  const std::lock_guard lock(mutex_);
  MR_ASSERT(!has_name(gauges_, name) && !has_name(histograms_, name));
  if (!help.empty()) help_.try_emplace(std::string(name), help);
  auto& slot = counters_[{std::string(name), std::move(labels)}];
  if (!slot) slot = std::make_unique<Counter>();
  return *slot;
}

Gauge& Registry::gauge(std::string_view name, Labels labels, std::string_view help) {
  const std::lock_guard lock(mutex_);
  MR_ASSERT(!has_name(counters_, name) && !has_name(histograms_, name));
  if (!help.empty()) help_.try_emplace(std::string(name), help);
  auto& slot = gauges_[{std::string(name), std::move(labels)}];
  if (!slot) slot = std::make_unique<Gauge>();
  return *slot;
}

Histogram& Registry::histogram(std::string_view name, Labels labels, std::string_view help) {
  const std::lock_guard lock(mutex_);
  MR_ASSERT(!has_name(counters_, name) && !has_name(gauges_, name));
  if (!help.empty()) help_.try_emplace(std::string(name), help);
  auto& slot = histograms_[{std::string(name), std::move(labels)}];
  if (!slot) slot = std::make_unique<Histogram>();
  return *slot;
}

std::string Registry::prometheus() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  std::string last;
  for (const auto& [key, counter] : counters_) {
    header(out, last, key.first, "counter", help_);
    line(out, series(key.first, key.second), std::to_string(counter->value()));
  }
  for (const auto& [key, gauge] : gauges_) {
    header(out, last, key.first, "gauge", help_);
    line(out, series(key.first, key.second), number(gauge->value()));
  }
  for (const auto& [key, histogram] : histograms_) {
    header(out, last, key.first, "histogram", help_);
    const auto bucket = key.first + "_bucket";
    for (int power = kFirstShown; power <= kLastShown; ++power) {
      line(out, series(bucket, key.second, number(std::exp2(power))), std::to_string(histogram->count_below(power)));
    }
    // Not count(): the last bucket must not be below another one while other threads record.
    const auto total = std::to_string(histogram->count_below(Histogram::kBuckets));
    line(out, series(bucket, key.second, "+Inf"), total);
    line(out, series(key.first + "_sum", key.second), number(histogram->sum()));
    line(out, series(key.first + "_count", key.second), total);
  }
  return out;
}

}  // namespace millrace::telemetry
