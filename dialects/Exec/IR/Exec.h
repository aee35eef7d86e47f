//===- Exec.h - the dsv2_exec dialect ---------------------------*- C++ -*-===//
//
// The one header of the dialect: launch symbols and how expressions over them are made, attributes,
// ops. What the ops mean stands in the .td files beside it.
//
// Module attributes that travel with the ops: `dsv2.stage` and `dsv2.model`, a dictionary that must
// hold, for an artifact: name (string), vocab, hidden, layers, max_context, and where there are MoE
// layers routed_experts, top_k (integers) and routed_layers (array<i64>); optional bos (integer)
// and eos (array of integers).
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_DIALECTS_EXEC_IR_EXEC_H
#define DSV2_DIALECTS_EXEC_IR_EXEC_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/IntegerSet.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/RegionKindInterface.h"
#include "mlir/IR/SymbolTable.h"

#include <cstdint>
#include <vector>

namespace mlir {
namespace dsv2_exec {

/// The only dynamic values that set grids and sizes. In this order everywhere, as in
/// lib/Artifact/Program.h.
enum class LaunchSymbol : int64_t {
  Rows = 0,      ///< T: rows (new tokens) of the step
  Sequences = 1, ///< B: sequences of the step
  Wanted = 2,    ///< W: rows whose logits are wanted
  Context = 3,   ///< C: longest context after the step, in tokens
  Workers = 4,   ///< P: workers of the device
  Replay = 5,    ///< R: 1 when the routing is replayed, else 0
};
constexpr unsigned kLaunchSymbolCount = 6;
/// "T", "B", "W", "C", "P", "R".
StringRef getLaunchSymbolName(unsigned number);

/// The symbol as an expression: s0 .. s5 of a map with no dimensions and six symbols.
AffineExpr getLaunchExpr(MLIRContext *context, LaunchSymbol symbol);
/// A size or number of items: the minimum of the results.
AffineMap getLaunchMap(MLIRContext *context, ArrayRef<AffineExpr> results);
AffineMap getLaunchMap(AffineExpr result);
AffineMap getConstantLaunchMap(MLIRContext *context, int64_t value);
/// A guard: every expression is >= 0. Null for none.
IntegerSetAttr getGuard(MLIRContext *context, ArrayRef<AffineExpr> nonNegative);

/// Module attribute (unit) on IR that was read from an artifact: writing it records no trust.
constexpr llvm::StringLiteral kFromArtifactAttr = "dsv2.from_artifact";

} // namespace dsv2_exec
} // namespace mlir

#include "dialects/Exec/IR/ExecDialect.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Exec/IR/ExecAttrs.h.inc"

#define GET_OP_CLASSES
#include "dialects/Exec/IR/ExecOps.h.inc"

#endif // DSV2_DIALECTS_EXEC_IR_EXEC_H
