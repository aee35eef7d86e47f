//===- DistributeRows.cpp - a row of a generic kernel over a warp ---------===//
//
// Everything is looked at before anything is changed. A loop without results must store at places
// that move with it (so its trips are independent); a loop with results must be a reduction, whose
// partial results join in an order that depends on nothing but the number of lanes.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/Gpu/DistributeRows.h"

#include "lib/Codegen/Gpu/DeviceForm.h"
#include "lib/Codegen/Gpu/LaneConflicts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include <limits>

using namespace mlir;

namespace dsv2 {
namespace {

bool isStore(Operation *op) {
  return isa<memref::StoreOp, vector::StoreOp, vector::TransferWriteOp>(op);
}

bool holdsStore(Operation *op) {
  return op
      ->walk([](Operation *inner) {
        return isStore(inner) ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

/// Whether the value is computed from `from`, inside the same loop.
bool dependsOn(Value value, Value from) {
  if (value == from) {
    return true;
  }
  Operation *op = value.getDefiningOp();
  return op &&
         llvm::any_of(op->getOperands(), [&](Value operand) { return dependsOn(operand, from); });
}

/// The operation that adds to carried value `number` in each trip; null where it is none that
/// lanes can join.
Operation *combiner(scf::ForOp loop, unsigned number) {
  Operation *op = loop.getBody()->getTerminator()->getOperand(number).getDefiningOp();
  Value carried = loop.getRegionIterArg(number);
  bool known = op && isa<arith::AddFOp, arith::MaxNumFOp, arith::MaximumFOp>(op);
  if (!known || !carried.hasOneUse() || *carried.user_begin() != op ||
      !getElementTypeOrSelf(carried.getType()).isF32()) {
    return nullptr;
  }
  auto type = dyn_cast<VectorType>(carried.getType());
  return !type || type.getRank() == 1 ? op : nullptr;
}

/// What stands against distributing the body of the row loop; empty where nothing does.
std::string objection(scf::ForOp rows) {
  if (rows.getNumResults() != 0) {
    return "the loop over rows carries values";
  }
  for (Operation &op : rows.getBody()->without_terminator()) {
    auto loop = dyn_cast<scf::ForOp>(op);
    if (!loop) {
      if (!isStore(&op) && holdsStore(&op)) {
        return "'" + op.getName().getStringRef().str() + "' holds a store";
      }
      continue;
    }
    if (loop.getNumResults() == 0) {
      WalkResult moves = loop.walk([&](Operation *inner) {
        bool fixed =
            isStore(inner) && llvm::none_of(inner->getOperands(), [&](Value operand) {
              return operand.getType().isIndex() && dependsOn(operand, loop.getInductionVar());
            });
        return fixed ? WalkResult::interrupt() : WalkResult::advance();
      });
      if (moves.wasInterrupted()) {
        return "a loop over pieces stores at a place that does not move with it";
      }
      continue;
    }
    if (holdsStore(loop)) {
      return "a reduction stores";
    }
    for (unsigned i = 0; i < loop.getNumResults(); ++i) {
      if (!combiner(loop, i)) {
        return "a loop carries what is no sum or maximum";
      }
    }
  }
  return "";
}

class Distribution {
public:
  Distribution(scf::ForOp rows, int64_t lanes, Value lane, Value first)
      : b(rows), lanes(lanes), lane(lane), first(first) {}

  void distribute(scf::ForOp loop);
  /// Only one lane stores.
  void guard(Operation *store);

private:
  void share(scf::ForOp loop);
  Value neutral(Location loc, Operation *combiner, Type type);
  Value join(Location loc, Operation *combiner, Value value);
  Value joinScalar(Location loc, Operation *combiner, Value value);

  OpBuilder b;
  int64_t lanes;
  Value lane, first;
};

/// The lane's trips: every lanes-th, from its own.
void Distribution::share(scf::ForOp loop) {
  Location loc = loop.getLoc();
  b.setInsertionPoint(loop);
  Value shift = arith::MulIOp::create(b, loc, lane, loop.getStep());
  Value begin = arith::AddIOp::create(b, loc, loop.getLowerBound(), shift);
  Value count = arith::ConstantIndexOp::create(b, loc, lanes);
  Value step = arith::MulIOp::create(b, loc, loop.getStep(), count);
  loop.setLowerBound(begin);
  loop.setStep(step);
}

Value Distribution::neutral(Location loc, Operation *combiner, Type type) {
  double value = isa<arith::AddFOp>(combiner) ? -0.0 : -std::numeric_limits<double>::infinity();
  TypedAttr attribute = b.getF32FloatAttr(float(value));
  if (auto shaped = dyn_cast<VectorType>(type)) {
    attribute = DenseElementsAttr::get(shaped, cast<Attribute>(attribute));
  }
  return arith::ConstantOp::create(b, loc, attribute);
}

Value Distribution::joinScalar(Location loc, Operation *combiner, Value value) {
  for (int64_t distance = 1; distance < lanes; distance *= 2) {
    Value other = gpu::ShuffleOp::create(b, loc, value, int32_t(distance), int32_t(lanes),
                                         gpu::ShuffleMode::XOR)
                      .getShuffleResult();
    OperationState state(loc, combiner->getName(), {value, other}, value.getType(),
                         combiner->getAttrs());
    value = b.create(state)->getResult(0);
  }
  return value;
}

Value Distribution::join(Location loc, Operation *combiner, Value value) {
  auto type = dyn_cast<VectorType>(value.getType());
  if (!type) {
    return joinScalar(loc, combiner, value);
  }
  SmallVector<Value> elements;
  for (int64_t i = 0; i < type.getNumElements(); ++i) {
    Value element = vector::ExtractOp::create(b, loc, value, i);
    elements.push_back(joinScalar(loc, combiner, element));
  }
  return vector::FromElementsOp::create(b, loc, type, elements);
}

void Distribution::distribute(scf::ForOp loop) {
  Location loc = loop.getLoc();
  share(loop);
  for (unsigned i = 0; i < loop.getNumResults(); ++i) {
    Operation *op = combiner(loop, i);
    OpOperand &init = loop.getInitArgsMutable()[i];
    b.setInsertionPoint(loop);
    // One lane starts from what the loop started from.
    Value other = neutral(loc, op, init.get().getType());
    init.set(arith::SelectOp::create(b, loc, first, init.get(), other));
    b.setInsertionPointAfter(loop);
    Value result = loop.getResult(i);
    SmallVector<OpOperand *> uses;
    for (OpOperand &use : result.getUses()) {
      uses.push_back(&use);
    }
    Value joined = join(loc, op, result);
    for (OpOperand *use : uses) {
      use->set(joined);
    }
  }
}

void Distribution::guard(Operation *store) {
  b.setInsertionPoint(store);
  auto branch = scf::IfOp::create(b, store->getLoc(), first, /*withElseRegion=*/false);
  store->moveBefore(branch.thenBlock()->getTerminator());
}

/// Operations of the row's body before which lanes must wait for each other; the terminator where
/// they must before the next row.
SmallVector<Operation *> findMeetings(scf::ForOp rows) {
  SmallVector<Operation *> out;
  SmallVector<LaneAccess> pending, untilFirst;
  auto meets = [](ArrayRef<LaneAccess> before, ArrayRef<LaneAccess> after, scf::ForOp later) {
    return llvm::any_of(before, [&](const LaneAccess &a) {
      return llvm::any_of(after, [&](const LaneAccess &c) { return lanesConflict(a, c, later); });
    });
  };
  for (Operation &op : rows.getBody()->without_terminator()) {
    SmallVector<LaneAccess> own = laneAccesses(&op, dyn_cast<scf::ForOp>(op));
    if (meets(pending, own, {})) {
      out.push_back(&op);
      pending.clear();
    }
    pending.append(own);
    if (out.empty()) {
      untilFirst.append(own);
    }
  }
  if (meets(pending, untilFirst, rows)) {
    out.push_back(rows.getBody()->getTerminator());
  }
  return out;
}

} // namespace

std::string distributeRows(func::FuncOp kernel, int64_t lanes) {
  scf::ForOp rows;
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    auto loop = dyn_cast<scf::ForOp>(op);
    if (loop && rows) {
      return "there are several loops over rows";
    }
    rows = loop ? loop : rows;
    if (!loop && (isStore(&op) || holdsStore(&op))) {
      return "there is a store outside the loop over rows";
    }
  }
  if (!rows) {
    return "there is no loop over rows";
  }
  std::string reason = objection(rows);
  if (!reason.empty()) {
    return reason;
  }
  kernel.getContext()->loadDialect<gpu::GPUDialect>();
  OpBuilder b(rows);
  Location loc = rows.getLoc();
  Value lane = gpu::ThreadIdOp::create(b, loc, gpu::Dimension::x);
  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  Value first = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, lane, zero);
  Distribution distribution(rows, lanes, lane, first);
  for (Operation *op : findMeetings(rows)) {
    b.setInsertionPoint(op);
    gpu::BarrierOp::create(b, op->getLoc());
  }
  SmallVector<Operation *> ops;
  for (Operation &op : rows.getBody()->without_terminator()) {
    ops.push_back(&op);
  }
  for (Operation *op : ops) {
    if (auto loop = dyn_cast<scf::ForOp>(op)) {
      distribution.distribute(loop);
    } else if (isStore(op)) {
      distribution.guard(op);
    }
  }
  kernel->setAttr(kThreadsAttr, b.getI64IntegerAttr(lanes));
  return "";
}

} // namespace dsv2
