#include "api/cloudformation/aws_form.h"

#include <gtest/gtest.h>

namespace millrace::api_cloudformation {
namespace {

using wire::Document;

std::string shown(std::string_view name, const std::string& value) {
  Document document = Document::object({{"List", Document::array({Document::object({{std::string(name), value}})})}});
  use_aws_queue_urls(document, "eu-west-1");
  return std::string(document.find("List")->as_array()[0].string_or(name, ""));
}

TEST(AwsFormTest, QueueUrlsTakeTheFormOfAws) {
  const std::string url = "http://127.0.0.1:4566/000000000000/orders";
  EXPECT_EQ(shown("PhysicalResourceId", url), "https://sqs.eu-west-1.amazonaws.com/000000000000/orders");
  EXPECT_EQ(shown("OutputValue", url + ".fifo"), "https://sqs.eu-west-1.amazonaws.com/000000000000/orders.fifo");
  EXPECT_EQ(shown("Description", url), url);
}

TEST(AwsFormTest, OtherTextsStayAsTheyAre) {
  for (const std::string text : {"", "orders", "http://127.0.0.1:4566", "http://127.0.0.1:4566/00000000000/orders",
                                 "http://127.0.0.1:4566/000000000000/", "http://127.0.0.1:4566/000000000000/a/b",
                                 "https://sqs.us-east-1.amazonaws.com/000000000000/orders",
                                 "http://127.0.0.1:4566/000000000000/orders and more"}) {
    EXPECT_EQ(shown("PhysicalResourceId", text), text);
  }
}

}  // namespace
}  // namespace millrace::api_cloudformation
