// What /metrics says of each mapping's shards and lanes: made when it is asked for, since shards come and go.
#pragma once

#include <string>
#include <vector>

#include "app/config.h"
#include "triggers/status.h"

namespace millrace::app {

// Prometheus text. Pure.
std::string mapping_metrics(const std::vector<triggers::Status>& mappings, const Prices& prices, Time now);

}  // namespace millrace::app
