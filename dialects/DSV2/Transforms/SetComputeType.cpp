//===- SetComputeType.cpp - roundings of a compute type ------------------------===//
//
// What `compute=bf16` rounds is part of the meaning, so it stands in the IR, where the oracle reads
// it and a kernel must follow it: nothing below this pass rounds on its own.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/Transforms/DerivedWeights.h"
#include "dialects/DSV2/Transforms/Passes.h"

#include "llvm/ADT/TypeSwitch.h"

namespace mlir::dsv2 {
#define GEN_PASS_DEF_SETCOMPUTETYPEPASS
#include "dialects/DSV2/Transforms/Passes.h.inc"
} // namespace mlir::dsv2

using namespace mlir;
using namespace mlir::dsv2;

namespace {

/// The operands of one contraction, as weights and as activations.
struct Contraction {
  SmallVector<OpOperand *> activations;
  SmallVector<OpOperand *> weights;
  bool hasInner = false;
};

struct SetComputeTypePass : public mlir::dsv2::impl::SetComputeTypePassBase<SetComputeTypePass> {
  using SetComputeTypePassBase::SetComputeTypePassBase;

  void runOnOperation() override;

  LogicalResult setOperands(Operation *op, Contraction operands, DerivedWeights &weights);
  LogicalResult setWeight(OpOperand &operand, Type element, DerivedWeights &weights);
  void round(OpOperand &operand);
  void setCacheTypes();

  Type target;
  /// Each activation is rounded once, next to where it is made.
  DenseMap<Value, Value> rounded;
};

/// All operands that a contraction multiplies; empty for other ops. The gate's is another matter.
/// Biases, norms and what `linear` adds stay as they are: they meet f32 accumulators.
Contraction contractionOf(Operation *op) {
  Contraction operands;
  TypeSwitch<Operation *>(op)
      .Case<LinearOp, HeadLinearOp>([&](auto linear) {
        operands.activations = {&linear.getXMutable()};
        operands.weights = {&linear.getWeightMutable()};
      })
      .Case<MLACompressOp>([&](MLACompressOp compress) {
        operands.activations = {&compress.getXMutable()};
        operands.weights = {&compress.getKvAMutable()};
      })
      .Case<DecompressOp>(
          [&](DecompressOp decompress) { operands.weights = {&decompress.getKvBMutable()}; })
      .Case<AttentionOp>([&](AttentionOp attention) {
        operands.activations = {&attention.getQNopeMutable(), &attention.getKNopeMutable(),
                                &attention.getVMutable()};
        for (MutableOperandRange part :
             {attention.getQRopeMutable(), attention.getKRopeMutable()}) {
          llvm::append_range(operands.activations, llvm::make_pointer_range(part));
        }
        operands.hasInner = true;
      })
      .Case<LatentAttentionOp>([&](LatentAttentionOp attention) {
        operands.activations = {&attention.getQLatentMutable(), &attention.getQRopeMutable()};
        operands.hasInner = true;
      })
      .Case<MLPOp, SharedExpertsOp, RoutedExpertsOp>([&](auto mlp) {
        operands.activations = {&mlp.getXMutable()};
        operands.weights = {&mlp.getGateMutable(), &mlp.getUpMutable(), &mlp.getDownMutable()};
        operands.hasInner = true;
      })
      .Case<FusedExpertsOp>([&](FusedExpertsOp experts) {
        operands.activations = {&experts.getXMutable()};
        operands.weights = {&experts.getGateUpMutable(), &experts.getDownMutable()};
        operands.hasInner = true;
      })
      // Not a contraction, but what it stores has the cache's type.
      .Case<CacheAppendOp>([&](CacheAppendOp append) {
        MutableOperandRange parts = append.getPartsMutable();
        llvm::append_range(operands.activations, llvm::make_pointer_range(parts));
      });
  return operands;
}

/// "f32" or "bf16" for `auto`: f32 if every checkpoint tensor is.
StringRef computeOf(ModuleOp module) {
  for (WeightsOp weights : module.getOps<WeightsOp>()) {
    if (!weights.getTensorType().getElementType().isF32()) {
      return "bf16";
    }
  }
  return "f32";
}

RankedTensorType withElement(Value value, Type element) {
  return cast<RankedTensorType>(value.getType()).clone(element);
}

} // namespace

void SetComputeTypePass::round(OpOperand &operand) {
  Value value = operand.get();
  if (cast<RankedTensorType>(value.getType()).getElementType() == target) {
    return;
  }
  Value &cast = rounded[value];
  if (!cast) {
    OpBuilder builder(value.getContext());
    builder.setInsertionPointAfterValue(value);
    cast = CastOp::create(builder, value.getLoc(), withElement(value, target), value);
    ++numCasts;
  }
  operand.set(cast);
}

