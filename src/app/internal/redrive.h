// Redrive: sends the batches of a mapping's failure documents through a function again, oldest first and in order per
// key; removes the documents of those that succeed, and leaves the rest where it is.
//
// Documents come from a queue or from a bucket. They are taken all at first (a queue's become invisible meanwhile; a
// kill makes them visible again), sorted by sequence number, and sent one after the other: two documents of one key
// never overtake each other, and once one is left, later ones that share a key are left as well.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "app/internal/mapping_jobs.h"
#include "app/internal/parts.h"
#include "triggers/failures.h"
#include "triggers/mapping.h"
#include "triggers/sender.h"

namespace millrace::app {

inline constexpr std::size_t kRedriveDocumentsMax = 10'000;              // of one run
inline constexpr std::size_t kRedriveBytesMax = std::size_t{256} << 20;  // the same

struct RedriveRequest {
  triggers::Mapping mapping;
  std::string source;        // ARN of a queue or a bucket
  std::string function_arn;  // "": the mapping's
  int retries = triggers::kSendRetriesDefault;
};

// Where documents are kept. Called on pool threads, one call at a time.
class DocumentStore {
 public:
  struct Document {
    std::string handle;  // for remove() and leave()
    std::string text;
  };
  struct Taken {
    std::vector<Document> documents;
    bool more = false;  // a limit ended it
  };
  virtual ~DocumentStore() = default;
  virtual Result<Taken> take() = 0;
  virtual Result<void> remove(const std::string& handle) = 0;
  virtual void leave(const std::string& handle) = 0;
};
// Error: kBadRequest when `source` is no queue and no bucket, or there is none.
Result<std::unique_ptr<DocumentStore>> open_documents(Parts& parts, const RedriveRequest& request);

class Redrive final : public MappingJob, public std::enable_shared_from_this<Redrive> {
 public:
  Redrive(Parts& parts, RedriveRequest request, std::unique_ptr<DocumentStore> store);
  void start();
  codec::Json progress() const override;
  bool is_finished() const override;
  void cancel() override;

 private:
  struct Item {
    std::string handle;
    triggers::Failure failure;
    std::deque<triggers::Record> records;
    std::string problem;  // why it cannot be sent
  };
  struct Counts {
    std::size_t documents = 0, removed = 0, failed = 0, kept_back = 0, unusable = 0, others = 0, records = 0;
  };
  void take();
  bool is_ours(const triggers::Failure& failure) const;
  void next();
  void load(Item& item) const;
  void send(const std::shared_ptr<Item>& item);
  void sent(const std::shared_ptr<Item>& item, const triggers::Sent& outcome);
  void leave(Item& item, const std::string& why);
  void finish(std::string stopped);

  Parts& parts_;
  const RedriveRequest request_;
  const std::unique_ptr<DocumentStore> store_;
  // Handed from the pool to the control thread and back, never shared.
  std::deque<std::shared_ptr<Item>> items_;
  std::vector<std::string> left_;
  triggers::KeyGate gate_;
  Result<void> taken_;

  mutable std::mutex mutex_;  // guards what follows
  Counts counts_;
  std::vector<std::string> reasons_;  // of what is left, at most kReasonsMax
  bool more_ = false;
  bool cancelled_ = false;
  bool finished_ = false;
  std::string stopped_;
};

}  // namespace millrace::app
