// What the Lambda API checks of a mapping beyond shapes, with AWS's own texts. Pure but for the lookups.
#pragma once

#include "api/lambda/mappings.h"
#include "base/result.h"
#include "triggers/mapping.h"
#include "wire/service.h"

namespace millrace::api_lambda {

// Source, starting position and settings of a CreateEventSourceMapping request that has passed the shape validator.
Result<triggers::Mapping> parse_create(const Scope& scope, const wire::Document& request,
                                       const MappingLookups& lookups);
// Applies the settings that are present, of a create or an update; absent ones keep their value, empty ones clear.
Result<void> apply_settings(const wire::Document& request, const MappingLookups& lookups, triggers::Mapping& mapping);
// Points the mapping at another function. Error: InvalidParameterValueException when that does not exist.
Result<void> apply_function(std::string_view name, const MappingLookups& lookups, triggers::Mapping& mapping);

}  // namespace millrace::api_lambda
