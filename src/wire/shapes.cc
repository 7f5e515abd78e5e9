#include "wire/shapes.h"

#include <algorithm>

namespace millrace::wire {

const OperationModel* ServiceModel::find_operation(std::string_view name) const {
  const auto it = std::ranges::lower_bound(operations, name, {}, &OperationModel::name);
  return it == operations.end() || it->name != name ? nullptr : &*it;
}

const Shape* ServiceModel::find_error(std::string_view name) const {
  for (const Shape& shape : shapes) {
    if (shape.exception && (shape.name == name || shape.error_code == name)) return &shape;
  }
  return nullptr;
}

}  // namespace millrace::wire
