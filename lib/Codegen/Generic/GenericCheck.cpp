//===- GenericCheck.cpp - Refuse what a kernel image cannot hold ----------===//
//
// A kernel has no imports. What would become one is easier to understand as an op than as a symbol.
//
//===----------------------------------------------------------------------===//

#include "lib/Codegen/Generic/Passes.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/CallInterfaces.h"

namespace mlir::dsv2 {
#define GEN_PASS_DEF_GENERICCHECKPASS
#include "lib/Codegen/Generic/Passes.h.inc"

// What stands against an op, or nothing.
static StringRef objection(Operation *op) {
  if (isa<memref::AllocOp, memref::AllocaOp, memref::DeallocOp>(op)) {
    return "allocates: an intermediate row is stored nowhere (keep() gives it scratch memory)";
  }
  if (isa<memref::CopyOp>(op)) {
    return "copies: a row is read after its place was written";
  }
  if (isa<CallOpInterface>(op)) {
    return "calls a function";
  }
  StringRef dialect = op->getName().getDialectNamespace();
  if (!llvm::is_contained({"func", "scf", "vector", "memref", "arith", "math", "affine", "ub"},
                          dialect)) {
    return "is of a dialect that no target lowers in a kernel";
  }
  return {};
}

namespace {
struct GenericCheckPass : impl::GenericCheckPassBase<GenericCheckPass> {
  void runOnOperation() override {
    WalkResult result = getOperation().walk([&](Operation *op) {
      StringRef reason = objection(op);
      if (reason.empty()) {
        return WalkResult::advance();
      }
      op->emitError() << "generic kernel '" << getOperation().getName() << "': '" << op->getName()
                      << "' " << reason;
      return WalkResult::interrupt();
    });
    if (result.wasInterrupted()) {
      signalPassFailure();
    }
  }
};
} // namespace
} // namespace mlir::dsv2
