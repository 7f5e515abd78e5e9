#include "http/message.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "http/internal/request_parser.h"
#include "http/internal/response_head.h"
#include "platform/random.h"

namespace millrace::http {
namespace {

TEST(FieldsTest, NamesCompareWithoutCaseAndTheFirstWins) {
  Fields fields;
  fields.add("X-Amz-Date", "1");
  fields.add("x-amz-date", "2");
  EXPECT_EQ(fields.get("X-AMZ-DATE"), "1");
  EXPECT_FALSE(fields.find("x-amz-dat"));
  EXPECT_EQ(fields.get("absent"), "");
  fields.set("x-Amz-date", "3");
  EXPECT_EQ(fields.all().size(), 1U);
  EXPECT_EQ(fields.get("x-amz-date"), "3");
}

TEST(UrlTest, DecodesWhatIsEncodedAndLeavesTheRest) {
  EXPECT_EQ(url_decode("a%20b+c%2fd", false), "a b+c/d");
  EXPECT_EQ(url_decode("a%20b+c", true), "a b c");
  EXPECT_EQ(url_decode("100%", false), "100%");
  EXPECT_EQ(url_decode("%4", false), "%4");
  EXPECT_EQ(url_decode("%zz%00", false), std::string("%zz\0", 4));
  EXPECT_EQ(url_decode("%C3%A9", false), "\xC3\xA9");
}

TEST(UrlTest, EncodesAllButUnreservedCharacters) {
  EXPECT_EQ(url_encode("a-b_c.d~e/f g+\xC3\xA9"), "a-b_c.d~e%2Ff%20g%2B%C3%A9");
  EXPECT_EQ(url_encode("a/b c", true), "a/b%20c");
}

TEST(TargetTest, SplitsPathAndQuery) {
  RequestHead head;
  ASSERT_TRUE(internal::split_target("/b/a%20b?x-id=Put+Object&acl&&empty=&k=a%3Db=c", head));
  EXPECT_EQ(head.target, "/b/a%20b?x-id=Put+Object&acl&&empty=&k=a%3Db=c");
  EXPECT_EQ(head.path, "/b/a%20b");
  EXPECT_EQ(head.query_value("x-id"), "Put Object");
  EXPECT_EQ(head.query_value("acl"), "");
  EXPECT_EQ(head.query_value("empty"), "");
  EXPECT_EQ(head.query_value("k"), "a=b=c");
  EXPECT_EQ(head.query.size(), 4U);
  EXPECT_FALSE(head.query_value("none"));
}

TEST(TargetTest, AcceptsTheAbsoluteFormAndRefusesOthers) {
  RequestHead absolute;
  ASSERT_TRUE(internal::split_target("http://s3.amazonaws.com/bucket?acl", absolute));
  EXPECT_EQ(absolute.path, "/bucket");
  RequestHead bare;
  ASSERT_TRUE(internal::split_target("http://host", bare));
  EXPECT_EQ(bare.path, "/");
  RequestHead url_in_path;
  ASSERT_TRUE(internal::split_target("/fetch?u=http://x/y", url_in_path));
  EXPECT_EQ(url_in_path.path, "/fetch");
  RequestHead wrong;
  EXPECT_FALSE(internal::split_target("host:443", wrong));
  EXPECT_FALSE(internal::split_target("", wrong));
}

std::string rendered(const Response& response, const internal::HeadContext& context = {}) {
  std::string out;
  internal::append_response_head(out, response, context);
  return out;
}

TEST(ResponseHeadTest, AValueCannotAddFields) {
  Response response;
  response.fields.add("X-Message", "a\r\nSet-Cookie: b");
  response.fields.add("Content-Length", "999");
  response.body = "four";
  EXPECT_EQ(rendered(response),
            "HTTP/1.1 200 OK\r\nServer: millrace\r\nX-Message: a  Set-Cookie: b\r\nContent-Length: 4\r\n\r\n");
}

TEST(ResponseHeadTest, HeadKeepsTheLengthThatTheApplicationTells) {
  Response response;
  response.fields.add("Content-Length", "999");
  EXPECT_EQ(rendered(response, {.to_head = true}),
            "HTTP/1.1 200 OK\r\nServer: millrace\r\nContent-Length: 999\r\n\r\n");
}

TEST(ResponseHeadTest, AnswersWithoutBodyHaveNoLength) {
  Response response;
  response.status = 204;
  EXPECT_EQ(rendered(response, {.close = true}),
            "HTTP/1.1 204 No Content\r\nServer: millrace\r\nConnection: close\r\n\r\n");
}

using internal::RequestParser;

// Everything the parser says about `bytes`, given in pieces of `step` bytes.
std::string transcript(const std::string& bytes, std::size_t step) {
  RequestParser parser({.head_bytes = 256, .fields = 4});
  std::string out;
  std::string buffer;
  std::size_t fed = 0;
  while (true) {
    std::size_t consumed = 0;
    const auto event = parser.next(buffer, consumed);
    switch (event) {
      case RequestParser::Event::kHead: {
        const auto head = parser.take_head();
        out += head->method + " " + head->target;
        for (const auto& [name, value] : head->fields.all()) out.append(" ").append(name).append("=").append(value);
        out += head->has_body ? " (" : " ";
        break;
      }
      case RequestParser::Event::kBody:
        out += parser.piece();
        break;
      case RequestParser::Event::kDone:
        out += parser.keep_alive() ? ");" : ") close;";
        break;
      case RequestParser::Event::kError:
        return out + "error " + std::to_string(parser.error().status);
      case RequestParser::Event::kNeedMore:
        buffer.erase(0, consumed);
        if (fed >= bytes.size()) return out;
        buffer += bytes.substr(fed, step);
        fed += step;
        continue;
    }
    buffer.erase(0, consumed);
  }
}

struct Case {
  const char* bytes;
  const char* expected;
};

TEST(RequestParserTest, SaysTheSameHoweverTheBytesArrive) {
  const Case cases[] = {
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / Host=a );"},
      {"\r\n\r\nGET / HTTP/1.1\r\nHost:  a \r\nConnection: close\r\n\r\n", "GET / Host=a Connection=close ) close;"},
      {"PUT /x HTTP/1.1\r\nhost: a\r\nContent-Length: 3\r\n\r\nabcGET /y HTTP/1.1\r\nHost: a\r\n\r\n",
       "PUT /x host=a Content-Length=3 (abc);GET /y Host=a );"},
      {"PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nTrailer: "
       "1\r\n\r\n",
       "PUT /x Host=a Transfer-Encoding=chunked (abcde);"},
      {"PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       "PUT /x Host=a Transfer-Encoding=chunked ();"},
      {"GET / HTTP/1.0\r\n\r\n", "GET / ) close;"},
      {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "PUT / Host=a Content-Length=0 );"},
      {"GET / HTTP/1.1\r\n\r\n", "error 400"},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "error 400"},
      {"GET http HTTP/1.1\r\nHost: a\r\n\r\n", "error 400"},
      {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "error 505"},
      {"nonsense\r\n\r\n", "error 400"},
      {"GET / HTTP/1.1\r\nHost a\r\n\r\n", "error 400"},
      {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "error 400"},
      {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "error 400"},
      {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "error 400"},
      {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "error 501"},
      {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
       "PUT / Host=a Transfer-Encoding=chunked (error 400"},
      {"GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n", "error 431"},
  };
  for (const auto& [bytes, expected] : cases) {
    for (const std::size_t step : {1, 2, 3, 7, 1000}) EXPECT_EQ(transcript(bytes, step), expected) << bytes << step;
  }
}

TEST(RequestParserTest, DamagedRequestsMeanTheSameHoweverTheBytesArrive) {
  const std::string whole =
      "PUT /x?a=%20 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
      "PUT /x HTTP/1.1\r\nhost: a\r\nContent-Length: 3\r\n\r\nabc";
  constexpr std::string_view kInteresting("\r\n :;/0f\0\xff,\t", 13);
  platform::SeededRandom random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = whole;
    for (auto changes = random.next() % 3 + 1; changes > 0; --changes) {
      const auto at = random.next() % bytes.size();
      const char c = kInteresting[random.next() % kInteresting.size()];
      switch (random.next() % 3) {
        case 0:
          bytes[at] = c;
          break;
        case 1:
          bytes.insert(at, 1, c);
          break;
        default:
          bytes.erase(at, 1);
      }
    }
    // An incomplete head is judged early or late; so it is completed.
    bytes += "\r\n\r\n\r\n\r\n";
    const std::string at_once = transcript(bytes, 10'000);
    ASSERT_EQ(transcript(bytes, 1), at_once) << bytes;
    ASSERT_EQ(transcript(bytes, 5), at_once) << bytes;
  }
}

TEST(RequestParserTest, RefusesAHeadBeyondTheLimit) {
  const std::string head = "GET /" + std::string(300, 'a');
  EXPECT_EQ(transcript(head, 1), "error 431");
  EXPECT_EQ(transcript(head, 1000), "error 431");
  EXPECT_EQ(transcript("GET / HTTP/1.1\r\nHost: " + std::string(300, 'a') + "\r\n\r\n", 10), "error 431");
}

}  // namespace
}  // namespace millrace::http
