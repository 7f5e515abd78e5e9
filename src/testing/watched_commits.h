// Commits that tell a test of each submit() while it is under way, hence while the submitter holds its locks: for
// proving what such a lock keeps waiting and what not. Forwards everything to another committer, which outlives it.
#pragma once

#include <functional>
#include <utility>

#include "storage/committer.h"

namespace millrace::testing {

class WatchedCommits final : public storage::Commits {
 public:
  WatchedCommits(storage::Commits& inner, std::function<void()> during_submit)
      : inner_(inner), during_submit_(std::move(during_submit)) {}

  storage::CommitNumber submit(storage::WriteBatch batch,
                               std::function<void(const storage::Committed&)> done = {}) override {
    during_submit_();
    return inner_.submit(std::move(batch), std::move(done));
  }
  void when_durable(storage::CommitNumber number, std::function<void(const Error*)> done) override {
    inner_.when_durable(number, std::move(done));
  }
  storage::CommitNumber durable() const override { return inner_.durable(); }
  std::uint64_t settlements() const override { return inner_.settlements(); }
  bool is_settled(storage::CommitNumber after, std::uint64_t settlements) const override {
    return inner_.is_settled(after, settlements);
  }
  void on_logged(std::function<void(std::span<const std::uint64_t> shards)> observer) override {
    inner_.on_logged(std::move(observer));
  }
  storage::Stamp next_stamp() const override { return inner_.next_stamp(); }
  std::optional<Error> refusal(Purpose purpose) const override { return inner_.refusal(purpose); }
  void when_accepting(Purpose purpose, std::function<void()> resume) override {
    inner_.when_accepting(purpose, std::move(resume));
  }
  void defer(std::function<storage::CommitNumber()> work) override { inner_.defer(std::move(work)); }

 private:
  storage::Commits& inner_;
  const std::function<void()> during_submit_;
};

}  // namespace millrace::testing