LogicalResult SetComputeTypePass::setWeight(OpOperand &operand, Type element,
                                            DerivedWeights &weights) {
  Value value = operand.get();
  if (cast<RankedTensorType>(value.getType()).getElementType() == element) {
    return success();
  }
  Operation *family = weights.familyOf(value);
  if (!family) {
    return operand.getOwner()->emitOpError("operand #")
           << operand.getOperandNumber() << " is a weight of " << value.getType()
           << ", expected a dsv2.weight that a "
           << "dsv2.prepare can turn to " << element;
  }
  OpBuilder builder(value.getDefiningOp());
  StringRef name = SymbolTable::getSymbolName(family);
  name = name.contains('.') ? name.rsplit('.').second : name;
  std::string suffix = element.isF32() ? "_f32" : "_bf16";
  operand.set(weights.derive(
      builder, value, name.str() + suffix, [&](OpBuilder &b, ValueRange sources) -> Value {
        RankedTensorType type = withElement(value, element);
        // A quantized source comes in f32, which may be what is wanted.
        return sources[0].getType() == type ? sources[0]
                                            : CastOp::create(b, value.getLoc(), type, sources[0]);
      }));
  ++numWeights;
  return success();
}

LogicalResult SetComputeTypePass::setOperands(Operation *op, Contraction operands,
                                              DerivedWeights &weights) {
  for (OpOperand *weight : operands.weights) {
    if (failed(setWeight(*weight, target, weights))) {
      return failure();
    }
  }
  if (target.isF32()) {
    return success();
  }
  for (OpOperand *activation : operands.activations) {
    round(*activation);
  }
  if (operands.hasInner) {
    op->setAttr("inner", TypeAttr::get(target));
  }
  return success();
}

/// Every cache holds the compute type: values, block arguments, and signatures of functions.
void SetComputeTypePass::setCacheTypes() {
  auto convert = [&](Type type) -> Type {
    auto cache = dyn_cast<CacheType>(type);
    return cache ? CacheType::get(cache.getContext(), cache.getLayers(), cache.getWidths(), target)
                 : type;
  };
  getOperation().walk([&](Operation *op) {
    for (Value result : op->getResults()) {
      result.setType(convert(result.getType()));
    }
    for (Region &region : op->getRegions()) {
      for (Block &block : region) {
        for (BlockArgument argument : block.getArguments()) {
          argument.setType(convert(argument.getType()));
        }
      }
    }
    if (auto function = dyn_cast<func::FuncOp>(op)) {
      FunctionType type = function.getFunctionType();
      auto inputs = llvm::map_to_vector(type.getInputs(), convert);
      auto results = llvm::map_to_vector(type.getResults(), convert);
      function.setFunctionType(FunctionType::get(op->getContext(), inputs, results));
    }
  });
}

void SetComputeTypePass::runOnOperation() {
  ModuleOp module = getOperation();
  if (compute != "auto" && compute != "f32" && compute != "bf16") {
    module.emitError("compute type is '") << compute << "', expected auto, f32 or bf16";
    return signalPassFailure();
  }
  StringRef name = compute == "auto" ? computeOf(module) : StringRef(compute);
  auto earlier = module->getAttrOfType<StringAttr>(DSV2Dialect::kComputeAttr);
  if (earlier && earlier != name) {
    module.emitError("compute type is already ")
        << earlier << ", expected none or \"" << name << "\"";
    return signalPassFailure();
  }
  Type f32 = Float32Type::get(module.getContext());
  target = name == "f32" ? f32 : Type(BFloat16Type::get(module.getContext()));
  rounded.clear();

  DerivedWeights weights(module);
  SmallVector<Operation *> steps;
  module.walk([&](Operation *op) {
    if (!op->getParentOfType<PrepareOp>()) {
      steps.push_back(op);
    }
  });
  for (Operation *op : steps) {
    LogicalResult result = success();
    if (auto gate = dyn_cast<GateOp>(op)) {
      result = setWeight(gate.getWeightMutable(), f32, weights);
    } else {
      result = setOperands(op, contractionOf(op), weights);
    }
    if (failed(result)) {
      return signalPassFailure();
    }
  }
  setCacheTypes();
  module->setAttr(DSV2Dialect::kComputeAttr, StringAttr::get(module.getContext(), name));
  weights.eraseUnused();
}
