//===- KernelForm.h - the form of every kernel function -------------------===//
//
// What builders and generic kernels hand to targets: a function without results whose arguments are
// slots (flat memory or launch symbols), then %begin, %end : index and %scratch : memref<Nxi8>.
// On devices that copy boxes of a matrix by a description of it, arguments !llvm.ptr may stand
// between: each points to such a description, a tensor map, which the launch makes of two slots.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CODEGEN_KERNELFORM_H
#define DSV2_LIB_CODEGEN_KERNELFORM_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace dsv2 {

/// begin, end and scratch come after the slots and the tensor maps.
constexpr unsigned kTrailingArguments = 3;

/// The attribute of an argument that is a tensor map: a dictionary of the numbers below, under the
/// names slot, columns, row_bytes, rows_slot and box_rows, i64 each.
constexpr llvm::StringLiteral kTensorMapAttr = "dsv2.tensor_map";

/// A matrix of bf16 in a kernel's memory, and the boxes by which it is copied: `boxRows` rows of 64
/// columns, each row's 128 bytes in the order that is called the 128-byte swizzle. What lies past
/// the last row or column is zero in a box.
struct KernelTensorMap {
  int64_t slot = 0;      ///< that is the matrix's address, a multiple of 16
  int64_t columns = 0;   ///< of a row that exist
  int64_t rowBytes = 0;  ///< from a row to the next, a multiple of 16
  int64_t rowsSlot = -1; ///< the launch symbol that is the number of rows; -1: no bound
  int64_t boxRows = 0;   ///< 1 to 256
};

/// Columns of a box: 128 bytes.
constexpr int64_t kTensorMapBoxColumns = 64;

mlir::DictionaryAttr tensorMapAttr(mlir::MLIRContext *context, const KernelTensorMap &map);

/// The tensor maps among a kernel's arguments, in order.
mlir::FailureOr<llvm::SmallVector<KernelTensorMap>> tensorMapsOf(mlir::func::FuncOp kernel);

/// Every argument must be an index or a memref whose address is all that the callee needs; a target
/// that can copy by them also takes tensor maps.
mlir::LogicalResult checkKernelForm(mlir::func::FuncOp kernel, bool takesTensorMaps = false);

} // namespace dsv2

#endif // DSV2_LIB_CODEGEN_KERNELFORM_H
