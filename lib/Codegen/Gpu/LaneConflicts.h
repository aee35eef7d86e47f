//===- LaneConflicts.h - where lanes of a distributed row meet ------------===//
//
// After a row's pieces went round the lanes, most memory is one lane's alone: it reads what it
// wrote itself. Where that cannot be shown a barrier stands between the two accesses, and nowhere
// else: a barrier that nothing needs costs time, and hides from tests that it does nothing.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CODEGEN_GPU_LANECONFLICTS_H
#define DSV2_LIB_CODEGEN_GPU_LANECONFLICTS_H

#include "mlir/Dialect/SCF/IR/SCF.h"

namespace dsv2 {

/// A read or write of memory in the body of the loop over rows.
struct LaneAccess {
  mlir::Value memory;
  llvm::SmallVector<mlir::Value> indices;
  int64_t elements = 1; ///< along the last index
  bool write = false;
  mlir::scf::ForOp pieces; ///< the distributed loop it stands in; null: all lanes, writes one
};

/// The accesses below an operation that stands in the body, `pieces` being the operation itself
/// where it is a distributed loop.
llvm::SmallVector<LaneAccess> laneAccesses(mlir::Operation *op, mlir::scf::ForOp pieces);

/// Whether two accesses may meet in different lanes. `laterRow`, the loop over rows, is set where
/// the second belongs to a later row than the first.
bool lanesConflict(const LaneAccess &first, const LaneAccess &second, mlir::scf::ForOp laterRow);

} // namespace dsv2

#endif // DSV2_LIB_CODEGEN_GPU_LANECONFLICTS_H
