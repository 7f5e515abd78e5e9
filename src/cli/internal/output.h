// What commands print: aligned tables, labelled values, or the JSON as it came. Colour only on a terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codec/json.h"

namespace millrace::cli {

enum class Form { kText, kDuration, kState };  // as it is; from milliseconds; a warning when in capitals ("BLOCKED")

struct Column {
  std::string title;
  std::string member;  // of each row object; "a.b" descends
  bool right = false;  // numbers
  Form form = Form::kText;
  std::size_t width_max = 0;  // longer texts are cut; 0: never
};

class Output {
 public:
  Output(bool json, bool color) : json_(json), color_(color) {}
  bool json() const { return json_; }

  // Rows of `document[member]`; in JSON mode the document itself. `nothing` is said when there are no rows.
  void table(const codec::Json& document, std::string_view member, const std::vector<Column>& columns,
             std::string_view nothing);
  // Members one per line, nested objects indented, arrays of objects as blocks; "..._ms" as durations.
  void details(const codec::Json& document);
  void line(std::string_view text);                  // nothing in JSON mode
  void document(const codec::Json& document);        // only in JSON mode
  std::string warning(std::string_view text) const;  // yellow on a terminal
  std::string strong(std::string_view text) const;

 private:
  bool json_;
  bool color_;
};

// A value as a person reads it: strings as they are.
std::string plain(const codec::Json& value);
// How wide text is on a terminal: code points, not bytes.
std::size_t width(std::string_view text);

}  // namespace millrace::cli
