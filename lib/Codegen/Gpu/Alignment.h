//===- Alignment.h - what certainly divides an address --------------------===//
//
// Devices load four values at once only from addresses that are multiples of their size, and the
// code generator believes only what it is told. Slots are 64-byte aligned; the rest follows from
// strides, steps of loops and constants.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CODEGEN_GPU_ALIGNMENT_H
#define DSV2_LIB_CODEGEN_GPU_ALIGNMENT_H

#include "mlir/IR/Operation.h"
#include "mlir/IR/Value.h"

namespace dsv2 {

/// A number that certainly divides the index: found through constants, sums, products and loops. 0
/// for the constant 0, which everything divides.
int64_t divisorOf(mlir::Value index);

/// Gives vector loads and stores of slots, views of them included, the alignment that can be shown,
/// up to their size.
void alignVectorAccesses(mlir::Operation *root);

} // namespace dsv2

#endif // DSV2_LIB_CODEGEN_GPU_ALIGNMENT_H
