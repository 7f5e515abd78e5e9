// Settlement over the one committer: the position and what a local destination staged are one batch, so that a failure
// document is in its queue exactly once. Thread-safe.
#pragma once

#include "delivery/delivery.h"
#include "storage/committer.h"
#include "triggers/ports.h"

namespace millrace::triggers {

class CommitSettlement final : public Settlement {
 public:
  // Both outlive this.
  CommitSettlement(storage::Commits& commits, delivery::Delivery& delivery) : commits_(commits), delivery_(delivery) {}
  Result<void> settle(storage::WriteBatch batch, const Letter& letter) override;

 private:
  storage::Commits& commits_;
  delivery::Delivery& delivery_;
};

}  // namespace millrace::triggers
