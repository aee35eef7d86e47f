//===- Forms.cpp - what an op has beyond its plain form ------------------------===//
//
// One case for each op that has optional parts.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/IR/Forms.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"

namespace mlir {
namespace dsv2 {

StringRef describeForm(Form form) {
  switch (form) {
  case Form::Bias:
    return "a bias";
  case Form::Add:
    return "an operand to add";
  case Form::Activation:
    return "activations rounded in groups";
  case Form::NoRope:
    return "no rope parts";
  case Form::GroupedHeads:
    return "fewer heads of k and v than of q";
  case Form::Context:
    return "a part of the context";
  case Form::Lse:
    return "an lse to return";
  case Form::ScaledWeight:
    return "a quantized weight";
  case Form::OtherParts:
    return "a cache whose parts are not a latent and a rope key";
  case Form::LayerArithmetic:
    return "a layer that is not its loop's own number";
  }
  llvm_unreachable("a form without a name");
}

static bool isScaled(Type type) { return isa<ScaledType>(getElementTypeOrSelf(type)); }

/// The index operand that names a layer; null if `op` has none.
static Value layerOf(Operation *op) {
  return TypeSwitch<Operation *, Value>(op)
      .Case<WeightOp, CacheAppendOp, CacheReadOp, DecompressOp, LatentAttentionOp>(
          [](auto user) -> Value { return user.getLayer(); })
      .Default(Value());
}

SmallVector<Form> formsOf(Operation *op) {
  SmallVector<Form> forms;
  auto add = [&](bool has, Form form) {
    if (has) {
      forms.push_back(form);
    }
  };
  auto addAttention = [&](auto attention) {
    add(attention.getPartAttr() != nullptr, Form::Context);
    add(attention.getReturningLse(), Form::Lse);
  };
  TypeSwitch<Operation *>(op)
      .Case([&](LinearOp linear) {
        add(linear.getBias() != nullptr, Form::Bias);
        add(linear.getAdd() != nullptr, Form::Add);
      })
      .Case([&](MLACompressOp compress) { add(compress.getBias() != nullptr, Form::Bias); })
      .Case<MLPOp, SharedExpertsOp>(
          [&](auto mlp) { add(mlp.getBiasGate() != nullptr, Form::Bias); })
      .Case([&](AttentionOp attention) {
        add(!attention.getQRope(), Form::NoRope);
        add(attention.getKNope().getType().getDimSize(1) !=
                attention.getQNope().getType().getDimSize(1),
            Form::GroupedHeads);
        addAttention(attention);
      })
      .Case([&](LatentAttentionOp attention) { addAttention(attention); })
      .Case([&](CacheAppendOp append) { add(append.getParts().size() != 2, Form::OtherParts); });
  add(op->hasAttr("activation"), Form::Activation);
  add(llvm::any_of(op->getOperandTypes(), isScaled) || llvm::any_of(op->getResultTypes(), isScaled),
      Form::ScaledWeight);
  Value layer = layerOf(op);
  add(layer && !isa<BlockArgument>(layer), Form::LayerArithmetic);
  llvm::sort(forms);
  return forms;
}

LogicalResult refuseForms(Operation *op, StringRef who, ArrayRef<Form> known) {
  for (Form form : formsOf(op)) {
    if (!llvm::is_contained(known, form)) {
      return op->emitOpError() << "with " << describeForm(form) << " is not known to " << who;
    }
  }
  return success();
}

} // namespace dsv2
} // namespace mlir
