#include "app/internal/check_catalogues.h"

#include <atomic>
#include <set>

#include "api/cloudwatch/service.h"
#include "codec/json.h"
#include "delivery/delivery.h"
#include "events/service.h"
#include "iam/identities.h"
#include "iam/managed_policies.h"
#include "iam/roles.h"
#include "iam/sessions.h"
#include "logs/service.h"
#include "metrics/alarms.h"
#include "metrics/store.h"
#include "platform/control_loop.h"
#include "platform/random.h"
#include "records/records.h"
#include "sns/service.h"
#include "telemetry/metrics.h"
#include "traces/store.h"

namespace millrace::app {

namespace {

using storage::Family;

// What a service wants to write when it is loaded (records that are out of date) stays as it is.
class NoCommits final : public storage::Commits {
 public:
  storage::CommitNumber submit(storage::WriteBatch, std::function<void(const storage::Committed&)>) override {
    return ++submitted_;
  }
  void when_durable(storage::CommitNumber, std::function<void(const Error*)> done) override { done(nullptr); }
  storage::CommitNumber durable() const override { return submitted_; }
  void on_logged(std::function<void(std::span<const std::uint64_t>)>) override {}
  storage::Stamp next_stamp() const override { return 1; }

 private:
  std::atomic<storage::CommitNumber> submitted_{0};
};

class CatalogueCheck {
 public:
  CatalogueCheck(const storage::Store& store, const std::function<void(std::string)>& problem)
      : store_(const_cast<storage::Store&>(store)), problem_(problem) {}  // services never write but through commits_

  void run() {
    metrics::Store metrics(store_, commits_, loop_);
    if (take("metrics", metrics.load())) {
      metrics::Alarms alarms(metrics::Alarms::Resources{store_, commits_, loop_, delivery_, metrics});
      take("alarms", alarms.load(api_cloudwatch::alarm_queries));
    }
    sns::Service topics(sns::Service::Resources{store_, commits_, loop_, random_, registry_, delivery_});
    take("topics", topics.load());
    events::Events events(events::Events::Resources{store_, commits_, loop_, random_, delivery_});
    take("rules of EventBridge", events.load());
    records::Records records(store_, commits_);
    take("records of Systems Manager, KMS and ECR", records.load());
    logs::Service logs(store_, commits_, loop_);
    take("logs", logs.load());
    traces::Store traces(store_, commits_, loop_);
    take("traces", traces.load());
    check_identities();
    check_stacks();
  }

 private:
  bool take(const std::string& what, const Result<void>& loaded) {
    if (!loaded.ok()) problem_("The " + what + " cannot be read: " + loaded.error().message());
    return loaded.ok();
  }

  void check_identities() {
    iam::Roles roles(store_, commits_, loop_, random_);
    if (take("roles", roles.load())) {
      iam::Sessions sessions(store_, commits_, loop_, random_, roles);
      take("sessions of roles", sessions.load());
    }
    iam::Identities identities(store_, commits_, loop_, random_);
    const bool known = take("users and groups", identities.load());
    iam::ManagedPolicies policies(store_, commits_, loop_, random_);
    if (!take("managed policies", policies.load()) || !known) return;
    for (const std::string_view prefix : {"iam/roles/", "iam/users/", "iam/groups/"}) {
      each(prefix, [&](std::string_view key, const codec::Json& record) { check_attached(policies, key, record); });
    }
  }

  void check_attached(const iam::ManagedPolicies& policies, std::string_view key, const codec::Json& record) {
    const codec::Json* attached = record.find("attached");
    if (attached == nullptr || !attached->is_array()) return;
    for (const codec::Json& arn : attached->as_array()) {
      if (!arn.is_string() || arn.as_string().starts_with("arn:aws:iam::aws:")) continue;
      if (!policies.get(arn.as_string()).ok()) {
        problem_(std::string(key) + " has the policy " + std::string(arn.as_string()) + ", which does not exist");
      }
    }
  }

  void check_stacks() {
    std::set<std::string, std::less<>> stacks;
    each("stacks/stack/", [&](std::string_view key, const codec::Json&) {
      stacks.emplace(key.substr(std::string_view("stacks/stack/").size()));
    });
    each("stacks/event/", [&](std::string_view key, const codec::Json&) {
      key.remove_prefix(std::string_view("stacks/event/").size());
      if (!stacks.contains(key.substr(0, key.find('/')))) {
        problem_("There is an event of the stack " + std::string(key.substr(0, key.find('/'))) +
                 ", which does not exist");
      }
    });
  }

  // Every document of the catalogue below `prefix`.
  void each(std::string_view prefix, const std::function<void(std::string_view, const codec::Json&)>& use) {
    const auto it = store_.iterate(Family::kCatalogue, {std::string(prefix), storage::prefix_end(prefix)});
    for (it->seek(prefix); it->valid(); it->next()) {
      const auto document = codec::parse_json(it->value());
      if (document.ok()) use(it->key(), *document);
      if (!document.ok()) problem_("The record " + std::string(it->key()) + " cannot be decoded");
    }
    take("records below " + std::string(prefix), it->status());
  }

  storage::Store& store_;
  const std::function<void(std::string)>& problem_;
  NoCommits commits_;
  platform::ControlLoop loop_;  // never started: nothing happens but reading
  platform::SystemRandom random_;
  telemetry::Registry registry_;
  delivery::Delivery delivery_;
};

}  // namespace

void check_catalogues(const storage::Store& store, const std::function<void(std::string)>& problem) {
  CatalogueCheck(store, problem).run();
}

}  // namespace millrace::app
