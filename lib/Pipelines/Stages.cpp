//===- Stages.cpp - what each stage of a compilation runs -------------------------------------===//
//
// One function per stage; the comment at each pass says why it stands there.
//
//===------------------------------------------------------------------------------------------===//

#include "lib/Pipelines/Stages.h"
#include "lib/Pipelines/Passes.h"

#include "dialects/DSV2/IR/DSV2.h"
#include "dialects/DSV2/Transforms/Passes.h"
#include "dialects/Exec/Transforms/Passes.h"
#include "lib/Conversion/DSV2ToExec/Passes.h"

#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mlir::dsv2;

static constexpr StringLiteral stageNames[] = {"import", "model", "dispatches", "buffers",
                                               "codegen"};

StringRef mlir::dsv2::stageName(Stage stage) { return stageNames[unsigned(stage)]; }

std::optional<Stage> mlir::dsv2::parseStage(StringRef name) {
  for (unsigned i = 0; i < std::size(stageNames); ++i) {
    if (stageNames[i] == name) {
      return Stage(i);
    }
  }
  return std::nullopt;
}

Stage mlir::dsv2::getStage(ModuleOp module) {
  auto attribute = module->getAttrOfType<StringAttr>(DSV2Dialect::kStageAttr);
  return attribute ? parseStage(attribute.getValue()).value_or(Stage::Import) : Stage::Import;
}

void mlir::dsv2::setStage(ModuleOp module, Stage stage) {
  module->setAttr(DSV2Dialect::kStageAttr, StringAttr::get(module.getContext(), stageName(stage)));
}

void mlir::dsv2::buildModelStage(OpPassManager &pm, const ModelStageOptions &options) {
  // Absorbing first: it makes new contractions, whose operands the compute type then covers.
  AbsorbMLAProjectionsPassOptions absorb;
  absorb.mode = options.absorb;
  pm.addPass(createAbsorbMLAProjectionsPass(absorb));
  FuseExpertsPassOptions fuse;
  fuse.mode = options.fuseExperts;
  pm.addPass(createFuseExpertsPass(fuse));
  // Roundings last, when every contraction of the step is there.
  SetComputeTypePassOptions compute;
  compute.compute = options.compute;
  pm.addPass(createSetComputeTypePass(compute));
  // Drops weights that no op reads any more.
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void mlir::dsv2::buildDispatchStage(OpPassManager &pm, const DispatchStageOptions &options) {
  // Experts that stayed apart still share one contraction for gate and up.
  FuseExpertsPassOptions merge;
  merge.mode = "merge";
  pm.addPass(createFuseExpertsPass(merge));
  CreateVariantsPassOptions create;
  create.targets.assign(options.targets.begin(), options.targets.end());
  create.emulate = options.emulate;
  create.simt = options.simt;
  create.maxContext = options.maxContext;
  create.maxBatch = options.maxBatch;
  create.maxStepTokens = options.maxStepTokens;
  pm.addPass(createCreateVariantsPass(create));
  pm.addPass(createFormDispatchesPass());
}

void mlir::dsv2::buildBufferStage(OpPassManager &pm) {
  pm.addPass(dsv2_exec::createAssignLiveIntervalsPass());
}

void mlir::dsv2::buildCodegenStage(OpPassManager &pm, const std::string &report,
                                   const std::string &binaries) {
  GenerateCodePassOptions options;
  options.report = report;
  options.binaries = binaries;
  pm.addPass(createGenerateCodePass(options));
}
