//===- DSV2.h - the dsv2 dialect: types, attributes, ops -----------------------===//
//
// The one header of the dialect. What the ops mean stands in the .td files beside it.
//
//===----------------------------------------------------------------------===//

#ifndef DIALECTS_DSV2_IR_DSV2_H
#define DIALECTS_DSV2_IR_DSV2_H

#include "dialects/DSV2/IR/Cost.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include <optional>
#include <string>

namespace mlir {
namespace dsv2 {

class RangeAttr;

/// A finite f64 parameter of an attribute; two are equal if their bits are.
struct Real {
  double value = 0;
  Real() = default;
  Real(double value) : value(value) {}
  operator double() const { return value; }
  bool operator==(const Real &other) const { return bits() == other.bits(); }
  uint64_t bits() const { return llvm::bit_cast<uint64_t>(value); }
};
inline llvm::hash_code hash_value(const Real &real) { return llvm::hash_value(real.bits()); }
/// A float literal: `40.0`, printed in the shortest form that reads back to the same bits.
FailureOr<Real> parseRealParameter(AsmParser &parser);
void printRealParameter(AsmPrinter &printer, Real real);

/// True for a ranked tensor whose first dimension is dynamic and all others static.
bool isRowsType(Type type, int64_t rank);
/// True for a ranked tensor of static shape; rank -1 means any (2 or more for quantized elements).
bool isWeightType(Type type, int64_t rank);

/// Layer numbers that an index value takes: those of the `layers` or `prepare` that defines it as
/// its block argument, a constant's, or either plus a constant (`arith.addi`). Null for any other
/// value, and where a number would be below 0. The end is the last number + 1.
RangeAttr getRangeOfLayer(Value layer);

/// The type of the value of a `weights` or `prepare` op, and its layers (null: none). `family` must
/// be one of the two.
RankedTensorType getFamilyType(Operation *family);
RangeAttr getFamilyLayers(Operation *family);

/// Checks that `cache` is used linearly: one op consumes it, and every read comes before that op in
/// its block. Emits at `op`.
LogicalResult verifyLinearCache(Operation *op);

/// Holds for every op of the step function; see `verifyLinearCache`.
template <typename ConcreteOp>
class LinearCache : public OpTrait::TraitBase<ConcreteOp, LinearCache> {
public:
  static LogicalResult verifyTrait(Operation *op) { return verifyLinearCache(op); }
};

} // namespace dsv2

} // namespace mlir

#include "dialects/DSV2/IR/DSV2Dialect.h.inc"
#include "dialects/DSV2/IR/DSV2Enums.h.inc"

#include "dialects/DSV2/IR/CostInterface.h.inc"
#include "dialects/DSV2/IR/DSV2AttrInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/DSV2/IR/DSV2Attrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/DSV2/IR/DSV2Types.h.inc"

#define GET_OP_CLASSES
#include "dialects/DSV2/IR/DSV2Ops.h.inc"

#endif // DIALECTS_DSV2_IR_DSV2_H
