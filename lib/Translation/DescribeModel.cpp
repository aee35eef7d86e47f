//===- DescribeModel.cpp - parameters and cache of a model, from its IR --------===//

#include "lib/Translation/DescribeModel.h"

#include "dialects/DSV2/IR/DSV2.h"
#include "lib/Support/CheckedMath.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::dsv2;

namespace {

/// Follows uses of weights back to checkpoint families.
class FamilyCounter {
public:
  explicit FamilyCounter(ModuleOp module) : symbols(module) {}

  /// Checkpoint families behind a value: of a `dsv2.weight`, through prepare functions.
  void collect(Value weight, llvm::SmallSetVector<WeightsOp, 4> &out) {
    auto use = weight.getDefiningOp<WeightOp>();
    Operation *symbol = use ? symbols.lookup(use.getFamily()) : nullptr;
    if (auto family = dyn_cast_or_null<WeightsOp>(symbol)) {
      out.insert(family);
    } else if (auto prepare = dyn_cast_or_null<PrepareOp>(symbol)) {
      prepare.walk([&](WeightOp inner) { collect(inner.getResult(), out); });
    }
  }

  /// A family of routed experts has a dimension for them, whether the checkpoint keeps them apart
  /// or not.
  static bool isRouted(WeightsOp family, int64_t experts) {
    auto shape = family.getValueType().getShape();
    return shape.size() == 3 && shape[0] == experts;
  }

  static std::optional<int64_t> elements(WeightsOp family) {
    uint64_t count = family.getLayers() ? uint64_t(family.getLayersAttr().size()) : 1;
    for (int64_t size : family.getValueType().getShape()) {
      std::optional<uint64_t> next = ::dsv2::checkedMul(count, uint64_t(size));
      if (!next || *next > uint64_t(INT64_MAX)) {
        return std::nullopt;
      }
      count = *next;
    }
    return int64_t(count);
  }

private:
  SymbolTable symbols;
};

} // namespace

FailureOr<ModelDescription> mlir::dsv2::describeModel(ModuleOp module) {
  auto step = module.lookupSymbol<func::FuncOp>("step");
  if (!step) {
    return module.emitError("expected a function @step: a module before the stage 'dispatches'");
  }
  ModelDescription out;
  if (auto model = module->getAttrOfType<DictionaryAttr>(DSV2Dialect::kModelAttr)) {
    if (auto name = model.getAs<StringAttr>("name")) {
      out.name = name.str();
    }
  }
  for (Type type : step.getArgumentTypes()) {
    if (auto cache = dyn_cast<CacheType>(type)) {
      out.layers = cache.getLayers();
      out.cachedValues = cache.getRowWidth();
      out.cacheParts.assign(cache.getWidths().begin(), cache.getWidths().end());
    }
  }
  // Families that the step reads; of routed ones, the share of experts that a token chooses.
  FamilyCounter counter(module);
  llvm::SmallSetVector<WeightsOp, 4> read;
  llvm::DenseMap<Operation *, std::pair<int64_t, int64_t>> chosen;
  step.walk([&](Operation *op) {
    if (auto use = dyn_cast<WeightOp>(op)) {
      counter.collect(use.getResult(), read);
    } else if (auto embed = dyn_cast<EmbedOp>(op)) {
      auto type = cast<RankedTensorType>(embed.getWeight().getType());
      out.vocab = type.getDimSize(0);
      out.hidden = type.getDimSize(1);
    } else if (isa<RoutedExpertsOp, FusedExpertsOp>(op)) {
      auto gate = op->getOperand(2).getDefiningOp<GateOp>();
      if (!gate) {
        return;
      }
      int64_t experts = cast<RankedTensorType>(gate.getWeight().getType()).getDimSize(0);
      llvm::SmallSetVector<WeightsOp, 4> families;
      for (Value weight : op->getOperands().drop_front(3)) {
        counter.collect(weight, families);
      }
      for (WeightsOp family : families) {
        if (FamilyCounter::isRouted(family, experts)) {
          chosen[family] = {gate.getMethod().getTopK(), experts};
        }
      }
    }
  });
  for (WeightsOp family : read) {
    std::optional<int64_t> elements = FamilyCounter::elements(family);
    std::optional<uint64_t> total =
        elements ? ::dsv2::checkedAdd(uint64_t(out.parameters), uint64_t(*elements)) : std::nullopt;
    if (!total || *total > uint64_t(INT64_MAX)) {
      return family.emitOpError("makes the number of parameters pass 2^63");
    }
    out.parameters = int64_t(*total);
    auto share = chosen.find(family);
    out.activated +=
        share == chosen.end() ? *elements : *elements / share->second.second * share->second.first;
  }
  return out;
}

std::string mlir::dsv2::printModelDescription(const ModelDescription &description, bool json) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (json) {
    llvm::json::Array parts;
    for (int64_t part : description.cacheParts) {
      parts.push_back(part);
    }
    llvm::json::Object object{{"name", description.name},
                              {"layers", description.layers},
                              {"hidden", description.hidden},
                              {"vocab", description.vocab},
                              {"parameters", description.parameters},
                              {"activated_parameters", description.activated},
                              {"cached_values_per_token_and_layer", description.cachedValues},
                              {"cache_parts", std::move(parts)}};
    stream << llvm::formatv("{0:2}", llvm::json::Value(std::move(object))) << '\n';
    return text;
  }
  stream << "model                             " << description.name << '\n'
         << "layers, hidden, vocabulary        " << description.layers << ", " << description.hidden
         << ", " << description.vocab << '\n'
         << llvm::formatv("parameters                        {0} ({1:F2}B)\n",
                          description.parameters, double(description.parameters) / 1e9)
         << llvm::formatv("activated for a token             {0} ({1:F2}B)\n",
                          description.activated, double(description.activated) / 1e9)
         << "cached values per token and layer " << description.cachedValues << '\n';
  return text;
}
