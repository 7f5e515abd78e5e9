#include <gtest/gtest.h>

#include "app/internal/trace_export.h"
#include "app/internal/xray_daemon.h"

namespace millrace::app {
namespace {

TEST(XRayDaemonTest, OnlyDatagramsOfTheDaemonsFormHoldADocument) {
  EXPECT_EQ(document_of_datagram("{\"format\": \"json\", \"version\": 1}\n{\"id\":1}"), "{\"id\":1}");
  EXPECT_EQ(document_of_datagram("{\"format\":\"json\",\"version\":1}\n"), "");
  for (const char* text : {"", "\n", "{}", "{}\n{}", "{\"format\":\"xml\",\"version\":1}\n{}",
                           "{\"format\":\"json\",\"version\":2}\n{}", "{\"id\":1}", "x\n{}"}) {
    EXPECT_EQ(document_of_datagram(text), "") << text;
  }
}

TEST(TraceExportTest, ACollectorIsNamedByAUrl) {
  const auto whole = TraceExport::parse("http://otel:4319/custom/path");
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->host, "otel");
  EXPECT_EQ(whole->port, 4319);
  EXPECT_EQ(whole->path, "/custom/path");
  for (const char* text : {"http://127.0.0.1", "http://127.0.0.1/"}) {
    const auto found = TraceExport::parse(text);
    ASSERT_TRUE(found) << text;
    EXPECT_EQ(found->port, 4318);
    EXPECT_EQ(found->path, "/v1/traces");
  }
  for (const char* text :
       {"", "127.0.0.1:4318", "https://otel", "http://", "http://:1", "http://a:b", "http://a:0", "http://a:99999"}) {
    EXPECT_FALSE(TraceExport::parse(text)) << text;
  }
}

}  // namespace
}  // namespace millrace::app
