// Buckets and objects.
//
// Metadata and objects up to 64 KiB live in the Store (families kCatalogue and kObjects, grammar in
// internal/record.h); larger ones in files of a BlobStore. A change is decided under the mutex, against what is
// committed and what is pending, and submitted as one batch; the number of that commit is in the answer (`after`),
// which may be given once it is durable. An error that says what is pending says for which commit it must be held
// (Error::hold_until). Files are durable before the commit that refers to them and are removed after
// the commit that stops referring to them.
//
// Thread-safe. Methods marked "blocks" do disk work of unbounded length: call them on the pool. All others only touch
// memory and the Store. Lifecycle runs by the Scheduler's Time, on the control thread and the pool.
//
// Bucket names are unique across accounts; another account's bucket answers kAccessDenied. Errors every method can
// return and that are not repeated below: kNoSuchBucket, kAccessDenied, and kInternal when the Store fails.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "codec/json.h"
#include "delivery/delivery.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "s3/blob_store.h"
#include "s3/conditions.h"
#include "s3/errors.h"
#include "s3/internal/blob_keeper.h"
#include "s3/internal/record.h"
#include "s3/lifecycle.h"
#include "s3/notification.h"
#include "s3/object.h"
#include "s3/object_reader.h"
#include "s3/object_writer.h"
#include "storage/committer.h"
#include "storage/numbers.h"
#include "storage/service_commits.h"

namespace millrace::s3 {

// What a bucket is and what has been set on it. A snapshot: never changes.
struct Bucket {
  std::string name;
  std::string account;
  std::string region;
  Time created{};
  internal::BucketId id = 0;
  std::optional<LifecycleConfiguration> lifecycle;
  NotificationConfiguration notifications;
  // Other configurations as documents, by the name of what they configure: "encryption", "tagging",
  // "publicAccessBlock", "ownershipControls".
  std::map<std::string, codec::Json> settings;
  storage::CommitNumber after = 0;  // of its last change
};
using BucketPointer = std::shared_ptr<const Bucket>;

struct ListRequest {
  std::string prefix;
  std::string delimiter;
  std::string after;  // keys and common prefixes up to this one are left out
  std::size_t max_keys = 1000;
};
struct ListPage {
  std::vector<ObjectInfo> objects;
  std::vector<std::string> common_prefixes;
  bool truncated = false;
  std::string last;  // the last key or common prefix of this page
  storage::CommitNumber after = 0;
};

struct PutRequest {
  std::string key;
  ObjectAttributes attributes;
  WriteConditions conditions;
  ChecksumAlgorithm checksum = ChecksumAlgorithm::kCrc64Nvme;  // the writer has computed its digest
  Origin origin;
};

struct OpenedObject {
  ObjectInfo info;
  std::shared_ptr<ObjectContent> content;
  std::vector<std::uint64_t> part_bytes;  // of an object uploaded in parts
};

struct CopyRequest {
  std::string source_bucket, source_key;
  ReadConditions source_conditions;
  std::string bucket, key;
  WriteConditions conditions;
  std::optional<ObjectAttributes> replaced;   // metadata directive REPLACE (tags and storage class apart)
  std::optional<Tags> tags;                   // tagging directive REPLACE
  std::optional<std::string> storage_class;   // nullopt: STANDARD
  std::optional<ChecksumAlgorithm> checksum;  // nullopt: the source's
  Origin origin;
};

struct DeleteResult {
  std::string key;
  std::optional<Error> error;
};

struct UploadRequest {
  std::string key;
  ObjectAttributes attributes;
  std::optional<ChecksumAlgorithm> checksum;  // nullopt: CRC64NVME, not shown
  std::optional<ChecksumType> checksum_type;
};
struct UploadInfo {
  std::string id;
  std::string key;
  Time initiated{};
  std::string storage_class;
  ChecksumAlgorithm checksum = ChecksumAlgorithm::kCrc64Nvme;
  ChecksumType checksum_type = ChecksumType::kFullObject;
  bool checksum_requested = false;
  AbortVerdict abort;
  storage::CommitNumber after = 0;
};
struct PartInfo {
  int number = 0;
  std::uint64_t bytes = 0;
  Time modified{};
  std::string etag;
  std::string checksum;  // base64, of the upload's algorithm
  storage::CommitNumber after = 0;
};
struct CompletedPart {
  int number = 0;
  std::string etag;                                                  // without quotes
  std::vector<std::pair<ChecksumAlgorithm, std::string>> checksums;  // as sent
};
struct CompleteRequest {
  std::vector<CompletedPart> parts;
  WriteConditions conditions;
  std::optional<Checksum> checksum;  // of the whole object, to be compared
  std::optional<std::uint64_t> bytes;
  Origin origin;
};

class ObjectStore {
 public:
  // All outlive this. `scheduler` may run no more of our work once we are destroyed.
  ObjectStore(platform::Scheduler& scheduler, platform::Random& random, storage::Store& store,
              storage::Commits& commits, BlobStore& blobs);
  ~ObjectStore();
  ObjectStore(const ObjectStore&) = delete;
  ObjectStore& operator=(const ObjectStore&) = delete;

