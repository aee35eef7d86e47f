//===- MbarrierLowering.cpp - mbarriers, bulk copies, roles ---------------===//
//
// One call each. Forms that no emitter writes (clusters, multicast, predicates) are refused by
// name.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/Simt/OpLowering.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace dsv2 {
namespace {

LogicalResult refuse(Operation *op, StringRef what) {
  return op->emitError() << "'" << op->getName() << "' " << what << " is not modelled by Simt";
}

bool isAllLanes(Value mask) {
  APInt value;
  return !mask || (matchPattern(mask, m_ConstantInt(&value)) && value.isAllOnes());
}

} // namespace

std::optional<LogicalResult> OpLowering::lowerMbarrier(Operation *op) {
  Location loc = op->getLoc();
  if (auto init = dyn_cast<NVVM::MBarrierInitOp>(op)) {
    if (init.getPredicate()) {
      return refuse(op, "with a predicate");
    }
    call(op, RuntimeCall::MbarrierInit, {init.getAddr(), init.getCount()});
  } else if (isa<NVVM::FenceMbarrierInitOp>(op)) {
    call(op, RuntimeCall::MbarrierInitFence, {});
  } else if (auto arrive = dyn_cast<NVVM::MBarrierArriveOp>(op)) {
    if (arrive.getCount() || arrive.getRelaxed() || !op->use_empty()) {
      return refuse(op, "with a count, relaxed, or with a use of its result");
    }
    call(op, RuntimeCall::MbarrierArrive, {arrive.getAddr(), i32(loc, 0)});
  } else if (auto arrive = dyn_cast<NVVM::MBarrierArriveExpectTxOp>(op)) {
    if (arrive.getPredicate() || arrive.getRelaxed() || !op->use_empty()) {
      return refuse(op, "with a predicate, relaxed, or with a use of its result");
    }
    call(op, RuntimeCall::MbarrierArrive, {arrive.getAddr(), arrive.getTxcount()});
  } else if (auto wait = dyn_cast<NVVM::MBarrierTryWaitParityOp>(op)) {
    call(op, RuntimeCall::MbarrierWait, {wait.getAddr(), wait.getPhase()});
  } else if (auto copy = dyn_cast<NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp>(op)) {
    if (copy.getCoordinates().size() != 2 || copy.getMulticastMask() || copy.getPredicate() ||
        copy.getMode() != NVVM::TMALoadMode::TILE || copy.getGroup()) {
      return refuse(op, "other than of a box of a matrix, to the workgroup itself,");
    }
    call(op, RuntimeCall::BoxCopy,
         {copy.getDstMem(), copy.getTmaDescriptor(), copy.getCoordinates()[0],
          copy.getCoordinates()[1], copy.getMbar()});
  } else if (auto fence = dyn_cast<NVVM::FenceProxyOp>(op)) {
    NVVM::ProxyKind kind = fence.getKind();
    if (kind != NVVM::ProxyKind::async && kind != NVVM::ProxyKind::async_shared) {
      return refuse(op, "of this kind");
    }
    call(op, RuntimeCall::ProxyFence, {});
  } else if (auto elect = dyn_cast<NVVM::ElectSyncOp>(op)) {
    if (!isAllLanes(elect.getMembermask())) {
      return refuse(op, "of some lanes");
    }
    Value chosen = call(op, RuntimeCall::Elect, i32(loc, lanes));
    replace(op, LLVM::TruncOp::create(b, loc, b.getI1Type(), chosen).getResult());
    return success();
  } else if (auto registers = dyn_cast<NVVM::SetMaxRegisterOp>(op)) {
    call(op, RuntimeCall::SetRegisters, i32(loc, registers.getRegCount()));
  } else if (!isa<NVVM::PrefetchOp>(op)) { // a prefetch changes nothing
    return std::nullopt;
  }
  op->erase();
  return success();
}

} // namespace dsv2
