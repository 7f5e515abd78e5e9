// What encode_reply and encode_error share.
#pragma once

#include <string>

#include "codec/xml.h"
#include "wire/codec.h"

namespace millrace::wire::internal {

void begin_xml(http::Response& response);  // content type and declaration
std::string_view json_content_type(const ServiceModel& model);
// Request id fields, x-amz-crc32.
void finish(const Addressee& to, http::Response& response);

}  // namespace millrace::wire::internal
