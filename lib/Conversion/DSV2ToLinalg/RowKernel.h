//===- RowKernel.h - Compose a row-wise kernel ----------------------------===//
//
// Hides what every row-wise kernel has in common: slots (one pointer each), the loop over rows,
// views of a row, destination passing. A kernel is a composition of loads, row ops (RowOps.h) and
// stores:
//
//   RowKernel k(context, "add_rms_norm");
//   unsigned x = k.addSlot("x"), d = k.addSlot("delta"), w = k.addSlot("weight"), o =
//   k.addSlot("out"); Value h = buildAdd(k, k.load(x, {f32, 2048, 2048}), k.load(d, {f32, 2048,
//   2048})); k.store(h, x, {f32, 2048, 2048});                          // in place: one slot, read
//   and written k.store(buildRmsNorm(k, h, k.loadVector(w, f32, 2048), 1e-6), o, {bf16, 2048,
//   2048});  // rounds OwningOpRef<ModuleOp> module = k.finish();                 // one func.func
//   in row form
//
// The dispatch passes one argument per slot, in the order of addSlot; items = rows of the launch.
// A slot that is both read and written must use the same layout for both. A value that has two
// readers and is stored nowhere needs memory: give it a place by keep().
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_CONVERSION_DSV2TOLINALG_ROWKERNEL_H
#define DSV2_CONVERSION_DSV2TOLINALG_ROWKERNEL_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace mlir::dsv2 {

/// Where a row lies in a buffer, counted in elements: (row, h, j) is at
/// row * stride + offset + h * headStride + j. `heads` = 0 means a row of rank 1, [width];
/// otherwise the row is [heads, width] and headStride 0 stands for width + pad.
/// `pad` columns after `width` (of each head) are written as zero by store and never loaded.
struct RowLayout {
  Type element;
  int64_t width = 0;
  int64_t stride = 0;
  int64_t offset = 0;
  int64_t heads = 0;
  int64_t headStride = 0;
  int64_t pad = 0;
};

class RowKernel {
public:
  /// Body of map: scalars in, one scalar out.
  using Body = llvm::function_ref<Value(OpBuilder &, Location, ValueRange)>;

  RowKernel(MLIRContext *context, StringRef name);

  /// Declares the next pointer slot and returns its number. Names are for people.
  unsigned addSlot(StringRef name);
  ArrayRef<std::string> slots() const { return slotNames; }

  /// The row of this item: tensor<width> or tensor<heads x width>. With `row`, that row of the
  /// buffer instead (an index made by loadIndex): tables, caches, gathers.
  Value load(unsigned slot, const RowLayout &layout, Value row = nullptr);
  /// A vector all rows share, such as the weight of a norm: tensor<width>.
  Value loadVector(unsigned slot, Type element, int64_t width);
  /// One scalar of this item's row of a table with `perRow` columns.
  Value loadScalar(unsigned slot, Type element, int64_t perRow = 1, int64_t column = 0);
  /// The same as an index; the table holds i32 or i64 (non-negative).
  Value loadIndex(unsigned slot, Type element, int64_t perRow = 1, int64_t column = 0);

  /// Stores a row, rounded or widened to layout.element where it differs, and zeroes its pad.
  void store(Value value, unsigned slot, const RowLayout &layout, Value row = nullptr);
  /// Zeroes `layout.width` columns (of each head).
  void storeZero(unsigned slot, const RowLayout &layout, Value row = nullptr);
  /// Lets an intermediate row have several readers: in the place it is stored to, else in the
  /// worker's scratch memory.
  Value keep(Value value);

  /// Elementwise over rows of one shape; a rank-1 row beside rank-2 ones is repeated for every
  /// head.
  Value map(ValueRange rows, Type element, Body body);
  /// Sum over a rank-1 row of body(element), as f32, in the order the tiles give.
  Value reduceSum(Value row, Body body);
  /// Rounds or widens a row to another float type; the same row where it has that type.
  Value convert(Value row, Type element);

  OpBuilder &builder() { return b; }
  Location loc() { return location; }
  Value constant(TypedAttr value);
  Value constantF32(double value);
  Value row() { return loop.getInductionVar(); }

  /// Scratch bytes a worker needs for this kernel (known after the last keep).
  int64_t scratchBytes() const { return scratchSize; }

  /// Closes the loop: hands over a module that holds the function, and leaves this object empty.
  OwningOpRef<ModuleOp> finish();

private:
  struct View {
    RowLayout layout;
    Value memory; // memref, static strides
    Value tensor;
    unsigned slot;
    bool written = false;
  };
  struct Store {
    Value value;
    size_t view;
    Value row;
  };

  struct Kept {
    Value value;
    int64_t offset; // bytes into scratch
  };

  RankedTensorType rowType(const RowLayout &layout) const;
  size_t view(unsigned slot, const RowLayout &layout);
  Value slice(const View &view, Value row);
  void placeInScratch(const Kept &kept);
  Value emptyRow(ArrayRef<int64_t> shape, Type element);

  MLIRContext *context;
  Location location;
  OwningOpRef<ModuleOp> module;
  OpBuilder b;
  func::FuncOp function;
  scf::ForOp loop;
  SmallVector<std::string> slotNames;
  SmallVector<View> views;
  SmallVector<Store> stores;
  SmallVector<Kept> kept;
  int64_t scratchSize = 0;
};

} // namespace mlir::dsv2

#endif // DSV2_CONVERSION_DSV2TOLINALG_ROWKERNEL_H