  // Where notifications go; before load(). Without, none are sent. `delivery` outlives this.
  void notify_through(delivery::Delivery& delivery) { delivery_ = &delivery; }
  // Removes orphaned files and reads buckets and uploads. Once, before anything else. Blocks.
  Result<void> load();
  // From now on lifecycle rules are carried out.
  void start();
  void stop();

  // Buckets. ------------------------------------------------------------------------------------------------------
  // Errors: kInvalidBucketName, kBucketAlreadyExists, kTooManyBuckets; kBucketAlreadyOwnedByYou outside us-east-1,
  // where AWS answers 200 for one's own bucket.
  Result<BucketPointer> create_bucket(std::string_view account, std::string_view region, std::string_view name);
  Result<storage::CommitNumber> delete_bucket(std::string_view account, std::string_view name);  // kBucketNotEmpty
  Result<BucketPointer> bucket(std::string_view account, std::string_view name) const;
  std::vector<BucketPointer> buckets(std::string_view account) const;  // by name
  BucketPointer bucket_of_any(std::string_view name) const;            // whoever owns it; nullptr: there is none
  // nullopt: removes it.
  Result<storage::CommitNumber> set_lifecycle(std::string_view account, std::string_view bucket,
                                              std::optional<LifecycleConfiguration> rules);
  Result<storage::CommitNumber> set_setting(std::string_view account, std::string_view bucket, std::string_view name,
                                            std::optional<codec::Json> document);
  // Replaces all; queues and topics get a test event. Errors: kInvalidArgument for destinations that do not exist or
  // are of another region, unless they are not to be checked.
  enum class DestinationCheck { kCheck, kSkip };
  Result<storage::CommitNumber> set_notifications(std::string_view account, std::string_view bucket,
                                                  NotificationConfiguration configuration, DestinationCheck check,
                                                  const Origin& origin = {});
  // Removes all buckets of the account with what is in them; for admin calls. Blocks.
  Result<storage::CommitNumber> reset(std::string_view account);

  // Until it goes away no object's file is removed: for a backup. May outlive this.
  std::shared_ptr<void> hold_files();

  // Objects. ------------------------------------------------------------------------------------------------------
  ObjectWriter writer(ObjectWriter::Use use, std::set<crypto::Algorithm> digests, std::uint64_t expected_bytes);
  // REQUIRES: `writer` is sealed. Errors: kPreconditionFailed, kNoSuchKey (If-Match), kKeyTooLong.
  Result<ObjectInfo> put_object(std::string_view account, std::string_view bucket, PutRequest request,
                                ObjectWriter writer);
  Result<ObjectInfo> head_object(std::string_view account, std::string_view bucket, std::string_view key) const;
  // Does not look at the storage class.
  Result<OpenedObject> open_object(std::string_view account, std::string_view bucket, std::string_view key) const;
  // Bytes are not copied but linked (small ones copied); those made of parts are read once for their new ETag. Blocks.
  // Errors: kNoSuchKey, kPreconditionFailed, kInvalidObjectState, kInvalidRequest (onto itself, nothing changed;
  // larger than 5 GiB).
  Result<ObjectInfo> copy_object(std::string_view account, CopyRequest request);
  // Reads, without the mutex, what a change of this object reads under it, so that nobody waits for the disk behind
  // whoever makes that change. What changes objects begins with it; of put_object() its caller does, as a writer cannot
  // be used twice. Errors: kNoSuchBucket; of the store, storage::kWouldBlock where the thread must not wait.
  Result<void> look_ahead(std::string_view account, std::string_view bucket, std::string_view key) const;
  // Success also when there is none.
  Result<storage::CommitNumber> delete_object(std::string_view account, std::string_view bucket, std::string_view key,
                                              const WriteConditions& conditions = {}, const Origin& origin = {});
  // One commit for all. Results in order. `after` gets the number of the commit.
  struct DeleteTarget {
    std::string key;
    std::string if_match;  // ETag, or empty
  };
  Result<std::vector<DeleteResult>> delete_objects(std::string_view account, std::string_view bucket,
                                                   const std::vector<DeleteTarget>& targets,
                                                   storage::CommitNumber& after, const Origin& origin = {});
  Result<ListPage> list_objects(std::string_view account, std::string_view bucket, const ListRequest& request) const;
  Result<storage::CommitNumber> set_object_tags(std::string_view account, std::string_view bucket, std::string_view key,
                                                Tags tags, const Origin& origin = {});  // kNoSuchKey
  // For delivery::Target: adds the new object "KEY_START-UUID" to `batch`; the function returned is to be called once
  // that is durable. Whoever owns the bucket. Error: delivery::kNoSuchTarget.
  Result<delivery::AfterCommit> stage_object(std::string_view bucket, std::string_view key_start, std::string_view data,
                                             storage::WriteBatch& batch);

