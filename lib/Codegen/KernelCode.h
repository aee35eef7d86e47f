//===- KernelCode.h - Short names for writing a kernel by hand ------------===//
//
// For the few kernels that are neither contractions nor linalg: choosing and sorting experts. Opens
// a function of the kernel form and shortens the ops that such code repeats. Slots are flat
// memrefs.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_CODEGEN_KERNELCODE_H
#define DSV2_CODEGEN_KERNELCODE_H

#include "lib/Codegen/KernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Builders.h"

namespace dsv2 {

class KernelCode {
public:
  using Value = mlir::Value;
  using Values = llvm::SmallVector<Value>;

  /// One slot per type: a float or integer type is a pointer to such elements, index is a symbol.
  KernelCode(const KernelRequest &request, llvm::ArrayRef<mlir::Type> slots);

  mlir::OpBuilder b;
  mlir::Location loc;
  mlir::Type f32, i32, index;

  Value slot(unsigned number) { return function.getArgument(number); }
  Value begin() { return function.getArgument(slotCount); }
  Value end() { return function.getArgument(slotCount + 1); }
  /// `count` elements of the worker's scratch memory.
  Value scratch(mlir::Type element, int64_t count);
  /// The same `parts` times; number `part` of them.
  Value scratch(mlir::Type element, int64_t count, int64_t parts, Value part);

  Value constant(int64_t value);                 ///< index
  Value constant(mlir::Type type, double value); ///< f32, i32 or a vector of these
  Value add(Value x, Value y);                   ///< integers, indices, floats and vectors of them
  Value mul(Value x, Value y);
  Value add(Value x, int64_t y) { return y == 0 ? x : add(x, constant(y)); }
  Value mul(Value x, int64_t y) { return y == 1 ? x : mul(x, constant(y)); }
  Value toIndex(Value integer);
  Value toI32(Value index);
  /// An i32 as an index in [0, limit), whatever it holds: negative counts as large.
  Value clampedIndex(Value integer, int64_t limit);

  Value load(Value memory, Value at);
  void store(Value value, Value memory, Value at);
  Value loadVector(Value memory, Value at, int64_t width);
  Value broadcast(Value scalar, int64_t width);

  /// for at = from; at < to; at += step, carrying values.
  Values loop(Value from, Value to, int64_t step, mlir::ValueRange carried,
              llvm::function_ref<Values(Value at, mlir::ValueRange carried)> body);
  void loop(Value from, Value to, llvm::function_ref<void(Value at)> body);

  /// Closes the function. The object is empty after that.
  BuiltKernel finish();

private:
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp function;
  unsigned slotCount;
  int64_t scratchBytes = 0;
};

} // namespace dsv2

#endif // DSV2_CODEGEN_KERNELCODE_H
