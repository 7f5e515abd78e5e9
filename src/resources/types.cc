#include "resources/types.h"

namespace millrace::resources {

void register_types(stacks::TypeRegistry& registry) {
  registry.add(make_dynamodb_table());
  registry.add(make_sns_topic());
  registry.add(make_sqs_queue());
}

}  // namespace millrace::resources
