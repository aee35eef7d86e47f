//===- X86Data.h - what stands behind the handles on x86 ------------------===//
//
// Private to the emitter's files.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_TARGET_X86_X86DATA_H
#define DSV2_LIB_TARGET_X86_X86DATA_H

#include "lib/Target/X86/X86Emitter.h"

namespace dsv2 {

/// Vector number row * vectors + v: columns `column` + v * lanes + ... of a row. One of several
/// tiles of a pipeline is parked in scratch after its contraction, so that the next one has the
/// registers.
struct X86Emitter::RegisterTile : TargetData {
  Accumulators values;
  Value parked; ///< f32 scratch instead of `values`, or null
  int64_t vectors = 0;
  Value column; ///< within the panel
  RowBlock rows;
};

/// Scores: [columns][kHeads], rows in lanes. Accumulator: [kHeads][columns rounded up to 16],
/// columns in lanes.
struct X86Emitter::MemoryTile : TargetData {
  TileKind kind = TileKind::Scores;
  RowBlock rows;
  int64_t stride = 0; ///< f32 values between rows of the memory
  int64_t columns = 0;
  Value memory, base;  ///< flat memory of f32, and where the tile begins in it
  Value count;         ///< columns that exist; null: all
  bool isZero = false; ///< it holds zeros that are not yet written
};

/// kHeads row values in lanes.
struct X86Emitter::Lanes : TargetData {
  Accumulators values;
};

/// Rows of a left operand: row r begins at bases[r].
struct X86Emitter::RowsOperand : TargetData {
  Arithmetic kind = Arithmetic::F32;
  Value memory;
  Accumulators bases;
  int64_t depth = 0;
};

/// [ceil(depth / pair)][kHeads][pair] in scratch: bf16 pairs, or f32 with pair 1.
struct X86Emitter::LanesOperand : TargetData {
  Arithmetic kind = Arithmetic::F32;
  Value memory;
  int64_t depth = 0;
};

struct X86Emitter::PackedOperand : TargetData {
  PackedPanel panel;
};

struct X86Emitter::PagedOperand : TargetData {
  PagedPanel panel;
};

} // namespace dsv2

#endif // DSV2_LIB_TARGET_X86_X86DATA_H
