// Counters, gauges and histograms, rendered as Prometheus text by /metrics. Instruments live as long as the registry;
// references stay valid. Thread-safe; adding is lock-free, looking one up takes a lock, so keep the reference.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::telemetry {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Counter {
 public:
  void add(std::uint64_t delta = 1) { value_.fetch_add(delta, std::memory_order_relaxed); }
  void set(std::uint64_t total) { value_.store(total, std::memory_order_relaxed); }  // of what is counted elsewhere
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Durations in milliseconds, in buckets of a quarter power of two: quantiles are exact to about 19 %.
class Histogram {
 public:
  static constexpr int kBuckets = 128;
  void record(double milliseconds);
  std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  double sum() const { return sum_.load(std::memory_order_relaxed); }
  double quantile(double q) const;             // 0..1; 0 when empty
  std::uint64_t count_below(int power) const;  // durations below 2^power milliseconds

 private:
  std::array<std::atomic<std::uint64_t>, kBuckets> buckets_{};
  std::atomic<std::uint64_t> count_{0};
  std::atomic<double> sum_{0};
};

class Registry {
 public:
  Counter& counter(std::string_view name, Labels labels = {}, std::string_view help = {});
  Gauge& gauge(std::string_view name, Labels labels = {}, std::string_view help = {});
  Histogram& histogram(std::string_view name, Labels labels = {}, std::string_view help = {});
  std::string prometheus() const;

 private:
  template <typename T>
  using Series = std::map<std::pair<std::string, Labels>, std::unique_ptr<T>>;
  mutable std::mutex mutex_;
  Series<Counter> counters_;
  Series<Gauge> gauges_;
  Series<Histogram> histograms_;
  std::map<std::string, std::string> help_;
};

}  // namespace millrace::telemetry
