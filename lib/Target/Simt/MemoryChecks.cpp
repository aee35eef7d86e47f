//===- MemoryChecks.cpp - a call before every access of memory ------------===//
//
// Loads, stores and their masked forms are announced. Whatever else touches memory is refused by
// name: an access that nobody sees would make a silent run mean nothing.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/Simt/MemoryChecks.h"

#include "mlir/Interfaces/DataLayoutInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;

namespace dsv2 {
namespace {

class Checker {
public:
  Checker(LLVM::LLVMFuncOp function, Value self, RuntimeCalls &calls)
      : function(function), self(self), calls(calls), b(function.getContext()),
        layout(function->getParentOfType<ModuleOp>()) {}

  LogicalResult run() {
    SmallVector<Operation *> work;
    function.walk([&](Operation *op) { work.push_back(op); });
    for (Operation *op : work) {
      b.setInsertionPoint(op);
      if (failed(check(op))) {
        return failure();
      }
    }
    return success();
  }

private:
  bool isOwn(Value pointer) const {
    while (auto gep = pointer.getDefiningOp<LLVM::GEPOp>()) {
      pointer = gep.getBase();
    }
    return pointer == self ||
           isa_and_nonnull<LLVM::AllocaOp, LLVM::AddressOfOp>(pointer.getDefiningOp());
  }
  Value i32(Location loc, int64_t value) {
    return LLVM::ConstantOp::create(b, loc, b.getI32Type(), b.getI32IntegerAttr(int32_t(value)));
  }
  /// Bytes that an access touches: the layout's size of a vector is a power of two, an access of
  /// three elements touches three.
  int64_t sizeOf(Type type) {
    if (auto vector = dyn_cast<VectorType>(type)) {
      return (vector.getNumElements() * vector.getElementTypeBitWidth() + 7) / 8;
    }
    return int64_t(layout.getTypeSize(type).getFixedValue());
  }

  void announce(Operation *op, Value pointer, Type type, bool write) {
    if (!isOwn(pointer)) {
      Location loc = op->getLoc();
      calls.call(b, loc, RuntimeCall::Access, self,
                 {pointer, i32(loc, sizeOf(type)), i32(loc, write)}, op);
    }
  }
  LogicalResult announceMasked(Operation *op, Value pointer, Type type, Value mask, bool write) {
    auto vector = dyn_cast<VectorType>(type);
    if (!vector || vector.getRank() != 1 || vector.getNumElements() > 64) {
      return op->emitError() << "a masked access of " << type << " is not modelled by Simt";
    }
    Location loc = op->getLoc();
    Type bits = b.getIntegerType(unsigned(vector.getNumElements()));
    Value number = LLVM::BitcastOp::create(b, loc, bits, mask);
    if (!bits.isInteger(64)) {
      number = LLVM::ZExtOp::create(b, loc, b.getI64Type(), number);
    }
    calls.call(b, loc, RuntimeCall::MaskedAccess, self,
               {pointer, i32(loc, sizeOf(vector.getElementType())), number, i32(loc, write)}, op);
    return success();
  }

  LogicalResult check(Operation *op) {
    if (auto load = dyn_cast<LLVM::LoadOp>(op)) {
      announce(op, load.getAddr(), load.getType(), false);
    } else if (auto store = dyn_cast<LLVM::StoreOp>(op)) {
      announce(op, store.getAddr(), store.getValue().getType(), true);
    } else if (auto load = dyn_cast<LLVM::MaskedLoadOp>(op)) {
      return announceMasked(op, load.getData(), load.getType(), load.getMask(), false);
    } else if (auto store = dyn_cast<LLVM::MaskedStoreOp>(op)) {
      return announceMasked(op, store.getData(), store.getValue().getType(), store.getMask(), true);
    } else if (isa<LLVM::AtomicRMWOp, LLVM::AtomicCmpXchgOp, LLVM::InlineAsmOp, LLVM::MemcpyOp,
                   LLVM::MemmoveOp, LLVM::MemsetOp, LLVM::masked_gather, LLVM::masked_scatter,
                   LLVM::InvokeOp>(op)) {
      return op->emitError() << "'" << op->getName() << "' is not modelled by Simt";
    } else if (auto call = dyn_cast<LLVM::CallOp>(op)) {
      if (!call.getCallee() || !call.getCallee()->starts_with("dsv2.simt.")) {
        return op->emitError("a call of another function is not modelled by Simt");
      }
    }
    return success();
  }

  LLVM::LLVMFuncOp function;
  Value self;
  RuntimeCalls &calls;
  OpBuilder b;
  DataLayout layout;
};

} // namespace

LogicalResult checkMemory(LLVM::LLVMFuncOp function, Value self, RuntimeCalls &calls) {
  return Checker(function, self, calls).run();
}

} // namespace dsv2
