//===- WarpgroupLowering.cpp - asynchronous multiplications ---------------===//
//
// Accumulators are a struct of values in the IR, but registers that change behind the program's
// back on the machine. So a chain of multiplications has a slot in memory: the first stores the
// struct there, the driver works on it, and whoever uses the result loads it where it stands: after
// the wait, the sums; before it, NaN.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/Simt/OpLowering.h"

#include "lib/Codegen/Gpu/FragmentLayouts.h"
#include "lib/Support/SimtAbi.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace dsv2 {
namespace {

SimtGroupMatrixOp groupOp(NVVM::WgmmaMmaAsyncOp multiply) {
  SimtGroupMatrixOp out = {};
  out.columns = uint16_t(multiply.getShape().getN());
  out.zero = multiply.getScaleD() == NVVM::WGMMAScaleOut::zero;
  out.columnsOutside = multiply.getLayoutB() == NVVM::MMALayout::row;
  const FragmentLayout &layout = fragmentLayout("wgmma64.d");
  for (auto [bit, place] : llvm::enumerate(layout.valueBits)) {
    out.element[bit][0] = uint8_t(place.row);
    out.element[bit][1] = uint8_t(place.column);
  }
  for (auto [bit, place] : llvm::enumerate(layout.laneBits)) {
    out.lane[bit][0] = uint8_t(place.row);
    out.lane[bit][1] = uint8_t(place.column);
  }
  return out;
}

/// Why the driver does not play this one; empty if it does.
StringRef unknownForm(NVVM::WgmmaMmaAsyncOp multiply) {
  auto shape = multiply.getShape();
  if (multiply.getTypeA() != NVVM::WGMMATypes::bf16 ||
      multiply.getTypeB() != NVVM::WGMMATypes::bf16 ||
      multiply.getTypeD() != NVVM::WGMMATypes::f32 || shape.getM() != 64 || shape.getK() != 16) {
    return "only m64k16 of bf16 with sums of f32 is modelled by Simt";
  }
  if (multiply.getScaleA() != NVVM::WGMMAScaleIn::one ||
      multiply.getScaleB() != NVVM::WGMMAScaleIn::one) {
    return "negated operands are not modelled by Simt";
  }
  if (multiply.getLayoutA() != NVVM::MMALayout::row) {
    return "only an A whose k are neighbours is modelled by Simt";
  }
  auto sums = dyn_cast<LLVM::LLVMStructType>(multiply.getInouts().getType());
  if (!sums || int64_t(sums.getBody().size()) != shape.getN() / 2 ||
      !llvm::all_of(sums.getBody(), [](Type type) { return type.isF32(); })) {
    return "its accumulators are not n / 2 values of f32";
  }
  return "";
}

/// Whether an element of the struct is computed after `fence`, in the same block.
bool touchedAfter(Operation *fence, Value sums) {
  while (auto insert = sums.getDefiningOp<LLVM::InsertValueOp>()) {
    Operation *element = insert.getValue().getDefiningOp();
    if (element && element->getBlock() == fence->getBlock() &&
        !matchPattern(element, m_Constant()) && fence->isBeforeInBlock(element)) {
      return true;
    }
    sums = insert.getContainer();
  }
  return false;
}

} // namespace

