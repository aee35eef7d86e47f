//===- Hopper.h - instructions that sm_90a has and sm_80 has not ----------===//
//
// Barriers in workgroup memory that count bytes, copies of boxes through tensor maps, and
// multiplication by a warpgroup of tiles that lie in workgroup memory. Places in workgroup memory
// are index values, as their addresses are.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_TARGET_NVIDIA_HOPPER_H
#define DSV2_LIB_TARGET_NVIDIA_HOPPER_H

#include "mlir/IR/Builders.h"

namespace dsv2::hopper {

using mlir::Location;
using mlir::OpBuilder;
using mlir::Value;

/// A row of a swizzled tile: 64 values of 16 bits. Chunk c of 16 bytes of row r lies at c ^ (r %
/// kSwizzledRows); after so many rows the pattern begins again, at a multiple of kAtomBytes.
constexpr int64_t kLineBytes = 128, kLineElements = 64, kSwizzledRows = 8,
                  kAtomBytes = kLineBytes * kSwizzledRows;
/// Rows of a multiplication, and k of one.
constexpr int64_t kGroupRows = 64, kGroupDepth = 16;
/// Most columns of one.
constexpr int64_t kGroupColumns = 256;

Value i32(OpBuilder &b, Location loc, int64_t value);
Value toI32(OpBuilder &b, Location loc, Value index);

// --- Barriers in workgroup memory.
void initBarrier(OpBuilder &b, Location loc, Value barrier, int64_t arrivals);
void arrive(OpBuilder &b, Location loc, Value barrier);
/// Arrives, and says that copies of so many bytes belong to the phase.
void arriveExpecting(OpBuilder &b, Location loc, Value barrier, Value bytes);
/// Blocks until the phase of this parity is complete.
void waitFor(OpBuilder &b, Location loc, Value barrier, Value parity);
/// Generic writes so far are seen by copies and multiplications that a barrier orders after it.
void fenceAsync(OpBuilder &b, Location loc);

/// Copies a box of the map, at (row, column) of its matrix, and counts its bytes at the barrier.
void copyBox(OpBuilder &b, Location loc, Value to, Value map, Value row, Value column,
             Value barrier);

/// One value for the whole warp: the first lane's.
Value uniform(OpBuilder &b, Location loc, Value index);

/// How the second operand of a multiplication lies: k along its lines, or its columns.
enum class Lines { Depth, Columns };

/// What multiplications read: an address of each operand, and for each multiplication, k ascending,
/// how many bytes after it its part begins. `stride`: bytes between the blocks of 64 columns of a
/// second operand whose lines are its columns.
struct Operands {
  Value first, second;
  llvm::SmallVector<std::pair<int64_t, int64_t>> steps;
  Lines lines = Lines::Depth;
  int64_t columns = 0, stride = 0;
};
/// Sums of 64 rows by so many columns; null `sums`: zero so far. f32 of a thread.
struct Accumulation {
  Operands operands;
  llvm::SmallVector<Value> sums;
};
/// Multiplies, and waits for all of it; the sums are replaced by the new ones.
void multiply(OpBuilder &b, Location loc, llvm::MutableArrayRef<Accumulation> all);

} // namespace dsv2::hopper

#endif // DSV2_LIB_TARGET_NVIDIA_HOPPER_H
