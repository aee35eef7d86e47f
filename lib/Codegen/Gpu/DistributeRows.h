//===- DistributeRows.h - a row of a generic kernel over a warp -----------===//
//
// A generic kernel (lib/Codegen/Generic) works off a row in loops over pieces of it. Here the
// pieces go round the lanes of a warp, so that neighbouring lanes touch neighbouring bytes:
//
//   scf.for %row = %begin to %end {            scf.for %row = %begin to %end {
//     scf.for %i = 0 to 640 step 4 { .. }        scf.for %i = lane * 4 to 640 step 128 { .. }
//     %s = scf.for .. iter_args(sum) { .. }      %p = scf.for .. of the lane's pieces
//                                                %s = sum of the lanes' by shuffles
//     vector.transfer_write ..                   scf.if lane == 0 { vector.transfer_write .. }
//   }                                          }
//
// What is neither a piece loop nor a store is done by every lane alike. Where a lane may read what
// another has written a gpu.barrier stands between (LaneConflicts.h).
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CODEGEN_GPU_DISTRIBUTEROWS_H
#define DSV2_LIB_CODEGEN_GPU_DISTRIBUTEROWS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <string>

namespace dsv2 {

/// Distributes the rows' pieces over `lanes` threads and says so in `dsv2.threads`. Where the body
/// is none of the above the function stays as it is, one thread's, and the text says what stood
/// against it; else the text is empty.
std::string distributeRows(mlir::func::FuncOp kernel, int64_t lanes);

} // namespace dsv2

#endif // DSV2_LIB_CODEGEN_GPU_DISTRIBUTEROWS_H
