// Whatever write or read of the store fails, in whatever operation on functions, versions, aliases and layers: nothing
// acknowledged is lost, nothing is there by half (testing/fault_loop.h).
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "api/lambda/service.h"
#include "crypto/encoding.h"
#include "testing/fault_loop.h"
#include "testing/zip.h"

namespace millrace::api_lambda {
namespace {

namespace fs = std::filesystem;
using testing::FaultBench;
using ::testing::IsEmpty;

// No function is run here.
class NoRuntimes final : public runtimes::RuntimeFactory {
 public:
  std::shared_ptr<runtimes::Runtime> create(runtimes::FunctionSpec) override { return nullptr; }
  std::string describe(std::string_view) override { return ""; }
};

class World final : public testing::FaultedFace<wire::Service, wire::RequestContext> {
 public:
  World(FaultBench& bench, const fs::path& folder) : FaultedFace(bench), folder_(folder) {}
  Result<void> load() { return functions_.load(); }

 private:
  const wire::Service& face() const override { return *face_; }
  const fs::path folder_;
  telemetry::Registry registry_;
  delivery::Delivery delivery_;
  NoRuntimes runtimes_;
  functions::Functions functions_{
      {bench_.store, bench_.commits, bench_.scheduler, bench_.random, registry_, delivery_, runtimes_},
      functions::Options{.folder = folder_}};
  std::unique_ptr<wire::Service> face_ = make_lambda_service(functions_);
};

std::string zip_base64(const std::string& content) {
  return crypto::base64_encode(testing::zip_of("index.js", content));
}

TEST(LambdaFaults, AFailureOfTheStoreLeavesNothingByHalf) {
  std::string pattern = (fs::temp_directory_path() / "millrace-faults-XXXXXX").string();
  const fs::path root = ::mkdtemp(pattern.data());
  const std::string zip = zip_base64("one");
  const std::string function = R"("FunctionName":"f")";
  testing::FaultPlan plan;
  plan.open = testing::opens<World>(root / "functions");
  const std::string settings =
      R"("Runtime":"nodejs20.x","Role":"arn:aws:iam::000000000000:role/r","Handler":"index.handler")";
  plan.steps = {
      R"(PublishLayerVersion {"LayerName":"l","Content":{"ZipFile":")" + zip + R"("}})",
      "CreateFunction {" + function + "," + settings + R"(,"Code":{"ZipFile":")" + zip +
          R"("},"Tags":{"a":"b"},"Layers":["arn:aws:lambda:us-east-1:000000000000:layer:l:1"]})",
      "PublishVersion {" + function + "}",
      "UpdateFunctionCode {" + function + R"(,"Publish":true,"ZipFile":")" + zip_base64("two") + R"("})",
      "CreateAlias {" + function + R"(,"Name":"live","FunctionVersion":"1"})",
      "UpdateAlias {" + function + R"(,"Name":"live","FunctionVersion":"2"})",
      "DeleteFunction {" + function + R"(,"Qualifier":"1"})",
      "UpdateFunctionConfiguration {" + function + R"(,"Timeout":9})",
      "PutFunctionConcurrency {" + function + R"(,"ReservedConcurrentExecutions":3})",
      "PutFunctionEventInvokeConfig {" + function + R"(,"MaximumRetryAttempts":1})",
      "CreateFunctionUrlConfig {" + function + R"(,"AuthType":"NONE"})",
      "AddPermission {" + function +
          R"(,"StatementId":"s","Action":"lambda:InvokeFunction","Principal":"s3.amazonaws.com"})",
      "UpdateFunctionUrlConfig {" + function + R"(,"InvokeMode":"BUFFERED","Cors":{"AllowOrigins":["*"]}})",
      "UpdateFunctionEventInvokeConfig {" + function + R"(,"MaximumEventAgeInSeconds":90})",
      R"(TagResource {"Resource":"arn:aws:lambda:us-east-1:000000000000:function:f","Tags":{"c":"d"}})",
      R"(UntagResource {"Resource":"arn:aws:lambda:us-east-1:000000000000:function:f","TagKeys":["a"]})",
      R"(AddLayerVersionPermission {"LayerName":"l","VersionNumber":1,"StatementId":"s","Action":"lambda:GetLayerVersion","Principal":"*"})",
      R"(RemoveLayerVersionPermission {"LayerName":"l","VersionNumber":1,"StatementId":"s"})",
      "RemovePermission {" + function + R"(,"StatementId":"s"})",
      "DeleteFunctionConcurrency {" + function + "}",
      "DeleteFunctionEventInvokeConfig {" + function + "}",
      "DeleteFunctionUrlConfig {" + function + "}",
      "DeleteAlias {" + function + R"(,"Name":"live"})",
      "CreateFunction {\"FunctionName\":\"g\"," + settings + R"(,"Publish":true,"Code":{"ZipFile":")" + zip + R"("}})",
      R"(DeleteLayerVersion {"LayerName":"l","VersionNumber":1})",
      "DeleteFunction {" + function + "}",
  };
  plan.looks = {"ListFunctions {}",
                "GetFunction {" + function + "}",
                "ListVersionsByFunction {" + function + "}",
                "ListAliases {" + function + "}",
                "GetFunctionConcurrency {" + function + "}",
                "GetFunctionEventInvokeConfig {" + function + "}",
                "ListFunctionUrlConfigs {" + function + "}",
                "GetPolicy {" + function + "}",
                R"(ListTags {"Resource":"arn:aws:lambda:us-east-1:000000000000:function:f"})",
                R"(GetLayerVersionPolicy {"LayerName":"l","VersionNumber":1})",
                "ListLayers {}",
                R"(ListVersionsByFunction {"FunctionName":"g"})"};
  EXPECT_THAT(testing::find_faults(plan), IsEmpty());
  fs::remove_all(root);
}

}  // namespace
}  // namespace millrace::api_lambda
