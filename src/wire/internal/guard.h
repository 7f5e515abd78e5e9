// What is refused before a request reaches its service: web pages (DNS rebinding, foreign origins), damaged bodies.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace millrace::wire::internal {

// "host:port", "[::1]:80" -> the host alone, without brackets.
std::string_view host_of(std::string_view authority);
bool is_loopback(std::string_view host);  // 127.0.0.0/8, ::1, localhost, *.localhost
bool is_aws_host(std::string_view host);  // *.amazonaws.com, *.amazonaws.com.cn, *.api.aws
bool is_known_host(std::string_view host, const std::vector<std::string>& allowed);
// "<id>.lambda-url.<region>" below a host of this server. These are open to web pages as far as their owner says
// (CORS), so refusal() does not apply.
bool is_function_url(const http::RequestHead& head, const std::vector<std::string>& allowed);
// Why the request is refused; nullopt: it may pass. `allowed`: further host names, their subdomains included.
std::optional<std::string> refusal(const http::RequestHead& head, const std::vector<std::string>& allowed);

// Checks a buffered S3 body against Content-MD5 and x-amz-checksum-* fields. Errors as S3 has them: BadDigest,
// InvalidDigest, InvalidRequest.
Result<void> check_digests(const http::RequestHead& head, std::string_view body);

}  // namespace millrace::wire::internal
