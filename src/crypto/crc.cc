#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include <libdeflate.h>

#include "base/assert.h"
#include "crypto/digest.h"

namespace millrace::crypto {
namespace {

// Polynomials with the bits reversed, as all three checksums are computed from the lowest bit on.
constexpr std::uint32_t kCrc32Polynomial = 0xEDB88320u;
constexpr std::uint32_t kCrc32cPolynomial = 0x82F63B78u;
constexpr std::uint64_t kCrc64NvmePolynomial = 0x9A6C9329AC4BC9B5u;

template <typename T>
using SliceTables = std::array<std::array<T, 256>, 8>;

template <typename T>
constexpr SliceTables<T> make_tables(T polynomial) {
  SliceTables<T> tables{};
  for (unsigned i = 0; i < 256; ++i) {
    T value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value & 1) != 0 ? value >> 1 ^ polynomial : value >> 1;
    tables[0][i] = value;
  }
  for (unsigned i = 0; i < 256; ++i) {
    for (unsigned slice = 1; slice < 8; ++slice) {
      const T before = tables[slice - 1][i];
      tables[slice][i] = before >> 8 ^ tables[0][before & 0xff];
    }
  }
  return tables;
}
constexpr auto kCrc32cTables = make_tables<std::uint32_t>(kCrc32cPolynomial);
constexpr auto kCrc64NvmeTables = make_tables<std::uint64_t>(kCrc64NvmePolynomial);

// Eight bytes a step, one table per byte position.
template <typename T>
T checksum(const SliceTables<T>& tables, std::string_view bytes, T crc) {
  static_assert(std::endian::native == std::endian::little);
  crc = static_cast<T>(~crc);
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    word ^= crc;
    crc = tables[7][word & 0xff] ^ tables[6][word >> 8 & 0xff] ^ tables[5][word >> 16 & 0xff] ^
          tables[4][word >> 24 & 0xff] ^ tables[3][word >> 32 & 0xff] ^ tables[2][word >> 40 & 0xff] ^
          tables[1][word >> 48 & 0xff] ^ tables[0][word >> 56];
  }
  for (; left > 0; ++at, --left) crc = crc >> 8 ^ tables[0][(crc ^ static_cast<unsigned char>(*at)) & 0xff];
  return static_cast<T>(~crc);
}

// a * b modulo the polynomial, bits reversed: the highest bit stands for x^0.
template <typename T>
T multiply(T polynomial, T a, T b) {
  T product = 0;
  for (T mask = T{1} << (std::numeric_limits<T>::digits - 1); mask != 0; mask >>= 1) {
    if ((a & mask) != 0) product ^= b;
    b = (b & 1) != 0 ? b >> 1 ^ polynomial : b >> 1;
  }
  return product;
}

// Appending n bytes multiplies the earlier checksum by x^(8n); initial and final inversions cancel out.
template <typename T>
T combine(T polynomial, T a, T b, std::uint64_t length_b) {
  constexpr int kTop = std::numeric_limits<T>::digits - 1;
  T shift = T{1} << kTop;        // x^0
  T power = T{1} << (kTop - 8);  // x^8
  for (; length_b > 0; length_b >>= 1) {
    if ((length_b & 1) != 0) shift = multiply(polynomial, shift, power);
    power = multiply(polynomial, power, power);
  }
  return multiply(polynomial, shift, a) ^ b;
}

std::uint64_t from_big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

std::string to_big_endian(std::uint64_t value, std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = size; i-- > 0; value >>= 8) bytes[i] = static_cast<char>(value & 0xff);
  return bytes;
}

}  // namespace

std::uint32_t crc32(std::string_view bytes, std::uint32_t crc) {
  return ::libdeflate_crc32(crc, bytes.data(), bytes.size());  // carry-less multiplication where the machine has it
}

std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc) { return checksum(kCrc32cTables, bytes, crc); }

std::uint64_t crc64nvme(std::string_view bytes, std::uint64_t crc) { return checksum(kCrc64NvmeTables, bytes, crc); }

std::string combine_crc(Algorithm algorithm, std::string_view a, std::string_view b, std::uint64_t length_b) {
  MR_ASSERT(a.size() == digest_bytes(algorithm) && b.size() == a.size());
  const std::uint64_t first = from_big_endian(a);
  const std::uint64_t second = from_big_endian(b);
  switch (algorithm) {
    case Algorithm::kCrc32:
    case Algorithm::kCrc32c: {
      const std::uint32_t polynomial = algorithm == Algorithm::kCrc32 ? kCrc32Polynomial : kCrc32cPolynomial;
      return to_big_endian(combine<std::uint32_t>(polynomial, static_cast<std::uint32_t>(first),
                                                  static_cast<std::uint32_t>(second), length_b),
                           4);
    }
    case Algorithm::kCrc64Nvme:
      return to_big_endian(combine<std::uint64_t>(kCrc64NvmePolynomial, first, second, length_b), 8);
    default:
      MR_ASSERT(false && "only checksums can be combined");
  }
  return {};
}

}  // namespace millrace::crypto
