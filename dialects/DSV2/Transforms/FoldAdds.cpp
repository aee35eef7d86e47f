//===- FoldAdds.cpp - projections that add -------------------------------------===//
//
// A residual added by the projection itself costs no pass over its result.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/Transforms/Passes.h"

namespace mlir::dsv2 {
#define GEN_PASS_DEF_FOLDADDSPASS
#include "dialects/DSV2/Transforms/Passes.h.inc"
} // namespace mlir::dsv2

using namespace mlir;
using namespace mlir::dsv2;

namespace {

/// The projection behind `value` that can add to its result; null if there is none.
LinearOp findProjection(Value value, AddOp add) {
  auto linear = value.getDefiningOp<LinearOp>();
  bool fits =
      linear && value.hasOneUse() && !linear.getAdd() && linear->getBlock() == add->getBlock();
  return fits ? linear : LinearOp();
}

struct FoldAddsPass : public mlir::dsv2::impl::FoldAddsPassBase<FoldAddsPass> {
  using FoldAddsPassBase::FoldAddsPassBase;

  void runOnOperation() override {
    SmallVector<AddOp> adds;
    getOperation().walk([&](AddOp add) { adds.push_back(add); });
    for (AddOp add : adds) {
      fold(add);
    }
  }

  void fold(AddOp add) {
    LinearOp left = findProjection(add.getLhs(), add);
    LinearOp right = findProjection(add.getRhs(), add);
    LinearOp linear = left && (!right || right->isBeforeInBlock(left)) ? left : right;
    if (!linear) {
      return;
    }
    Value other = linear == left ? add.getRhs() : add.getLhs();
    // Where the sum stood: the other operand may come after the projection.
    OpBuilder builder(add);
    Value sum = LinearOp::create(builder, add.getLoc(), linear.getX(), linear.getWeight(),
                                 linear.getBias(), other, linear.getActivationAttr());
    add.getResult().replaceAllUsesWith(sum);
    add.erase();
    linear.erase();
    ++numFolded;
  }
};

} // namespace
