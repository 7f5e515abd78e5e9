// Requests as clients send them, through the dispatcher, on storage in memory and files in a temporary directory.
#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/s3/service.h"
#include "crypto/digest.h"
#include "crypto/encoding.h"
#include "s3/object_store.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"
#include "wire/dispatcher.h"

namespace millrace::api_s3 {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Fields = std::vector<std::pair<std::string, std::string>>;

struct Answer {
  int status = 0;
  http::Fields fields;
  std::string body;
  std::string field(std::string_view name) const { return std::string(fields.get(name)); }
};

class Channel final : public http::Responder::Channel {
 public:
  void respond(http::Response response) override { answer = std::move(response); }
  bool closed() const override { return false; }
  void on_close(std::function<void()>) override {}
  std::optional<http::Response> answer;
};

class S3 : public ::testing::Test {
 protected:
  S3() {
    std::string pattern = std::filesystem::temp_directory_path() / "millrace-s3-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    blobs_ = millrace::s3::open_file_blob_store(root_ + "/objects").value();
    objects_.emplace(scheduler_, random_, store_, commits_, *blobs_);
    EXPECT_TRUE(objects_->load().ok());
    objects_->start();
    service_ = make_s3_service(*objects_, [](std::string_view, std::string_view name) {
      return name == "everybodys" ? std::optional<std::string>("us-east-1") : std::nullopt;
    });
    dispatcher_.emplace(scheduler_, random_, commits_, registry_);
    dispatcher_->add(*service_);
    EXPECT_EQ(call("PUT", "/bucket").status, 200);
  }
  ~S3() override {
    dispatcher_.reset();
    objects_.reset();
    std::filesystem::remove_all(root_);
  }

