//===- WrongForms.cpp - Wrong edits of the relatives' forms ---------------===//
//
// Grouped queries, biases, parts of a context, multi-token prediction.
//
//===----------------------------------------------------------------------===//
#include "WrongEdits.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include "llvm/ADT/TypeSwitch.h"

namespace dsv2 {

using namespace mlir;
namespace ir = mlir::dsv2;

namespace {

int64_t headsOf(Value rows) { return cast<RankedTensorType>(rows.getType()).getDimSize(1); }

/// Heads of `rows` in the order 0, step, 2 * step, ..., 1, step + 1, ...
Value takeHeads(OpBuilder &builder, Value rows, int64_t step) {
  SmallVector<Value> parts;
  OpFoldResult size = builder.getIndexAttr(headsOf(rows) / step);
  for (int64_t i = 0; i < step; ++i) {
    parts.push_back(sliceRows(builder, rows, 1, builder.getIndexAttr(i), size, step));
  }
  return tensor::ConcatOp::create(builder, rows.getLoc(), cast<RankedTensorType>(rows.getType()), 1,
                                  parts);
}

/// Query head h reads key head h modulo their number instead of h over the group's size.
void interleaveQueryHeads(ModuleOp module) {
  forEach<ir::AttentionOp>(module, [](ir::AttentionOp op) {
    int64_t keyHeads = headsOf(op.getKNope()), group = headsOf(op.getQNope()) / keyHeads;
    OpBuilder builder(op);
    op.getQNopeMutable().assign(takeHeads(builder, op.getQNope(), keyHeads));
    builder.setInsertionPointAfter(op);
    Value back = takeHeads(builder, op.getResult(), group);
    op.getResult().replaceUsesWithIf(back, [](OpOperand &use) {
      return !isa<tensor::TensorDialect>(use.getOwner()->getDialect());
    });
  });
}

/// V for K and K for V.
void swapKeysAndValues(ModuleOp module) {
  forEach<ir::AttentionOp>(module, [](ir::AttentionOp op) {
    Value k = op.getKNope(), v = op.getV();
    if (k.getType() == v.getType()) {
      op.getKNopeMutable().assign(v);
      op.getVMutable().assign(k);
    }
  });
}

/// The first cached token, which attention likes to look at, is never seen.
void skipFirstToken(ModuleOp module) {
  forEach<ir::AttentionOp>(module, [](ir::AttentionOp op) {
    op.setPartAttr(ir::ContextAttr::get(op.getContext(), 1, std::nullopt));
  });
}

/// Projections without their biases.
void forgetBiases(ModuleOp module) {
  forEach<ir::LinearOp, ir::MLACompressOp>(module, [](Operation *op) {
    llvm::TypeSwitch<Operation *>(op).Case<ir::LinearOp, ir::MLACompressOp>(
        [](auto projection) { projection.getBiasMutable().clear(); });
  });
}

/// MLPs without their biases.
void forgetMlpBiases(ModuleOp module) {
  forEach<ir::MLPOp, ir::SharedExpertsOp>(module, [](Operation *op) {
    llvm::TypeSwitch<Operation *>(op).Case<ir::MLPOp, ir::SharedExpertsOp>([](auto mlp) {
      mlp.getBiasGateMutable().clear();
      mlp.getBiasUpMutable().clear();
      mlp.getBiasDownMutable().clear();
    });
  });
}

/// [hnorm(hidden) | enorm(embedding)] instead of the other way round.
void swapDraftInputs(ModuleOp module) {
  forEach<tensor::ConcatOp>(module, [](tensor::ConcatOp op) {
    if (op.getInputs().size() == 2 && op.getDim() == 1) {
      SmallVector<Value> swapped{op.getInputs()[1], op.getInputs()[0]};
      op.getInputsMutable().assign(swapped);
    }
  });
}

/// Scales of another tensor, as a wrong index into a table of scales gives.
void takeWrongScales(ModuleOp module) {
  for (auto family : module.getOps<ir::WeightsOp>()) {
    if (StringAttr scales = family.getScalesAttr()) {
      family.setScalesAttr(StringAttr::get(module.getContext(), scales.getValue() + ".wrong"));
    }
  }
}

} // namespace

ArrayRef<WrongEdit> wrongFormEdits() {
  static const WrongEdit edits[] = {
      {"test-interleave-query-heads", "query heads grouped by remainder", interleaveQueryHeads},
      {"test-swap-keys-and-values", "V for K and K for V", swapKeysAndValues},
      {"test-skip-first-token", "a context without its first token", skipFirstToken},
      {"test-forget-biases", "projections without biases", forgetBiases},
      {"test-forget-mlp-biases", "MLPs without biases", forgetMlpBiases},
      {"test-swap-draft-inputs", "[hidden | embedding] at multi-token prediction", swapDraftInputs},
      {"test-take-wrong-scales", "scales of another weight", takeWrongScales},
  };
  return edits;
}

} // namespace dsv2
