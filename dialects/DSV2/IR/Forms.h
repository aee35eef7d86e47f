//===- Forms.h - what an op has beyond its plain form --------------*- C++ -*-===//
//
// Ops have optional parts: a bias, a rounding of activations, a part of the context. A pass or
// lowering that knows an op's plain form must not pass by the rest in silence, so it asks here.
//
//===----------------------------------------------------------------------===//

#ifndef DIALECTS_DSV2_IR_FORMS_H
#define DIALECTS_DSV2_IR_FORMS_H

#include "dialects/DSV2/IR/DSV2.h"

namespace mlir {
namespace dsv2 {

enum class Form {
  Bias,           ///< linear, mla_compress, mlp, shared_experts with a bias
  Add,            ///< linear with an operand to add
  Activation,     ///< activations rounded in groups
  NoRope,         ///< attention without rope parts
  GroupedHeads,   ///< attention whose k and v have fewer heads than q
  Context,        ///< attention over a part of the context
  Lse,            ///< attention that also returns its lse
  ScaledWeight,   ///< a quantized operand or result
  OtherParts,     ///< a cache that does not hold a latent and a rope key
  LayerArithmetic ///< a layer's number that is no loop's argument itself
};

/// "a bias", "a part of the context", ...: what stands after "with".
StringRef describeForm(Form form);

/// The optional parts that `op` has, in the order of the enum.
SmallVector<Form> formsOf(Operation *op);

/// Emits an error at `op` that names its first form that is not one of `known`: "with FORM is not
/// known to WHO".
LogicalResult refuseForms(Operation *op, StringRef who, ArrayRef<Form> known = {});

} // namespace dsv2
} // namespace mlir

#endif // DIALECTS_DSV2_IR_FORMS_H
