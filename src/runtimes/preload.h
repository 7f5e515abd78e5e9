// The hook that keeps a Node.js process's calls to AWS on this machine, as text of a CommonJS module.
//
// Functions on Node.js have it from their bootstrap; tools that know no AWS_ENDPOINT_URL (serverless@3) are started
// with NODE_OPTIONS="--require FILE". It sends https requests for *.amazonaws.com to AWS_ENDPOINT_URL, else
// MILLRACE_ENDPOINT.
#pragma once

#include <string_view>

namespace millrace::runtimes {

// Embedded in the binary; valid as long as the process lives.
std::string_view preload_hook();

}  // namespace millrace::runtimes
