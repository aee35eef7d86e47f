//===- WrongExperts.cpp - Wrong edits of experts and MLPs -----------------===//
//
// An expert that is wrong shows only in tokens that chose it.
//
//===----------------------------------------------------------------------===//
#include "WrongEdits.h"

#include "dialects/DSV2/Transforms/DerivedWeights.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace dsv2 {

using namespace mlir;
namespace ir = mlir::dsv2;

namespace {

/// The experts of a stacked weight in another order: `order` names slots.
Value reorder(OpBuilder &builder, Value stack, ArrayRef<int64_t> order) {
  SmallVector<Value> slots;
  for (int64_t expert : order) {
    slots.push_back(ir::sliceWeight(builder, stack, 0, expert, 1));
  }
  return tensor::ConcatOp::create(builder, stack.getLoc(), 0, slots);
}

/// Gives routed experts their last matrices in the order that `first` and then the
/// others, as they stand, make.
void reorderDown(ModuleOp module, StringRef name, ArrayRef<int64_t> first) {
  ir::DerivedWeights weights(module);
  forEach<ir::RoutedExpertsOp>(module, [&](ir::RoutedExpertsOp op) {
    int64_t experts = cast<RankedTensorType>(op.getDown().getType()).getDimSize(0);
    SmallVector<int64_t> order(first);
    for (int64_t e = int64_t(first.size()); e < experts; ++e) {
      order.push_back(e);
    }
    OpBuilder builder(op);
    op.getDownMutable().assign(
        weights.derive(builder, op.getDown(), name, [&](OpBuilder &b, ValueRange down) {
          return reorder(b, floatWeight(b, down[0]), order);
        }));
  });
}

void swapTwoExperts(ModuleOp module) { reorderDown(module, "experts_swapped", {1, 0}); }

/// Expert 1 is gone: its slot holds a copy of expert 0.
void loseAnExpert(ModuleOp module) { reorderDown(module, "experts_lost", {0, 0}); }

/// Replaces each sum that the shared experts take part in by its other operand.
void forgetSharedExpert(ModuleOp module) {
  forEach<ir::SharedExpertsOp>(module, [](ir::SharedExpertsOp op) {
    for (Operation *user : llvm::make_early_inc_range(op.getResult().getUsers())) {
      auto sum = cast<ir::AddOp>(user);
      sum.getResult().replaceAllUsesWith(sum.getLhs() == op.getResult() ? sum.getRhs()
                                                                        : sum.getLhs());
      sum.erase();
    }
    op.erase();
  });
}

/// The shared expert as a routed one that every token chooses: a gate of one expert
/// gives its softmax, 1, times the scale of the other gate.
void scaleSharedExpert(ModuleOp module) {
  ir::DerivedWeights weights(module);
  forEach<ir::SharedExpertsOp>(module, [&](ir::SharedExpertsOp op) {
    auto gates = op->getBlock()->getOps<ir::GateOp>();
    if (gates.empty()) {
      return;
    }
    ir::GateOp gate = *gates.begin();
    Location location = op.getLoc();
    OpBuilder builder(op);
    Value row = weights.derive(
        builder, gate.getWeight(), "gate_of_one",
        [](OpBuilder &b, ValueRange weight) { return ir::sliceWeight(b, weight[0], 0, 0, 1); });
    SmallVector<Value> stacks;
    for (auto [name, weight] :
         {std::pair("shared_gate_of_one", op.getGate()), std::pair("shared_up_of_one", op.getUp()),
          std::pair("shared_down_of_one", op.getDown())}) {
      stacks.push_back(
          weights.derive(builder, weight, name, [&](OpBuilder &b, ValueRange matrix) -> Value {
            return ir::splitWeight(b, floatWeight(b, matrix[0]), 0, 1);
          }));
    }
    auto one = ir::GateOp::create(builder, location, gate.getX(), row, Value(),
                                  ir::GreedyAttr::get(op.getContext(), 1), false, gate.getScale());
    auto scaled =
        ir::RoutedExpertsOp::create(builder, location, op.getX(), one.getWeights(), one.getIds(),
                                    stacks[0], stacks[1], stacks[2], op.getInnerAttr());
    op.getResult().replaceAllUsesWith(scaled.getResult());
    op.erase();
  });
}

/// silu(up x) * gate x: the mistake of a merged weight whose halves are swapped.
void swapGateAndUp(ModuleOp module) {
  forEach<ir::MLPOp, ir::SharedExpertsOp, ir::RoutedExpertsOp>(module, [](Operation *op) {
    auto swap = [](auto mlp) {
      Value gate = mlp.getGate();
      mlp.getGateMutable().assign(mlp.getUp());
      mlp.getUpMutable().assign(gate);
    };
    llvm::TypeSwitch<Operation *>(op).Case<ir::MLPOp, ir::SharedExpertsOp, ir::RoutedExpertsOp>(
        swap);
  });
}

} // namespace

ArrayRef<WrongEdit> wrongExpertEdits() {
  static const WrongEdit edits[] = {
      {"test-swap-two-experts", "two experts with each other's last matrix", swapTwoExperts},
      {"test-lose-an-expert", "one expert twice, another not at all", loseAnExpert},
      {"test-forget-shared-expert", "no shared expert in the sum", forgetSharedExpert},
      {"test-scale-shared-expert", "the routed scale on the shared expert too", scaleSharedExpert},
      {"test-swap-gate-and-up", "silu of the wrong half", swapGateAndUp},
  };
  return edits;
}

} // namespace dsv2
