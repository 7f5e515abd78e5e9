// Functions, conditions, rules and parameters as tables: what goes in, what comes out, or what is said against it.
#include "stacks/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::stacks {
namespace {

Document json(std::string_view text) {
  auto parsed = codec::parse_json(text);
  EXPECT_TRUE(parsed.ok()) << text;
  return parsed.ok() ? *parsed : Document();
}

Environment environment(const Document& document) {
  Environment environment;
  environment.document = &document;
  environment.scope = {"123456789012", "eu-west-1"};
  environment.stack_name = "shop";
  environment.stack_id = "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop/1";
  environment.parameters = {{"Name", "box"}, {"List", json(R"(["a","b","c"])")}, {"Empty", ""}};
  environment.conditions = {{"Yes", true}, {"No", false}};
  environment.ref = [](const std::string& id) -> std::optional<Document> {
    return id == "Queue" ? std::optional<Document>("http://queue") : std::nullopt;
  };
  environment.attribute = [](const std::string& id, const std::string& name) -> Result<Document> {
    if (id == "Queue" && name == "Deep.Arn") return Document("arn:queue");
    return Error(kInvalidArgument, "no attribute " + id + "." + name);
  };
  environment.import = [](const std::string& name) -> Result<Document> {
    if (name == "shop-vpc") return Document("vpc-1");
    return Error(kInvalidArgument, "No export named " + name + " found.");
  };
  return environment;
}

// The value as JSON, "nothing" for AWS::NoValue, or the message of the error.
std::string evaluated(std::string_view value) {
  const Document document = json(R"({"Mappings":{"Sizes":{"eu-west-1":{"small":1,"all":["x","y"]}}}})");
  const auto found = evaluate(environment(document), json(value));
  if (!found.ok()) return found.error().message();
  return *found ? (*found)->dump() : "nothing";
}

struct Case {
  std::string_view value;
  std::string_view result;
};

TEST(EvaluateTest, FunctionsGiveWhatCloudFormationGives) {
  constexpr Case kCases[] = {
      {R"({"Ref":"Name"})", R"("box")"},
      {R"({"Ref":"Queue"})", R"("http://queue")"},
      {R"({"Ref":"AWS::Region"})", R"("eu-west-1")"},
      {R"({"Ref":"AWS::URLSuffix"})", R"("amazonaws.com")"},
      {R"({"a":{"Ref":"AWS::NoValue"},"b":[1,{"Ref":"AWS::NoValue"}]})", R"({"b":[1]})"},
      {R"({"Fn::GetAtt":["Queue","Deep.Arn"]})", R"("arn:queue")"},
      {R"({"Fn::GetAtt":"Queue.Deep.Arn"})", R"("arn:queue")"},
      {R"({"Fn::Sub":"${Name}-${AWS::StackName}-${Queue.Deep.Arn}-${!Raw}"})", R"("box-shop-arn:queue-${Raw}")"},
      {R"({"Fn::Sub":["${A}/${Name}",{"A":{"Ref":"AWS::AccountId"}}]})", R"("123456789012/box")"},
      {R"({"Fn::Join":["-",["a",{"Ref":"Name"},3]]})", R"("a-box-3")"},
      {R"({"Fn::Join":[",",{"Ref":"List"}]})", R"("a,b,c")"},
      {R"({"Fn::Select":["1",{"Ref":"List"}]})", R"("b")"},
      {R"({"Fn::Split":["/","a/b//c"]})", R"(["a","b","","c"])"},
      {R"({"Fn::If":["Yes",1,2]})", "1"},
      {R"({"Fn::If":["No",1,{"Ref":"AWS::NoValue"}]})", "nothing"},
      {R"({"Fn::FindInMap":["Sizes",{"Ref":"AWS::Region"},"small"]})", "1"},
      {R"({"Fn::FindInMap":["Sizes","mars","small",{"DefaultValue":9}]})", "9"},
      {R"({"Fn::ImportValue":{"Fn::Sub":"${AWS::StackName}-vpc"}})", R"("vpc-1")"},
      {R"({"Fn::Base64":"text"})", R"("dGV4dA==")"},
      {R"({"Fn::Length":{"Ref":"List"}})", "3"},
      {R"({"Fn::ToJsonString":{"a":{"Ref":"Name"}}})", R"("{\"a\":\"box\"}")"},
      {R"({"Fn::GetAZs":""})", R"(["eu-west-1a","eu-west-1b","eu-west-1c"])"},
      {R"({"Fn::Cidr":["10.0.0.0/16",3,8]})", R"(["10.0.0.0/24","10.0.1.0/24","10.0.2.0/24"])"},
      {R"({"Fn::Cidr":["192.168.0.0/24","2","5"]})", R"(["192.168.0.0/27","192.168.0.32/27"])"},
      {R"({"Fn::Equals":[{"Ref":"Name"},"box"]})", "true"},
      {R"({"Fn::Not":[{"Fn::Equals":["1",1]}]})", "false"},
      {R"({"Fn::And":[{"Condition":"Yes"},{"Condition":"No"}]})", "false"},
      {R"({"Fn::Or":[{"Condition":"Yes"},{"Condition":"No"}]})", "true"},
      {R"({"Fn::Contains":[["a","b"],"b"]})", "true"},
      {R"({"Version":"2012-10-17","Condition":{"Bool":{"x":false}}})",
       R"({"Version":"2012-10-17","Condition":{"Bool":{"x":false}}})"},
  };
  for (const Case& each : kCases) EXPECT_EQ(evaluated(each.value), each.result) << each.value;
}

TEST(EvaluateTest, WrongUsesAreRefusedInCloudFormationsWords) {
  constexpr Case kCases[] = {
      {R"({"Ref":"Nobody"})",
       "Template format error: Unresolved resource dependencies [Nobody] in the Resources block"},
      {R"({"Ref":["Name"]})", "Template format error: every Ref object must have a single String value."},
      {R"({"Fn::GetAtt":"Queue"})", "Template error: every Fn::GetAtt object requires two non-empty parameters"},
      {R"({"Fn::Join":["-"]})", "Template error: Fn::Join object requires a list of 2 parameters."},
      {R"({"Fn::Join":["-",[{"a":1}]]})", "Template error: every Fn::Join object requires two parameters"},
      {R"({"Fn::Select":["3",{"Ref":"List"}]})",
       "Template error: Fn::Select cannot select nonexistent value at index 3"},
      {R"({"Fn::Select":["x",{"Ref":"List"}]})",
       "Template error: Fn::Select cannot select nonexistent value at index x"},
      {R"({"Fn::Split":["","a"]})", "Template error: Fn::Split delimiter cannot be empty."},
      {R"({"Fn::If":["Perhaps",1,2]})", "Template format error: Unresolved condition dependency Perhaps"},
      {R"({"Fn::FindInMap":["Sizes","mars","small"]})", "Template error: Unable to get mapping for Sizes::mars::small"},
      {R"({"Fn::ImportValue":"none"})", "No export named none found."},
      {R"({"Fn::Sub":5})", "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments."},
      {R"({"Fn::Cidr":["10.0.0.0/30",9,1]})",
       "Template error: Fn::Cidr cannot divide 10.0.0.0/30 into 9 blocks of 1 bits"},
      {R"({"Fn::Cidr":["::/64",1,8]})", "Template error: Fn::Cidr of IPv6 blocks is not supported by millrace."},
      {R"({"Fn::And":[true]})",
       "Template error: every Fn::And object requires a list of at least 2 and at most 10 boolean"},
      {R"({"Fn::Nonsense":1})", "Template error: Unsupported function Fn::Nonsense"},
  };
  for (const Case& each : kCases) EXPECT_THAT(evaluated(each.value), ::testing::StartsWith(std::string(each.result)));
}

TEST(EvaluateTest, ConditionsMayBeDefinedInAnyOrderButNotInACircle) {
  const Document good = json(R"({"Conditions":{"A":{"Fn::Not":[{"Condition":"B"}]},"B":{"Fn::Equals":["a","b"]}}})");
  const auto values = evaluate_conditions(environment(good));
  ASSERT_TRUE(values.ok());
  EXPECT_EQ(*values, (std::map<std::string, bool>{{"A", true}, {"B", false}}));
  const Document circle = json(R"({"Conditions":{"A":{"Condition":"B"},"B":{"Condition":"A"}}})");
  EXPECT_THAT(evaluate_conditions(environment(circle)).error().message(),
              ::testing::StartsWith("Template format error: Circular dependency between conditions"));
}

TEST(EvaluateTest, RulesAreAsserted) {
  const Document document =
      json(R"({"Rules":{"Big":{"RuleCondition":{"Fn::Equals":[{"Ref":"Name"},"box"]},"Assertions":[
      {"Assert":{"Fn::Contains":[{"Ref":"List"},"z"]},"AssertDescription":"z is missing"}]}}})");
  const auto checked = check_rules(environment(document));
  ASSERT_FALSE(checked.ok());
  EXPECT_THAT(checked.error().message(), ::testing::HasSubstr("z is missing"));
}