LogicalResult OpLowering::replaceSums(Operation *op, Value memory) {
  auto type = cast<LLVM::LLVMStructType>(op->getResult(0).getType());
  SmallVector<OpOperand *> uses;
  for (OpOperand &use : op->getResult(0).getUses()) {
    uses.push_back(&use);
  }
  llvm::DenseMap<Block *, Operation *> firstIn;
  bool chained = false;
  for (OpOperand *use : uses) {
    Operation *user = use->getOwner();
    if (isa<NVVM::WgmmaMmaAsyncOp>(user) && user->getBlock() == op->getBlock()) {
      chained = true;
      continue;
    }
    Operation *&first = firstIn[user->getBlock()];
    first = !first || user->isBeforeInBlock(first) ? user : first;
  }
  if (chained && uses.size() != 1) {
    return op->emitError("accumulators that go on and are used otherwise are not modelled by Simt");
  }
  if (chained) {
    Operation *next = uses.front()->getOwner();
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(op);
    sumsOf[next] = memory;
    uses.front()->set(LLVM::UndefOp::create(b, op->getLoc(), type));
    return success();
  }
  OpBuilder::InsertionGuard guard(b);
  for (auto [block, first] : firstIn) {
    b.setInsertionPoint(first);
    call(first, RuntimeCall::GroupResult, memory);
  }
  auto element = [&](Location loc, int64_t number) -> Value {
    return LLVM::LoadOp::create(b, loc, type.getBody()[size_t(number)],
                                byteOffset(loc, memory, number * 4));
  };
  for (OpOperand *use : uses) {
    Operation *user = use->getOwner();
    Location loc = user->getLoc();
    b.setInsertionPoint(user);
    auto extract = dyn_cast<LLVM::ExtractValueOp>(user);
    if (extract && extract.getPosition().size() == 1) {
      Value value = element(loc, extract.getPosition()[0]);
      // The operation may stand in the list of those still to be lowered: it stays.
      extract.getResult().replaceAllUsesWith(value);
      use->set(LLVM::UndefOp::create(b, loc, type));
      continue;
    }
    Value whole = LLVM::UndefOp::create(b, loc, type);
    for (int64_t i = 0; i < int64_t(type.getBody().size()); ++i) {
      whole = LLVM::InsertValueOp::create(b, loc, whole, element(loc, i), i);
    }
    use->set(whole);
  }
  return success();
}

LogicalResult OpLowering::multiplyWarpgroup(Operation *op) {
  auto multiply = cast<NVVM::WgmmaMmaAsyncOp>(op);
  Location loc = op->getLoc();
  if (StringRef reason = unknownForm(multiply); !reason.empty()) {
    return op->emitError(reason);
  }
  SimtGroupMatrixOp description = groupOp(multiply);
  int64_t elements = description.columns / 2;
  SimtAccumulators state = SimtChained;
  Value memory = sumsOf.lookup(op);
  if (!memory) {
    Operation *fence = fenceIn.lookup(op->getBlock());
    state = fence && touchedAfter(fence, multiply.getInouts()) ? SimtTouched : SimtFresh;
    memory = slot(loc, elements * 4);
    if (!multiply.getInouts().getDefiningOp<LLVM::UndefOp>()) {
      for (int64_t i = 0; i < elements; ++i) {
        Value value = LLVM::ExtractValueOp::create(b, loc, multiply.getInouts(), i);
        LLVM::StoreOp::create(b, loc, value, byteOffset(loc, memory, i * 4));
      }
    }
  }
  StringRef bytes(reinterpret_cast<const char *>(&description), sizeof(description));
  Value table = calls.constant(b, loc, "group_matrix", bytes, alignof(SimtGroupMatrixOp));
  call(op, RuntimeCall::GroupMultiply,
       {table, multiply.getDescriptorA(), multiply.getDescriptorB(), memory, i32(loc, state)});
  if (failed(replaceSums(op, memory))) {
    return failure();
  }
  op->erase();
  return success();
}

std::optional<LogicalResult> OpLowering::lowerWarpgroup(Operation *op) {
  Location loc = op->getLoc();
  if (isa<NVVM::WgmmaFenceAlignedOp>(op)) {
    call(op, RuntimeCall::GroupFence, {});
    fenceIn[op->getBlock()] = op->getPrevNode();
  } else if (isa<NVVM::WgmmaGroupSyncAlignedOp>(op)) {
    call(op, RuntimeCall::GroupCommit, {});
  } else if (auto wait = dyn_cast<NVVM::WgmmaWaitGroupSyncOp>(op)) {
    call(op, RuntimeCall::GroupWait, i32(loc, int64_t(wait.getGroup())));
  } else if (isa<NVVM::WgmmaMmaAsyncOp>(op)) {
    return multiplyWarpgroup(op);
  } else {
    return std::nullopt;
  }
  op->erase();
  return success();
}

} // namespace dsv2
