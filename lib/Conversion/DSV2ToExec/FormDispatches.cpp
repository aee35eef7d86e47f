//===- FormDispatches.cpp - Turn the step function into programs ------------------------------===//
//
// Each variant is filled by one walk over the step for every entry (StepLowering); this file says
// which entries there are and what the module keeps of the model.
//
//===------------------------------------------------------------------------------------------===//

#include "lib/Conversion/DSV2ToExec/KernelCoverage.h"
#include "lib/Conversion/DSV2ToExec/Passes.h"
#include "lib/Conversion/DSV2ToExec/StepLowering.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::dsv2 {
#define GEN_PASS_DEF_FORMDISPATCHESPASS
#include "lib/Conversion/DSV2ToExec/Passes.h.inc"
} // namespace mlir::dsv2

using namespace mlir;
using namespace mlir::dsv2;

namespace {

/// Facts of the model that the artifact tells and that only the step function knows.
struct ModelFacts {
  int64_t vocab = 0, hidden = 0, layers = 0, routedExperts = 0, topK = 0;
  SmallVector<int64_t> routedLayers;
};

ModelFacts collectFacts(func::FuncOp step) {
  ModelFacts facts;
  step.walk([&](Operation *op) {
    if (auto embed = dyn_cast<EmbedOp>(op)) {
      auto type = cast<RankedTensorType>(embed.getWeight().getType());
      facts.vocab = type.getDimSize(0);
      facts.hidden = type.getDimSize(1);
    } else if (auto gate = dyn_cast<GateOp>(op)) {
      facts.routedExperts = cast<RankedTensorType>(gate.getWeight().getType()).getDimSize(0);
      facts.topK = gate.getMethod().getTopK();
      auto weight = gate.getWeight().getDefiningOp<WeightOp>();
      RangeAttr range =
          weight && weight.getLayer() ? getRangeOfLayer(weight.getLayer()) : RangeAttr();
      for (int64_t l = range ? range.getBegin() : 0; range && l < range.getEnd();
           l += range.getStep()) {
        facts.routedLayers.push_back(l);
      }
    }
  });
  for (Type type : step.getArgumentTypes()) {
    if (auto cache = dyn_cast<CacheType>(type)) {
      facts.layers = cache.getLayers();
    }
  }
  llvm::sort(facts.routedLayers);
  facts.routedLayers.erase(llvm::unique(facts.routedLayers), facts.routedLayers.end());
  return facts;
}

LogicalResult writeFacts(ModuleOp module, const ModelFacts &facts) {
  auto known = module->getAttrOfType<DictionaryAttr>(DSV2Dialect::kModelAttr);
  if (!known) {
    return module.emitError() << "expected a module attribute '" << DSV2Dialect::kModelAttr << "'";
  }
  Builder b(module.getContext());
  NamedAttrList model(known);
  model.set("vocab", b.getI64IntegerAttr(facts.vocab));
  model.set("hidden", b.getI64IntegerAttr(facts.hidden));
  model.set("layers", b.getI64IntegerAttr(facts.layers));
  if (facts.routedExperts) {
    model.set("routed_experts", b.getI64IntegerAttr(facts.routedExperts));
    model.set("top_k", b.getI64IntegerAttr(facts.topK));
    model.set("routed_layers", b.getDenseI64ArrayAttr(facts.routedLayers));
  }
  module->setAttr(DSV2Dialect::kModelAttr, model.getDictionary(module.getContext()));
  return success();
}

struct FormDispatchesPass : public mlir::dsv2::impl::FormDispatchesPassBase<FormDispatchesPass> {
  using FormDispatchesPassBase::FormDispatchesPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto step = module.lookupSymbol<func::FuncOp>("step");
    if (!step) {
      module.emitError("expected a function @step");
      return signalPassFailure();
    }
    auto variants = llvm::to_vector(module.getOps<dsv2_exec::VariantOp>());
    if (variants.empty()) {
      module.emitError("expected a variant (dsv2-create-variants)");
      return signalPassFailure();
    }
    if (failed(checkKernelCoverage(step))) {
      return signalPassFailure();
    }
    if (auto block = module.lookupSymbol<func::FuncOp>("mtp")) {
      block.emitRemark("the block of multi-token prediction, @mtp, is left out: it is not "
                       "compiled yet");
    }
    ModelFacts facts = collectFacts(step);
    RoutedLayers routed;
    if (!facts.routedLayers.empty()) {
      routed = {facts.routedLayers.front(), facts.routedLayers.back()};
    }
    for (dsv2_exec::VariantOp variant : variants) {
      ProgramBuilder program(variant, module, routed);
      for (const EntrySchedule &schedule :
           {EntrySchedule{"few_rows", splitRows, true}, EntrySchedule{"any_rows", 0, false}}) {
        if (failed(StepLowering(program, schedule).run(step))) {
          return signalPassFailure();
        }
      }
      numDispatches += program.numDispatches;
      numKernels += program.numKernels;
    }
    if (failed(writeFacts(module, facts))) {
      return signalPassFailure();
    }
    for (Operation &op : llvm::make_early_inc_range(module.getBody()->getOperations())) {
      if (isa<func::FuncOp, WeightsOp, PrepareOp>(op)) {
        op.erase();
      }
    }
  }
};

} // namespace