  // Multipart uploads. Errors: kNoSuchUpload. ------------------------------------------------------------------------
  Result<UploadInfo> create_upload(std::string_view account, std::string_view bucket, UploadRequest request);
  Result<UploadInfo> upload(std::string_view account, std::string_view bucket, std::string_view key,
                            std::string_view upload_id) const;
  // REQUIRES: `writer` is sealed, made for a part and with the upload's digest.
  Result<PartInfo> put_part(std::string_view account, std::string_view bucket, std::string_view key,
                            std::string_view upload_id, int number, ObjectWriter writer);
  // Errors: kInvalidPart, kInvalidPartOrder, kEntityTooSmall, kBadDigest, kInvalidRequest, kPreconditionFailed.
  Result<ObjectInfo> complete_upload(std::string_view account, std::string_view bucket, std::string_view key,
                                     std::string_view upload_id, const CompleteRequest& request);
  Result<storage::CommitNumber> abort_upload(std::string_view account, std::string_view bucket, std::string_view key,
                                             std::string_view upload_id);
  // Parts with greater numbers than `after`, at most `max`, and whether there are more.
  Result<std::pair<std::vector<PartInfo>, bool>> list_parts(std::string_view account, std::string_view bucket,
                                                            std::string_view key, std::string_view upload_id, int after,
                                                            std::size_t max) const;
  // All of the bucket, by key, then by time.
  Result<std::vector<UploadInfo>> list_uploads(std::string_view account, std::string_view bucket) const;

  // For answers that leave out buckets or uploads that are gone: the commit of the last removal of one.
  storage::CommitNumber last_removal() const;

  // Whether a lifecycle scan is going on, and when the next one is due (kNever: none).
  Time next_lifecycle() const;
  platform::Scheduler& scheduler() { return scheduler_; }

 private:
  using BucketId = internal::BucketId;
  using ObjectRecord = internal::ObjectRecord;
  using PartTable = internal::PartTable;
  struct Change {
    storage::WriteBatch batch;
    std::vector<BlobId> settle;  // files that this commit refers to
    std::vector<BlobId> remove;  // files that it stops referring to
    std::vector<delivery::AfterCommit> after;
    bool removes = false;  // a bucket or an upload
  };
  struct Cause {
    ObjectEvent event = ObjectEvent::kPut;
    Origin origin;
  };
  struct Pending {  // submitted, perhaps not durable
    std::optional<ObjectRecord> record;
    PartTable parts;
    storage::CommitNumber number = 0;
  };
  struct Upload {
    internal::UploadRecord record;
    std::map<std::uint32_t, internal::PartRecord> parts;
    storage::CommitNumber after = 0;
  };
  struct Scan;
  struct Copied;

