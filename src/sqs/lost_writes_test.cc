// Whatever write or read of the store fails, in whatever operation: after a restart acknowledged messages are there
// once.
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sqs/service.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::sqs {
namespace {

using storage::MemoryStore;

const QueueName kQueue{Scope{}, "orders"};
const QueueName kOther{Scope{}, "other"};

class World {
 public:
  World() { restart(); }

  void restart() {
    service_.reset();
    commits_.reset();
    scheduler_.run_ready();
    store_.heal();
    commits_ = std::make_unique<testing::TestCommits>(store_, scheduler_);
    service_ = std::make_unique<Service>(store_, *commits_, scheduler_, random_);
    const auto loaded = service_->load();
    ASSERT_TRUE(loaded.ok()) << loaded.error().message();
    scheduler_.run_ready();
  }

  // One of everything that writes; failures are expected.
  void work() {
    created_ = service_->create_queue(kQueue, {}, {}).ok() && durable();
    (void)service_->create_queue(kOther, {}, {});
    for (int i = 0; i < 4; ++i) send("m" + std::to_string(i));
    const auto received = receive(3);
    if (!received.empty()) remove({received[0]});
    if (received.size() > 1) (void)service_->change_visibility(kQueue, received[1].receipt_handle, 0);
    send("m4");
    stage("m5");
    (void)service_->set_attributes(kQueue, {{"VisibilityTimeout", "60"}});
    remove(receive(1));
    std::vector<SendEntry> entries(2);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      entries[i].id = std::to_string(i);
      entries[i].message.body = "n" + std::to_string(i);
      maybe_.insert(entries[i].message.body);
    }
    if (service_->send_batch(kQueue, std::move(entries)).ok() && durable()) sent_.insert({"n0", "n1"});
    (void)service_->purge(kOther);
    (void)service_->delete_queue(kOther);
    (void)durable();
  }

  // Whether the armed failure struck.
  bool check(const std::string& what) {
    const bool struck = store_.has_failed();
    restart();
    EXPECT_TRUE(!created_ || service_->check_exists(kQueue).ok()) << what;
    std::multiset<std::string> found;
    scheduler_.advance(std::chrono::minutes(2));
    for (auto received = receive(10); !received.empty(); received = receive(10)) {
      for (const Received& each : received) found.insert(each.message.body);
    }
    for (const std::string& body : found) {
      EXPECT_EQ(found.count(body), 1U) << what << ": " << body << " is there twice";
      EXPECT_EQ(maybe_.count(body), 1U) << what << ": " << body << " was never sent";
      EXPECT_EQ(removed_.count(body), 0U) << what << ": " << body << " had been deleted";
    }
    for (const std::string& body : sent_) {
      EXPECT_TRUE(found.count(body) == 1 || maybe_removed_.count(body) == 1) << what << " lost " << body;
    }
    EXPECT_TRUE(service_->create_queue(kQueue, {}, {}).ok() || created_) << what;
    send("goes on");
    EXPECT_EQ(sent_.count("goes on"), 1U) << what;
    return struck;
  }

  MemoryStore& store() { return store_; }
  std::size_t acknowledged() const { return sent_.size() + removed_.size(); }

 private:
  // Whether everything so far is durable, as an answer waits to hear.
  bool durable() {
    bool good = false;
    commits_->when_durable(service_->last_commit(), [&](const Error* error) { good = error == nullptr; });
    scheduler_.run_ready();
    return good;
  }
  void send(const std::string& body) {
    Outgoing message;
    message.body = body;
    maybe_.insert(body);
    if (service_->send(kQueue, std::move(message)).ok() && durable()) sent_.insert(body);
  }
  // As a mapping's settlement does it.
  void stage(const std::string& body) {
    Outgoing message;
    message.body = body;
    maybe_.insert(body);
    storage::WriteBatch batch;
    auto staged = service_->stage(kQueue, std::move(message), batch);
    if (!staged.ok()) return;
    commits_->submit(std::move(batch), [this, body, done = *staged](const storage::Committed& committed) {
      if (committed.error != nullptr) return;
      done();
      sent_.insert(body);
    });
    scheduler_.run_ready();
  }
  std::vector<Received> receive(int max) {
    std::vector<Received> out;
    service_->receive(kQueue, {max, std::nullopt, 0}, [&](Result<std::vector<Received>> result) {
      if (result.ok()) out = std::move(result).value();
    });
    scheduler_.run_ready();
    return out;
  }
  void remove(const std::vector<Received>& received) {
    for (const Received& each : received) {
      maybe_removed_.insert(each.message.body);
      if (service_->delete_message(kQueue, each.receipt_handle).ok() && durable()) removed_.insert(each.message.body);
    }
  }

  MemoryStore store_;
  testing::VirtualScheduler scheduler_;
  platform::SeededRandom random_{5};
  std::unique_ptr<testing::TestCommits> commits_;
  std::unique_ptr<Service> service_;
  bool created_ = false;
  std::set<std::string> maybe_, sent_, maybe_removed_, removed_;
};

TEST(SqsFaults, AFailedWriteLosesAndDoublesNothing) {
  for (const auto outcome : {MemoryStore::Outcome::kNotApplied, MemoryStore::Outcome::kApplied}) {
    bool struck = true;
    std::uint64_t n = 0;
    for (; struck && n < 200; ++n) {
      World world;
      world.store().fail_write_after(n, outcome);
      world.work();
      EXPECT_GE(world.acknowledged() + 4, n > 8 ? 8U : 0U) << "the loop does not do what it is there for";
      struck = world.check("write " + std::to_string(n));
    }
    EXPECT_GT(n, 8U);
    EXPECT_LT(n, 200U) << "the loop ends with a round without failure";
  }
}

TEST(SqsFaults, AFailedReadLosesAndDoublesNothing) {
  bool struck = true;
  std::uint64_t n = 0;
  for (; struck && n < 200; ++n) {
    World world;
    world.store().fail_read_after(n);
    world.work();
    struck = world.check("read " + std::to_string(n));
  }
  EXPECT_LT(n, 200U);
}

TEST(SqsFaults, AFullDiskRefusesAndForgetsNothing) {
  World world;
  world.store().fill_up_after(6);
  world.work();
  world.store().make_room();
  (void)world.check("a full disk");
}

}  // namespace
}  // namespace millrace::sqs
