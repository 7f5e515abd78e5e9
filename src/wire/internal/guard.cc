#include "wire/internal/guard.h"

#include <algorithm>

#include "crypto/digest.h"
#include "crypto/encoding.h"

namespace millrace::wire::internal {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

bool is_or_below(std::string_view host, std::string_view domain) {
  return host == domain ||
         (host.size() > domain.size() && host.ends_with(domain) && host[host.size() - domain.size() - 1] == '.');
}

// What most requests are addressed to.
bool is_this_machine(std::string_view host) { return host == "127.0.0.1" || host == "localhost"; }

bool is_ipv4_loopback(std::string_view host) {
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

// "http://127.0.0.1:4566" -> "127.0.0.1:4566"
std::string_view authority_of_origin(std::string_view origin) {
  const auto scheme = origin.find("://");
  return scheme == std::string_view::npos ? std::string_view() : origin.substr(scheme + 3);
}

}  // namespace

Result<void> check_digests(const http::RequestHead& head, std::string_view body) {
  static constexpr ErrorType kBadDigest{"BadDigest", 400, ErrorKind::kClient};
  static constexpr ErrorType kInvalidDigest{"InvalidDigest", 400, ErrorKind::kClient};
  static constexpr ErrorType kInvalidRequest{"InvalidRequest", 400, ErrorKind::kClient};
  using crypto::Algorithm;
  if (const auto md5 = head.fields.find("content-md5")) {
    const auto given = crypto::base64_decode(*md5);
    if (!given.has_value() || given->size() != crypto::digest_bytes(Algorithm::kMd5)) {
      return Error(kInvalidDigest, "The Content-MD5 you specified was invalid.");
    }
    if (*given != crypto::md5(body)) {
      return Error(kBadDigest, "The Content-MD5 you specified did not match what we received.");
    }
  }
  static constexpr struct {
    std::string_view field, name;
    Algorithm algorithm;
  } kFields[] = {{"x-amz-checksum-crc32", "CRC32", Algorithm::kCrc32},
                 {"x-amz-checksum-crc32c", "CRC32C", Algorithm::kCrc32c},
                 {"x-amz-checksum-crc64nvme", "CRC64NVME", Algorithm::kCrc64Nvme},
                 {"x-amz-checksum-sha1", "SHA1", Algorithm::kSha1},
                 {"x-amz-checksum-sha256", "SHA256", Algorithm::kSha256}};
  for (const auto& [field, name, algorithm] : kFields) {
    const auto text = head.fields.find(field);
    if (!text.has_value()) continue;
    const auto given = crypto::base64_decode(*text);
    if (!given.has_value() || given->size() != crypto::digest_bytes(algorithm)) {
      return Error(kInvalidRequest, "Value for " + std::string(field) + " header is invalid.");
    }
    if (*given != crypto::digest(algorithm, body)) {
      return Error(kBadDigest, "The " + std::string(name) + " you specified did not match the calculated checksum.");
    }
  }
  return {};
}

std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    return end == std::string_view::npos ? authority : authority.substr(1, end - 1);
  }
  return authority.substr(0, authority.find(':'));
}

bool is_loopback(std::string_view host) {
  return is_ipv4_loopback(host) || host == "::1" || is_or_below(host, "localhost");
}

bool is_aws_host(std::string_view host) {
  return is_or_below(host, "amazonaws.com") || is_or_below(host, "amazonaws.com.cn") || is_or_below(host, "api.aws");
}

bool is_known_host(std::string_view given, const std::vector<std::string>& allowed) {
  const std::string host = lower(given);
  return host.empty() || is_loopback(host) || is_aws_host(host) || is_ipv4_loopback(host) ||
         std::ranges::any_of(allowed,
                             [&](const std::string& each) {
                               // BUCKET.127.0.0.1 and BUCKET.millrace: virtual-host buckets below what is
                               // allowed.
                               return is_or_below(host, each);
                             }) ||
         host.ends_with(".127.0.0.1");
}

bool is_function_url(const http::RequestHead& head, const std::vector<std::string>& allowed) {
  const std::string_view given = host_of(head.fields.get("host"));
  if (is_this_machine(given)) return false;
  const std::string host = lower(given);
  return host.find(".lambda-url.") != std::string::npos && !is_aws_host(host) && is_known_host(host, allowed);
}

std::optional<std::string> refusal(const http::RequestHead& head, const std::vector<std::string>& allowed) {
  const std::string_view authority = head.fields.get("host");
  const std::string_view host = host_of(authority);
  if (!is_this_machine(host) && !is_known_host(host, allowed))
    return "The host name \"" + lower(host) + "\" is not one of this server's. Allow it in the configuration.";
  if (const auto origin = head.fields.find("origin")) {
    if (lower(authority_of_origin(*origin)) != lower(authority)) {
      return "Requests from web pages of another origin are refused: " + std::string(*origin);
    }
  }
  // A page of another site can load images and forms without an Origin field, but not without this one.
  const auto site = head.fields.find("sec-fetch-site");
  if (site.has_value() && *site != "same-origin" && *site != "none") {
    return std::string("Requests from web pages of another site are refused.");
  }
  return std::nullopt;
}

}  // namespace millrace::wire::internal
