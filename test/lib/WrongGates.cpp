//===- WrongGates.cpp - Wrong edits of gates ------------------------------===//
//
// The choice among experts is inside one op, so most of these need a gate method
// of the test dialect; what an attribute can say is said by the attribute.
//
//===----------------------------------------------------------------------===//
#include "TestGates.h"
#include "WrongEdits.h"

namespace dsv2 {

using namespace mlir;
namespace ir = mlir::dsv2;

namespace {

template <GateMistake mistake> void makeMistake(ModuleOp module) {
  module.getContext()->getOrLoadDialect<TestDialect>();
  forEach<ir::GateOp>(module, [](ir::GateOp op) {
    op.setMethodAttr(
        cast<ir::GateMethodInterface>(Attribute(WrongGateAttr::get(mistake, op.getMethod()))));
  });
}

void forgetNormalization(ModuleOp module) {
  forEach<ir::GateOp>(module, [](ir::GateOp op) { op.setNormalize(false); });
}

void normalizeWeights(ModuleOp module) {
  forEach<ir::GateOp>(module, [](ir::GateOp op) { op.setNormalize(true); });
}

void forgetGateScale(ModuleOp module) {
  forEach<ir::GateOp>(module, [](ir::GateOp op) { op.setScale(APFloat(1.0)); });
}

} // namespace

ArrayRef<WrongEdit> wrongGateEdits() {
  static const WrongEdit edits[] = {
      {"test-sum-of-group", "groups by their two best, not their best",
       makeMistake<GateMistake::SumOfGroup>},
      {"test-best-of-group", "groups by their best, not their two best",
       makeMistake<GateMistake::BestOfGroup>},
      {"test-fill-masked-with-zero", "0, not -inf, for masked experts",
       makeMistake<GateMistake::FillZero>},
      {"test-last-of-ties", "ties to the highest number", makeMistake<GateMistake::LastOfTies>},
      {"test-bias-in-weights", "weights with the correction in them",
       makeMistake<GateMistake::BiasedWeights>},
      {"test-forget-normalization", "weights that do not add up to 1", forgetNormalization},
      {"test-normalize-weights", "weights that add up to 1 and should not", normalizeWeights},
      {"test-forget-gate-scale", "weights without the routed scale", forgetGateScale},
  };
  return edits;
}

} // namespace dsv2
