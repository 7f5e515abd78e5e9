#include "codec/cbor.h"

#include <gtest/gtest.h>

namespace millrace::codec {
namespace {

std::string hex_bytes(std::string_view bytes) { return "<" + std::to_string(bytes.size()) + ">"; }

Result<Json> parse(std::string_view data) { return parse_cbor(data, hex_bytes); }

std::string text_of(std::string_view data) {
  const auto value = parse(data);
  return value.ok() ? value->dump() : "error: " + value.error().message();
}

using std::string_view_literals::operator""sv;

TEST(Cbor, ReadsWhatTheStandardShows) {
  EXPECT_EQ(text_of("\x18\x64"sv), "100");
  EXPECT_EQ(text_of("\x39\x03\xe7"sv), "-1000");
  EXPECT_EQ(text_of("\xf9\x3e\x00"sv), "1.5");
  EXPECT_EQ(text_of("\xf9\x00\x01"sv), "5.960464477539063e-08");
  EXPECT_EQ(text_of("\xfa\x47\xc3\x50\x00"sv), "100000");
  EXPECT_EQ(text_of("\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a"sv), "1.1");
  EXPECT_EQ(text_of("\xc1\x1a\x51\x4b\x67\xb0"sv), "1363896240");
  EXPECT_EQ(text_of("\x43\x01\x02\x03"sv), "\"<3>\"");
  EXPECT_EQ(text_of("\xbf\x61\x61\x01\x61\x62\x9f\x02\x03\xff\xff"sv), R"({"a":1,"b":[2,3]})");
  EXPECT_EQ(text_of("\x7f\x65strea\x64ming\xff"sv), "\"streaming\"");
  EXPECT_EQ(text_of("\x83\xf4\xf6\xf7"sv), "[false,null,null]");
  EXPECT_EQ(text_of("\x1b\xff\xff\xff\xff\xff\xff\xff\xff"sv), "18446744073709551616");
}

TEST(Cbor, RefusesWhatIsCutOffOrNoDocument) {
  for (const auto data : {""sv, "\x18"sv, "\x62x"sv, "\xa1\x01\x02"sv, "\x9f\x01"sv, "\xff"sv, "\x01\x02"sv, "\x1f"sv,
                          "\x7f\x41x\xff"sv, "\xfe"sv, "\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv}) {
    EXPECT_FALSE(parse(data).ok()) << data.size();
  }
  EXPECT_FALSE(parse(std::string(100'000, '\x81')).ok());
}

TEST(Cbor, WhatIsWrittenIsReadBack) {
  const Json document = Json::object({{"n", Json()},
                                      {"t", true},
                                      {"small", 23},
                                      {"byte", 24},
                                      {"two", 65535},
                                      {"four", std::int64_t{4294967295}},
                                      {"eight", std::int64_t{1} << 40},
                                      {"least", INT64_MIN},
                                      {"pi", 3.25},
                                      {"list", Json::array({"a", Json::object()})}});
  std::string out;
  CborWriter(out).document(document);
  const auto back = parse(out);
  ASSERT_TRUE(back.ok()) << back.error().message();
  EXPECT_EQ(back->dump(), document.dump());
  out.clear();
  CborWriter(out).timestamp(1.5);
  EXPECT_EQ(out, "\xc1\xfb\x3f\xf8\x00\x00\x00\x00\x00\x00"sv);
  EXPECT_EQ(text_of(out), "1.5");
}

TEST(Cbor, AnyBytesAreReadOrRefusedWithoutHarm) {
  std::uint32_t state = 1;
  for (int round = 0; round < 20'000; ++round) {
    std::string data;
    for (int i = 0; i < 24; ++i) {
      state = state * 1664525 + 1013904223;
      data += static_cast<char>(state >> 24U);
    }
    (void)parse(data);
  }
}

}  // namespace
}  // namespace millrace::codec
