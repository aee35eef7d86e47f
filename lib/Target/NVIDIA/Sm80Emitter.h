//===- Sm80Emitter.h - asynchronous copies and mma.sync -------------------===//
//
// The emitter of workgroups with what sm_80 and everything after it has: copies from global to
// workgroup memory that pass no register, matrix loads, and multiplication of 16 x 16 by 16 x 8
// fragments of bf16. f32 contractions stay element by element.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_TARGET_NVIDIA_SM80EMITTER_H
#define DSV2_LIB_TARGET_NVIDIA_SM80EMITTER_H

#include "lib/Codegen/Gpu/GpuEmitter.h"

namespace dsv2 {

class Sm80Emitter : public GpuEmitter {
public:
  /// `manyRows`: rows of a workgroup's tile where there are many.
  Sm80Emitter(mlir::MLIRContext *context, int64_t manyRows);

protected:
  void copyChunk(Value from, Value fromAt, Value to, Value toAt, Value valid) override;
  Value commitCopies() override;
  void waitForCopies(Value token, int64_t pending) override;
  Fragments multiply(const FragmentTile &tile, llvm::ArrayRef<Value> values, const StagedOperand &a,
                     Value aChunk, const StagedOperand &b, int64_t depth, Along along) override;

private:
  /// Four 8 x 8 matrices of 16-bit elements, a register each.
  Fragments loadMatrices(const StagedOperand &from, Value chunk, Value row, bool transpose);
  Value multiplyFragments(llvm::ArrayRef<Value> a, llvm::ArrayRef<Value> b, Value accumulator);
};

} // namespace dsv2

#endif // DSV2_LIB_TARGET_NVIDIA_SM80EMITTER_H
