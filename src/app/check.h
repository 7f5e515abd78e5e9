// `millrace check`: everything in a data directory, or a backup, against everything else.
#pragma once

#include <filesystem>

#include "app/backup.h"
#include "base/result.h"
#include "codec/json.h"

namespace millrace::app {

inline constexpr std::size_t kProblemsShown = 1000;

// {"path","ok","format","problems":[sentences],"problem_count","checked":{"tables","items",...}}. Changes nothing.
// REQUIRES: no server has it open (that is an error). Errors: it cannot be looked at at all.
Result<codec::Json> check_directory(const std::filesystem::path& path, const Progress& progress);

}  // namespace millrace::app
