#include "crypto/digest.h"

#include <utility>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/assert.h"
#include "crypto/encoding.h"

namespace millrace::crypto {
namespace {

const EVP_MD* hash_function(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kMd5:
      return EVP_md5();
    case Algorithm::kSha1:
      return EVP_sha1();
    case Algorithm::kSha256:
      return EVP_sha256();
    case Algorithm::kSha512:
      return EVP_sha512();
    default:
      return nullptr;
  }
}

EVP_MD_CTX* as_context(void* context) { return static_cast<EVP_MD_CTX*>(context); }

}  // namespace

std::size_t digest_bytes(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kMd5:
      return 16;
    case Algorithm::kSha1:
      return 20;
    case Algorithm::kSha256:
      return 32;
    case Algorithm::kSha512:
      return 64;
    case Algorithm::kCrc32:
    case Algorithm::kCrc32c:
      return 4;
    case Algorithm::kCrc64Nvme:
      return 8;
  }
  return 0;
}

Digest::Digest(Algorithm algorithm) : algorithm_(algorithm) {
  if (const EVP_MD* function = hash_function(algorithm)) {
    context_ = EVP_MD_CTX_new();
    MR_ASSERT(context_ != nullptr && EVP_DigestInit_ex(as_context(context_), function, nullptr) == 1);
  }
}

Digest::Digest(Digest&& other) noexcept
    : algorithm_(other.algorithm_), crc_(other.crc_), context_(std::exchange(other.context_, nullptr)) {}

Digest& Digest::operator=(Digest&& other) noexcept {
  std::swap(algorithm_, other.algorithm_);
  std::swap(crc_, other.crc_);
  std::swap(context_, other.context_);
  return *this;
}

Digest::~Digest() { EVP_MD_CTX_free(as_context(context_)); }

void Digest::update(std::string_view bytes) {
  switch (algorithm_) {
    case Algorithm::kCrc32:
      crc_ = crc32(bytes, static_cast<std::uint32_t>(crc_));
      break;
    case Algorithm::kCrc32c:
      crc_ = crc32c(bytes, static_cast<std::uint32_t>(crc_));
      break;
    case Algorithm::kCrc64Nvme:
      crc_ = crc64nvme(bytes, crc_);
      break;
    default:
      MR_ASSERT(EVP_DigestUpdate(as_context(context_), bytes.data(), bytes.size()) == 1);
  }
}

std::string Digest::finish() {
  std::string out(digest_bytes(algorithm_), '\0');
  if (context_ != nullptr) {
    MR_ASSERT(EVP_DigestFinal_ex(as_context(context_), reinterpret_cast<unsigned char*>(out.data()), nullptr) == 1);
    return out;
  }
  for (std::size_t i = out.size(); i-- > 0; crc_ >>= 8) out[i] = static_cast<char>(crc_ & 0xff);
  return out;
}

std::string digest(Algorithm algorithm, std::string_view bytes) {
  Digest digest(algorithm);
  digest.update(bytes);
  return digest.finish();
}

std::string md5_hex(std::string_view bytes) { return hex_encode(md5(bytes)); }

std::string sha256_hex(std::string_view bytes) { return hex_encode(sha256(bytes)); }

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  std::string out(32, '\0');
  unsigned int size = 0;
  MR_ASSERT(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                 reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                 reinterpret_cast<unsigned char*>(out.data()), &size) != nullptr &&
            size == out.size());
  return out;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace millrace::crypto
