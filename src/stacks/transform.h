// Transforms: what a template asks CloudFormation to rewrite before it is read. AWS::Serverless-2016-10-31 runs
// through a Transformer, others are refused by their names.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "stacks/resource_type.h"

namespace millrace::stacks {

inline constexpr std::string_view kServerlessTransform = "AWS::Serverless-2016-10-31";

// Thread-safe.
class Transformer {
 public:
  virtual ~Transformer() = default;
  // The template that the SAM template stands for, with the parameters as texts. Blocks for as long as it takes.
  // Error: kValidation with CloudFormation's text, or what is missing on this machine.
  virtual Result<Document> serverless(const Document& document, const std::map<std::string, std::string>& parameters,
                                      const Scope& scope) = 0;
  // Ends what runs, with an error, and all later calls.
  virtual void stop() = 0;
};

// Whether `document` asks for the serverless transform. Error: kValidation for every other transform.
Result<bool> asks_for_serverless(const Document& document);

// The texts of the parameters that have a default, `given` over them.
std::map<std::string, std::string> parameter_texts(const Document& document,
                                                   const std::map<std::string, std::string>& given);

}  // namespace millrace::stacks
