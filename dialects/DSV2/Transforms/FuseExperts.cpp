//===- FuseExperts.cpp - one group of experts ----------------------------------===//
//
// Routed and shared experts, each with separate gate and up, are five contractions of different
// shapes. As slots of one group with merged gate and up they are two grouped ones.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/Transforms/DerivedWeights.h"
#include "dialects/DSV2/Transforms/Passes.h"

namespace mlir::dsv2 {
#define GEN_PASS_DEF_FUSEEXPERTSPASS
#include "dialects/DSV2/Transforms/Passes.h.inc"
} // namespace mlir::dsv2

using namespace mlir;
using namespace mlir::dsv2;

namespace {

/// Routed experts, and the shared ones that are added to them (or null).
struct ExpertGroup {
  RoutedExpertsOp routed;
  SharedExpertsOp shared;
  AddOp sum;
};

struct FuseExpertsPass : public mlir::dsv2::impl::FuseExpertsPassBase<FuseExpertsPass> {
  using FuseExpertsPassBase::FuseExpertsPassBase;

  void runOnOperation() override {
    if (mode != "auto" && mode != "on" && mode != "off" && mode != "merge") {
      getOperation().emitError("fuse-experts mode is '")
          << mode << "', expected auto, on, off or merge";
      return signalPassFailure();
    }
    if (mode == "off") {
      return;
    }
    DerivedWeights weights(getOperation());
    SmallVector<RoutedExpertsOp> groups;
    getOperation().walk([&](RoutedExpertsOp op) { groups.push_back(op); });
    for (RoutedExpertsOp routed : groups) {
      if (failed(fuse(routed, weights))) {
        return signalPassFailure();
      }
    }
    weights.eraseUnused();
  }

  LogicalResult fuse(RoutedExpertsOp routed, DerivedWeights &weights);
  void rewrite(ExpertGroup group, DerivedWeights &weights);
};

int64_t dimOf(Value value, unsigned dim) {
  return cast<RankedTensorType>(value.getType()).getDimSize(dim);
}

Type elementOf(Value value) { return cast<RankedTensorType>(value.getType()).getElementType(); }

/// Two values are one if they are equal, or equal roundings of one.
bool sameInput(Value a, Value b) {
  return a == b || (a.getType() == b.getType() && stripCasts(a) == stripCasts(b));
}

/// The shared experts whose sum with `routed` is its only use.
ExpertGroup findGroup(RoutedExpertsOp routed) {
  ExpertGroup group{routed, {}, {}};
  if (!routed.getResult().hasOneUse()) {
    return group;
  }
  auto sum = dyn_cast<AddOp>(*routed.getResult().user_begin());
  if (!sum) {
    return group;
  }
  Value other = sum.getLhs() == routed.getResult() ? sum.getRhs() : sum.getLhs();
  auto shared = other.getDefiningOp<SharedExpertsOp>();
  if (shared && other.hasOneUse() && sameInput(routed.getX(), shared.getX())) {
    group.shared = shared;
    group.sum = sum;
  }
  return group;
}

/// Why the group cannot be fused; empty if it can.
std::string whyNot(const ExpertGroup &group, DerivedWeights &weights) {
  RoutedExpertsOp routed = group.routed;
  SharedExpertsOp shared = group.shared;
  SmallVector<Value> all{routed.getGate(), routed.getUp(), routed.getDown()};
  if (shared) {
    all.append({shared.getGate(), shared.getUp(), shared.getDown()});
  }
  for (Value weight : all) {
    if (!weights.familyOf(weight)) {
      return "a weight of its experts is no dsv2.weight";
    }
    if (elementOf(weight) != elementOf(all.front())) {
      std::string text;
      llvm::raw_string_ostream stream(text);
      stream << "its weights are of " << elementOf(all.front()) << " and " << elementOf(weight);
      return text;
    }
  }
  if (!shared) {
    return "";
  }
  int64_t width = dimOf(routed.getGate(), 1);
  int64_t sharedWidth = dimOf(shared.getGate(), 0);
  if (sharedWidth % width != 0) {
    return "the shared width " + std::to_string(sharedWidth) +
           " is no multiple of the routed width " + std::to_string(width);
  }
  if (shared.getBiasGate()) {
    return "the shared experts have a bias";
  }
  ActivationAttr activation = routed.getActivationAttr();
  if (routed.getInnerAttr() != shared.getInnerAttr() || activation != shared.getActivationAttr()) {
    return "routed and shared experts round differently";
  }
  // Cut into slots, the shared product must fall into the same groups as before.
  if (activation && sharedWidth != width &&
      (activation.getGroup() == 0 || width % activation.getGroup() != 0)) {
    return "groups of " + std::to_string(activation.getGroup()) +
           " activations do not divide the routed width " + std::to_string(width);
  }
  return "";
}

Value concat(OpBuilder &builder, Location location, int64_t dim, ValueRange parts) {
  return tensor::ConcatOp::create(builder, location, dim, parts);
}

} // namespace