  // The body goes in pieces of 7 bytes, as a slow network's.
  Answer call(const std::string& method, const std::string& target, const std::string& body = "", Fields fields = {}) {
    auto head = std::make_shared<http::RequestHead>();
    head->method = method;
    head->target = target;
    head->path = target.substr(0, target.find('?'));
    if (const std::size_t at = target.find('?'); at != std::string::npos) add_query(*head, target.substr(at + 1));
    head->fields.add("Host", "127.0.0.1:4566");
    bool chunked = false;
    for (auto& [name, value] : fields) {
      chunked = chunked || name == "Transfer-Encoding";
      head->fields.add(name, value);
    }
    head->has_body = !body.empty();
    if (!chunked && !body.empty()) head->content_length = content_length_.value_or(body.size());
    auto sink = dispatcher_->begin(head);
    for (std::size_t at = 0; at < body.size(); at += piece_) {
      if (!sink->body(std::string_view(body).substr(at, piece_)).ok()) break;
    }
    auto channel = std::make_shared<Channel>();
    sink->end(http::Responder(channel));
    scheduler_.run_ready();
    EXPECT_TRUE(channel->answer.has_value()) << method << " " << target;
    if (!channel->answer) return {};
    Answer answer{channel->answer->status, channel->answer->fields, channel->answer->body};
    while (channel->answer->source) {
      auto piece = channel->answer->source->read(10'000);
      EXPECT_TRUE(piece.ok());
      if (!piece.ok() || piece->empty()) break;
      answer.body += *piece;
    }
    return answer;
  }

  static void add_query(http::RequestHead& head, std::string query) {
    while (!query.empty()) {
      const std::string one = query.substr(0, query.find('&'));
      query.erase(0, std::min(one.size() + 1, query.size()));
      const std::size_t equals = std::min(one.find('='), one.size());
      head.query.emplace_back(http::url_decode(one.substr(0, equals), true),
                              http::url_decode(one.substr(std::min(equals + 1, one.size())), true));
    }
  }

  static std::string checksum(crypto::Algorithm algorithm, std::string_view bytes) {
    return crypto::base64_encode(crypto::digest(algorithm, bytes));
  }

  std::string root_;
  millrace::testing::VirtualScheduler scheduler_;
  platform::SeededRandom random_{3};
  storage::MemoryStore store_;
  millrace::testing::TestCommits commits_{store_, static_cast<const platform::Clock&>(scheduler_)};
  telemetry::Registry registry_;
  std::unique_ptr<millrace::s3::BlobStore> blobs_;
  std::optional<millrace::s3::ObjectStore> objects_;
  std::unique_ptr<wire::Service> service_;
  std::optional<wire::Dispatcher> dispatcher_;
  std::size_t piece_ = 7;
  std::optional<std::uint64_t> content_length_;
};

TEST_F(S3, PutsAndGetsWithAttributes) {
  const Answer put = call("PUT", "/bucket/a%20b/%C3%BC.json", "{\"x\":1}",
                          {{"Content-Type", "application/json"},
                           {"Content-Encoding", "gzip"},
                           {"x-amz-meta-Owner", "me"},
                           {"x-amz-tagging", "k=v&l=w%20x"},
                           {"Cache-Control", "no-cache"},
                           {"x-amz-storage-class", "STANDARD_IA"}});
  EXPECT_EQ(put.status, 200);
  EXPECT_EQ(put.field("ETag"), "\"" + crypto::md5_hex("{\"x\":1}") + "\"");
  EXPECT_EQ(put.field("x-amz-server-side-encryption"), "AES256");
  EXPECT_EQ(put.field("x-amz-checksum-crc64nvme"), checksum(crypto::Algorithm::kCrc64Nvme, "{\"x\":1}"));
  const Answer get = call("GET", "/bucket/a%20b/%C3%BC.json", "", {{"x-amz-checksum-mode", "ENABLED"}});
  EXPECT_EQ(get.status, 200);
  EXPECT_EQ(get.body, "{\"x\":1}");
  EXPECT_EQ(get.field("Content-Type"), "application/json");
  EXPECT_EQ(get.field("Content-Encoding"), "gzip");
  EXPECT_EQ(get.field("x-amz-meta-owner"), "me");
  EXPECT_EQ(get.field("x-amz-tagging-count"), "2");
  EXPECT_EQ(get.field("x-amz-storage-class"), "STANDARD_IA");
  EXPECT_EQ(get.field("Last-Modified"), "Thu, 01 Jan 2026 00:00:00 GMT");
  EXPECT_EQ(get.field("x-amz-checksum-crc64nvme"), put.field("x-amz-checksum-crc64nvme"));
  EXPECT_EQ(get.field("Accept-Ranges"), "bytes");
  const Answer head = call("HEAD", "/bucket/a%20b/%C3%BC.json");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.field("Content-Length"), "7");
  EXPECT_TRUE(head.body.empty());
}

TEST_F(S3, StreamsLargeObjectsAndRanges) {
  piece_ = 40'000;
  std::string bytes;
  for (int i = 0; bytes.size() < 300'000; ++i) bytes += std::to_string(i) + ",";
  EXPECT_EQ(call("PUT", "/bucket/large", bytes).status, 200);
  EXPECT_EQ(call("GET", "/bucket/large").body, bytes);
  const Answer range = call("GET", "/bucket/large", "", {{"Range", "bytes=100-99999"}});
  EXPECT_EQ(range.status, 206);
  EXPECT_EQ(range.body, bytes.substr(100, 99'900));
  EXPECT_EQ(range.field("Content-Range"), "bytes 100-99999/" + std::to_string(bytes.size()));
  const Answer beyond = call("GET", "/bucket/large", "", {{"Range", "bytes=400000-"}});
  EXPECT_EQ(beyond.status, 416);
  EXPECT_THAT(beyond.body, HasSubstr("<Code>InvalidRange</Code>"));
}

TEST_F(S3, NamesWhatIsMissing) {
  const Answer key = call("GET", "/bucket/none");
  EXPECT_EQ(key.status, 404);
  EXPECT_THAT(key.body, AllOf(HasSubstr("<Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>"),
                              HasSubstr("<Key>none</Key>")));
  const Answer bucket = call("GET", "/nowhere/none");
  EXPECT_THAT(bucket.body,
              AllOf(HasSubstr("<Code>NoSuchBucket</Code>"), HasSubstr("<BucketName>nowhere</BucketName>")));
  EXPECT_THAT(call("PUT", "/nowhere/key", "x").body, HasSubstr("NoSuchBucket"));
  const Answer head = call("HEAD", "/bucket/none");
  EXPECT_EQ(head.status, 404);
  EXPECT_TRUE(head.body.empty());
}

TEST_F(S3, HonoursConditions) {
  const std::string etag = call("PUT", "/bucket/key", "x").field("ETag");
  const Answer same = call("GET", "/bucket/key", "", {{"If-None-Match", etag}});
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(same.field("ETag"), etag);
  EXPECT_TRUE(same.body.empty());
  EXPECT_EQ(call("GET", "/bucket/key", "", {{"If-Match", "\"other\""}}).status, 412);
  EXPECT_EQ(call("GET", "/bucket/key", "", {{"If-Modified-Since", "Fri, 02 Jan 2026 00:00:00 GMT"}}).status, 304);
  EXPECT_EQ(call("PUT", "/bucket/key", "y", {{"If-None-Match", "*"}}).status, 412);
  EXPECT_EQ(call("PUT", "/bucket/key", "y", {{"If-Match", etag}}).status, 200);
  EXPECT_EQ(call("GET", "/bucket/key").body, "y");
}

TEST_F(S3, ComparesDigestsInFields) {
  const auto put = [&](Fields fields) { return call("PUT", "/bucket/key", "hello", std::move(fields)); };
  EXPECT_EQ(put({{"Content-MD5", checksum(crypto::Algorithm::kMd5, "hello")}}).status, 200);
  EXPECT_THAT(put({{"Content-MD5", checksum(crypto::Algorithm::kMd5, "other")}}).body, HasSubstr("BadDigest"));
  EXPECT_THAT(put({{"Content-MD5", "nonsense"}}).body, HasSubstr("InvalidDigest"));
  const std::string crc = checksum(crypto::Algorithm::kCrc32, "hello");
  const Answer good = put({{"x-amz-checksum-crc32", crc}, {"x-amz-sdk-checksum-algorithm", "CRC32"}});
  EXPECT_EQ(good.field("x-amz-checksum-crc32"), crc);
  EXPECT_EQ(good.field("x-amz-checksum-type"), "FULL_OBJECT");
  EXPECT_THAT(put({{"x-amz-checksum-crc32", "AAAAAA=="}}).body, HasSubstr("BadDigest"));
  EXPECT_THAT(put({{"x-amz-checksum-crc32", "AAAA"}}).body, HasSubstr("InvalidRequest"));
  EXPECT_THAT(put({{"x-amz-sdk-checksum-algorithm", "CRC32"}}).body, HasSubstr("InvalidRequest"));
  EXPECT_EQ(put({{"x-amz-content-sha256", crypto::sha256_hex("hello")}}).status, 200);
  EXPECT_THAT(put({{"x-amz-content-sha256", crypto::sha256_hex("other")}}).body,
              HasSubstr("XAmzContentSHA256Mismatch"));
  // A presigned URL holds the checksum of the body that was not known then.
  EXPECT_EQ(
      call("PUT", "/bucket/key?x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32", "hello").status,
      200);
}

TEST_F(S3, RefusesPresignedUrlsOnceTheyHaveExpiredByTheMachinesTime) {
  call("PUT", "/bucket/key", "hello");
  const auto version_4 = [&](Seconds age, const std::string& expires) {
    std::string date = format_iso_s(scheduler_.machine_now() - age);
    std::erase_if(date, [](char c) { return c == '-' || c == ':'; });
    return call("GET",
                "/bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=test%2F20260101%2Fus-east-1%2Fs3%2F"
                "aws4_request&X-Amz-SignedHeaders=host&X-Amz-Signature=x&X-Amz-Date=" +
                    date + "&X-Amz-Expires=" + expires);
  };
  EXPECT_EQ(version_4(Seconds(59), "60").status, 200);
  EXPECT_EQ(version_4(Seconds(61), "60").status, 403);
  EXPECT_THAT(version_4(Seconds(61), "60").body, HasSubstr("Request has expired"));
  EXPECT_EQ(version_4(Seconds(0), "604801").status, 400);
  EXPECT_EQ(version_4(Seconds(0), "soon").status, 400);
  const auto version_2 = [&](const std::string& expires) {
    return call("GET", "/bucket/key?AWSAccessKeyId=test&Signature=x&Expires=" + expires);
  };
  const std::int64_t now = to_unix_s(scheduler_.machine_now());
  EXPECT_EQ(version_2(std::to_string(now + 1)).status, 200);
  EXPECT_EQ(version_2(std::to_string(now - 1)).status, 403);
  EXPECT_EQ(version_2("-9223372036854775808").status, 403);
  EXPECT_EQ(version_2("9223372036854775807").status, 200);
  EXPECT_EQ(version_2("soon").status, 403);
  const std::string last_moment = std::to_string(now + 60);
  scheduler_.advance(std::chrono::hours(24 * 31));
  scheduler_.set_machine_offset(-std::chrono::hours(24 * 31));
  EXPECT_EQ(version_2(last_moment).status, 200);  // a moved clock expires no URL
}

TEST_F(S3, TakesAwsChunkedFramingOff) {
  const std::string body = "6\r\nhello \r\n5\r\nworld\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
  Fields fields = {{"Content-Encoding", "aws-chunked"},
                   {"Transfer-Encoding", "chunked"},
                   {"x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"},
                   {"x-amz-decoded-content-length", "11"},
                   {"x-amz-sdk-checksum-algorithm", "CRC32"},
                   {"x-amz-trailer", "x-amz-checksum-crc32"}};
  const Answer put = call("PUT", "/bucket/key", body, fields);
  EXPECT_EQ(put.status, 200);
  EXPECT_EQ(put.field("x-amz-checksum-crc32"), "DUoRhQ==");
  const Answer get = call("GET", "/bucket/key");
  EXPECT_EQ(get.body, "hello world");
  EXPECT_EQ(get.field("Content-Encoding"), "");
  std::string wrong = body;
  wrong.replace(wrong.find("DUoRhQ"), 6, "AAAAAA");
  EXPECT_THAT(call("PUT", "/bucket/key", wrong, fields).body, HasSubstr("BadDigest"));
  EXPECT_THAT(call("PUT", "/bucket/key", body.substr(0, 20), fields).body, HasSubstr("IncompleteBody"));
  EXPECT_THAT(call("PUT", "/bucket/key", "xyz\r\n" + body, fields).body, HasSubstr("InvalidRequest"));
  fields[3].second = "12";
  EXPECT_THAT(call("PUT", "/bucket/key", body, fields).body, HasSubstr("IncompleteBody"));
  fields[3].second = "10";
  EXPECT_THAT(call("PUT", "/bucket/key", body, fields).body, HasSubstr("IncompleteBody"));
  const std::string signed_body = "5;chunk-signature=ab\r\nhello\r\n0;chunk-signature=cd\r\n\r\n";
  EXPECT_EQ(
      call("PUT", "/bucket/key", signed_body,
           {{"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}, {"x-amz-decoded-content-length", "5"}})
          .status,
      200);
  EXPECT_EQ(call("GET", "/bucket/key").body, "hello");
}

TEST_F(S3, RefusesShortAndOversizedBodies) {
  content_length_ = 10;
  EXPECT_THAT(call("PUT", "/bucket/key", "short").body, HasSubstr("IncompleteBody"));
  content_length_ = (std::uint64_t{5} << 30) + 1;
  EXPECT_THAT(call("PUT", "/bucket/key", "short").body, HasSubstr("EntityTooLarge"));
  content_length_.reset();
  EXPECT_EQ(call("GET", "/bucket/key").status, 404);
  EXPECT_THAT(call("PUT", "/bucket/" + std::string(1025, 'k'), "x").body, HasSubstr("KeyTooLongError"));
}

TEST_F(S3, RefusesByNameWhatItDoesNot) {
  EXPECT_THAT(call("PUT", "/bucket/key", "x", {{"x-amz-server-side-encryption-customer-algorithm", "AES256"}}).body,
              AllOf(HasSubstr("NotImplemented"), HasSubstr("SSECustomerAlgorithm")));
  EXPECT_THAT(call("PUT", "/bucket/key", "x", {{"x-amz-server-side-encryption", "aws:kms"}}).body,
              HasSubstr("NotImplemented"));
  EXPECT_THAT(call("PUT", "/bucket/key", "x", {{"x-amz-acl", "public-read"}}).body,
              HasSubstr("AccessControlListNotSupported"));
  EXPECT_THAT(call("PUT", "/bucket/key", "x", {{"x-amz-storage-class", "COLD"}}).body,
              HasSubstr("InvalidStorageClass"));
  EXPECT_THAT(call("PUT", "/bucket/key", "x", {{"x-amz-expected-bucket-owner", "111111111111"}}).body,
              HasSubstr("AccessDenied"));
  EXPECT_THAT(call("PUT", "/bucket/key", "x", {{"x-amz-meta-long", std::string(3000, 'm')}}).body,
              HasSubstr("MetadataTooLarge"));
  EXPECT_THAT(call("GET", "/bucket?website").body, AllOf(HasSubstr("NotImplemented"), HasSubstr("GetBucketWebsite")));
  EXPECT_EQ(
      call("PUT", "/bucket?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
          .status,
      501);
}

TEST_F(S3, ABucketThatEverybodyHasComesToBeWhenItIsUsed) {
  EXPECT_EQ(call("HEAD", "/everybodys").status, 404);
  EXPECT_THAT(call("GET", "/").body, Not(HasSubstr("everybodys")));
  EXPECT_EQ(call("GET", "/everybodys?list-type=2").status, 200);
  EXPECT_EQ(call("PUT", "/everybodys/key", "x").status, 200);
  EXPECT_THAT(call("GET", "/").body, HasSubstr("everybodys"));
  EXPECT_EQ(call("GET", "/nobodys?list-type=2").status, 404);
}

TEST_F(S3, KeepsAPolicyAndTellsWhetherItIsPublic) {
  EXPECT_THAT(call("GET", "/bucket?policy").body, HasSubstr("NoSuchBucketPolicy"));
  EXPECT_THAT(call("GET", "/bucket?policyStatus").body, HasSubstr("NoSuchBucketPolicy"));
  const std::string deny =
      R"({"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::bucket","arn:aws:s3:::bucket/*"],"Condition":{"Bool":{"aws:SecureTransport":false}}}]})";
  EXPECT_EQ(call("PUT", "/bucket?policy", deny).status, 204);
  EXPECT_EQ(call("GET", "/bucket?policy").body, deny);
  EXPECT_EQ(call("PUT", "/bucket/key", "x").status, 200);
  EXPECT_THAT(call("GET", "/bucket?policyStatus").body, HasSubstr("<IsPublic>false</IsPublic>"));
  const std::string open =
      R"({"Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"CONDITION}})";
  const auto with = [&](std::string_view condition) {
    std::string text = open;
    return text.replace(text.find("CONDITION"), 9, condition);
  };
  EXPECT_EQ(call("PUT", "/bucket?policy", with("")).status, 204);
  EXPECT_THAT(call("GET", "/bucket?policyStatus").body, HasSubstr("<IsPublic>true</IsPublic>"));
  EXPECT_EQ(call("PUT", "/bucket?policy", with(R"(,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}})")).status,
            204);
  EXPECT_THAT(call("GET", "/bucket?policyStatus").body, HasSubstr("<IsPublic>false</IsPublic>"));
  EXPECT_EQ(call("DELETE", "/bucket?policy").status, 204);
  EXPECT_THAT(call("GET", "/bucket?policy").body, HasSubstr("NoSuchBucketPolicy"));
}

TEST_F(S3, RefusesWhatIsNoPolicyOfTheBucket) {
  const std::pair<const char*, const char*> wrong[] = {
      {"x", "Policies must be valid JSON"},
      {R"({"Version":"2013-10-17","Statement":[]})", "valid version string"},
      {R"({"Version":"2012-10-17"})", "Missing required field Statement"},
      {R"({"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::bucket/*"}]})", "field Principal"},
      {R"({"Statement":[{"Effect":"Allow","Principal":"*","Resource":"arn:aws:s3:::bucket/*"}]})", "field Action"},
      {R"({"Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"arn:aws:s3:::bucket/*"}]})",
       "Policy has invalid action"},
      {R"({"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::other/*"}]})",
       "Policy has invalid resource"},
      {R"({"Statement":[{"Effect":"May","Principal":"*","Action":"s3:*","Resource":"*"}]})", "Invalid effect: May"}};
  for (const auto& [policy, text] : wrong) {
    EXPECT_THAT(call("PUT", "/bucket?policy", policy).body, AllOf(HasSubstr("MalformedPolicy"), HasSubstr(text)));
  }
}

TEST_F(S3, DeletesManyAndAnswersEach) {
  for (const char* key : {"a", "b", "c"}) call("PUT", std::string("/bucket/") + key, "x");
  const std::string body =
      "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>a</Key></Object><Object><Key>none</Key>"
      "</Object><Object><Key>b</Key><VersionId>v</VersionId></Object></Delete>";
  const Fields md5 = {{"Content-MD5", checksum(crypto::Algorithm::kMd5, body)}};
  const Answer answer = call("POST", "/bucket?delete", body, md5);
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, AllOf(HasSubstr("<Deleted><Key>a</Key></Deleted><Deleted><Key>none</Key></Deleted>"),
                                 HasSubstr("<Code>NoSuchVersion</Code>")));
  EXPECT_EQ(call("GET", "/bucket/a").status, 404);
  EXPECT_EQ(call("GET", "/bucket/b").status, 200);
  const std::string quiet = "<Delete><Quiet>true</Quiet><Object><Key>b</Key></Object></Delete>";
  EXPECT_THAT(
      call("POST", "/bucket?delete", quiet, {{"x-amz-checksum-crc32", checksum(crypto::Algorithm::kCrc32, quiet)}})
          .body,
      Not(HasSubstr("Deleted>")));
  EXPECT_THAT(call("POST", "/bucket?delete", quiet).body, HasSubstr("InvalidRequest"));
  EXPECT_THAT(call("POST", "/bucket?delete", quiet, md5).body, HasSubstr("BadDigest"));
  EXPECT_EQ(call("DELETE", "/bucket/c").status, 204);
  EXPECT_EQ(call("DELETE", "/bucket/c").status, 204);
  EXPECT_EQ(call("DELETE", "/bucket").status, 204);
}

TEST_F(S3, ListsInPagesWithEncodedKeys) {
  for (const char* key : {"a%20b", "c/1", "c/2", "d"}) call("PUT", std::string("/bucket/") + key, "x");
  const Answer first = call("GET", "/bucket?list-type=2&max-keys=2&delimiter=%2F&encoding-type=url");
  EXPECT_THAT(first.body, AllOf(HasSubstr("<Key>a%20b</Key>"), HasSubstr("<CommonPrefixes><Prefix>c/</Prefix>"),
                                HasSubstr("<IsTruncated>true</IsTruncated>"), HasSubstr("<KeyCount>2</KeyCount>")));
  const std::size_t at = first.body.find("<NextContinuationToken>") + 23;
  const std::string token = first.body.substr(at, first.body.find('<', at) - at);
  const Answer second = call("GET", "/bucket?list-type=2&delimiter=%2F&continuation-token=" + token);
  EXPECT_THAT(second.body, AllOf(HasSubstr("<Key>d</Key>"), Not(HasSubstr("<Prefix>c/")),
                                 HasSubstr("<IsTruncated>false</IsTruncated>")));
  EXPECT_THAT(call("GET", "/bucket?list-type=2&continuation-token=%21").body, HasSubstr("InvalidArgument"));
  EXPECT_THAT(call("GET", "/bucket?marker=c%2F1").body,
              AllOf(HasSubstr("<Key>c/2</Key>"), Not(HasSubstr("c/1</Key>"))));
  EXPECT_THAT(call("GET", "/").body, HasSubstr("<Name>bucket</Name>"));
}

TEST_F(S3, ListsEveryObjectAsItsOnlyVersion) {
  for (const char* key : {"a", "b"}) call("PUT", std::string("/bucket/") + key, "x");
  const Answer first = call("GET", "/bucket?versions&max-keys=1");
  EXPECT_THAT(first.body, AllOf(HasSubstr("<Key>a</Key>"), HasSubstr("<VersionId>null</VersionId>"),
                                HasSubstr("<IsLatest>true</IsLatest>"), HasSubstr("<NextKeyMarker>a</NextKeyMarker>")));
  const Answer second = call("GET", "/bucket?versions&key-marker=a&version-id-marker=null");
  EXPECT_THAT(second.body, AllOf(HasSubstr("<Key>b</Key>"), Not(HasSubstr("<Key>a</Key>"))));
}

TEST_F(S3, CopiesOnTheServer) {
  call("PUT", "/bucket/from", "bytes", {{"x-amz-meta-a", "1"}, {"x-amz-tagging", "k=v"}});
  const Answer copy = call("PUT", "/bucket/to", "", {{"x-amz-copy-source", "bucket/fro%6D"}});
  EXPECT_THAT(copy.body, HasSubstr("<CopyObjectResult"));
  EXPECT_EQ(call("GET", "/bucket/to").field("x-amz-meta-a"), "1");
  call("PUT", "/bucket/to", "",
       {{"x-amz-copy-source", "/bucket/to"}, {"x-amz-metadata-directive", "REPLACE"}, {"x-amz-meta-b", "2"}});
  const Answer replaced = call("GET", "/bucket/to");
  EXPECT_EQ(replaced.field("x-amz-meta-b") + replaced.field("x-amz-meta-a"), "2");
  EXPECT_EQ(replaced.field("x-amz-tagging-count"), "1");
  EXPECT_THAT(call("PUT", "/bucket/to", "", {{"x-amz-copy-source", "bucket/none"}}).body, HasSubstr("NoSuchKey"));
  EXPECT_THAT(call("PUT", "/bucket/to", "", {{"x-amz-copy-source", "nothing"}}).body, HasSubstr("InvalidArgument"));
}

TEST_F(S3, UploadsInParts) {
  const Answer created = call("POST", "/bucket/key?uploads", "", {{"x-amz-checksum-algorithm", "CRC32"}});
  EXPECT_EQ(created.field("x-amz-checksum-algorithm"), "CRC32");
  const std::size_t at = created.body.find("<UploadId>") + 10;
  const std::string id = created.body.substr(at, created.body.find('<', at) - at);
  piece_ = 1 << 20;
  const std::string first(5 << 20, 'f');
  const auto part = [&](int number, const std::string& bytes) {
    return call("PUT", "/bucket/key?partNumber=" + std::to_string(number) + "&uploadId=" + id, bytes,
                {{"x-amz-checksum-crc32", checksum(crypto::Algorithm::kCrc32, bytes)}});
  };
  const Answer one = part(1, first);
  EXPECT_EQ(one.status, 200);
  const Answer two = part(2, "last");
  EXPECT_THAT(call("GET", "/bucket/key?uploadId=" + id).body, HasSubstr("<PartNumber>2</PartNumber>"));
  EXPECT_THAT(call("GET", "/bucket?uploads").body, HasSubstr(id));
  std::string body = "<CompleteMultipartUpload>";
  for (const auto& [number, etag] : {std::pair(1, one.field("ETag")), std::pair(2, two.field("ETag"))}) {
    body += "<Part><ETag>" + etag + "</ETag><PartNumber>" + std::to_string(number) + "</PartNumber></Part>";
  }
  body += "</CompleteMultipartUpload>";
  const Answer done = call("POST", "/bucket/key?uploadId=" + id, body);
  EXPECT_THAT(done.body, AllOf(HasSubstr("<CompleteMultipartUploadResult"), HasSubstr("-2"), HasSubstr("COMPOSITE")));
  EXPECT_EQ(call("GET", "/bucket/key").body, first + "last");
  const Answer second = call("GET", "/bucket/key?partNumber=2");
  EXPECT_EQ(second.status, 206);
  EXPECT_EQ(second.body, "last");
  EXPECT_EQ(second.field("x-amz-mp-parts-count"), "2");
  EXPECT_THAT(call("POST", "/bucket/key?uploadId=" + id, body).body, HasSubstr("NoSuchUpload"));
  EXPECT_THAT(part(3, "late").body, HasSubstr("NoSuchUpload"));
}

TEST_F(S3, CarriesOutLifecycleRulesAndAnnouncesThem) {
  const std::string rules =
      "<LifecycleConfiguration><Rule><ID>one "
      "day</ID><Prefix>uploads</Prefix><Status>Enabled</Status><Expiration><Days>1"
      "</Days></Expiration></Rule><Rule><ID>cold</ID><Filter><And><Prefix>logs/</Prefix><ObjectSizeGreaterThan>0"
      "</ObjectSizeGreaterThan></And></Filter><Status>Enabled</Status><Transition><Days>1</Days><StorageClass>GLACIER"
      "</StorageClass></Transition></Rule></LifecycleConfiguration>";
  EXPECT_THAT(call("GET", "/bucket?lifecycle").body, HasSubstr("NoSuchLifecycleConfiguration"));
  EXPECT_EQ(call("PUT", "/bucket?lifecycle", rules).status, 200);
  EXPECT_THAT(call("GET", "/bucket?lifecycle").body,
              AllOf(HasSubstr("<ID>one day</ID>"), HasSubstr("<StorageClass>GLACIER</StorageClass>")));
  EXPECT_EQ(call("PUT", "/bucket/uploads/1", "x").field("x-amz-expiration"),
            "expiry-date=\"Sat, 03 Jan 2026 00:00:00 GMT\", rule-id=\"one day\"");
  EXPECT_EQ(call("PUT", "/bucket/logs/1", "x").field("x-amz-expiration"), "");
  scheduler_.advance(std::chrono::days(3));
  EXPECT_EQ(call("GET", "/bucket/uploads/1").status, 404);
  const Answer cold = call("GET", "/bucket/logs/1");
  EXPECT_EQ(cold.status, 403);
  EXPECT_THAT(cold.body, AllOf(HasSubstr("InvalidObjectState"), HasSubstr("<StorageClass>GLACIER</StorageClass>")));
  EXPECT_EQ(call("HEAD", "/bucket/logs/1").field("x-amz-storage-class"), "GLACIER");
  EXPECT_THAT(call("GET", "/bucket?list-type=2").body, HasSubstr("<StorageClass>GLACIER</StorageClass>"));
  EXPECT_EQ(call("DELETE", "/bucket?lifecycle").status, 204);
  EXPECT_THAT(call("PUT", "/bucket?lifecycle", "<LifecycleConfiguration></LifecycleConfiguration>").body,
              HasSubstr("MalformedXML"));
}

TEST_F(S3, KeepsBucketSettings) {
  EXPECT_THAT(call("GET", "/bucket?location").body, HasSubstr("LocationConstraint"));
  EXPECT_THAT(call("GET", "/bucket?encryption").body, HasSubstr("AES256"));
  EXPECT_THAT(call("GET", "/bucket?tagging").body, HasSubstr("NoSuchTagSet"));
  EXPECT_EQ(
      call("PUT", "/bucket?tagging", "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>")
          .status,
      204);
  EXPECT_THAT(call("GET", "/bucket?tagging").body, HasSubstr("<Key>k</Key>"));
  EXPECT_THAT(call("GET", "/bucket?publicAccessBlock").body, HasSubstr("<BlockPublicAcls>true</BlockPublicAcls>"));
  EXPECT_EQ(call("DELETE", "/bucket?publicAccessBlock").status, 204);
  EXPECT_EQ(call("GET", "/bucket?publicAccessBlock").status, 404);
  EXPECT_THAT(call("GET", "/bucket?ownershipControls").body, HasSubstr("BucketOwnerEnforced"));
  EXPECT_THAT(call("GET", "/bucket?acl").body, HasSubstr("FULL_CONTROL"));
  EXPECT_THAT(call("GET", "/bucket?versioning").body, HasSubstr("VersioningConfiguration"));
  EXPECT_EQ(call("HEAD", "/bucket").field("x-amz-bucket-region"), "us-east-1");
  EXPECT_THAT(call("PUT", "/Bad_Name").body, HasSubstr("InvalidBucketName"));
}

TEST_F(S3, KeepsObjectTags) {
  call("PUT", "/bucket/key", "x");
  const std::string tags = "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>";
  EXPECT_EQ(call("PUT", "/bucket/key?tagging", tags).status, 200);
  EXPECT_THAT(call("GET", "/bucket/key?tagging").body, HasSubstr("<Key>k</Key><Value>v</Value>"));
  const std::string twice =
      "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag><Tag><Key>k</Key><Value>v</Value>"
      "</Tag></TagSet></Tagging>";
  EXPECT_THAT(call("PUT", "/bucket/key?tagging", twice).body, HasSubstr("InvalidTag"));
  EXPECT_EQ(call("DELETE", "/bucket/key?tagging").status, 204);
  EXPECT_THAT(call("GET", "/bucket/key?tagging").body, Not(HasSubstr("<Key>")));
}

}  // namespace
}  // namespace millrace::api_s3
