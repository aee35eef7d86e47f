//===- WrongPasses.cpp - Passes that are wrong on purpose -----------------===//
//
// The mistakes that this field makes most: the softmax scale without the square of
// its mscale, experts in another order, a shared expert left out, and a mask that
// is off by one. Each must be caught by `--dsv2-check-semantics`.
//
//===----------------------------------------------------------------------===//
#include "WrongPasses.h"

#include "dialects/DSV2/IR/DSV2.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace dsv2 {

using namespace mlir;
namespace ir = mlir::dsv2;

namespace {

/// A pass on modules that calls a function for every op.
template <void (*change)(Operation *)>
class WrongPass : public PassWrapper<WrongPass<change>, OperationPass<ModuleOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(WrongPass)

  explicit WrongPass(StringRef argument) : name(argument) {}
  StringRef getArgument() const override { return name; }
  StringRef getDescription() const override { return "wrong on purpose"; }
  StringRef getName() const override { return name; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, tensor::TensorDialect>();
  }
  void runOnOperation() override {
    SmallVector<Operation *> ops;
    this->getOperation().walk([&](Operation *op) {
      if (isa<ir::AttentionOp, ir::LatentAttentionOp, ir::RoutedExpertsOp, ir::SharedExpertsOp>(
              op)) {
        ops.push_back(op);
      }
    });
    llvm::for_each(ops, change);
  }

private:
  StringRef name;
};

/// The scale as a model without YaRN has it, in either form of attention.
void dropMscaleSquare(Operation *op) {
  auto scale = op->getAttrOfType<ir::AttentionScaleAttr>("scale");
  if (isa<ir::AttentionOp, ir::LatentAttentionOp>(op)) {
    op->setAttr("scale", ir::AttentionScaleAttr::get(op->getContext(), scale.getHeadWidth(),
                                                     scale.getFactor(), 0.0));
  }
}

/// Gives experts 0 and 1 each other's last matrix, through a prepared weight.
void swapTwoExperts(Operation *any) {
  auto op = dyn_cast<ir::RoutedExpertsOp>(any);
  if (!op) {
    return;
  }
  auto down = op.getDown().getDefiningOp<ir::WeightOp>();
  auto module = op->getParentOfType<ModuleOp>();
  RankedTensorType type = down.getResult().getType();
  std::string name = (down.getFamily() + ".swapped").str();
  Operation *family = SymbolTable::lookupSymbolIn(module, down.getFamily());

  OpBuilder builder(family->getContext());
  builder.setInsertionPointAfter(family);
  auto prepare =
      ir::PrepareOp::create(builder, op.getLoc(), name, ir::getFamilyLayers(family), type);
  builder.setInsertionPointToStart(&prepare->getRegion(0).front());
  Value all =
      ir::WeightOp::create(builder, op.getLoc(), type, down.getFamily(), prepare.getLayer());
  auto experts = [&](int64_t begin, int64_t count) -> Value {
    SmallVector<OpFoldResult> offsets(3, builder.getIndexAttr(0)), sizes;
    SmallVector<OpFoldResult> strides(3, builder.getIndexAttr(1));
    offsets[0] = builder.getIndexAttr(begin);
    for (int64_t extent : type.getShape()) {
      sizes.push_back(builder.getIndexAttr(extent));
    }
    sizes[0] = builder.getIndexAttr(count);
    return tensor::ExtractSliceOp::create(builder, op.getLoc(), all, offsets, sizes, strides);
  };
  Value swapped = tensor::ConcatOp::create(
      builder, op.getLoc(), type, 0,
      ValueRange{experts(1, 1), experts(0, 1), experts(2, type.getDimSize(0) - 2)});
  ir::YieldOp::create(builder, op.getLoc(), swapped);

  builder.setInsertionPoint(op);
  Value wrong = ir::WeightOp::create(builder, op.getLoc(), type, name, down.getLayer());
  op.getDownMutable().assign(wrong);
}

/// Replaces each sum that the shared experts take part in by its other operand.
void forgetSharedExpert(Operation *any) {
  auto op = dyn_cast<ir::SharedExpertsOp>(any);
  if (!op) {
    return;
  }
  for (Operation *user : llvm::make_early_inc_range(op.getResult().getUsers())) {
    auto sum = cast<ir::AddOp>(user);
    Value other = sum.getLhs() == op.getResult() ? sum.getRhs() : sum.getLhs();
    sum.getResult().replaceAllUsesWith(other);
    sum.erase();
  }
  op.erase();
}

/// `rows` one up, the last one twice: row i holds what belongs to row i + 1.
Value shiftRows(OpBuilder &builder, Location loc, Value rows) {
  auto type = cast<RankedTensorType>(rows.getType());
  Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
  Value one = arith::ConstantIndexOp::create(builder, loc, 1);
  Value count = tensor::DimOp::create(builder, loc, rows, zero);
  Value last = arith::SubIOp::create(builder, loc, count, one);
  auto slice = [&](OpFoldResult begin, OpFoldResult size) -> Value {
    SmallVector<OpFoldResult> offsets(type.getRank(), builder.getIndexAttr(0)), sizes;
    SmallVector<OpFoldResult> strides(type.getRank(), builder.getIndexAttr(1));
    for (int64_t extent : type.getShape()) {
      sizes.push_back(builder.getIndexAttr(extent));
    }
    offsets[0] = begin;
    sizes[0] = size;
    return tensor::ExtractSliceOp::create(builder, loc, rows, offsets, sizes, strides);
  };
  Value later = slice(builder.getIndexAttr(1), last);
  Value end = slice(last, builder.getIndexAttr(1));
  return tensor::ConcatOp::create(builder, loc, type, 0, ValueRange{later, end});
}

/// Token i attends to keys 1 to i + 1 instead of 0 to i.
void maskOffByOne(Operation *any) {
  auto op = dyn_cast<ir::AttentionOp>(any);
  if (!op) {
    return;
  }
  OpBuilder builder(op);
  op.getKNopeMutable().assign(shiftRows(builder, op.getLoc(), op.getKNope()));
  if (op.getKRope()) {
    op.getKRopeMutable().assign(shiftRows(builder, op.getLoc(), op.getKRope()));
  }
  op.getVMutable().assign(shiftRows(builder, op.getLoc(), op.getV()));
}

template <typename Pass> void registerOne(StringRef argument) {
  registerPass(
      [argument]() -> std::unique_ptr<mlir::Pass> { return std::make_unique<Pass>(argument); });
}

} // namespace

void registerWrongPasses() {
  registerOne<WrongPass<dropMscaleSquare>>("test-drop-mscale-square");
  registerOne<WrongPass<swapTwoExperts>>("test-swap-two-experts");
  registerOne<WrongPass<forgetSharedExpert>>("test-forget-shared-expert");
  registerOne<WrongPass<maskOffByOne>>("test-mask-off-by-one");
}

} // namespace dsv2
