// AWS Systems Manager's parameter store on the wire (JSON 1.1).
#pragma once

#include <map>
#include <memory>
#include <string>

#include "platform/clock.h"
#include "records/records.h"
#include "wire/service.h"

namespace millrace::api_ssm {

// Parameters that every account and region has, by name, until one of that name is put: String values, version 1.
using Presets = std::map<std::string, std::string, std::less<>>;

// `records` and `clock` must outlive the result.
std::unique_ptr<wire::Service> make_ssm_service(records::Records& records, platform::Clock& clock,
                                                Presets presets = {});

}  // namespace millrace::api_ssm
