//===- GroupedMatmul.h - contraction of rows grouped by expert ------------===//
//
// Rows sorted by expert meet the weight of their expert:
//   Out[p, n] = f(sum_k A[row(p), k] * W[expert(p), n, k])
//
// builder "grouped_matmul".
//
// Spec (all fields required):
//   n, k            output columns and depth
//   dtype           f32 | bf16: element type of A and of W
//   out_dtype       f32 | bf16: element type of Out
//   a_row_stride, out_row_stride      elements between rows
//   epilogue        "none" | "swiglu"
//   gather          true: row(p) = order[p]; false: row(p) = p
// Slots: A, W, list, count, [order when gather], Out.
//   list   i32 [.., 3]: expert, first and one-past-last sorted position p
//   count  i32 [1]: entries of the list; order i32 [..]: row of A for each sorted position
// Items: L * ceildiv(n, panel), where L is any upper bound of count (min(experts, rows * slots));
// an item past count * ceildiv(n, panel) does nothing. Item i works on entry i / ceildiv(n, panel).
//
// epilogue "none":   W is packed [expert][ceil(n/panel)][ceil(k/pair)][panel][pair].
// epilogue "swiglu": W is packed [expert][2][ceil(n/panel)][ceil(k/pair)][panel][pair], gate then
// up, n columns
//   each (so gate and up are padded apart), and Out = silu(gate) * up, computed in f32.
// Order of accumulation as in Matmul.h.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CODEGEN_GROUPEDMATMUL_H
#define DSV2_LIB_CODEGEN_GROUPEDMATMUL_H

#include "lib/Codegen/KernelBuilder.h"

namespace dsv2 {

mlir::FailureOr<BuiltKernel> buildGroupedMatmul(const KernelRequest &request, TileEmitter &emitter);

} // namespace dsv2

#endif // DSV2_LIB_CODEGEN_GROUPEDMATMUL_H
