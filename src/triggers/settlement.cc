#include "triggers/settlement.h"

#include <utility>

namespace millrace::triggers {

Result<void> CommitSettlement::settle(storage::WriteBatch batch, const Letter& letter) {
  if (letter.destination.empty()) {
    commits_.submit(std::move(batch));
    return {};
  }
  // Staged apart: a target that refuses must not leave half of its entries in our batch.
  storage::WriteBatch staged;
  auto after = delivery_.stage(letter.destination, letter.message, staged);
  if (!after.ok() && !letter.shorter.empty()) {
    staged = {};
    delivery::Message message = letter.message;
    message.body = letter.shorter;
    after = delivery_.stage(letter.destination, message, staged);
  }
  if (!after.ok()) {
    commits_.submit(std::move(batch));
    return std::move(after).error();
  }
  batch.append(std::move(staged));
  commits_.submit(std::move(batch), [wake = std::move(after).value()](const storage::Committed& committed) {
    if (committed.error == nullptr && wake) wake();
  });
  return {};
}

}  // namespace millrace::triggers
