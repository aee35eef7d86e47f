//===- SortExperts.h - rows in the order of their experts -----------------===//
//
// A counting sort of the T * slots assignments of a step, stable in the row: builder
// "sort_experts".
//
// Spec (all fields required):
//   experts   number of experts, always-chosen ones included
//   slots     assignments per row, always-chosen ones included
// Slots: ids i32 [T, slots], list i32 [min(experts, T * slots), 3], count i32 [1], order i32 [T *
// slots],
//        position i32 [T * slots], T (symbol).
//   list      (expert, first, one past last) in sorted positions, for each expert that has a row,
//   ascending count     entries of the list order     sorted position -> row of the step position
//   row * slots + slot -> sorted position
// Items: 1. T * slots < 2^31.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CODEGEN_SORTEXPERTS_H
#define DSV2_LIB_CODEGEN_SORTEXPERTS_H

#include "lib/Codegen/KernelBuilder.h"

namespace dsv2 {

mlir::FailureOr<BuiltKernel> buildSortExperts(const KernelRequest &request, TileEmitter &emitter);

} // namespace dsv2

#endif // DSV2_LIB_CODEGEN_SORTEXPERTS_H
