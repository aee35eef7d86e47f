//===- RowOps.h - The row-wise dsv2 ops on rows of a RowKernel ------------===//
//
// One function per op of the dsv2 dialect. Rows are f32 unless said; a row loaded as bf16 is
// widened. Results are values to be stored, or read by the next op of the group. SEMANTICS of each
// op: the same as the reference interpreter's, in f32.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_CONVERSION_DSV2TOLINALG_ROWOPS_H
#define DSV2_CONVERSION_DSV2TOLINALG_ROWOPS_H

#include "lib/Conversion/DSV2ToLinalg/RowKernel.h"

namespace mlir::dsv2 {

/// Order of the two parts that rope rotates.
enum class RotationPairs { Adjacent, Halves };

/// embed: row `tokens[row]` (i32) of `table` [vocab, hidden] of `element`, as f32.
Value buildEmbed(RowKernel &k, unsigned tokens, unsigned table, Type element, int64_t hidden);

/// add: a + b.
Value buildAdd(RowKernel &k, Value a, Value b);

/// rms_norm: x / sqrt(mean(x^2) + eps) * weight. x is read twice: a loaded, stored or kept row.
Value buildRmsNorm(RowKernel &k, Value x, Value weight, double eps);

/// swiglu: gate / (1 + exp(-gate)) * up. For one [2I] row, load its halves by `offset`.
Value buildSwiGLU(RowKernel &k, Value gate, Value up);

/// rope: rotates pairs of x ([r] or [heads, r], f32 or bf16) by the row's angles: cos and sin are
/// rows [r/2] of the step tables rope_cos and rope_sin. The result has `element`, rounded once.
Value buildRope(RowKernel &k, Value x, Value cos, Value sin, RotationPairs pairs, Type element);

/// Combine of routed experts: sum over s < slots of weights[row, s] * y[position[row * slots + s]],
/// in slot order. `y` gives width, stride and element of a row of expert outputs; weights f32,
/// position i32.
Value buildSlotSum(RowKernel &k, unsigned y, const RowLayout &layout, unsigned weights,
                   unsigned position, int64_t slots);

/// cache_append: writes latent and kRope, rounded to `element`, to row slot[row] (i64) of the
/// layer's cache, whose rows hold `rowElements`; the rest of the row becomes zero.
void buildCacheAppend(RowKernel &k, Value latent, Value kRope, unsigned cache, Type element,
                      int64_t rowElements, unsigned slotTable);

/// select_rows: row wanted[row] (i32) of x.
Value buildSelectRows(RowKernel &k, unsigned x, const RowLayout &layout, unsigned wanted);

} // namespace mlir::dsv2

#endif // DSV2_CONVERSION_DSV2TOLINALG_ROWOPS_H
