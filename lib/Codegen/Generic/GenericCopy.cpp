//===- GenericCopy.cpp - Copies of rows become linalg ops -----------------===//
//
// Runs between bufferization and a second round of tiling, which only sees these ops.
//
//===----------------------------------------------------------------------===//

#include "lib/Codegen/Generic/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace mlir::dsv2 {
#define GEN_PASS_DEF_GENERICCOPYPASS
#include "lib/Codegen/Generic/Passes.h.inc"

namespace {
struct GenericCopyPass : impl::GenericCopyPassBase<GenericCopyPass> {
  void runOnOperation() override {
    SmallVector<memref::CopyOp> copies;
    getOperation().walk([&](memref::CopyOp op) { copies.push_back(op); });
    for (memref::CopyOp op : copies) {
      OpBuilder b(op);
      linalg::makeMemRefCopyOp(b, op.getLoc(), op.getSource(), op.getTarget());
      op.erase();
      ++numCopies;
    }
  }
};
} // namespace
} // namespace mlir::dsv2