LogicalResult FuseExpertsPass::fuse(RoutedExpertsOp routed, DerivedWeights &weights) {
  ExpertGroup group = mode == "merge" ? ExpertGroup{routed, {}, {}} : findGroup(routed);
  std::string reason = whyNot(group, weights);
  if (reason.empty()) {
    rewrite(group, weights);
    return success();
  }
  if (mode == "on" || mode == "merge") {
    return routed.emitError("cannot be fused: ") << reason;
  }
  routed.emitRemark("stays apart from shared experts: ") << reason;
  return success();
}

void FuseExpertsPass::rewrite(ExpertGroup group, DerivedWeights &weights) {
  RoutedExpertsOp routed = group.routed;
  SharedExpertsOp shared = group.shared;
  Operation *last = shared ? group.sum.getOperation() : routed.getOperation();
  OpBuilder builder(last);
  Location location = routed.getLoc();
  int64_t slots = shared ? dimOf(shared.getGate(), 0) / dimOf(routed.getGate(), 1) : 0;

  SmallVector<Value> gateUpSources{routed.getGate(), routed.getUp()};
  SmallVector<Value> downSources{routed.getDown()};
  if (shared) {
    gateUpSources.append({shared.getGate(), shared.getUp()});
    downSources.push_back(shared.getDown());
  }
  // [E,I,H] twice to [E,2I,H]; shared [s*I,H] twice to [s,2I,H] behind it.
  Value gateUp =
      weights.derive(builder, gateUpSources, "fused_gate_up", [&](OpBuilder &b, ValueRange w) {
        Value experts = concat(b, location, 1, {w[0], w[1]});
        if (!shared) {
          return experts;
        }
        Value behind = concat(b, location, 1,
                              {splitWeight(b, w[2], 0, slots), splitWeight(b, w[3], 0, slots)});
        return concat(b, location, 0, {experts, behind});
      });
  // [E,H,I]; shared [H,s*I] to [s,H,I] behind it.
  Value down = routed.getDown();
  if (shared) {
    down = weights.derive(builder, downSources, "fused_down", [&](OpBuilder &b, ValueRange w) {
      Value columns = splitWeight(b, w[1], 1, slots);
      Value behind = TransposeOp::create(b, location, columns, ArrayRef<int64_t>{1, 0, 2});
      return concat(b, location, 0, {w[0], behind});
    });
  }
  Value fused = FusedExpertsOp::create(builder, location, routed.getX(), routed.getWeights(),
                                       routed.getIds(), gateUp, down, static_cast<uint64_t>(slots),
                                       routed.getInnerAttr(), routed.getActivationAttr());
  last->getResult(0).replaceAllUsesWith(fused);
  if (shared) {
    Value rounding = shared.getX();
    group.sum.erase();
    shared.erase();
    if (rounding != routed.getX() && rounding.use_empty()) {
      rounding.getDefiningOp()->erase();
    }
  }
  routed.erase();
  ++numFused;
  numSharedSlots += slots;
}
