// Presigned URLs: how long they are good for. Signatures are not verified.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "http/message.h"

namespace millrace::api_s3 {

// Success for requests that are not presigned. `now` is the machine's time, by which clients sign: a URL does not
// expire because the server's clock was moved. Errors, as AWS: AccessDenied "Request has expired";
// AuthorizationQueryParametersError (version 4) and AccessDenied (version 2) for what says no time.
Result<void> check_presigned(const http::RequestHead& head, Time now);

}  // namespace millrace::api_s3
