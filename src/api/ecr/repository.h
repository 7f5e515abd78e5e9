// A repository as a value, and the document that is kept of it. Pure.
#pragma once

#include <string>

#include "codec/json.h"

namespace millrace::api_ecr {

struct Repository {
  codec::Json shown = codec::Json::object();  // AWS's Repository
  std::string lifecycle;                      // the texts of its policies; "": none
  std::string policy;
  codec::Json tags = codec::Json::object();  // strings by key
};

codec::Json to_json(const Repository& repository);
// Whatever is not of its kind in a damaged document is as if it were absent.
Repository repository_from_json(const codec::Json& json);

}  // namespace millrace::api_ecr
