//===- GenericPipeline.h - From row form to vectors -----------------------===//
//
// The route of every kernel that is no builder's: norms with add and cast, SwiGLU, embedding, rope,
// cache append, slot sums. It takes a function in *row form* and leaves loops, vectors and memrefs
// for the target to lower.
//
// Row form (RowKernel in lib/Conversion/DSV2ToLinalg writes it):
//   func.func @k(%x: memref<Nxf32>, ..., %begin: index, %end: index, %scratch: memref<Mxi8>) {
//     static views of the arguments, bufferization.to_tensor restrict (writable for outputs)
//     %o = scf.for %row = %begin to %end iter_args(outputs) {
//       scalar loads; extract_slice of the row; linalg on static [W] or [heads, W]; all
//       insert_slices last
//     }
//     bufferization.materialize_in_destination %o in restrict writable ...
//   }
// After:
//   func.func @k(same) { scf.for %row { scf.for over pieces { vector.transfer_read, arith, ... } }
//   }
// with dialects func, scf, vector, memref, arith and math only; no allocation, copy or call.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_CODEGEN_GENERIC_GENERICPIPELINE_H
#define DSV2_CODEGEN_GENERIC_GENERICPIPELINE_H

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassManager.h"

namespace mlir::dsv2 {

/// What a target says about generic kernels. Tiers that must agree bit for bit share `tile` and
/// `lanes`.
struct GenericOptions {
  int64_t tile = 64;     ///< elements of a full piece of a row
  int64_t lanes = 16;    ///< smaller pieces are multiples of this, then a tail
  int64_t unroll = 8;    ///< loops of at most so many trips disappear
  bool keepBF16 = false; ///< the target rounds f32 to bf16 by an instruction: leave arith.truncf
};

/// Appends the route to a pass manager on builtin.module; every func.func in it must be in row
/// form.
void buildGenericKernelPipeline(OpPassManager &pm, const GenericOptions &options);

/// Dialects and bufferization models that the route needs loaded in the context.
void registerGenericKernelDialects(DialectRegistry &registry);

/// Registers the passes and `--dsv2-generic-kernel{tile lanes keep-bf16}`, the whole route.
void registerGenericKernelPasses();

} // namespace mlir::dsv2

#endif // DSV2_CODEGEN_GENERIC_GENERICPIPELINE_H
