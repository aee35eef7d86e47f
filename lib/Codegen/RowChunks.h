//===- RowChunks.h - a row in pieces of a vector or of lanes ----*- C++ -*-===//
//
// What chooses from a row looks at sixteen values at once. On a machine of vectors a chunk is a
// vector; on one of lanes it is one value in each of sixteen lanes, and a warp has several rows in
// work. The program is the same, and so is the order of every sum.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CODEGEN_ROWCHUNKS_H
#define DSV2_LIB_CODEGEN_ROWCHUNKS_H

#include "lib/Codegen/KernelCode.h"

namespace dsv2 {

class RowChunks {
public:
  using Value = mlir::Value;
  using Values = KernelCode::Values;
  static constexpr int64_t kWidth = 16;

  /// `threads` 1: chunks are vectors. Else a multiple of the width: the threads of a workgroup.
  RowChunks(KernelCode &k, int64_t threads);

  /// Emits `body` for each row of [begin, end). Where rows are left over some are done twice, and
  /// written once.
  void forRows(Value begin, Value end, llvm::function_ref<void(Value row)> body);
  /// Everything that lanes of a row wrote is seen by the others; nothing for vectors.
  void synchronize();

  // --- Chunks.
  Value constant(mlir::Type element, double value);
  Value numbers() const { return places; } ///< 0 to 15, i32
  Value splat(Value scalar);
  /// The values at `at`; from `width` on those of `rest`.
  Value load(Value memory, Value at, int64_t width = kWidth, Value rest = {});
  /// Halves onto halves until one value of each chunk is left: the same for all lanes.
  Values fold(Values chunks, llvm::function_ref<Values(Values low, Values high)> step);
  Value fold(Value chunk, llvm::function_ref<Value(Value low, Value high)> step);

  // --- Scratch of the row. A lane sees what it wrote itself: its elements of chunks at multiples
  // of the width.
  Value scratch(mlir::Type element, int64_t count);
  void store(Value chunk, Value memory, Value at);
  /// One element of memory that is read as chunks.
  void put(Value scalar, Value memory, Value at);

  // --- Scratch of scalars, which all lanes of the row have alike.
  Value scalars(mlir::Type element, int64_t count);
  void setScalar(Value scalar, Value memory, Value at);
  Value getScalar(Value memory, Value at);

  // --- Results.
  void writeChunk(Value chunk, Value memory, Value at, int64_t width);
  void write(Value scalar, Value memory, Value at);

private:
  bool inLanes() const { return threads > 1; }
  int64_t rows() const { return threads / kWidth; } ///< at once, in lanes
  void onlyIf(Value condition, llvm::function_ref<void()> body);
  Value compare(mlir::arith::CmpIPredicate predicate, Value x, Value y);

  KernelCode &k;
  int64_t threads;
  Value lane, row; ///< of the thread, in lanes
  Value exists;    ///< in lanes: the row is written
  Value places;
};

} // namespace dsv2

#endif // DSV2_LIB_CODEGEN_ROWCHUNKS_H
