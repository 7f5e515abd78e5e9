// Parsed expressions: plain data. Values are borrowed from the Substitutions they were parsed with, which must outlive
// the tree (moving the Substitutions keeps the pointers valid). Thread-safe once built.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "model/attribute_value.h"

namespace millrace::expressions {

// One step into a document: a member of a map (the item itself for the first step) or an element of a list.
using PathStep = std::variant<std::string, std::uint32_t>;
struct Path {
  std::vector<PathStep> steps;  // the first one is a name
  const std::string& root() const { return std::get<std::string>(steps.front()); }
  std::string text() const;  // "[a, b, [0]]", as in error texts
  friend bool operator==(const Path&, const Path&) = default;
};

struct Operand {
  enum class Kind { kPath, kValue, kSize, kIfNotExists, kListAppend, kPlus, kMinus };
  Kind kind = Kind::kPath;
  Path path;                                     // kPath
  const model::AttributeValue* value = nullptr;  // kValue
  std::vector<Operand> arguments;                // the others
};

struct Condition {
  enum class Kind {
    kAnd,
    kOr,
    kNot,
    kEqual,
    kNotEqual,
    kLess,
    kLessOrEqual,
    kGreater,
    kGreaterOrEqual,
    kBetween,  // value, low, high
    kIn,       // value, candidates...
    kAttributeExists,
    kAttributeNotExists,
    kAttributeType,
    kBeginsWith,
    kContains,
  };
  Kind kind = Kind::kAnd;
  std::vector<Condition> children;  // kAnd, kOr: two; kNot: one
  std::vector<Operand> operands;
};

struct UpdateAction {
  enum class Kind { kSet, kRemove, kAdd, kDelete };
  Kind kind = Kind::kSet;
  Path path;
  Operand operand;  // not for kRemove
};
struct Update {
  std::vector<UpdateAction> actions;
};

using Projection = std::vector<Path>;

}  // namespace millrace::expressions
