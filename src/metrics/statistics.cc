#include "metrics/statistics.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "codec/varint.h"

namespace millrace::metrics {
namespace {

constexpr std::int32_t kMiddle = 40'000;  // log1.01(2^360) is about 25,100
const double kLogWidth = std::log(1.01);

std::int32_t index_of(double value) {
  if (value == 0) return 0;
  const auto index = kMiddle + static_cast<std::int32_t>(
                                   std::clamp(std::floor(std::log(std::abs(value)) / kLogWidth), -30'000.0, 30'000.0));
  return value > 0 ? index : -index;
}

void append_double(std::string& out, double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  for (unsigned shift = 0; shift < 64; shift += 8) out += static_cast<char>(static_cast<unsigned char>(bits >> shift));
}

std::optional<double> take_double(std::string_view& data) {
  if (data.size() < 8) return std::nullopt;
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < 8; ++i)
    bits |= static_cast<std::uint64_t>(static_cast<unsigned char>(data[i])) << (8 * i);
  data.remove_prefix(8);
  return std::bit_cast<double>(bits);
}

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || end.ec != std::errc() || end.ptr != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

// Calls `f(value, count)` for the part of the sorted values between two ranks.
template <typename F>
void between_ranks(const Statistics& statistics, double from, double to, const F& f) {
  double rank = 0;
  for (const auto& bucket : statistics.buckets()) {
    const double begin = std::max(from, rank);
    const double end = std::min(to, rank + bucket.count);
    if (end > begin) f(bucket.value(), end - begin);
    rank += bucket.count;
  }
}

template <typename F>
void between_values(const Statistics& statistics, std::optional<double> from, std::optional<double> to, const F& f) {
  for (const auto& bucket : statistics.buckets()) {
    // AWS: the lower bound is exclusive, the upper one inclusive.
    if ((from && bucket.value() <= *from) || (to && bucket.value() > *to)) continue;
    f(bucket.value(), bucket.count);
  }
}

double percentile(const Statistics& statistics, double percent) {
  // The value of the nearest rank.
  const double rank = std::max(1.0, std::ceil(percent / 100 * statistics.count() - 1e-9));
  double seen = 0;
  for (const auto& bucket : statistics.buckets()) {
    seen += bucket.count;
    if (seen >= rank) return std::clamp(bucket.value(), statistics.min(), statistics.max());
  }
  return statistics.max();
}

}  // namespace

void Statistics::put(const Bucket& bucket) {
  const auto at = std::ranges::lower_bound(buckets_, bucket.index, {}, &Bucket::index);
  if (at != buckets_.end() && at->index == bucket.index) {
    at->count += bucket.count;
    at->sum += bucket.sum;
  } else {
    buckets_.insert(at, bucket);
    if (buckets_.size() > kBucketsMax) shrink();
  }
}

// Joins neighbours, two and two.
void Statistics::shrink() {
  std::vector<Bucket> joined;
  for (std::size_t i = 0; i < buckets_.size(); i += 2) {
    Bucket bucket = buckets_[i];
    if (i + 1 < buckets_.size()) {
      bucket.count += buckets_[i + 1].count;
      bucket.sum += buckets_[i + 1].sum;
    }
    joined.push_back(bucket);
  }
  buckets_ = std::move(joined);
}

void Statistics::add(double value, double count) {
  if (count <= 0) return;
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = count_ == 0 ? value : std::max(max_, value);
  count_ += count;
  sum_ += value * count;
  distributed_ += count;
  put({index_of(value), count, value * count});
}

void Statistics::add_set(double count, double sum, double min, double max) {
  if (count <= 0) return;
  if (min == max || count == 1) return add(count == 1 ? sum : min, count);
  min_ = count_ == 0 ? min : std::min(min_, min);
  max_ = count_ == 0 ? max : std::max(max_, max);
  count_ += count;
  sum_ += sum;
}

void Statistics::merge(const Statistics& other) {
  if (other.empty()) return;
  min_ = empty() ? other.min_ : std::min(min_, other.min_);
  max_ = empty() ? other.max_ : std::max(max_, other.max_);
  count_ += other.count_;
  sum_ += other.sum_;
  distributed_ += other.distributed_;
  for (const auto& bucket : other.buckets_) put(bucket);
}

void Statistics::encode(std::string& out) const {
  for (const double each : {count_, sum_, min_, max_, distributed_}) append_double(out, each);
  codec::append_varint(out, buckets_.size());
  for (const auto& bucket : buckets_) {
    codec::append_varint(out, static_cast<std::uint64_t>(bucket.index + (std::int64_t{1} << 20)));
    append_double(out, bucket.count);
    append_double(out, bucket.sum);
  }
}

std::optional<Statistics> Statistics::take(std::string_view& data) {
  Statistics out;
  for (double* each : {&out.count_, &out.sum_, &out.min_, &out.max_, &out.distributed_}) {
    const auto value = take_double(data);
    if (!value) return std::nullopt;
    *each = *value;
  }
  const auto count = codec::take_varint(data);
  if (!count || *count > kBucketsMax) return std::nullopt;
  for (std::uint64_t i = 0; i < *count; ++i) {
    const auto index = codec::take_varint(data);
    const auto number = take_double(data);
    const auto sum = take_double(data);
    if (!index || !number || !sum) return std::nullopt;
    out.buckets_.push_back(
        {static_cast<std::int32_t>(static_cast<std::int64_t>(*index) - (std::int64_t{1} << 20)), *number, *sum});
  }
  return out;
}

