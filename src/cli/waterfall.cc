#include "cli/internal/waterfall.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "cli/internal/api.h"
#include "cli/internal/output.h"

namespace millrace::cli {
namespace {

using codec::Json;

constexpr int kDepthMax = 60;
constexpr std::size_t kTimeWidth = 9;
constexpr std::size_t kAlike = 10;  // from so many like calls in a row on, they are one line

struct Row {
  std::string label;
  double start = 0;
  double end = 0;
  double busy = 0;  // sum, where several are one
  int depth = 0;
  bool failed = false;
  bool in_progress = false;
};

double number(const Json& json, std::string_view name, double otherwise) {
  const Json* value = json.find(name);
  return value != nullptr && value->is_number() ? value->as_double() : otherwise;
}

std::string label_of(const Json& json) {
  std::string out(json.string_or("name", "?"));
  if (const auto origin = json.string_or("origin", ""); !origin.empty() && origin != out) {
    out += "  " + std::string(origin);
  }
  if (const Json* aws = json.find("aws"); aws != nullptr) {
    if (const auto operation = aws->string_or("operation", ""); !operation.empty()) out += " " + std::string(operation);
    for (const auto member : {"table_name", "bucket_name"}) {
      if (const auto name = aws->string_or(member, ""); !name.empty()) out += " " + std::string(name);
    }
  }
  return out;
}

class Rows {
 public:
  explicit Rows(const std::vector<Json>& segments) {
    for (const auto& segment : segments) collect_ids(segment, 0);
    for (const auto& segment : segments) {
      const std::string parent(segment.string_or("parent_id", ""));
      if (!parent.empty() && ids_.contains(parent)) {
        children_[parent].push_back(&segment);
      } else {
        roots_.push_back(&segment);
      }
    }
    for (const Json* root : roots_) add(*root, 0);
    // What only names each other as parents.
    for (const auto& segment : segments)
      if (!drawn_.contains(&segment)) add(segment, 0);
  }
  std::vector<Row> take() { return std::move(rows_); }

 private:
  void collect_ids(const Json& json, int depth) {
    ids_.emplace(json.string_or("id", ""));
    if (depth >= kDepthMax) return;
    for (const auto& each : elements(json, "subsegments")) collect_ids(each, depth + 1);
  }

  void add(const Json& json, int depth) {
    if (!drawn_.insert(&json).second) return;
    Row row;
    row.label = label_of(json);
    row.start = number(json, "start_time", 0);
    row.end = std::max(row.start, number(json, "end_time", row.start));
    row.busy = row.end - row.start;
    row.depth = depth;
    row.failed = json.bool_or("fault", false) || json.bool_or("error", false) || json.bool_or("throttle", false);
    row.in_progress = json.bool_or("in_progress", false);
    rows_.push_back(std::move(row));
    if (depth > kDepthMax) return;
    std::vector<const Json*> inside;
    for (const auto& each : elements(json, "subsegments")) inside.push_back(&each);
    if (const auto found = children_.find(json.string_or("id", "")); found != children_.end())
      inside.insert(inside.end(), found->second.begin(), found->second.end());
    std::ranges::stable_sort(inside, {}, [](const Json* each) { return number(*each, "start_time", 0); });
    add_all(inside, depth + 1);
  }

  // Many calls of one kind in a row are told as one.
  void add_all(const std::vector<const Json*>& inside, int depth) {
    const auto is_leaf = [&](const Json* json) {
      return elements(*json, "subsegments").empty() && !children_.contains(json->string_or("id", ""));
    };
    for (std::size_t i = 0; i < inside.size();) {
      std::size_t end = i + 1;
      const std::string label = label_of(*inside[i]);
      while (end < inside.size() && is_leaf(inside[i]) && is_leaf(inside[end]) && label_of(*inside[end]) == label)
        ++end;
      const std::size_t first = rows_.size();
      for (std::size_t k = i; k < end; ++k) add(*inside[k], depth);
      if (end - i >= kAlike && rows_.size() - first == end - i) merge(first);
      i = end;
    }
  }

  void merge(std::size_t first) {
    Row all = rows_[first];
    std::size_t failed = all.failed ? 1 : 0;
    for (std::size_t i = first + 1; i < rows_.size(); ++i) {
      all.start = std::min(all.start, rows_[i].start);
      all.end = std::max(all.end, rows_[i].end);
      all.busy += rows_[i].busy;
      failed += rows_[i].failed ? 1 : 0;
    }
    const std::size_t count = rows_.size() - first;
    all.failed = failed > 0;
    all.label = std::to_string(count) + " x " + all.label + ", " + span_text(all.busy / static_cast<double>(count)) +
                " each" + (failed > 0 ? ", " + std::to_string(failed) + " failed" : "");
    rows_.resize(first);
    rows_.push_back(std::move(all));
  }

  std::set<std::string, std::less<>> ids_;
  std::set<const Json*> drawn_;
  std::map<std::string, std::vector<const Json*>, std::less<>> children_;
  std::vector<const Json*> roots_;
  std::vector<Row> rows_;
};

std::string bar(const Row& row, double from, double whole, std::size_t cells) {
  std::string out(cells, ' ');
  const auto place = [&](double time) {
    const double share = whole > 0 ? (time - from) / whole : 0;
    return static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(cells));
  };
  const std::size_t first = std::min(place(row.start), cells - 1);
  const std::size_t last = std::max(first + 1, place(row.end));
  for (std::size_t i = first; i < last && i < cells; ++i) out[i] = row.failed ? '!' : row.depth == 0 ? '=' : '-';
  return out;
}

std::string fitted(std::string text, std::size_t columns) {
  const std::size_t have = width(text);
  if (have > columns) {
    while (width(text) > columns - 1) text.pop_back();
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.pop_back();
    return text + "~";
  }
  return text + std::string(columns - have, ' ');
}

}  // namespace

std::string span_text(double seconds) {
  const double value = std::max(0.0, seconds);
  const auto text = [](double number, const char* unit) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, number < 10 ? "%.2f %s" : number < 100 ? "%.1f %s" : "%.0f %s", number, unit);
    return std::string(buffer);
  };
  if (value >= 1) return text(value, "s");
  if (value >= 0.001) return text(value * 1e3, "ms");
  return text(value * 1e6, "us");
}

std::vector<WaterfallLine> waterfall(const std::vector<Json>& segments, std::size_t columns) {
  const std::vector<Row> rows = Rows(segments).take();
  std::vector<WaterfallLine> out;
  if (rows.empty()) return out;
  double from = rows.front().start, to = rows.front().end;
  for (const Row& row : rows) {
    from = std::min(from, row.start);
    to = std::max(to, row.end);
  }
  std::size_t label_width = 0;
  for (const Row& row : rows)
    label_width = std::max(label_width, width(row.label) + 2 * static_cast<std::size_t>(row.depth));
  columns = std::max<std::size_t>(columns, 60);
  label_width = std::min(label_width, columns / 2);
  const std::size_t cells = columns - label_width - kTimeWidth - 4;
  for (const Row& row : rows) {
    std::string time = row.in_progress ? "running" : span_text(row.busy);
    time.insert(0, kTimeWidth - std::min(kTimeWidth, time.size()), ' ');
    std::string line = fitted(std::string(2 * static_cast<std::size_t>(row.depth), ' ') + row.label, label_width);
    line += " " + time + " |" + bar(row, from, to - from, cells) + "|";
    out.push_back({std::move(line), row.failed});
  }
  return out;
}

}  // namespace millrace::cli
