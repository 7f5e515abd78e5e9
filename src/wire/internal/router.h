// Tells the service and operation of a request from its head.
//
// Order: X-Amz-Target; the path of Smithy's RPC v2 (only with its header field); `Action` with its Version in the
// query; the service in the credential scope; Lambda's path prefixes; the host name; a form body (its Action is read
// later); else S3. Built once; then immutable and thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wire/codec.h"
#include "wire/service.h"

namespace millrace::wire::internal {

// What the dispatcher keeps per operation of a served model; `index` is the operation's place in the model.
struct Served {
  const ServiceModel* model = nullptr;
  const Service* service = nullptr;
  std::size_t number = 0;  // of the service, in order of add()
};

struct Credentials {
  std::string_view access_key;
  std::string_view region;
  std::string_view service;  // in the scope: "dynamodb", "s3"
  std::string_view session_token;
};

// Of the Authorization field or a presigned query; all empty when unsigned.
Credentials credentials_of(const http::RequestHead& head);

struct Route {
  const Served* served = nullptr;             // nullptr: unknown or not served, see `error`
  const OperationModel* operation = nullptr;  // nullptr with a service: told by the form in the body
  Protocol protocol = Protocol::kJson;
  Labels labels;
  std::optional<Error> error;
};

class Router {
 public:
  void add(const Service& service);
  Route route(const http::RequestHead& head, const Credentials& credentials,
              const std::vector<std::string>& allowed_hosts) const;
  // Completes a route of the query protocol by the parameters in the form. `route.served` may be nullptr before.
  void route_form(Route& route, const Form& form, std::string_view scope_service) const;
  const std::vector<std::unique_ptr<Served>>& served() const { return served_; }

 private:
  struct Pattern {  // one REST operation
    const OperationModel* operation = nullptr;
    std::vector<std::pair<std::string_view, std::string_view>> literals;  // fixed query parameters
    std::vector<std::string_view> required_query;
    std::vector<std::string_view> required_fields;
  };
  struct Rest {
    const Served* served;
    std::vector<Pattern> patterns;
  };

  const Served* by_signing_name(std::string_view name) const;
  const Served* by_host(std::string_view host) const;
  const Rest* rest_of(const Served& served) const;
  Route route_target(std::string_view target) const;
  Route route_cbor(std::string_view path) const;
  Route route_action(std::string_view action, std::string_view version, std::string_view scope_service) const;
  Route route_service(const Served& served, const http::RequestHead& head,
                      const std::vector<std::string>& allowed_hosts) const;
  Route route_rest(const Rest& rest, const http::RequestHead& head, std::string_view path) const;

  std::vector<std::unique_ptr<Served>> served_;
  std::vector<Rest> rests_;
};

// The bucket of a virtual-host request ("BUCKET.s3.us-east-1.amazonaws.com"), "" for path style.
std::string_view bucket_of_host(std::string_view host, const std::vector<std::string>& allowed_hosts);

// Matches a raw path against a template and decodes the labels. nullopt: no match.
std::optional<Labels> match_path(std::string_view path_template, std::string_view path);

}  // namespace millrace::wire::internal
