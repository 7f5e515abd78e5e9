#include "codec/xml.h"

#include <random>

#include <gtest/gtest.h>

namespace millrace::codec {
namespace {

TEST(XmlTest, ParsesADeleteRequest) {
  const auto root = parse_xml(
      "<?xml version=\"1.0\"?>\n<s3:Delete xmlns:s3=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n"
      "  <Object><Key>a &amp; b&#x20AC;</Key></Object>\n  <Object><Key> "
      "</Key></Object><Quiet>true</Quiet>\n</s3:Delete>");
  ASSERT_TRUE(root.ok());
  EXPECT_EQ(root->name, "Delete");
  EXPECT_EQ(root->text, "");
  ASSERT_EQ(root->children.size(), 3u);
  EXPECT_EQ(root->children[0].child_text("Key"), "a & b\u20ac");
  EXPECT_EQ(root->children[1].child_text("Key"), " ");
  EXPECT_EQ(root->child_text("Quiet"), "true");
  EXPECT_EQ(root->child("Nothing"), nullptr);
}

TEST(XmlTest, KeepsAttributesAndCdata) {
  const auto root = parse_xml("<Grantee xsi:type=\"Group\"><![CDATA[<x>]]></Grantee>");
  ASSERT_TRUE(root.ok());
  ASSERT_NE(root->attribute("xsi:type"), nullptr);
  EXPECT_EQ(*root->attribute("xsi:type"), "Group");
  EXPECT_EQ(root->text, "<x>");
}

TEST(XmlTest, RefusesMalformedText) {
  for (const char* text : {"", "x", "<a>", "<a></b>", "<a", "<a b></a>"}) {
    const auto result = parse_xml(text);
    ASSERT_FALSE(result.ok()) << text;
    EXPECT_EQ(result.error().type().name, "MalformedXML");
  }
}

TEST(XmlTest, RefusesDocumentTypesAndTheirEntities) {
  const auto root = parse_xml("<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><a>&e;</a>");
  ASSERT_FALSE(root.ok());
  EXPECT_EQ(root.error().type().name, "MalformedXML");
}

TEST(XmlTest, RefusesDocumentsThatAreNestedTooDeeply) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "<a>";
  for (int i = 0; i < 100000; ++i) text += "</a>";
  EXPECT_FALSE(parse_xml(text).ok());
}

TEST(XmlTest, WritesEscapedText) {
  std::string out;
  XmlWriter writer(out);
  writer.declaration()
      .open("Error")
      .attribute("a", "\"1\"")
      .element("Key", "a<b>&\r\x01")
      .open("Empty")
      .close()
      .close();
  EXPECT_EQ(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<Error a=\"&quot;1&quot;\"><Key>a&lt;b&gt;&amp;&#xd;&#x1;</Key><Empty/></Error>");
}

TEST(XmlTest, SurvivesRandomInput) {
  std::mt19937 random(1);
  const std::string_view alphabet = "<>/ab=\"'&;#x![]CDATA-? \n";
  for (int i = 0; i < 20000; ++i) {
    std::string text = "<a>";
    for (unsigned n = random() % 40; n > 0; --n) text += alphabet[random() % alphabet.size()];
    (void)parse_xml(text + "</a>").ok();
  }
}

}  // namespace
}  // namespace millrace::codec
