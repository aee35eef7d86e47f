//===- MfmaEmitter.h - matrix instructions of waves of 64 -----------------===//
//
// The emitter of workgroups with v_mfma 16x16x16 of bf16. Tiles are kept transposed: columns of a
// tile are rows of the instruction, so a lane has four neighbouring columns of one row, which are
// stored together. f32 contractions stay element by element.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_TARGET_AMD_MFMAEMITTER_H
#define DSV2_LIB_TARGET_AMD_MFMAEMITTER_H

#include "lib/Codegen/Gpu/GpuEmitter.h"

namespace dsv2 {

/// What both kinds of matrix instructions are planned with: 64 KB of workgroup memory, and copies
/// through registers, which run ahead no further than one stage.
inline GpuPlan amdPlan(int64_t lanes, llvm::StringRef accumulator) {
  GpuPlan plan;
  plan.lanes = lanes;
  plan.stages = 2;
  plan.stageChunks = 4;
  plan.columnUnit = 1;
  plan.tokenChunks = 1024;
  plan.sharedBytes = 64 * 1024;
  plan.accumulator = accumulator;
  return plan;
}

class MfmaEmitter : public GpuEmitter {
public:
  explicit MfmaEmitter(mlir::MLIRContext *context);

protected:
  Fragments multiply(const FragmentTile &tile, llvm::ArrayRef<Value> values, const StagedOperand &a,
                     Value aChunk, const StagedOperand &b, int64_t depth, Along along) override;
};

} // namespace dsv2

#endif // DSV2_LIB_TARGET_AMD_MFMAEMITTER_H
