//===- StepLowering.h - One step function to one entry of a program ---------------------------===//
//
// Walks the step in order and gives every value a place: a buffer and how its rows lie in it.
// Contractions, attention, gate and sort are kernels of builders; everything else is row kernels
// through linalg. Casts, splits and merges of heads mostly cost nothing: the producer writes the
// forms that its readers want, and a split or merge is another way to look at a buffer.
//
//===------------------------------------------------------------------------------------------===//

#ifndef DSV2_CONVERSION_DSV2TOEXEC_STEPLOWERING_H
#define DSV2_CONVERSION_DSV2TOEXEC_STEPLOWERING_H

#include "lib/Conversion/DSV2ToExec/ProgramBuilder.h"

#include "llvm/ADT/MapVector.h"

namespace mlir::dsv2 {

/// Where the rows of a value lie.
struct Place {
  std::string buffer;
  RowLayout layout;
  LaunchSymbol rows = LaunchSymbol::Rows;
};

/// Choices of schedule (never of arithmetic) that an entry makes.
struct EntrySchedule {
  std::string name;
  /// Guard: this entry takes steps of at most so many rows; 0 for any number.
  int64_t maxRows = 0;
  /// Attention splits the context over workers and merges after, instead of one row at a time.
  bool splitAttention = false;
};

class StepLowering {
public:
  StepLowering(ProgramBuilder &program, const EntrySchedule &schedule)
      : program(program), schedule(schedule) {}

  /// Lowers the whole function; fails with a diagnostic that names the op.
  LogicalResult run(func::FuncOp step);

private:
  // --- places (StepLowering.cpp)
  LogicalResult lower(Operation &op);
  /// Lowers the op behind a value that is lowered on demand: the value then has a place in each
  /// wanted form.
  LogicalResult materialize(Value value);
  /// The place of a value in its own element type.
  FailureOr<Place> place(Value value);
  /// Element types in which readers want a value: its own, and those that casts round it to.
  SmallVector<Type> wantedForms(Value value) const;
  void setPlace(Value value, const Place &place) { places[value][place.layout.element] = place; }
  /// A new buffer for rows of `value` in one element type, padded for contractions; or the buffer
  /// that a later reader reserved (hints).
  Place allocate(Value value, Type element, StringRef hint, LaunchSymbol rows);
  /// Zeroes the pad of rows that a builder wrote, where there is one.
  void zeroPad(Operation *op, const Place &place);
  /// After a builder wrote `out`, the first wanted form of a value: its pad, and the other forms.
  void finishForms(Operation *op, Value value, const Place &out, StringRef hint);
  /// Ends a row kernel by storing `row` as every wanted form of `value`; `slots` are those declared
  /// so far.
  LogicalResult storeForms(Operation *op, Value value, RowKernel &kernel, Value row, StringRef hint,
                           LaunchSymbol rows, SmallVector<Slot> slots);
  /// The buffer of a place, for row kernels (which know offsets), and the first element, for
  /// builders.
  Slot slotOf(const Place &place) const { return Slot::buffer(place.buffer); }
  Slot firstElement(const Place &place) const {
    Slot slot = Slot::buffer(place.buffer);
    slot.offset = place.layout.offset;
    return slot;
  }
  AffineExpr rowsOf(LaunchSymbol rows) const { return program.symbol(rows); }
  AffineMap itemsOf(LaunchSymbol rows) const { return program.sizes({program.symbol(rows)}); }
  FailureOr<Slot> weightSlot(Value weight, Type element, const PreparedLayout &layout);
  /// The slot of a weight or cache at a layer: the loop's, some layers after it, or a fixed one.
  FailureOr<Slot> atLayer(Slot slot, Value layer) const;
  Slot tableSlot(StringRef table, Type element, int64_t perRow, LaunchSymbol rows);
  /// Ends a row kernel and dispatches it.
  void dispatchRows(Operation *op, RowKernel &kernel, StringRef name, ArrayRef<int64_t> writes,
                    LaunchSymbol rows, ArrayRef<Slot> slots);
  /// The residual that an op's result is added to, when its only reader is an add that should be
  /// fused.
  AddOp fusingAdd(Operation *op) const;

  // --- structure (LowerStructure.cpp)
  /// Says before the walk which values are written straight to the outputs.
  LogicalResult reserveOutputs(func::FuncOp step);
  LogicalResult lowerLayers(LayersOp op);
  LogicalResult lowerReturn(func::ReturnOp op);
  LogicalResult lowerEmbed(EmbedOp op);
  LogicalResult lowerSelectRows(SelectRowsOp op);

  // --- linear ops (LowerLinear.cpp)
  LogicalResult lowerRmsNorm(RMSNormOp op);
  LogicalResult lowerAdd(AddOp op);
  LogicalResult lowerCast(CastOp op);
  LogicalResult lowerLinear(LinearOp op, AddOp residual);
  LogicalResult lowerHeadLinear(HeadLinearOp op);
  LogicalResult lowerSplitHeads(SplitHeadsOp op);
  LogicalResult lowerMergeHeads(MergeHeadsOp op);
  /// What a contraction adds to its sums: a bias [N], then a residual that lies like the result.
  struct Addends {
    Value bias;
    std::optional<Place> residual;
  };
  /// One contraction: x [rows, batch, K] times the packed weight.
  LogicalResult emitMatmul(Operation *op, const Place &x, Value weight, const Place &out,
                           const Addends &addends = {});
  /// A contraction whose result is `value`, in every form that readers want. `added` is a value to
  /// add, or null.
  LogicalResult emitProjection(Operation *op, const Place &x, Value weight, Value bias, Value added,
                               Value value, StringRef hint);
  /// The value that `residual` adds to `value`.
  static Value otherOperand(AddOp residual, Value value) {
    return residual.getLhs() == value ? residual.getRhs() : residual.getLhs();
  }

  // --- attention (LowerAttention.cpp)
  LogicalResult lowerCompress(MLACompressOp op);
  LogicalResult lowerRope(RopeOp op);
  LogicalResult lowerCacheAppend(CacheAppendOp op);
  LogicalResult lowerLatentAttention(LatentAttentionOp op);
  int64_t cacheRowElements(CacheType type) const;
  FailureOr<Slot> cacheSlot(CacheType type, Value layer);

  // --- experts (LowerExperts.cpp)
  LogicalResult lowerGate(GateOp op);
  template <typename Op> LogicalResult lowerMLP(Op op, AddOp residual);
  LogicalResult lowerExperts(FusedExpertsOp op, AddOp residual);

  ProgramBuilder &program;
  const EntrySchedule &schedule;
  llvm::DenseMap<Value, llvm::SmallMapVector<Type, Place, 2>> places;
  /// Where a value must be written, decided by its reader (loop carries, outputs).
  llvm::DenseMap<Value, Place> hints;
  /// Carried values whose buffer already holds the next layer's value.
  llvm::DenseSet<Value> overwritten;
  RangeAttr layers; ///< of the open loop
};

} // namespace mlir::dsv2

#endif // DSV2_CONVERSION_DSV2TOEXEC_STEPLOWERING_H
