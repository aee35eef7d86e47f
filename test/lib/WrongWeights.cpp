//===- WrongWeights.cpp - Wrong edits of weights and norms ----------------===//
//
// Weights are symbols, so the mistakes are a wrong number of a layer, a prepare
// function that was left behind, and a norm that is not the one it should be.
//
//===----------------------------------------------------------------------===//
#include "WrongEdits.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/SymbolTable.h"

namespace dsv2 {

using namespace mlir;
namespace ir = mlir::dsv2;

namespace {

/// A copy of a checkpoint family for other layers.
ir::WeightsOp copyFamily(SymbolTable &symbols, ir::WeightsOp family, ir::RangeAttr layers) {
  OpBuilder builder(family);
  auto copy = cast<ir::WeightsOp>(builder.clone(*family));
  copy.setSymName((family.getSymName() + ".wrong").str());
  copy.setLayersAttr(layers);
  symbols.insert(copy);
  return copy;
}

/// The last `linear` of each loop over layers takes the weights of the next layer.
void takeWrongLayer(ModuleOp module) {
  SymbolTable symbols(module);
  forEach<ir::LayersOp>(module, [&](ir::LayersOp loop) {
    ir::WeightOp weight;
    for (ir::LinearOp op : loop.getBody()->getOps<ir::LinearOp>()) {
      weight = op.getWeight().getDefiningOp<ir::WeightOp>();
    }
    auto family = weight ? symbols.lookup<ir::WeightsOp>(weight.getFamily()) : ir::WeightsOp();
    if (!family || !weight.getLayer()) {
      return;
    }
    // The family of the layers one step on, so that one layer alone has a wrong one too.
    ir::RangeAttr layers = family.getLayersAttr();
    int64_t step = loop.getRange().getStep();
    auto next = ir::RangeAttr::get(module.getContext(), layers.getBegin() + step,
                                   layers.getEnd() + step, layers.getStep());
    ir::WeightsOp wrong = copyFamily(symbols, family, next);
    OpBuilder builder(weight);
    Value one = arith::ConstantIndexOp::create(builder, weight.getLoc(), step);
    weight.getLayerMutable().assign(
        arith::AddIOp::create(builder, weight.getLoc(), weight.getLayer(), one));
    weight.setFamily(wrong.getSymName());
  });
}

/// Prepare functions whose body was made for one layer and is used for all: they read
/// the tensors of the layer past their last.
void leaveStalePrepare(ModuleOp module) {
  SymbolTable symbols(module);
  llvm::StringMap<ir::WeightsOp> made;
  for (auto prepare : llvm::make_early_inc_range(module.getOps<ir::PrepareOp>())) {
    ir::RangeAttr layers = prepare.getLayersAttr();
    if (!layers) {
      continue;
    }
    prepare.walk([&](ir::WeightOp use) {
      auto family = symbols.lookup<ir::WeightsOp>(use.getFamily());
      ir::WeightsOp &stale = made[family.getSymName()];
      if (!stale) {
        stale = copyFamily(symbols, family, ir::RangeAttr());
        stale->removeAttr("layers");
        for (NamedAttribute entry : llvm::to_vector(stale->getAttrs())) {
          auto text = dyn_cast<StringAttr>(entry.getValue());
          if (text && text.getValue().contains("{l}")) {
            auto [before, after] = text.getValue().split("{l}");
            stale->setAttr(
                entry.getName(),
                StringAttr::get(module.getContext(), before + Twine(layers.getEnd()) + after));
          }
        }
      }
      use.setFamily(stale.getSymName());
      use.getLayerMutable().clear();
    });
  }
}

/// 1e-5 for 1e-6, and 1e-6 for anything else.
void takeOtherEps(Operation *op) {
  Builder builder(op->getContext());
  double eps = cast<FloatAttr>(op->getAttr("eps")).getValueAsDouble();
  op->setAttr("eps", builder.getF64FloatAttr(eps == 1e-6 ? 1e-5 : 1e-6));
}

void epsOfAnotherNorm(ModuleOp module) {
  forEach<ir::RMSNormOp>(module, [](ir::RMSNormOp op) { takeOtherEps(op); });
}

void epsOfAnotherLatentNorm(ModuleOp module) {
  forEach<ir::MLACompressOp>(module, [](ir::MLACompressOp op) { takeOtherEps(op); });
}

/// The norm between the two projections of q, left out.
void forgetQueryNorm(ModuleOp module) {
  forEach<ir::RMSNormOp>(module, [](ir::RMSNormOp op) {
    if (op.getX().getDefiningOp<ir::LinearOp>()) {
      op.getResult().replaceAllUsesWith(op.getX());
      op.erase();
    }
  });
}

/// Attention's result without what came in: the first sum of each layer.
void forgetResidual(ModuleOp module) {
  forEach<ir::LayersOp>(module, [](ir::LayersOp loop) {
    auto sums = loop.getBody()->getOps<ir::AddOp>();
    if (!sums.empty()) {
      ir::AddOp sum = *sums.begin();
      sum.getResult().replaceAllUsesWith(sum.getRhs());
      sum.erase();
    }
  });
}

} // namespace

ArrayRef<WrongEdit> wrongWeightEdits() {
  static const WrongEdit edits[] = {
      {"test-take-wrong-layer", "weights of the next layer", takeWrongLayer},
      {"test-leave-stale-prepare", "prepared weights of another layer", leaveStalePrepare},
      {"test-eps-of-another-norm", "an eps that belongs to another norm", epsOfAnotherNorm},
      {"test-eps-of-another-latent-norm", "the same for the latent", epsOfAnotherLatentNorm},
      {"test-forget-query-norm", "no norm between q_a and q_b", forgetQueryNorm},
      {"test-forget-residual", "attention without the residual", forgetResidual},
  };
  return edits;
}

} // namespace dsv2
