//===- Matmul.h - contraction with a packed weight ------------------------===//
//
//   Out[m, b, n] = sum_k A[m, b, k] * W[b, n, k]  (+ B[b, n])  (+ R[m, b, n])
//
// builder "matmul"; linear ops (batch 1) and per-head linear ops (batch = heads).
//
// Spec (all fields required but bias):
//   n, k            output columns and depth of one batch element
//   batch           batch elements
//   dtype           f32 | bf16: element type of A and of W
//   out_dtype       f32 | bf16: element type of Out
//   a_row_stride, a_batch_stride      elements between rows m and between batch elements b of A
//   out_row_stride, out_batch_stride  the same of Out (and of R)
//   bias            true: B, f32 [batch, n] without padding, is added to the sum; false if absent
//   add             true: R, of element type f32, is added after that, before the result is rounded
// Slots: A, W, [B when bias], [R when add], Out, rows.    R and Out may be the same buffer; A may
// not overlap Out. Items: batch * ceildiv(n, panel) - one packed panel each, every row of it; where
// the target's items have a number of rows (TargetCapabilities::rowsOfItem), times ceildiv(rows,
// that number), a panel's blocks of rows next to each other.
//
// W is packed [batch][ceil(n/panel)][ceil(k/pair)][panel][pair], zero padded, panel and pair by the
// target's packing(dtype). A is readable and zero up to k rounded up to the pair
// (a_row_stride covers it). Accumulation is in f32, one accumulator an output, k ascending (in a
// bf16 pair the odd element first), so any number of rows and any split of the items give the same
// bits on every tier.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CODEGEN_MATMUL_H
#define DSV2_LIB_CODEGEN_MATMUL_H

#include "lib/Codegen/KernelBuilder.h"

namespace dsv2 {

mlir::FailureOr<BuiltKernel> buildMatmul(const KernelRequest &request, TileEmitter &emitter);

} // namespace dsv2

#endif // DSV2_LIB_CODEGEN_MATMUL_H
