// A BlobStore in memory for tests, which can fail any operation. Survives a "restart" of the store above it: what has
// been placed stays, temporary files stay as well until they are removed. Not linked into the server. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "s3/blob_store.h"

namespace millrace::s3::internal {

class MemoryBlobStore final : public BlobStore {
 public:
  // The operation after `count` further successful ones fails, once. `kAfterwards`: it has been carried out
  // nevertheless.
  enum class Effect { kNone, kCarriedOut };
  void fail_after(int count, Effect effect = Effect::kNone) {
    const std::lock_guard lock(state_->mutex);
    state_->countdown = count;
    state_->effect = effect;
    state_->failed = false;
  }
  void heal() {
    const std::lock_guard lock(state_->mutex);
    state_->countdown.reset();
  }
  bool has_failed() const {
    const std::lock_guard lock(state_->mutex);
    return state_->failed;
  }
  // For damage, and for files as older versions wrote them.
  std::string& bytes_of(BlobId id) {
    const std::lock_guard lock(state_->mutex);
    return *state_->placed.at(id);
  }
  std::vector<BlobId> ids() const {
    const std::lock_guard lock(state_->mutex);
    std::vector<BlobId> ids;
    for (const auto& [id, bytes] : state_->placed) ids.push_back(id);
    return ids;
  }

  Result<std::unique_ptr<TemporaryBlob>> create() override {
    const std::lock_guard lock(state_->mutex);
    if (state_->fails()) return failure();
    return std::unique_ptr<TemporaryBlob>(std::make_unique<Blob>(state_));
  }
  Result<void> place(TemporaryBlob& blob, BlobId id) override {
    const std::lock_guard lock(state_->mutex);
    const bool fails = state_->fails();
    if (!fails || state_->effect == Effect::kCarriedOut) state_->placed[id] = static_cast<Blob&>(blob).bytes;
    if (fails) return failure();
    return {};
  }
  Result<void> link(BlobId from, BlobId to) override {
    const std::lock_guard lock(state_->mutex);
    const bool fails = state_->fails();
    const auto at = state_->placed.find(from);
    if (at == state_->placed.end()) return Error(kNoSuchBlob, "no such blob");
    if (!fails || state_->effect == Effect::kCarriedOut) state_->placed[to] = at->second;
    if (fails) return failure();
    return {};
  }
  Result<std::unique_ptr<BlobReader>> open(BlobId id) override {
    const std::lock_guard lock(state_->mutex);
    if (state_->fails()) return failure();
    const auto at = state_->placed.find(id);
    if (at == state_->placed.end()) return Error(kNoSuchBlob, "no such blob");
    return std::unique_ptr<BlobReader>(std::make_unique<Reader>(state_, at->second));
  }
  Result<void> remove(const std::vector<BlobId>& ids) override {
    const std::lock_guard lock(state_->mutex);
    const bool fails = state_->fails();
    if (!fails || state_->effect == Effect::kCarriedOut) {
      for (const BlobId id : ids) state_->placed.erase(id);
    }
    if (fails) return failure();
    return {};
  }
  Result<std::vector<BlobId>> list_block(std::uint64_t block) override {
    const std::lock_guard lock(state_->mutex);
    if (state_->fails()) return failure();
    std::vector<BlobId> ids;
    for (const auto& [id, bytes] : state_->placed) {
      if (id / kBlobBlock == block) ids.push_back(id);
    }
    return ids;
  }
  Result<void> remove_temporaries() override {
    const std::lock_guard lock(state_->mutex);
    if (state_->fails()) return failure();
    return {};
  }

 private:
  using Bytes = std::shared_ptr<std::string>;
  struct State {
    bool fails() {
      if (!countdown || (*countdown)-- > 0) return false;
      countdown.reset();
      return failed = true;
    }
    std::mutex mutex;
    std::map<BlobId, Bytes> placed;
    std::optional<int> countdown;
    Effect effect = Effect::kNone;
    bool failed = false;
  };
  struct Blob final : TemporaryBlob {
    explicit Blob(std::shared_ptr<State> s) : state(std::move(s)) {}
    Result<void> append(std::string_view piece) override {
      const std::lock_guard lock(state->mutex);
      if (state->fails()) return failure();
      bytes->append(piece);
      return {};
    }
    Result<void> sync() override {
      const std::lock_guard lock(state->mutex);
      if (state->fails()) return failure();
      return {};
    }
    std::shared_ptr<State> state;
    Bytes bytes = std::make_shared<std::string>();
  };
  struct Reader final : BlobReader {
    Reader(std::shared_ptr<State> s, Bytes b) : state(std::move(s)), stored(std::move(b)) {}
    Result<std::uint64_t> bytes() override { return std::uint64_t{stored->size()}; }
    Result<std::string> read(std::uint64_t offset, std::size_t count) override {
      const std::lock_guard lock(state->mutex);
      if (state->fails()) return failure();
      return stored->substr(offset, count);
    }
    std::shared_ptr<State> state;
    Bytes stored;
  };
  static Error failure() { return Error(kBlobFailed, "injected failure"); }

  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace millrace::s3::internal
