#include "api/cloudtrail/service.h"

#include "wire/generated/cloudtrail.h"

namespace millrace::api_cloudtrail {

using wire::Document;
using wire::Reply;
using wire::RequestContext;

namespace {

// CDK looks here for why a deployment failed.
Result<Reply> lookup_events(const RequestContext&, const Document& request) {
  if (request.find("NextToken") != nullptr) {
    return Error(wire::cloudtrail::kInvalidNextTokenException, "The NextToken is not valid: there are no more events.");
  }
  Reply reply;
  reply.output.set("Events", Document::array());
  return reply;
}

}  // namespace

std::unique_ptr<wire::Service> make_cloudtrail_service() {
  auto service = std::make_unique<wire::Service>(wire::cloudtrail::kModel);
  service->on("LookupEvents", lookup_events);
  return service;
}

}  // namespace millrace::api_cloudtrail
