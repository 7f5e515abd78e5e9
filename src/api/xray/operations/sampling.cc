#include "api/xray/operations.h"
#include "wire/generated/xray.h"
#include "wire/generated/xray_views.h"

namespace millrace::api_xray {
namespace {

constexpr std::string_view kDefault = "Default";
constexpr Seconds kQuotaHolds{10};

double seconds_of(Time time) { return static_cast<double>(to_unix_ms(time)) / 1000; }

}  // namespace

// The one rule there is: AWS's Default, with this server's rate.
Result<Reply> get_sampling_rules(const Parts& parts, const RequestContext& context, const Document& input) {
  if (wire::xray::GetSamplingRulesRequest(input).next_token())
    return Error(wire::xray::kInvalidRequestException, "Invalid next token.");
  const Scope& scope = context.caller.scope;
  const auto& rule = parts.sampler.rule();
  const std::string arn = "arn:aws:xray:" + scope.region + ":" + scope.account + ":sampling-rule/Default";
  Document record = Document::object({{"SamplingRule", Document::object({{"RuleName", kDefault},
                                                                         {"RuleARN", arn},
                                                                         {"ResourceARN", "*"},
                                                                         {"Priority", 10000},
                                                                         {"FixedRate", rule.fixed_rate},
                                                                         {"ReservoirSize", rule.reservoir},
                                                                         {"ServiceName", "*"},
                                                                         {"ServiceType", "*"},
                                                                         {"Host", "*"},
                                                                         {"HTTPMethod", "*"},
                                                                         {"URLPath", "*"},
                                                                         {"Version", 1},
                                                                         {"Attributes", Document::object()}})},
                                      {"CreatedAt", 0.0},
                                      {"ModifiedAt", 0.0}});
  Reply reply;
  reply.output.set("SamplingRuleRecords", Document::array({std::move(record)}));
  return reply;
}

Result<Reply> get_sampling_targets(const Parts& parts, const RequestContext&, const Document& input) {
  const wire::xray::GetSamplingTargetsRequest request(input);
  const auto& rule = parts.sampler.rule();
  Document targets = Document::array();
  Document unprocessed = Document::array();
  for (const auto& document : request.sampling_statistics_documents()) {
    if (document.rule_name() != kDefault) {
      unprocessed.push(Document::object(
          {{"RuleName", document.rule_name()}, {"ErrorCode", "404"}, {"Message", "No such sampling rule"}}));
      continue;
    }
    targets.push(Document::object({{"RuleName", kDefault},
                                   {"FixedRate", rule.fixed_rate},
                                   {"ReservoirQuota", rule.reservoir},
                                   {"ReservoirQuotaTTL", seconds_of(parts.clock.now() + kQuotaHolds)},
                                   {"Interval", static_cast<std::int64_t>(kQuotaHolds.count())}}));
  }
  Document boosts = Document::array();
  for (const auto& document : request.sampling_boost_statistics_documents()) {
    boosts.push(Document::object({{"RuleName", document.rule_name()},
                                  {"ErrorCode", "400"},
                                  {"Message", "Sampling boosts are not supported by this server"}}));
  }
  Reply reply;
  reply.output.set("SamplingTargetDocuments", std::move(targets))
      .set("LastRuleModification", 0.0)
      .set("UnprocessedStatistics", std::move(unprocessed))
      .set("UnprocessedBoostStatistics", std::move(boosts));
  return reply;
}

}  // namespace millrace::api_xray
