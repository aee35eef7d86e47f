//===- CreateVariants.cpp - an empty program for each target ----------------------------------===//
//
// The only place between model and code that looks a target up: what later passes need to know of
// it is written into the variant.
//
//===------------------------------------------------------------------------------------------===//

#include "lib/Pipelines/Passes.h"

#include "dialects/DSV2/IR/DSV2.h"
#include "dialects/Exec/IR/Exec.h"
#include "lib/Target/TargetBackend.h"

namespace mlir::dsv2 {
#define GEN_PASS_DEF_CREATEVARIANTSPASS
#include "lib/Pipelines/Passes.h.inc"
} // namespace mlir::dsv2

using namespace mlir;
using namespace mlir::dsv2;

namespace {

/// Longest context when the option does not say: the config's, but a cache that a laptop can hold.
constexpr int64_t kDefaultContext = 8192;

struct CreateVariantsPass : public mlir::dsv2::impl::CreateVariantsPassBase<CreateVariantsPass> {
  using CreateVariantsPassBase::CreateVariantsPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto model = module->getAttrOfType<DictionaryAttr>(DSV2Dialect::kModelAttr);
    auto known = model ? model.getAs<IntegerAttr>("max_context") : IntegerAttr();
    if (!known) {
      module.emitError() << "expected a module attribute '" << DSV2Dialect::kModelAttr
                         << "' with 'max_context'";
      return signalPassFailure();
    }
    int64_t context = maxContext ? int64_t(maxContext) : std::min(known.getInt(), kDefaultContext);

    ::dsv2::TargetRegistry registry;
    ::dsv2::registerAllTargets(registry);
    SmallVector<std::string> names(targets.begin(), targets.end());
    if (names.empty()) {
      names.push_back("host");
    }
    for (unsigned i = 0, n = names.size(); i < n; ++i) {
      const ::dsv2::TargetBackend *target = registry.lookup(names[i]);
      if (target && (target->hasDeviceForm() ? simt : emulate)) {
        names.push_back(
            (target->getName() + (target->hasDeviceForm() ? ":simt" : ":emulated")).str());
      }
    }
    if (failed(readStep())) {
      return signalPassFailure();
    }
    OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
    SmallVector<StringRef> made;
    for (const std::string &name : names) {
      const ::dsv2::TargetBackend *target = registry.lookup(name);
      if (!target) {
        std::string known;
        for (const std::string &other : registry.getNames()) {
          known += (known.empty() ? "" : ", ") + other;
        }
        module.emitError() << "unknown target '" << name << "', expected host or one of " << known;
        return signalPassFailure();
      }
      if (llvm::is_contained(made, target->getName())) {
        continue; // named twice, or host is also named
      }
      made.push_back(target->getName());
      create(b, *target, context);
      ++numVariants;
    }
  }

  /// What the step says of its numbers: compute type, and the angles that step tables are made of.
  /// A program has one table of angles, so all rotations must agree.
  LogicalResult readStep() {
    compute = "f32";
    frequencies.clear();
    magnitude = 1.0f;
    RopeOp first;
    WalkResult result = getOperation().walk([&](Operation *op) {
      if (auto rope = dyn_cast<RopeOp>(op)) {
        if (first && (rope.getRope().getInvFreq() != first.getRope().getInvFreq() ||
                      rope.getRope().getMagnitude() != first.getRope().getMagnitude())) {
          InFlightDiagnostic error =
              rope.emitOpError("has other frequencies or magnitude than the first rotation");
          error.attachNote(first.getLoc()) << "the first is here";
          return WalkResult::interrupt();
        }
        first = rope;
        frequencies = llvm::to_vector(rope.getRope().getInvFreq().getValues<float>());
        magnitude = float(rope.getRope().getMagnitude());
      } else if (auto append = dyn_cast<CacheAppendOp>(op)) {
        compute =
            cast<CacheType>(append.getCache().getType()).getElementType().isBF16() ? "bf16" : "f32";
      }
      return WalkResult::advance();
    });
    return failure(result.wasInterrupted());
  }

  void create(OpBuilder &b, const ::dsv2::TargetBackend &target, int64_t context) {
    auto variant = dsv2_exec::VariantOp::create(
        b, getOperation().getLoc(), target.getName(), target.getDriver(), target.getTier(), compute,
        context, maxBatch, maxStepTokens, frequencies, magnitude);
    auto packing = [&](Type element) {
      ::dsv2::PackedLayout layout = target.getPacking(element);
      return b.getDenseI64ArrayAttr({layout.panel, layout.pair});
    };
    SmallVector<NamedAttribute> entries = {b.getNamedAttr("bf16", packing(b.getBF16Type())),
                                           b.getNamedAttr("f32", packing(b.getF32Type()))};
    if (int64_t rows = target.getCapabilities().rowsOfItem) {
      entries.push_back(b.getNamedAttr("rows", b.getI64IntegerAttr(rows)));
    }
    for (Type element : {Type(b.getBF16Type()), Type(b.getF32Type())}) {
      ::dsv2::AttentionTile tile = target.getAttentionTile(element), usual;
      if (tile.heads != usual.heads || tile.tokens != usual.tokens) {
        entries.push_back(b.getNamedAttr(element.isBF16() ? "bf16_attention" : "f32_attention",
                                         b.getDenseI64ArrayAttr({tile.heads, tile.tokens})));
      }
    }
    variant->setAttr("packing", b.getDictionaryAttr(entries));
  }

  StringRef compute;
  SmallVector<float> frequencies;
  float magnitude = 1.0f;
};

} // namespace
