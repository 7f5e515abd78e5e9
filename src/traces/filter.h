// Filter expressions of GetTraceSummaries. Pure.
//
//   expression := term { ["AND"] term | "OR" term }         AND binds closer; terms side by side are joined by AND
//   term       := ("!" | "NOT") term | "(" expression ")" | keyword [operator value]
//               | "service" "(" [node] ")" [ "{" expression "}" ]
//               | "edge" "(" node "," node ")" [ "{" expression "}" ]
//   node       := string | "id" "(" { ("name" | "type" | "account.id") ":" string } ")"
//   operator   := = != < <= > >= CONTAINS BEGINSWITH ENDSWITH
//
// Keywords: ok error throttle fault partial inferred (boolean); responsetime duration http.status (number); http.url
// http.method http.useragent http.clientip user name type resource.arn instance.id availabilityzone message
// annotation.KEY annotation[KEY] (string; annotations also number and boolean). Outside of service() and edge() they
// are about the trace's first segment, but user, annotation, resource.arn, instance.id, availabilityzone and message
// about any segment. AWS: X-Ray Developer Guide, "Filter expressions"; group.name, rootcause.* and json are refused by
// name.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "traces/summary.h"

namespace millrace::traces {

class Filter {
 public:
  struct Term;

  // Errors: kInvalidArgument, says where and why.
  static Result<Filter> parse(std::string_view text);
  // An empty text passes everything. `account` is that of every node.
  bool passes(const Picture& trace, std::string_view account) const;

 private:
  std::shared_ptr<const Term> term_;
};

}  // namespace millrace::traces