std::optional<Statistic> parse_simple_statistic(std::string_view text) {
  using Kind = Statistic::Kind;
  constexpr std::pair<std::string_view, Kind> kNames[] = {{"SampleCount", Kind::kSampleCount},
                                                          {"Average", Kind::kAverage},
                                                          {"Sum", Kind::kSum},
                                                          {"Minimum", Kind::kMinimum},
                                                          {"Maximum", Kind::kMaximum}};
  for (const auto& [name, kind] : kNames) {
    if (name == text) return Statistic(kind);
  }
  return std::nullopt;
}

std::optional<Statistic> Statistic::parse(std::string_view text) {
  if (auto simple = parse_simple_statistic(text)) return simple;
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  Statistic out(Kind::kTrimmedMean);
  if (lower == "iqm") {
    out.lower_ = 25;
    out.upper_ = 75;
    return out;
  }
  constexpr std::pair<std::string_view, Kind> kPrefixes[] = {{"pr", Kind::kPercentileRank}, {"tm", Kind::kTrimmedMean},
                                                             {"wm", Kind::kWinsorizedMean}, {"tc", Kind::kTrimmedCount},
                                                             {"ts", Kind::kTrimmedSum},     {"p", Kind::kPercentile}};
  std::string_view rest = lower;
  bool found = false;
  for (const auto& [prefix, kind] : kPrefixes) {
    if (!rest.starts_with(prefix)) continue;
    out.kind_ = kind;
    rest.remove_prefix(prefix.size());
    found = true;
    break;
  }
  if (!found || rest.empty()) return std::nullopt;
  if (!rest.starts_with('(')) {
    if (out.kind_ == Kind::kPercentileRank) return std::nullopt;
    const auto percent = number_of(rest);
    if (!percent || *percent < 0 || *percent > 100 || rest.size() > 13) return std::nullopt;
    // AWS: p takes 0 to 100; tm99 leaves out the highest 1 %.
    out.upper_ = *percent;
    return out;
  }
  if (out.kind_ == Kind::kPercentile || !rest.ends_with(')')) return std::nullopt;
  rest = rest.substr(1, rest.size() - 2);
  const auto colon = rest.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view texts[] = {rest.substr(0, colon), rest.substr(colon + 1)};
  if (texts[0].empty() && texts[1].empty()) return std::nullopt;
  out.percent_ = texts[0].ends_with('%') || texts[1].ends_with('%');
  if (out.percent_ && out.kind_ == Kind::kPercentileRank) return std::nullopt;
  for (int i = 0; i < 2; ++i) {
    std::string_view part = texts[i];
    if (part.empty()) continue;
    if (part.ends_with('%') != out.percent_) return std::nullopt;
    if (out.percent_) part.remove_suffix(1);
    const auto value = number_of(part);
    if (!value || (out.percent_ && (*value < 0 || *value > 100))) return std::nullopt;
    (i == 0 ? out.lower_ : out.upper_) = value;
  }
  if (out.lower_ && out.upper_ && *out.lower_ >= *out.upper_) return std::nullopt;
  return out;
}

std::optional<double> Statistic::of(const Statistics& statistics) const {
  if (statistics.empty()) return std::nullopt;
  switch (kind_) {
    case Kind::kSampleCount:
      return statistics.count();
    case Kind::kAverage:
      return statistics.sum() / statistics.count();
    case Kind::kSum:
      return statistics.sum();
    case Kind::kMinimum:
      return statistics.min();
    case Kind::kMaximum:
      return statistics.max();
    default:
      break;
  }
  if (!statistics.has_distribution()) return std::nullopt;
  if (kind_ == Kind::kPercentile) return percentile(statistics, *upper_);
  double count = 0;
  double sum = 0;
  const auto take = [&](double value, double number) {
    count += number;
    sum += value * number;
  };
  const double all = statistics.count();
  if (percent_) {
    between_ranks(statistics, lower_.value_or(0) / 100 * all, upper_.value_or(100) / 100 * all, take);
  } else {
    between_values(statistics, lower_, upper_, take);
  }
  if (kind_ == Kind::kTrimmedCount) return count;
  if (kind_ == Kind::kTrimmedSum) return sum;
  if (kind_ == Kind::kPercentileRank) return count / all * 100;
  if (kind_ == Kind::kTrimmedMean) return count == 0 ? std::nullopt : std::optional(sum / count);
  // Winsorized: what is outside counts as the boundary.
  const double low = !lower_ ? statistics.min() : percent_ ? percentile(statistics, *lower_) : *lower_;
  const double high = !upper_ ? statistics.max() : percent_ ? percentile(statistics, *upper_) : *upper_;
  double total = 0;
  for (const auto& bucket : statistics.buckets()) total += std::clamp(bucket.value(), low, high) * bucket.count;
  return total / all;
}

}  // namespace millrace::metrics
