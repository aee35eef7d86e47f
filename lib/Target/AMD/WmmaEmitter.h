//===- WmmaEmitter.h - matrix instructions of waves of 32 -----------------===//
//
// The emitter of workgroups with v_wmma 16x16x16 of bf16. Tiles are kept transposed, and the
// columns of a fragment are given to the instruction's rows in such an order that a lane ends with
// eight neighbouring columns of one row. f32 contractions stay element by element.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_TARGET_AMD_WMMAEMITTER_H
#define DSV2_LIB_TARGET_AMD_WMMAEMITTER_H

#include "lib/Codegen/Gpu/GpuEmitter.h"

namespace dsv2 {

class WmmaEmitter : public GpuEmitter {
public:
  explicit WmmaEmitter(mlir::MLIRContext *context);

protected:
  Fragments multiply(const FragmentTile &tile, llvm::ArrayRef<Value> values, const StagedOperand &a,
                     Value aChunk, const StagedOperand &b, int64_t depth, Along along) override;
};

} // namespace dsv2

#endif // DSV2_LIB_TARGET_AMD_WMMAEMITTER_H