  // Those without "const" or with a Change: REQUIRES mutex_ held.
  Result<BucketPointer> find(std::string_view account, std::string_view name) const;
  storage::CommitNumber store_bucket(Bucket bucket, Change change);
  Result<std::optional<ObjectRecord>> current(BucketId bucket, std::string_view key) const;
  Result<PartTable> parts_of(BucketId bucket, std::string_view key, const ObjectRecord& record) const;
  Result<void> discard_contents(Change& change, BucketId bucket, std::string_view key, const ObjectRecord& old) const;
  // Errors wait for the last commit, which they may have seen.
  Result<void> check(const WriteConditions& conditions, const std::optional<ObjectRecord>& current) const;
  Result<ObjectInfo> replace(Change change, const BucketPointer& bucket, std::string_view key, ObjectRecord record,
                             std::string_view data, PartTable parts, const WriteConditions& conditions,
                             const Cause& cause);
  Result<void> erase(Change& change, BucketId bucket, std::string_view key, const ObjectRecord& old);
  void overlay(BucketId bucket, std::string_view key, std::optional<ObjectRecord> record, PartTable parts,
               storage::CommitNumber number);
  storage::CommitNumber submit(Change change);
  Result<bool> is_empty(BucketId bucket) const;
  Result<Upload*> find_upload(BucketId bucket, std::string_view key, std::string_view upload_id) const;
  void drop_upload(Change& change, std::string_view upload_id, const std::set<BlobId>& kept);
  UploadInfo describe(const Bucket& bucket, std::string_view id, const Upload& upload) const;

  Result<void> look_ahead_all(const std::vector<BucketPointer>& buckets) const;
  Error damaged(std::string_view what, std::string_view key) const;  // which is noted
  Result<std::optional<ObjectRecord>> committed(BucketId bucket, std::string_view key) const;
  Result<OpenedObject> open_committed(const BucketPointer& bucket, std::string_view key) const;
  Result<Copied> copy_contents(const OpenedObject& source, const CopyRequest& request);
  Result<void> digest_contents(const OpenedObject& source, ChecksumAlgorithm algorithm, Copied& copied);
  Result<void> link_contents(const OpenedObject& source, Copied& copied);
  using Buckets = std::map<std::string, BucketPointer, std::less<>>;
  using Uploads = std::map<std::string, Upload, std::less<>>;
  Result<Buckets> read_buckets() const;
  Result<Uploads> read_uploads() const;
  // Makes buckets and uploads in memory what the store holds, and forgets what was pending.
  Result<void> restore();

  // notifications.cc
  void notify(Change& change, const Bucket& bucket, const ObjectInfo& object, ObjectEvent event, const Origin& origin);
  bool send(Change& change, const std::string& arn, std::string body);

  // lifecycle_runner.cc
  void lifecycle_due(BucketId bucket, Time when);
  void arm_lifecycle();
  void run_lifecycle();
  void scan_on(std::shared_ptr<Scan> scan);
  Result<void> scan_chunk(Scan& scan);
  Result<void> apply_lifecycle(Scan& scan, const std::vector<std::string>& keys);
  Result<bool> apply_to_object(Scan& scan, Change& change, const Bucket& bucket, const std::string& key,
                               std::optional<ObjectRecord>& record);
  void abort_due_uploads(const Bucket& bucket, Scan& scan, Change& change);
  void finish_scan(const Scan& scan);

  platform::Scheduler& scheduler_;
  platform::Random& random_;
  storage::Store& store_;
  storage::Commits& commits_;
  storage::ServiceCommits service_commits_;
  const std::shared_ptr<internal::BlobKeeper> keeper_;
  internal::Space space_;
  delivery::Delivery* delivery_ = nullptr;

  mutable std::mutex mutex_;
  storage::CommitNumber last_commit_ = 0;
  storage::CommitNumber last_removal_ = 0;  // of a bucket or an upload
  Buckets buckets_;
  Uploads uploads_;
  std::map<std::string, Pending, std::less<>> pending_;  // by object_key()
  std::deque<std::pair<storage::CommitNumber, std::string>> pending_order_;
  std::map<BucketId, std::weak_ptr<int>> staged_;  // alive while objects of stage_object() are not committed
  storage::Numbers notifications_{storage::Series::kNotifications};
  std::map<BucketId, Time> lifecycle_due_;
  platform::Timer lifecycle_timer_;
  Time lifecycle_timer_at_ = kNever;
  bool lifecycle_started_ = false;
  bool lifecycle_running_ = false;
};

// AWS: "General purpose bucket naming rules".
bool is_bucket_name(std::string_view name);
// AWS: canonical user id of an account; ours is derived from its number.
std::string canonical_user(std::string_view account);

}  // namespace millrace::s3
