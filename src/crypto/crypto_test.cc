#include <string>

#include <gtest/gtest.h>

#include "crypto/digest.h"
#include "crypto/encoding.h"

namespace millrace::crypto {
namespace {

std::string hex(Algorithm algorithm, std::string_view bytes) { return hex_encode(digest(algorithm, bytes)); }

TEST(Digest, GivesThePublishedValues) {
  EXPECT_EQ(hex(Algorithm::kMd5, ""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(hex(Algorithm::kSha1, "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hex(Algorithm::kSha256, "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(Algorithm::kSha512, "abc").substr(0, 32), "ddaf35a193617abacc417349ae204131");
  EXPECT_EQ(hex(Algorithm::kCrc32, "123456789"), "cbf43926");
  EXPECT_EQ(hex(Algorithm::kCrc32c, "123456789"), "e3069283");
  EXPECT_EQ(hex(Algorithm::kCrc64Nvme, "123456789"), "ae8b14860a799888");
  EXPECT_EQ(base64_encode(digest(Algorithm::kCrc32, "hello world")), "DUoRhQ==");
}

TEST(Digest, IsTheSameInPieces) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 7 + i / 256);
  for (const auto algorithm : {Algorithm::kMd5, Algorithm::kSha1, Algorithm::kSha256, Algorithm::kSha512,
                               Algorithm::kCrc32, Algorithm::kCrc32c, Algorithm::kCrc64Nvme}) {
    for (const std::size_t piece : {1, 7, 64, 999}) {
      Digest streamed(algorithm);
      for (std::size_t at = 0; at < text.size(); at += piece) streamed.update(std::string_view(text).substr(at, piece));
      Digest moved = std::move(streamed);
      const std::string result = moved.finish();
      EXPECT_EQ(result, digest(algorithm, text));
      EXPECT_EQ(result.size(), digest_bytes(algorithm));
    }
  }
}

TEST(Digest, CombinesChecksumsOfParts) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += static_cast<char>(i * 31);
  for (const auto algorithm : {Algorithm::kCrc32, Algorithm::kCrc32c, Algorithm::kCrc64Nvme}) {
    for (const std::size_t cut : {0u, 1u, 1024u, 2999u, 3000u}) {
      const std::string a = text.substr(0, cut), b = text.substr(cut);
      EXPECT_EQ(combine_crc(algorithm, digest(algorithm, a), digest(algorithm, b), b.size()), digest(algorithm, text));
    }
  }
}

TEST(Hmac, GivesTheValueOfRfc4231) {
  EXPECT_EQ(hex_encode(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Base64, RoundTripsEveryLength) {
  std::string bytes;
  for (int i = 0; i < 260; ++i) {
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
    EXPECT_EQ(base64url_decode(base64url_encode(bytes)), bytes);
    bytes += static_cast<char>(i * 73);
  }
  EXPECT_EQ(base64_encode("foob"), "Zm9vYg==");
  EXPECT_EQ(base64url_encode("\xff\xff"), "__8");
}

TEST(Base64, RefusesWhatIsNot) {
  EXPECT_FALSE(base64_decode("Zm9vYg"));    // padding missing
  EXPECT_FALSE(base64_decode("Zm9vYg=a"));  // padding inside
  EXPECT_FALSE(base64_decode("Zm 9vYg="));
  EXPECT_FALSE(base64_decode("Zh=="));  // stray bits
  EXPECT_FALSE(base64_decode("===="));
  EXPECT_FALSE(base64_decode("\xc3\xa4\xc3\xa4"));
}

TEST(Hex, ReadsBothCasesAndRefusesTheRest) {
  EXPECT_EQ(hex_decode("00fFA5"), std::string("\x00\xff\xa5", 3));
  EXPECT_FALSE(hex_decode("0"));
  EXPECT_FALSE(hex_decode("0g"));
}

TEST(EqualInConstantTime, ComparesSizesAndBytes) {
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abc", "ab"));
}

}  // namespace
}  // namespace millrace::crypto
