// From a Reply to an HTTP response, by protocol.
#include "crypto/digest.h"
#include "crypto/encoding.h"
#include "wire/codec.h"
#include "wire/internal/answers.h"
#include "wire/internal/values.h"

namespace millrace::wire {
namespace {

// AWS: root elements of S3 answers, where they are not named like the shape.
constexpr std::pair<std::string_view, std::string_view> kRoots[] = {
    {"CompleteMultipartUploadOutput", "CompleteMultipartUploadResult"},
    {"CreateMultipartUploadOutput", "InitiateMultipartUploadResult"},
    {"CreateSessionOutput", "CreateSessionResult"},
    {"DeleteObjectsOutput", "DeleteResult"},
    {"GetBucketAccelerateConfigurationOutput", "AccelerateConfiguration"},
    {"GetBucketAclOutput", "AccessControlPolicy"},
    {"GetBucketCorsOutput", "CORSConfiguration"},
    {"GetBucketLifecycleConfigurationOutput", "LifecycleConfiguration"},
    {"GetBucketLocationOutput", "LocationConstraint"},
    {"GetBucketLoggingOutput", "BucketLoggingStatus"},
    {"GetBucketRequestPaymentOutput", "RequestPaymentConfiguration"},
    {"GetBucketTaggingOutput", "Tagging"},
    {"GetBucketVersioningOutput", "VersioningConfiguration"},
    {"GetBucketWebsiteOutput", "WebsiteConfiguration"},
    {"GetObjectAclOutput", "AccessControlPolicy"},
    {"GetObjectAttributesOutput", "GetObjectAttributesResponse"},
    {"GetObjectTaggingOutput", "Tagging"},
    {"ListBucketsOutput", "ListAllMyBucketsResult"},
    {"ListDirectoryBucketsOutput", "ListAllMyDirectoryBucketsResult"},
    {"ListMultipartUploadsOutput", "ListMultipartUploadsResult"},
    {"ListObjectVersionsOutput", "ListVersionsResult"},
    {"ListObjectsOutput", "ListBucketResult"},
    {"ListObjectsV2Output", "ListBucketResult"},
    {"ListPartsOutput", "ListPartsResult"},
};

std::string_view root_of(const Shape& shape) {
  for (const auto& [name, root] : kRoots) {
    if (name == shape.name) return root;
  }
  return shape.wire_name.empty() ? shape.name : shape.wire_name;
}

void add_field(const ServiceModel& model, const Member& member, const Document& value, http::Response& response) {
  const Shape& shape = model.shape(member.shape);
  if (member.location == Location::kHeaders) {
    if (!value.is_object()) return;
    for (const auto& [key, text] : value.as_object()) {
      response.fields.add(std::string(member.on_wire()) + key, text.is_string() ? text.as_string() : text.dump());
    }
  } else if (shape.kind == Kind::kList && value.is_array()) {
    std::string joined;
    for (const Document& each : value.as_array()) {
      if (!joined.empty()) joined += ',';
      joined += internal::scalar_to_text(model, model.element_of(shape), each, TimestampFormat::kRfc822);
    }
    response.fields.add(member.on_wire(), joined);
  } else {
    response.fields.add(member.on_wire(), internal::scalar_to_text(model, member, value, TimestampFormat::kRfc822));
  }
}

// Moves what belongs into fields and status out of `output`.
void bind_head(const ServiceModel& model, const Shape& shape, Document& output, http::Response& response) {
  for (const Member& member : model.members_of(shape)) {
    if (member.location == Location::kBody) continue;
    const Document* value = output.find(member.name);
    if (value == nullptr) continue;
    if (member.location == Location::kStatusCode) {
      if (value->is_number()) response.status = static_cast<int>(value->as_int());
    } else if (!value->is_null()) {
      add_field(model, member, *value, response);
    }
    output.erase(member.name);
  }
}

bool has_body_members(const ServiceModel& model, const Shape& shape) {
  for (const Member& member : model.members_of(shape)) {
    if (member.location == Location::kBody) return true;
  }
  return false;
}

void write_rest_payload(const Addressee& to, const Shape& output, Document& document, http::Response& response) {
  const ServiceModel& model = *to.model;
  const Member& member = model.members_of(output)[static_cast<std::size_t>(output.payload)];
  const Document* value = document.find(member.name);
  if (value == nullptr || value->is_null()) return;
  const Shape& shape = model.shape(member.shape);
  if (shape.kind == Kind::kBlob) {
    response.body = crypto::base64_decode(value->is_string() ? value->as_string() : "").value_or("");
  } else if (shape.kind == Kind::kString) {
    response.body = value->is_string() ? value->as_string() : value->dump();
  } else if (to.protocol == Protocol::kRestJson) {
    value->dump_to(response.body);
    response.fields.set("Content-Type", "application/json");
  } else {
    internal::begin_xml(response);
    internal::write_xml_structure(response.body, model, shape, member.on_wire(), model.xml_namespace, *value);
  }
}

void write_rest_body(const Addressee& to, const Shape& output, Document& document, http::Response& response) {
  const ServiceModel& model = *to.model;
  if (output.payload >= 0) return write_rest_payload(to, output, document, response);
  if (response.status == 204) return;
  if (to.protocol == Protocol::kRestJson) {
    response.fields.set("Content-Type", "application/json");
    document.dump_to(response.body);
    return;
  }
  if (!has_body_members(model, output)) return;
  internal::begin_xml(response);
  if (output.name == "GetBucketLocationOutput") {  // AWS: the constraint is the root element's text
    codec::XmlWriter writer(response.body);
    writer.open("LocationConstraint").attribute("xmlns", model.xml_namespace);
    if (const auto region = document.string_or("LocationConstraint", ""); !region.empty()) writer.text(region);
    writer.close();
    return;
  }
  internal::write_xml_structure(response.body, model, output, root_of(output), model.xml_namespace, document);
}

void write_rest(const Addressee& to, Reply& reply, http::Response& response) {
  if (to.operation->output == kNoShape) return;
  const Shape& output = to.model->shape(to.operation->output);
  bind_head(*to.model, output, reply.output, response);
  if (!reply.payload.empty() || reply.source != nullptr) return;  // the body is given
  write_rest_body(to, output, reply.output, response);
}

void write_query(const Addressee& to, const Document& output, http::Response& response) {
  const std::string name(to.operation->name);
  codec::XmlWriter writer(response.body);
  writer.open(name + "Response").attribute("xmlns", to.model->xml_namespace).text("");
  if (to.operation->output != kNoShape) {
    internal::write_xml_structure(response.body, *to.model, to.model->shape(to.operation->output), name + "Result", "",
                                  output);
  }
  writer.open("ResponseMetadata").element("RequestId", to.request_id).close().close();
}

void write_body(const Addressee& to, Reply& reply, http::Response& response) {
  switch (to.protocol) {
    case Protocol::kJson:
      response.fields.set("Content-Type", internal::json_content_type(*to.model));
      if (reply.json.empty() && to.operation->output != kNoShape) {
        reply.output.dump_to(response.body);
      } else {
        response.body = std::move(reply.json);
      }
      return;
    case Protocol::kCbor:
      if (to.operation->output != kNoShape) {
        const Shape& shape = to.model->shape(to.operation->output);
        response.body = internal::encode_cbor(*to.model, shape, reply.output);
      }
      return;
    case Protocol::kQuery:
      return write_query(to, reply.output, response);
    default:
      if (!reply.json.empty()) {
        response.fields.set("Content-Type", "application/json");
        response.body = std::move(reply.json);
        return;
      }
      write_rest(to, reply, response);
  }
}

}  // namespace

http::Response encode_reply(const Addressee& to, Reply reply) {
  http::Response response;
  response.status = to.operation->status;
  write_body(to, reply, response);
  if (reply.status != 0) response.status = reply.status;
  if (!reply.payload.empty()) response.body = std::move(reply.payload);
  response.source = std::move(reply.source);
  response.source_bytes = reply.source_bytes;
  for (const auto& [name, value] : reply.fields.all()) response.fields.set(name, value);
  internal::finish(to, response);
  return response;
}

namespace internal {

void begin_xml(http::Response& response) {
  response.fields.set("Content-Type", "application/xml");
  response.body += "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
}

std::string_view json_content_type(const ServiceModel& model) {
  return model.json_1_1 ? "application/x-amz-json-1.1" : "application/x-amz-json-1.0";
}

void finish(const Addressee& to, http::Response& response) {
  const bool s3 = to.protocol == Protocol::kRestXml;
  response.fields.set(s3 ? "x-amz-request-id" : "x-amzn-RequestId", to.request_id);
  if (s3) response.fields.set("x-amz-id-2", to.request_id);
  if (to.protocol == Protocol::kQuery) {
    response.fields.set("Content-Type", "text/xml");
  } else if (to.protocol == Protocol::kCbor) {
    response.fields.set("smithy-protocol", "rpc-v2-cbor");
    if (!response.body.empty()) response.fields.set("Content-Type", "application/cbor");
  } else if (to.model != nullptr && to.model->signing_name == "dynamodb") {
    response.fields.set("x-amz-crc32", std::to_string(crypto::crc32(response.body)));
  }
}

}  // namespace internal
}  // namespace millrace::wire
