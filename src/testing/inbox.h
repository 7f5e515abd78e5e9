// A target of deliveries that keeps what it gets in the store, in the batch of the delivery: for a fault loop to
// compare with what was acknowledged. For tests only.
#pragma once

#include <string>

#include "delivery/delivery.h"
#include "storage/scan.h"
#include "testing/fault_loop.h"

namespace millrace::testing {

class Inbox final : public delivery::Target {
 public:
  Result<void> check(std::string_view) override { return {}; }
  Result<delivery::AfterCommit> stage(std::string_view, const delivery::Message& message,
                                      storage::WriteBatch& batch) override {
    batch.put(storage::Family::kText, "inbox/" + std::to_string(staged_++), message.body);
    return delivery::AfterCommit{};
  }
  // All that arrived, as a look.
  static FaultedService::Answer shown(const storage::Store& store) {
    FaultedService::Answer answer;
    const auto it = store.iterate(storage::Family::kText, {"inbox/", storage::prefix_end("inbox/")});
    for (it->seek("inbox/"); it->valid(); it->next()) answer.text += std::string(it->value()) + "\n";
    answer.ok = it->status().ok();
    if (!answer.ok) answer.text = "unreadable";
    return answer;
  }

 private:
  int staged_ = 0;
};

}  // namespace millrace::testing
