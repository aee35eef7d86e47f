//===- Trace.cpp - All values of a run, to compare two runs ---------------===//
//
// Values are matched by step, layer, op, result and location, in order of
// occurrence, and only where both runs have equally many of a kind.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/Trace.h"

#include "llvm/ADT/StringExtras.h"

#include <cmath>
#include <limits>
#include <map>
#include <tuple>

namespace dsv2 {

void Trace::add(mlir::Operation *op, unsigned result, int64_t layer, int64_t step,
                const Tensor &value) {
  std::string name = op->getName().getStringRef().str();
  bool milestone = name == "dsv2.layers" || name == "dsv2.embed";
  values.push_back({name, op->getLoc(), result, layer, step, milestone, value});
}

std::string elementText(const std::vector<int64_t> &element) {
  return "[" +
         llvm::join(llvm::map_range(element, [](int64_t i) { return std::to_string(i); }), ", ") +
         "]";
}

Difference compare(const Tensor &expected, const Tensor &actual) {
  Difference worst;
  double largest = 0, distance = 0;
  size_t at = 0;
  for (size_t i = 0; i < expected.values.size(); ++i) {
    double x = expected.values[i], y = actual.values[i];
    largest = std::max(largest, std::abs(x));
    double d = x == y || (std::isnan(x) && std::isnan(y)) ? 0.0 : std::abs(y - x);
    // Written so that a NaN counts as the largest distance.
    if (!(d <= distance)) {
      distance = std::isnan(d) ? std::numeric_limits<double>::infinity() : d;
      at = i;
    }
  }
  if (distance == 0) {
    return worst;
  }
  worst.relative = distance / std::max(largest, std::numeric_limits<double>::min());
  worst.expected = expected.values[at];
  worst.actual = actual.values[at];
  worst.element.resize(expected.shape.size());
  for (int64_t d = expected.rank() - 1; d >= 0; --d) {
    worst.element[d] = int64_t(at) % expected.shape[d];
    at /= expected.shape[d];
  }
  return worst;
}

namespace {
/// What makes two values of two runs the same value. A milestone's location is not
/// part of it: a pass may rebuild the loop over layers.
using Key = std::tuple<int64_t, int64_t, std::string, unsigned, const void *>;

Key keyOf(const TracedValue &value) {
  const void *location =
      value.isMilestone ? nullptr : mlir::LocationAttr(value.location).getAsOpaquePointer();
  return {value.step, value.layer, value.op, value.result, location};
}

std::map<Key, std::vector<const TracedValue *>> byKey(const Trace &trace) {
  std::map<Key, std::vector<const TracedValue *>> result;
  for (const TracedValue &value : trace.values) {
    result[keyOf(value)].push_back(&value);
  }
  return result;
}
} // namespace

static Divergence findMovedValue(const Trace &before, const Trace &after, double tolerance) {
  auto old = byKey(before), now = byKey(after);
  std::map<Key, size_t> seen;
  Divergence first;     // first moved value of this stretch
  Divergence unmatched; // first new op of this stretch
  for (const TracedValue &value : after.values) {
    Key key = keyOf(value);
    size_t occurrence = seen[key]++;
    const std::vector<const TracedValue *> &candidates = old[key];
    bool matched = candidates.size() == now[key].size() &&
                   candidates[occurrence]->value.shape == value.value.shape;
    if (!matched) {
      if (!unmatched.value) {
        unmatched = {&value, {}, false};
      }
      continue;
    }
    Difference difference = compare(candidates[occurrence]->value, value.value);
    bool moved = difference.relative > tolerance;
    if (moved && !first.value) {
      first = {&value, difference, true};
    }
    if (!value.isMilestone) {
      continue;
    }
    if (moved) {
      // The stretch that ends here holds the culprit: a value that both runs have,
      // else the first op that only the new one has.
      bool onlyMilestone = first.value == &value;
      return onlyMilestone && unmatched.value ? unmatched : first;
    }
    first = unmatched = {};
  }
  return first.value ? first : unmatched;
}

Divergence findDivergence(const Trace &before, const Trace &after, double tolerance) {
  Divergence divergence = findMovedValue(before, after, tolerance);
  if (!divergence.value) {
    return divergence;
  }
  auto old = byKey(before), now = byKey(after);
  auto isNear = [&](const TracedValue &value) {
    return value.step == divergence.value->step && value.layer == divergence.value->layer;
  };
  for (const TracedValue &value : before.values) {
    if (isNear(value) && !now.count(keyOf(value))) {
      divergence.vanished = &value;
      break;
    }
  }
  for (const TracedValue &value : after.values) {
    auto counterparts = old.find(keyOf(value));
    if (isNear(value) && counterparts != old.end() && counterparts->second.size() == 1 &&
        counterparts->second.front()->value.shape != value.value.shape) {
      divergence.reshaped = &value;
      divergence.original = counterparts->second.front();
      break;
    }
  }
  return divergence;
}

} // namespace dsv2
