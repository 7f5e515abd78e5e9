// The filters of mappings: see patterns/pattern.h, which other services filter with too.
#pragma once

#include "patterns/pattern.h"

namespace millrace::triggers {

using patterns::Filters;
using patterns::Pattern;

}  // namespace millrace::triggers
