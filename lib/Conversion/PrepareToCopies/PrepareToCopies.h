//===- PrepareToCopies.h - A derived weight as a table of copies ------------------------------===//
//
// Reduces a `dsv2.weights` family, or the body of a `dsv2.prepare`, together with the layout that a
// kernel wants, to zero-filled memory plus strided copies from checkpoint tensors. The runtime
// executes the table tensor by tensor, without a compiler.
//
//===------------------------------------------------------------------------------------------===//

#ifndef DSV2_CONVERSION_PREPARETOCOPIES_PREPARETOCOPIES_H
#define DSV2_CONVERSION_PREPARETOCOPIES_PREPARETOCOPIES_H

#include "dialects/DSV2/IR/DSV2.h"
#include "lib/Artifact/Program.h"

#include "mlir/IR/SymbolTable.h"

namespace mlir::dsv2 {

/// How a weight [batch..., N, K] lies in memory. panel 0: row-major. Else packed for contractions,
/// [batch...][rowParts][ceil(N/rowParts/panel)][ceil(K/pair)][panel][pair], zero padded.
struct WeightLayout {
  int64_t panel = 0, pair = 1;
  int64_t rowParts = 1; ///< rows [N] are this many equal parts, each with its own panels
};

/// The table of the family or prepare op `symbol`, with elements of type `element` (F32 or BF16).
/// Everything but its name is filled in. Fails with a diagnostic at `symbol` where the body is not
/// data movement followed by one conversion.
FailureOr<::dsv2::Weight> reduceWeight(Operation *symbol, SymbolTable &symbols,
                                       const WeightLayout &layout, ::dsv2::ElementType element);

} // namespace mlir::dsv2

#endif // DSV2_CONVERSION_PREPARETOCOPIES_PREPARETOCOPIES_H
