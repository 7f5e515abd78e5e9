// topics.
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>

#include "cli/internal/commands.h"

namespace millrace::cli {
namespace {

using codec::Json;

constexpr std::size_t kFilterWidth = 60;

struct Publication {
  std::string topic, message, subject;
  std::vector<std::string> attributes;
};

Result<Json> body_of(const Publication& publication) {
  Json attributes = Json::object();
  for (const auto& attribute : publication.attributes) {
    const auto equals = attribute.find('=');
    if (equals == std::string::npos || equals == 0)
      return Error(kInvalidArgument, "an attribute is NAME=VALUE, not " + attribute);
    attributes.set(attribute.substr(0, equals), attribute.substr(equals + 1));
  }
  return Json::object(
      {{"message", publication.message}, {"subject", publication.subject}, {"attributes", std::move(attributes)}});
}

void add_publish(CLI::App& topics, Session& session) {
  auto publication = std::make_shared<Publication>();
  CLI::App* publish = add_command(
      topics, session, "publish", "send a message to a topic's subscribers",
      "  millrace topics publish alarms 'disk full'\n"
      "  millrace topics publish orders '{\"id\":7}' --subject new --attribute kind=order\n",
      [publication](Api& api, Output& output) -> Result<int> {
        MR_ASSIGN_OR_RETURN(const Json body, body_of(*publication));
        MR_ASSIGN_OR_RETURN(const Json sent, api.post("topics/" + encode(publication->topic) + "/publish", body));
        if (output.json()) {
          output.document(sent);
        } else {
          std::cout << sent.string_or("message_id", "") << '\n';
        }
        return kDone;
      });
  publish->add_option("topic", publication->topic)->required();
  publish->add_option("message", publication->message)->required();
  publish->add_option("--subject", publication->subject, "the message's subject");
  publish->add_option("--attribute", publication->attributes, "a message attribute of type String, NAME=VALUE");
}

}  // namespace

void add_topic_commands(CLI::App& app, Session& session) {
  CLI::App* topics = add_noun(app, "topics", "SNS topics");
  add_command(*topics, session, "ls", "all topics", "  millrace topics ls\n",
              [](Api& api, Output& output) -> Result<int> {
                MR_ASSIGN_OR_RETURN(const Json found, api.get("topics"));
                output.table(found, "topics",
                             {{"TOPIC", "name"}, {"SUBSCRIPTIONS", "subscriptions", true}, {"CREATED", "created"}},
                             "No topics.");
                return kDone;
              });
  auto name = std::make_shared<std::string>();
  CLI::App* show = add_command(*topics, session, "show", "subscriptions of one topic: endpoint, filter, dead letters",
                               "  millrace topics show orders\n", [name](Api& api, Output& output) -> Result<int> {
                                 MR_ASSIGN_OR_RETURN(const Json found, api.get("topics/" + encode(*name)));
                                 output.table(found, "subscriptions",
                                              {{"PROTOCOL", "protocol"},
                                               {"ENDPOINT", "endpoint"},
                                               {"RAW", "raw"},
                                               {"FILTER", "filter", false, Form::kText, kFilterWidth},
                                               {"DEAD LETTERS", "dead_letter_queue"}},
                                              "No subscriptions.");
                                 return kDone;
                               });
  show->add_option("topic", *name)->required();
  add_publish(*topics, session);
}

}  // namespace millrace::cli
