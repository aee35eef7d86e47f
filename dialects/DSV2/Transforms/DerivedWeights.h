//===- DerivedWeights.h - new prepare functions from old families --------------===//
//
// Passes do not touch bytes: they write a `dsv2.prepare` that says how a weight follows from the
// checkpoint. What every such pass needs is here: a body that starts from any family, names, and
// the removal of what nothing uses any more.
//
//===----------------------------------------------------------------------===//

#ifndef DIALECTS_DSV2_TRANSFORMS_DERIVEDWEIGHTS_H
#define DIALECTS_DSV2_TRANSFORMS_DERIVEDWEIGHTS_H

#include "dialects/DSV2/IR/DSV2.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

namespace mlir::dsv2 {

class DerivedWeights {
public:
  explicit DerivedWeights(ModuleOp module) : module(module), symbols(module) {}

  /// The `weights` or `prepare` op behind a value of a `dsv2.weight`; null for any other value.
  Operation *familyOf(Value weight);

  /// Given a builder in the new body and the values of the sources, gives the derived value. Those
  /// of quantized sources are dequantized to f32.
  using Body = llvm::function_ref<Value(OpBuilder &, ValueRange)>;

  /// A use, at the builder's point, of the weight that `body` derives from `sources` (each the
  /// result of a `dsv2.weight`, all of one layer). Equal sources and `name` give one prepare
  /// function, whatever layers ask for it. It is named after the first source: @moe.kv_b and
  /// "q_latent" give @moe.q_latent.
  Value derive(OpBuilder &builder, ValueRange sources, StringRef name, Body body);

  /// Erases uses of weights without users, and prepare functions without uses. Call it last.
  void eraseUnused();

private:
  PrepareOp makePrepare(ArrayRef<Operation *> families, RangeAttr layers, StringRef symbol,
                        Location location, Body body);
  /// The value of a family inside a prepare body: a checkpoint family is read, a derived one is
  /// copied in.
  Value expand(OpBuilder &builder, Operation *family, Value layer);

  ModuleOp module;
  SymbolTable symbols;
  llvm::StringMap<PrepareOp> made;
};

/// Parts of a weight: rows [begin, begin + size) of dimension `dim`.
Value sliceWeight(OpBuilder &builder, Value weight, unsigned dim, int64_t begin, int64_t size);
/// Splits dimension `dim` into two, of `outer` and of what remains.
Value splitWeight(OpBuilder &builder, Value weight, unsigned dim, int64_t outer);

/// The value that an explicit rounding or widening starts from; itself if there is none.
Value stripCasts(Value value);

} // namespace mlir::dsv2

#endif // DIALECTS_DSV2_TRANSFORMS_DERIVEDWEIGHTS_H
