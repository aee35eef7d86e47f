//===- ShapeChecks.h - what verifiers and type inference share -----*- C++ -*-===//
//
// Type inference runs on operands that no verifier has seen yet, and runs again inside the
// verifier. So shapes are checked there, once, with messages that name the operand, what it is and
// what it should be. Every message ends with the number of its constraint in docs/spec.
//
//===----------------------------------------------------------------------===//

#ifndef DIALECTS_DSV2_IR_SHAPECHECKS_H
#define DIALECTS_DSV2_IR_SHAPECHECKS_H

#include "dialects/DSV2/IR/DSV2.h"

namespace mlir {
namespace dsv2 {

/// Emits errors of one op during type inference.
class ShapeChecker {
public:
  ShapeChecker(std::optional<Location> location, StringRef opName)
      : location(location), opName(opName) {}

  /// Fails unless `actual` is `expected`: "'op' WHAT is ACTUAL, expected EXPECTED (WHY) [RULE]".
  LogicalResult equal(StringRef rule, const Twine &what, int64_t actual, int64_t expected,
                      const Twine &why) const;

  /// Fails unless `value` is of rows with this rank (`?`, then static dimensions).
  LogicalResult rows(StringRef what, Value value, int64_t rank) const;
  /// Fails unless `value` is a weight with this rank (static).
  LogicalResult weight(StringRef what, Value value, int64_t rank) const;
  /// Fails unless `value` is null or a weight [width].
  LogicalResult bias(StringRef rule, StringRef what, Value value, int64_t width,
                     const Twine &why) const;

  /// Fails unless `cache` holds latents: two parts, the latent and the shared rope key.
  LogicalResult latentParts(CacheType cache) const;

  LogicalResult error(StringRef rule, const Twine &message) const;

private:
  std::optional<Location> location;
  StringRef opName;
};

/// Dimension `i` of a value of tensor type.
inline int64_t dim(Value value, unsigned i) {
  return cast<RankedTensorType>(value.getType()).getDimSize(i);
}

/// tensor<?x...xf32> with these further dimensions.
RankedTensorType rowsOf(MLIRContext *context, ArrayRef<int64_t> dims);
RankedTensorType rowsOf(Type element, ArrayRef<int64_t> dims);

/// An eps must be a positive finite number.
LogicalResult verifyEps(Operation *op, StringRef rule, const APFloat &eps);

/// The numbers that `layer` takes must not be below 0.
LogicalResult verifyLayerNumbers(Operation *op, Value layer);

/// `layer` must index `cache`: where it is a loop's layer number, all of the loop's layers are
/// cached.
LogicalResult verifyCacheLayer(Operation *op, CacheType cache, Value layer);

} // namespace dsv2
} // namespace mlir

#endif // DIALECTS_DSV2_IR_SHAPECHECKS_H
