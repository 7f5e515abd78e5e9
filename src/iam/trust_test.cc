#include "iam/trust.h"

#include <gtest/gtest.h>

namespace millrace::iam {
namespace {

std::string policy(const std::string& statement) {
  return R"({"Version":"2012-10-17","Statement":[)" + statement + "]}";
}

bool assume(const std::string& statements, TrustRequest request = {}) {
  if (request.account.empty()) request.account = "111111111111";
  if (request.principal_arn.empty()) request.principal_arn = "arn:aws:iam::" + request.account + ":root";
  return trusts(policy(statements), "sts:AssumeRole", request);
}

std::string allow(const std::string& principal, const std::string& more = "") {
  return R"({"Effect":"Allow","Principal":)" + principal + R"(,"Action":"sts:AssumeRole")" + more + "}";
}

TEST(TrustTest, APrincipalIsAnAccountItsRootARoleOrASession) {
  EXPECT_TRUE(assume(allow(R"({"AWS":"111111111111"})")));
  EXPECT_TRUE(assume(allow(R"({"AWS":["x","arn:aws:iam::111111111111:root"]})")));
  EXPECT_TRUE(assume(allow(R"("*")")));
  EXPECT_FALSE(assume(allow(R"({"AWS":"222222222222"})")));
  EXPECT_FALSE(assume(allow(R"({"Service":"lambda.amazonaws.com"})")));
  TrustRequest session;
  session.principal_arn = "arn:aws:sts::111111111111:assumed-role/r/s";
  session.role_arn = "arn:aws:iam::111111111111:role/r";
  EXPECT_TRUE(assume(allow(R"({"AWS":"arn:aws:iam::111111111111:role/r"})"), session));
  EXPECT_FALSE(assume(allow(R"({"AWS":"arn:aws:iam::111111111111:role/other"})"), session));
}

TEST(TrustTest, AnExternalIdIsComparedWhereItIsAskedFor) {
  const std::string statement = allow(R"("*")", R"(,"Condition":{"StringEquals":{"sts:ExternalId":"42"}})");
  EXPECT_FALSE(assume(statement));
  EXPECT_FALSE(assume(statement, {.context = {{"sts:ExternalId", "43"}}}));
  EXPECT_TRUE(assume(statement, {.context = {{"sts:ExternalId", "42"}}}));
  const std::string none = allow(R"("*")", R"(,"Condition":{"Null":{"sts:ExternalId":"true"}})");
  EXPECT_TRUE(assume(none)) << "CDK's bootstrap roles";
  EXPECT_FALSE(assume(none, {.context = {{"sts:ExternalId", "42"}}}));
}

TEST(TrustTest, ADenialWinsAndWhatIsNotUnderstoodDoesNotAllow) {
  const std::string deny = R"(,{"Effect":"Deny","Principal":"*","Action":"sts:*"})";
  EXPECT_FALSE(assume(allow(R"("*")") + deny));
  EXPECT_FALSE(assume(allow(R"("*")", R"(,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}})")));
  EXPECT_FALSE(assume(R"({"Effect":"Allow","Principal":"*","Action":"sts:TagSession"})"));
  EXPECT_TRUE(assume(R"({"Effect":"Allow","Principal":"*","Action":["sts:TagSession","STS:Assume*"]})"));
}

}  // namespace
}  // namespace millrace::iam
