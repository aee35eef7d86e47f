//===- Compile.cpp - the whole pipeline behind one option -------------------------------------===//
//
// Options are checked before the first stage runs: a wrong one must not cost a compilation.
//
//===------------------------------------------------------------------------------------------===//

#include "lib/Pipelines/Passes.h"
#include "lib/Pipelines/Registration.h"
#include "lib/Pipelines/Stages.h"

#include "dialects/DSV2/IR/DSV2.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::dsv2 {
#define GEN_PASS_DEF_COMPILEPASS
#include "lib/Pipelines/Passes.h.inc"
} // namespace mlir::dsv2

using namespace mlir;
using namespace mlir::dsv2;

namespace {

struct CompilePass : public mlir::dsv2::impl::CompilePassBase<CompilePass> {
  using CompilePassBase::CompilePassBase;

  // Everything that a stage may make: its passes run in pipelines that are not known before.
  void getDependentDialects(DialectRegistry &registry) const override {
    registerAllDialects(registry);
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (module.getBody()->empty()) {
      module.emitError("the module is empty: did the command before this one fail?");
      return signalPassFailure();
    }
    std::optional<Stage> last = parseStage(stopAfter);
    if (failed(checkOptions(module, last))) {
      return signalPassFailure();
    }
    Stage reached = getStage(module);
    if (reached < Stage::Dispatches && !module.lookupSymbol<func::FuncOp>("step")) {
      module.emitError("expected a function @step (dsv2-translate --import-hf)");
      return signalPassFailure();
    }
    for (Stage stage : {Stage::Model, Stage::Dispatches, Stage::Buffers, Stage::Codegen}) {
      if (stage <= reached || stage > *last) {
        continue;
      }
      OpPassManager pm(ModuleOp::getOperationName());
      build(stage, pm);
      if (failed(runPipeline(pm, module))) {
        return signalPassFailure();
      }
      setStage(module, stage);
    }
  }

  void build(Stage stage, OpPassManager &pm) {
    switch (stage) {
    case Stage::Import:
      return;
    case Stage::Model:
      return buildModelStage(pm, {absorb, fuseExperts, compute});
    case Stage::Dispatches: {
      DispatchStageOptions options;
      if (!targets.empty()) {
        options.targets.assign(targets.begin(), targets.end());
      }
      options.emulate = emulate == "on";
      options.simt = simt == "on";
      options.maxContext = maxContext;
      options.maxBatch = maxBatch;
      options.maxStepTokens = maxStepTokens;
      return buildDispatchStage(pm, options);
    }
    case Stage::Buffers:
      return buildBufferStage(pm);
    case Stage::Codegen:
      return buildCodegenStage(pm, report, binaries);
    }
  }

  /// One error for the first option that is out of its range.
  LogicalResult checkOptions(ModuleOp module, std::optional<Stage> last) {
    auto refuse = [&](StringRef option, const Twine &value, StringRef expected) {
      return module.emitError() << "dsv2-compile: option '" << option << "' is '" << value.str()
                                << "', expected " << expected;
    };
    auto among = [](StringRef value, ArrayRef<StringRef> list) {
      return llvm::is_contained(list, value);
    };
    if (!last || *last == Stage::Import) {
      return refuse("stop-after", stopAfter, "model, dispatches, buffers or codegen");
    }
    if (!among(compute, {"auto", "f32", "bf16"})) {
      return refuse("compute", compute, "auto, f32 or bf16");
    }
    if (!among(absorb, {"auto", "naive", "reassociated"})) {
      return refuse("absorb", absorb,
                    "auto, naive or reassociated (premultiplied is not supported yet)");
    }
    if (!among(fuseExperts, {"auto", "on", "off"})) {
      return refuse("fuse-experts", fuseExperts, "auto, on or off");
    }
    if (quantize != "none") {
      return refuse("quantize", quantize, "none (quantized weights are not supported yet)");
    }
    if (!quantizeOverrides.empty()) {
      return refuse("quantize-overrides", quantizeOverrides,
                    "nothing (quantized weights are not supported yet)");
    }
    if (!among(kvCache, {"", compute}) && !(compute == "auto" && among(kvCache, {"f32", "bf16"}))) {
      return refuse("kv-cache", kvCache,
                    "the compute type (other cache types are not supported yet)");
    }
    if (verify != 0) {
      return refuse("verify", Twine(verify),
                    "0 (the block of multi-token prediction, @mtp, is not compiled yet)");
    }
    if (!among(emulate, {"on", "off"})) {
      return refuse("emulate", emulate, "on or off");
    }
    if (!among(simt, {"on", "off"})) {
      return refuse("simt", simt, "on or off");
    }
    if (!among(binaries, {"auto", "off"})) {
      return refuse("binaries", binaries, "auto or off");
    }
    if (!among(allowFallback, {"on", "off"})) {
      return refuse("allow-fallback", allowFallback, "on or off");
    }
    if (maxContext < 0 || maxContext > (int64_t(1) << 24)) {
      return refuse("max-context", Twine(maxContext), "0 to 16777216");
    }
    if (maxBatch < 1 || maxBatch > 4096) {
      return refuse("max-batch", Twine(maxBatch), "1 to 4096");
    }
    if (maxStepTokens < 1 || maxStepTokens > 65536) {
      return refuse("max-step-tokens", Twine(maxStepTokens), "1 to 65536");
    }
    return success();
  }
};

} // namespace
