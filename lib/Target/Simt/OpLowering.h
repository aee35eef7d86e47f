//===- OpLowering.h - what threads do together, as calls ------------------===//
//
// Replaces the operations of the GPU dialects, upstream's and the vendors', one by one. Both
// entries use it: the device form (memrefs) and what a vendor's conversion made of it (pointers).
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_TARGET_SIMT_OPLOWERING_H
#define DSV2_LIB_TARGET_SIMT_OPLOWERING_H

#include "lib/Target/Simt/RuntimeCalls.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <optional>

namespace dsv2 {

class OpLowering {
public:
  /// `self`: the thread, an argument of the function whose first block is `entry`.
  OpLowering(RuntimeCalls &calls, mlir::Block &entry, mlir::Value self, int64_t lanes)
      : calls(calls), entry(entry), self(self), lanes(lanes), b(self.getContext()) {}

  /// Replaces the operation if it is one of a GPU dialect; checks the indices of accesses to
  /// workgroup memory. Failure, with an error at it, if the driver does not play it.
  llvm::LogicalResult lower(mlir::Operation *op);

private:
  // Threads and common operations (OpLowering.cpp).
  bool lowerIndex(mlir::Operation *op);
  // Each of these: nullopt if the operation is none of its own.
  std::optional<llvm::LogicalResult> lowerCommon(mlir::Operation *op);
  llvm::LogicalResult lowerShuffle(mlir::Operation *op, mlir::Value value, mlir::Value offset,
                                   mlir::Value width, int32_t mode);
  // Copies and matrices (CopyLowering.cpp, MatrixLowering.cpp).
  std::optional<llvm::LogicalResult> lowerCopy(mlir::Operation *op);
  std::optional<llvm::LogicalResult> lowerMatrix(mlir::Operation *op);
  llvm::LogicalResult multiplyWaves(mlir::Operation *op);
  // Mbarriers and bulk copies (MbarrierLowering.cpp), multiplications of a warpgroup
  // (WarpgroupLowering.cpp).
  std::optional<llvm::LogicalResult> lowerMbarrier(mlir::Operation *op);
  std::optional<llvm::LogicalResult> lowerWarpgroup(mlir::Operation *op);
  llvm::LogicalResult multiplyWarpgroup(mlir::Operation *op);
  /// Uses of a multiplication's result read its slot where they stand, after the wait.
  llvm::LogicalResult replaceSums(mlir::Operation *op, mlir::Value memory);
  void loadMatrices(mlir::Operation *op, mlir::Value address, int64_t tiles, bool transpose);
  /// Leaves the registers of one operand in memory.
  mlir::Value spill(mlir::Location loc, mlir::ValueRange values, int64_t bytes);
  mlir::Value reload(mlir::Operation *op, mlir::Value slot);
  // Functions without an instruction (MathLowering.cpp).
  llvm::LogicalResult lowerMath(mlir::Operation *op);
  // Index checks (IndexChecks.cpp).
  void checkIndices(mlir::Operation *op);
  void checkIndex(mlir::Operation *op, mlir::Value memory, mlir::ValueRange indices,
                  llvm::ArrayRef<int64_t> lengths);

  mlir::Value i32(mlir::Location loc, int64_t value);
  mlir::Value i64(mlir::Location loc, int64_t value);
  mlir::Value toI64(mlir::Location loc, mlir::Value index);
  /// A field of SimtThread, as i64.
  mlir::Value field(mlir::Location loc, size_t offset);
  mlir::Value byteOffset(mlir::Location loc, mlir::Value pointer, int64_t bytes);
  /// The address of an element.
  mlir::Value addressOf(mlir::Location loc, mlir::Value memory, mlir::ValueRange indices);
  /// Memory of this thread for the time of the kernel.
  mlir::Value slot(mlir::Location loc, int64_t bytes);
  mlir::Value call(mlir::Operation *op, RuntimeCall function, mlir::ValueRange arguments) {
    return calls.call(b, op->getLoc(), function, self, arguments, op);
  }
  void replace(mlir::Operation *op, mlir::ValueRange values) {
    op->replaceAllUsesWith(values);
    op->erase();
  }

  RuntimeCalls &calls;
  mlir::Block &entry;
  mlir::Value self;
  int64_t lanes;
  mlir::OpBuilder b;
  /// Where the multiplication before has left the accumulators of this one.
  llvm::DenseMap<mlir::Operation *, mlir::Value> sumsOf;
  /// The last fence of a warpgroup's registers in each block.
  llvm::DenseMap<mlir::Block *, mlir::Operation *> fenceIn;
};

} // namespace dsv2

#endif // DSV2_LIB_TARGET_SIMT_OPLOWERING_H
