// What a CloudFormation resource type is to the stack engine: a table of properties and four verbs.
//
// A type is one file of `resources`. It calls the services' own operations through Work::call, so that validation and
// texts are theirs, and returns the physical id (what Ref gives) and the attributes (what Fn::GetAtt gives).
//
// Types are stateless; their verbs run on the stack's own thread and may block. A verb is called again with the same
// Work after a crash of the server: see create() and remove().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/scope.h"
#include "wire/operations.h"

namespace millrace::stacks {

using wire::Document;

// AWS: "Update requires" of the template reference.
enum class Update : std::uint8_t {
  kInPlace,  // No interruption, some interruptions
  kReplace,  // Replacement
  kRefused,  // Updates are not supported
};

enum class Effect : std::uint8_t {
  kEffective,
  kRecorded,  // AWS knows it; it has no effect here, and the stack says so
};

struct Property {
  std::string_view name;
  Update update = Update::kInPlace;
  Effect effect = Effect::kEffective;
  bool required = false;
};

struct Work;
struct Resource;

// Stacks that are resources of stacks: what AWS::CloudFormation::Stack calls. The contracts are those of its verbs.
class NestedStacks {
 public:
  virtual ~NestedStacks() = default;
  virtual Result<Resource> create(const Work& work) = 0;
  virtual Result<Resource> update(const Work& work) = 0;
  virtual Result<void> remove(const Work& work) = 0;
};

// One resource in the hands of its type.
struct Work {
  wire::Calls& calls;
  wire::Caller caller;
  std::string stack_name;
  std::string stack_id;  // ARN
  std::string logical_id;
  std::string type;                              // as in the template: "Custom::Thing"
  std::string suffix;                            // 12 letters and digits, the same for every call about this resource
  Document properties = Document::object();      // resolved: no intrinsic functions, no AWS::NoValue
  Document old_properties = Document::object();  // update(): those in effect; else empty
  std::string physical_id;                       // update(), remove(), read(); remove(): "" = not known, see there
  std::map<std::string, std::string> tags;       // of the stack, and aws:cloudformation:*: not in `properties`
  // Tells the engine the physical id before create() has returned: for types that need several calls. Should a later
  // call fail, or the server die, remove() gets this id.
  std::function<void(const std::string& physical_id)> created;
  // Waits for what arrives from outside (custom resources). Opened before the function is invoked.
  std::function<std::string()> open_answer;  // -> token; Stacks::answer(token, document) delivers
  // kTimeout after so much (movable) time; kUnavailable when the server stops (the operation is continued or rolled
  // back after the restart).
  std::function<Result<Document>(const std::string& token, std::chrono::seconds timeout)> await_answer;
  // "http://127.0.0.1:4566": where functions reach this server.
  std::string endpoint{};
  std::map<std::string, std::string> old_tags{};  // update(): of the stack, those in effect
  NestedStacks* nested = nullptr;

  Result<Document> call(std::string_view service, std::string_view operation, Document input) const {
    return calls.call(service, operation, caller, std::move(input));
  }
  const Document* property(std::string_view name) const { return properties.find(name); }
  // AWS: what a resource without a name of its own is called: STACK-LOGICALID-SUFFIX, shortened from the left parts to
  // fit, in lower case for buckets. The same for every call about this resource.
  std::string generated_name(std::size_t bytes_max, bool lower_case = false) const;
  // The physical id where it is known, else the property, else the generated name.
  std::string name_or_generated(std::string_view property, std::size_t bytes_max, bool lower_case = false) const;
};

inline constexpr ErrorType kTimeout{"Timeout", 400, ErrorKind::kServer};
// What waiting ends with when the operation is given up, since another resource has failed or somebody asked for it.
inline constexpr ErrorType kCancelled{"Cancelled", 400, ErrorKind::kServer};
// An error whose message is the reason as it stands; others are shown as the answer of a service.
inline constexpr ErrorType kResourceFailed{"ResourceFailed", 400};

struct Resource {
  std::string physical_id;                   // Ref
  Document attributes = Document::object();  // Fn::GetAtt by name; nested names as "Endpoint.Address"
  std::string ref;                           // what Ref gives where it is not the physical id
  bool hides_attributes = false;             // NoEcho: shown as **** in events
};

class ResourceType {
 public:
  virtual ~ResourceType() = default;
  // "AWS::SQS::Queue"; "Custom::*" serves all names with that prefix.
  virtual std::string_view name() const = 0;
  virtual std::span<const Property> properties() const = 0;
  // Attributes that Fn::GetAtt may ask for; a template that asks for another one is refused. Empty: any.
  virtual std::vector<std::string_view> attributes() const { return {}; }
  // true: takes properties that are not in properties() (custom resources).
  virtual bool is_open() const { return false; }
  // true: every update of the stack updates it, since there is more to it than its properties (nested stacks).
  virtual bool always_updates() const { return false; }

  // Whether something of the name that `work.properties` gives is there already: asked before create(), answered with
  // AWS's "X already exists in stack ..." text. Only for types whose create() would not fail by itself then.
  virtual Result<bool> exists(const Work& /*work*/) const { return false; }
  // Makes it. An error means that nothing is left of it, unless Work::created() was called: then remove() follows.
  // After a crash in the middle it is not called again: remove() follows and the stack rolls back.
  virtual Result<Resource> create(const Work& work) const = 0;
  // Changes `work.physical_id` from old_properties to properties, all of whose differences are kInPlace. A physical id
  // other than the old one means that it was replaced: remove() of the old one follows later. Must be repeatable.
  virtual Result<Resource> update(const Work& work) const = 0;
  // Removes it; what is not there any more is a success. With an empty physical id (the server died while create()
  // ran) it removes what can be found by name, or nothing.
  virtual Result<void> remove(const Work& work) const = 0;
  // The resource as it is, for import and for `ImportExistingResources`; kNotFound when it is not there.
  virtual Result<Resource> read(const Work& work) const;
  // Refines the table: which update a change from `work.old_properties` to `work.properties` means as a whole.
  // The default: the strongest of the properties that differ.
  virtual Update update_kind(const Work& work) const;
};

// The types that are served, by name, and those that are skipped: recorded with a physical id instead of being made,
// served or not. Thread-safe after the add() and skip() calls.
class TypeRegistry {
 public:
  void add(std::unique_ptr<ResourceType> type);
  // In all stacks: a type, or the beginning of types and "*" ("AWS::EC2::*").
  void skip(std::string pattern) { skipped_.push_back(std::move(pattern)); }
  // Whether a resource of that type of the template is skipped: by skip(), or by the template's
  // `Metadata: {Millrace::Skip: [pattern, ...]}`.
  bool is_skipped(const Document& document, std::string_view type) const;
  // As find(); skipped_type() where the type is skipped.
  const ResourceType* find_in(const Document& document, std::string_view name) const;
  // nullptr: not served.
  const ResourceType* find(std::string_view name) const;
  std::vector<std::string_view> names() const;

 private:
  std::map<std::string, std::unique_ptr<ResourceType>, std::less<>> types_;
  std::vector<std::string> skipped_;
};

// Takes any property, makes nothing.
const ResourceType& skipped_type();
// What Fn::GetAtt gives of a skipped resource: an ARN for names that end so, else the property of that name if it is a
// text or a number, else a text that tells where it comes from.
Document skipped_attribute(const Scope& scope, std::string_view type, const std::string& physical_id,
                           const Document& properties, std::string_view attribute);

inline constexpr std::string_view kSkipMetadata = "Millrace::Skip";

}  // namespace millrace::stacks
