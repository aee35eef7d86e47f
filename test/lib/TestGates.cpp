//===- TestGates.cpp - Gate methods that are wrong ------------------------===//
//
// One plain gate with every mistake as a branch. It shares nothing with the
// oracle's own gate but scores and sorting, so neither can hide the other's fault.
//
//===----------------------------------------------------------------------===//
#include "TestGates.h"

#include "lib/Reference/GateExtension.h"
#include "lib/Reference/Ops/Attention.h"
#include "lib/Reference/Ops/Linear.h"

#include "mlir/IR/DialectImplementation.h"

#include <cmath>
#include <limits>

MLIR_DEFINE_EXPLICIT_TYPE_ID(::dsv2::TestDialect)
MLIR_DEFINE_EXPLICIT_TYPE_ID(::dsv2::WrongGateAttr)

namespace dsv2 {

using namespace mlir;
namespace ir = mlir::dsv2;

//===----------------------------------------------------------------------===//
// The attribute
//===----------------------------------------------------------------------===//

namespace detail {
struct WrongGateStorage : public AttributeStorage {
  using KeyTy = std::pair<int, Attribute>;
  explicit WrongGateStorage(KeyTy key) : key(key) {}
  bool operator==(const KeyTy &other) const { return key == other; }
  static WrongGateStorage *construct(AttributeStorageAllocator &allocator, const KeyTy &key) {
    return new (allocator.allocate<WrongGateStorage>()) WrongGateStorage(key);
  }
  KeyTy key;
};
} // namespace detail

WrongGateAttr WrongGateAttr::get(GateMistake mistake, ir::GateMethodInterface method) {
  return Base::get(method.getContext(), int(mistake), Attribute(method));
}
GateMistake WrongGateAttr::getMistake() const { return GateMistake(getImpl()->key.first); }
ir::GateMethodInterface WrongGateAttr::getMethod() const {
  return cast<ir::GateMethodInterface>(getImpl()->key.second);
}

//===----------------------------------------------------------------------===//
// What it computes
//===----------------------------------------------------------------------===//

namespace {

/// The `count` largest, best first; ties to the lowest number, or to the highest.
std::vector<int64_t> best(const std::vector<double> &values, int64_t count, bool lastOfTies) {
  std::vector<int64_t> order(values.size());
  for (size_t i = 0; i < order.size(); ++i) {
    order[i] = int64_t(i);
  }
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return values[a] != values[b] ? values[a] > values[b] : lastOfTies ? a > b : a < b;
  });
  order.resize(std::min<size_t>(order.size(), count));
  return order;
}

/// The experts that one token chooses by `choice`, which the group limit changes.
std::vector<int64_t> choose(std::vector<double> choice, const GateSpec &spec, GateMistake mistake) {
  bool lastOfTies = mistake == GateMistake::LastOfTies;
  bool addsTwo =
      spec.bias ? mistake != GateMistake::BestOfGroup : mistake == GateMistake::SumOfGroup;
  int64_t size = int64_t(choice.size()) / spec.groups;
  std::vector<double> counts;
  for (int64_t g = 0; g < spec.groups; ++g) {
    std::vector<double> group(choice.begin() + g * size, choice.begin() + (g + 1) * size);
    std::sort(group.rbegin(), group.rend());
    counts.push_back(addsTwo && size > 1 ? group[0] + group[1] : group[0]);
  }
  std::vector<bool> isKept(spec.groups);
  for (int64_t g : best(counts, spec.keep, lastOfTies)) {
    isKept[g] = true;
  }
  double fill = mistake == GateMistake::FillZero ? 0.0 : -std::numeric_limits<double>::infinity();
  for (size_t e = 0; e < choice.size(); ++e) {
    choice[e] = isKept[int64_t(e) / size] ? choice[e] : fill;
  }
  return best(choice, spec.topK, lastOfTies);
}

class WrongGates : public GateExtension {
public:
  explicit WrongGates(Dialect *dialect) : GateExtension(dialect) {}

  GateResult run(ir::GateMethodInterface method, const Tensor &x, const Tensor &w,
                 const GateSpec &spec) const override {
    GateMistake mistake = cast<WrongGateAttr>(Attribute(method)).getMistake();
    Tensor logits = linear(x, w);
    GateResult result{Tensor({x.rows(), spec.topK}), IntTensor({x.rows(), spec.topK})};
    for (int64_t t = 0; t < x.rows(); ++t) {
      std::vector<double> scores(logits.row(t), logits.row(t) + w.rows());
      if (spec.bias) {
        for (double &score : scores) {
          score = 1 / (1 + std::exp(-score));
        }
      } else {
        softmax(scores.data(), int64_t(scores.size()));
      }
      std::vector<double> choice = scores;
      for (size_t e = 0; spec.bias && e < choice.size(); ++e) {
        choice[e] += spec.bias->values[e];
      }
      std::vector<int64_t> ids = choose(choice, spec, mistake);
      const std::vector<double> &from = mistake == GateMistake::BiasedWeights ? choice : scores;
      double sum = 0;
      for (int64_t id : ids) {
        sum += from[id];
      }
      bool normalize = spec.normalize && (spec.bias || spec.topK > 1);
      for (int64_t k = 0; k < spec.topK; ++k) {
        double weight = normalize ? from[ids[k]] / (sum + 1e-20) : from[ids[k]];
        result.weights.row(t)[k] = normalize && !spec.bias ? weight : weight * spec.scale;
        result.ids.row(t)[k] = ids[k];
      }
    }
    return result;
  }
};

} // namespace

//===----------------------------------------------------------------------===//
// The dialect
//===----------------------------------------------------------------------===//

TestDialect::TestDialect(MLIRContext *context)
    : Dialect(getDialectNamespace(), context, TypeID::get<TestDialect>()) {
  addAttributes<WrongGateAttr>();
  addInterfaces<WrongGates>();
}

void TestDialect::printAttribute(Attribute attribute, DialectAsmPrinter &printer) const {
  static const char *const names[] = {"sum-of-group", "best-of-group", "fill-zero", "last-of-ties",
                                      "biased-weights"};
  auto gate = cast<WrongGateAttr>(attribute);
  printer << "gate<\"" << names[int(gate.getMistake())] << "\" for " << gate.getMethod() << ">";
}

} // namespace dsv2
