// Text forms of bytes: base64 (RFC 4648, standard and URL alphabets) and hexadecimal. Pure functions; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace millrace::crypto {

// With padding.
std::string base64_encode(std::string_view bytes);
// Strict: standard alphabet, padding required, no white space, no stray bits. nullopt: not base64.
std::optional<std::string> base64_decode(std::string_view text);
// URL and file name safe alphabet, without padding.
std::string base64url_encode(std::string_view bytes);
// Accepts the URL alphabet with or without padding.
std::optional<std::string> base64url_decode(std::string_view text);

std::string hex_encode(std::string_view bytes);  // lower case
// Either case; nullopt: odd length or a character that is no digit.
std::optional<std::string> hex_decode(std::string_view text);

}  // namespace millrace::crypto
