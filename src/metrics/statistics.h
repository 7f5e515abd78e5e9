// What is kept of the values of a period, and the statistics that can be asked of it. Pure.
//
// Values are counted in buckets 1 % wide, each with the sum of its values: a percentile is exact where a bucket holds
// one distinct value, and within 1 % otherwise (2 % and more beyond kBucketsMax distinct magnitudes, whose neighbours
// are joined). AWS: a value's magnitude is 0 or between 2^-360 and 2^360.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::metrics {

inline constexpr std::size_t kBucketsMax = 200;

class Statistics {
 public:
  void add(double value, double count = 1);
  // A set that was aggregated elsewhere: without distribution, unless all its values are equal.
  void add_set(double count, double sum, double min, double max);
  void merge(const Statistics& other);

  double count() const { return count_; }
  double sum() const { return sum_; }
  double min() const { return min_; }
  double max() const { return max_; }
  bool empty() const { return count_ == 0; }
  // Whether percentiles can be told: every value is in a bucket.
  bool has_distribution() const { return distributed_ >= count_; }

  // Appends a compact form; take() reads it and removes it from `data`. nullopt: damaged.
  void encode(std::string& out) const;
  static std::optional<Statistics> take(std::string_view& data);

  struct Bucket {
    std::int32_t index = 0;  // in order of the values
    double count = 0;
    double sum = 0;
    double value() const { return sum / count; }
  };
  const std::vector<Bucket>& buckets() const { return buckets_; }

 private:
  void put(const Bucket& bucket);
  void shrink();

  double count_ = 0;
  double sum_ = 0;
  double min_ = 0;
  double max_ = 0;
  double distributed_ = 0;       // how many of count_ are in buckets
  std::vector<Bucket> buckets_;  // by index
};

// "Average", "p99.9", "tm90", "TM(10%:90%)", "PR(:300)", "wm(5%:95%)", "tc99", "ts(80%:)", "IQM".
class Statistic {
 public:
  enum class Kind {
    kSampleCount,
    kAverage,
    kSum,
    kMinimum,
    kMaximum,
    kPercentile,
    kTrimmedMean,
    kWinsorizedMean,
    kTrimmedCount,
    kTrimmedSum,
    kPercentileRank
  };
  Statistic() = default;
  explicit Statistic(Kind kind) : kind_(kind) {}
  // nullopt: no statistic of CloudWatch.
  static std::optional<Statistic> parse(std::string_view text);

  Kind kind() const { return kind_; }
  bool is_extended() const { return kind_ >= Kind::kPercentile; }
  // The statistic's value; nullopt when it cannot be told (empty, or without distribution).
  std::optional<double> of(const Statistics& statistics) const;

 private:
  Kind kind_ = Kind::kAverage;
  bool percent_ = true;  // bounds are percentages, else values
  std::optional<double> lower_;
  std::optional<double> upper_;
};

// Average and so on, as in `Statistics` of an API call; nullptr-like nullopt for extended ones.
std::optional<Statistic> parse_simple_statistic(std::string_view text);

}  // namespace millrace::metrics
