#include "cli/internal/output.h"

#include <algorithm>
#include <iostream>
#include <utility>

#include "base/time.h"

namespace millrace::cli {
namespace {

using codec::Json;

const Json* descend(const Json& row, std::string_view path) {
  const Json* value = &row;
  while (value != nullptr && !path.empty()) {
    const auto dot = path.find('.');
    value = value->find(path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return value;
}

// One line, whatever is in it: control characters would break the table, or the terminal.
std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else
      out += static_cast<unsigned char>(c) < ' ' || c == 127 ? '?' : c;
  }
  return out;
}

std::string cut(std::string text, std::size_t width_max) {
  if (width_max == 0 || width(text) <= width_max) return text;
  std::size_t at = 0;
  for (std::size_t seen = 0; at < text.size(); ++at)
    if ((text[at] & 0xC0) != 0x80 && seen++ == width_max - 1) break;
  return text.substr(0, at) + "…";
}

std::string cell(const Json& row, const Column& column) {
  const Json* value = descend(row, column.member);
  if (value == nullptr || value->is_null()) return "-";
  if (column.form == Form::kDuration && value->is_number())
    return format_duration(Milliseconds(static_cast<std::int64_t>(value->as_double())));
  const std::string text = cut(one_line(plain(*value)), column.width_max);
  return text.empty() ? "-" : text;
}

bool is_alarming(std::string_view text) {
  return text.size() > 1 && std::all_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

void pad(std::string& out, std::string_view text, std::size_t to, bool right) {
  const std::string space(to > width(text) ? to - width(text) : 0, ' ');
  if (right) out += space;
  out += text;
  if (!right) out += space;
}

std::string label(std::string_view member) {
  std::string text(member);
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

// "window_s": 5 is window 5 s, "oldest_age_ms": 90000 is oldest age 1m 30s, "memory_mb": 256 is memory 256 MB.
std::pair<std::string, std::string> readable(std::string_view name, const Json& value) {
  constexpr std::string_view kMilliseconds = "_ms", kSeconds = "_s", kMegabytes = "_mb";
  const auto without = [&](std::string_view unit) { return std::string(name.substr(0, name.size() - unit.size())); };
  if (value.is_number()) {
    if (name.ends_with(kMilliseconds))
      return {without(kMilliseconds), format_duration(Milliseconds(static_cast<std::int64_t>(value.as_double())))};
    if (name.ends_with(kSeconds)) return {without(kSeconds), plain(value) + " s"};
    if (name.ends_with(kMegabytes)) return {without(kMegabytes), plain(value) + " MB"};
  }
  // A limit, or "none".
  if (value.is_string() && name.ends_with(kSeconds)) {
    const std::string text = plain(value);
    return {without(kSeconds), text.find_first_not_of("0123456789") == std::string::npos ? text + " s" : text};
  }
  return {std::string(name), plain(value)};
}

// Printed below its name, not beside it.
bool is_nested(const Json& value) {
  return (value.is_object() && !value.as_object().empty()) ||
         (value.is_array() && !value.as_array().empty() && value.as_array()[0].is_object());
}

void details_of(const Json& document, std::size_t indent) {
  std::size_t widest = 0;
  for (const auto& [name, value] : document.as_object())
    if (!is_nested(value)) widest = std::max(widest, width(readable(name, value).first));
  for (const auto& [name, value] : document.as_object()) {
    std::string line(indent, ' ');
    if (is_nested(value)) {
      std::cout << line << label(name) << ":\n";
      if (value.is_object()) details_of(value, indent + 2);
      if (value.is_array())
        for (std::size_t i = 0; i < value.as_array().size(); ++i) {
          if (i > 0) std::cout << '\n';
          details_of(value.as_array()[i], indent + 2);
        }
      continue;
    }
    const auto [title, text] = readable(name, value);
    pad(line, label(title), widest + 2, false);
    std::cout << line << text << '\n';
  }
}

}  // namespace

std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string plain(const Json& value) {
  if (value.is_string()) return value.as_string();
  if (value.is_bool()) return value.as_bool() ? "yes" : "no";
  if (value.is_array()) {
    std::string text;
    for (const auto& element : value.as_array()) text += (text.empty() ? "" : ", ") + plain(element);
    return text.empty() ? "none" : text;
  }
  if (value.is_null()) return "-";
  return value.dump();
}

void Output::table(const Json& document, std::string_view member, const std::vector<Column>& columns,
                   std::string_view nothing) {
  if (json_) return this->document(document);
  const Json* rows = document.find(member);
  if (rows == nullptr || !rows->is_array() || rows->as_array().empty()) return line(nothing);
  std::vector<std::size_t> widths;
  for (const auto& column : columns) {
    std::size_t widest = width(column.title);
    for (const auto& row : rows->as_array()) widest = std::max(widest, width(cell(row, column)));
    widths.push_back(widest);
  }
  std::string head;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    pad(head, columns[i].title, i + 1 < columns.size() || columns[i].right ? widths[i] : 0, columns[i].right);
    if (i + 1 < columns.size()) head += "  ";
  }
  std::cout << strong(head) << '\n';
  for (const auto& row : rows->as_array()) {
    std::string text;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      std::string field;
      const std::string value = cell(row, columns[i]);
      pad(field, value, i + 1 < columns.size() || columns[i].right ? widths[i] : 0, columns[i].right);
      text += columns[i].form == Form::kState && is_alarming(value) ? warning(field) : field;
      if (i + 1 < columns.size()) text += "  ";
    }
    std::cout << text << '\n';
  }
}

void Output::details(const Json& document) {
  if (json_) return this->document(document);
  if (document.is_object()) details_of(document, 0);
}

void Output::line(std::string_view text) {
  if (!json_) std::cout << text << '\n';
}

void Output::document(const Json& document) {
  if (json_) std::cout << document.dump_pretty() << '\n';
}

std::string Output::warning(std::string_view text) const {
  return color_ ? "\033[33m" + std::string(text) + "\033[0m" : std::string(text);
}

std::string Output::strong(std::string_view text) const {
  return color_ ? "\033[1m" + std::string(text) + "\033[0m" : std::string(text);
}

}  // namespace millrace::cli