struct ParameterCase {
  std::string_view declared;  // of parameter P
  std::string_view given;     // its value; "-": none
  std::string_view result;    // its value as JSON, or the message
};

TEST(EvaluateTest, ParametersAreReadByTheirTypesAndConstraints) {
  constexpr ParameterCase kCases[] = {
      {R"({"Type":"String"})", "x", R"("x")"},
      {R"({"Type":"String","Default":"d"})", "-", R"("d")"},
      {R"({"Type":"String"})", "-", "Parameters: [P] must have values"},
      {R"({"Type":"Number"})", "5", R"("5")"},
      {R"({"Type":"Number"})", "five", "Parameter 'P' must be a number."},
      {R"({"Type":"Number","MaxValue":4})", "5", "Parameter 'P' must be a number not greater than 4"},
      {R"({"Type":"Number","MinValue":"6"})", "5", "Parameter 'P' must be a number not less than 6"},
      {R"({"Type":"CommaDelimitedList"})", "a, b,c", R"(["a","b","c"])"},
      {R"({"Type":"List<Number>"})", "1,x", "Parameter 'P' must be a number."},
      {R"({"Type":"String","AllowedValues":["a","b"]})", "c", "Parameter 'P' must be one of AllowedValues"},
      {R"({"Type":"String","AllowedPattern":"[a-z]+"})", "A", "Parameter 'P' must match pattern [a-z]+"},
      {R"({"Type":"String","AllowedPattern":"[a-z]+","ConstraintDescription":"lower case"})", "A",
       "Parameter 'P' failed to satisfy constraint: lower case"},
      {R"({"Type":"String","MinLength":3})", "ab", "Parameter 'P' must contain at least 3 characters"},
      {R"({"Type":"String","MaxLength":"1"})", "ab", "Parameter 'P' must contain at most 1 characters"},
      {R"({"Type":"AWS::SSM::Parameter::Value<String>"})", "/there", R"("stored")"},
      {R"({"Type":"AWS::SSM::Parameter::Value<List<String>>"})", "/there", R"(["stored"])"},
      {R"({"Type":"AWS::SSM::Parameter::Value<String>"})", "/none",
       "Unable to fetch parameters [/none] from parameter store for this account."},
      {R"({"Type":"Strange"})", "x", "Template format error: Unrecognized parameter type: Strange"},
      {R"({"Default":"x"})", "-", "Template format error: Every Parameters object must contain a Type member."},
  };
  const auto ssm = [](const std::string& name) -> Result<std::string> {
    if (name == "/there") return std::string("stored");
    return Error(kNotFound, "none");
  };
  for (const ParameterCase& each : kCases) {
    const Document document = Document::object({{"Parameters", Document::object({{"P", json(each.declared)}})}});
    Document given = Document::array();
    if (each.given != "-") given.push(Document::object({{"ParameterKey", "P"}, {"ParameterValue", each.given}}));
    const auto parameters = resolve_parameters(document, given, {}, ssm);
    EXPECT_EQ(parameters.ok() ? parameters->at(0).value.dump() : parameters.error().message(), each.result)
        << each.declared;
  }
}

TEST(EvaluateTest, UnknownAndPreviousParametersAreTold) {
  const Document document = json(R"({"Parameters":{"P":{"Type":"String"}}})");
  const auto ssm = [](const std::string&) -> Result<std::string> { return std::string(); };
  EXPECT_EQ(
      resolve_parameters(document, json(R"([{"ParameterKey":"Q","ParameterValue":"1"}])"), {}, ssm).error().message(),
      "Parameters: [Q] do not exist in the template");
  const Document previous = json(R"([{"ParameterKey":"P","UsePreviousValue":true}])");
  EXPECT_THAT(resolve_parameters(document, previous, {}, ssm).error().message(),
              ::testing::StartsWith("Invalid input for parameter key P."));
  Parameter known;
  known.key = "P";
  known.text = "old";
  EXPECT_EQ(resolve_parameters(document, previous, {known}, ssm)->at(0).value, Document("old"));
}

}  // namespace
}  // namespace millrace::stacks
