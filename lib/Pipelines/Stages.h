//===- Stages.h - the stages from a model to code ---------------------------------------------===//
//
//   import -> model -> dispatches -> buffers -> codegen
//
// Each stage is a function that fills a pass manager, with an option struct of its own. The module
// records the stage it has reached (`dsv2.stage`); `--dsv2-compile` runs the stages that are still
// missing, up to `stop-after`, so a pipe may stop anywhere and go on from there.
//
//===------------------------------------------------------------------------------------------===//

#ifndef DSV2_LIB_PIPELINES_STAGES_H
#define DSV2_LIB_PIPELINES_STAGES_H

#include "mlir/Pass/PassManager.h"

#include <string>

namespace mlir::dsv2 {

/// Stages in order; a module without the attribute has not been imported by our tools and counts as
/// Import.
enum class Stage { Import, Model, Dispatches, Buffers, Codegen };
StringRef stageName(Stage stage);
std::optional<Stage> parseStage(StringRef name);
/// The stage that a module has reached.
Stage getStage(ModuleOp module);
void setStage(ModuleOp module, Stage stage);

/// What the model computes, rewritten: no target is known yet.
struct ModelStageOptions {
  std::string absorb = "auto", fuseExperts = "auto", compute = "auto";
};
/// One program a target, made of dispatches.
struct DispatchStageOptions {
  std::vector<std::string> targets = {"host"};
  bool emulate = false;
  bool simt = false;
  int64_t maxContext = 0; ///< 0: the config's, at most 8192
  int64_t maxBatch = 8, maxStepTokens = 512;
};

void buildModelStage(OpPassManager &pm, const ModelStageOptions &options);
void buildDispatchStage(OpPassManager &pm, const DispatchStageOptions &options);
void buildBufferStage(OpPassManager &pm);
/// `report`: a file or empty; `binaries`: "auto" or "off".
void buildCodegenStage(OpPassManager &pm, const std::string &report, const std::string &binaries);

} // namespace mlir::dsv2

#endif // DSV2_LIB_PIPELINES_STAGES_H
