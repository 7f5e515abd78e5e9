#include "api/ecr/repository.h"

namespace millrace::api_ecr {

using codec::Json;

Json to_json(const Repository& repository) {
  return Json::object({{"v", 1},
                       {"shown", repository.shown},
                       {"lifecycle", repository.lifecycle},
                       {"policy", repository.policy},
                       {"tags", repository.tags}});
}

Repository repository_from_json(const Json& json) {
  Repository repository;
  if (const Json* shown = json.find("shown"); shown != nullptr && shown->is_object()) repository.shown = *shown;
  repository.lifecycle = json.string_or("lifecycle", "");
  repository.policy = json.string_or("policy", "");
  if (const Json* tags = json.find("tags"); tags != nullptr && tags->is_object()) {
    for (const auto& [key, value] : tags->as_object()) {
      if (value.is_string()) repository.tags.set(key, value);
    }
  }
  return repository;
}

}  // namespace millrace::api_ecr
