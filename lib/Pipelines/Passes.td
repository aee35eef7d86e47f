//===- Passes.td - passes that need more than one room -------------------------*- tablegen -*-===//
//
// The whole pipeline, and the two ends of the lower half that know the targets.
//
//===---------------------------------------------------------------------------------------------===//

#ifndef DSV2_PIPELINES_PASSES_TD
#define DSV2_PIPELINES_PASSES_TD

include "mlir/Pass/PassBase.td"

def CompilePass : Pass<"dsv2-compile", "::mlir::ModuleOp"> {
  let summary = "Compile a model for its targets, in stages";
  let description = [{
    Runs the stages `model`, `dispatches`, `buffers` and `codegen` that the module has not reached yet, up to
    `stop-after`. Options of a stage that is already behind are ignored.

    Pre: a module with a step function (`dsv2-translate --import-hf`), or what this pass left.
    Post: `dsv2.stage` says the last stage that ran.

    ```sh
    dsv2-translate --import-hf DIR | dsv2-opt --dsv2-compile="targets=host stop-after=model"
    ```
  }];
  let options = [
    ListOption<"targets", "targets", "std::string", "targets to compile for, a comma list (default: host)">,
    Option<"compute", "compute", "std::string", /*default=*/"\"auto\"",
           "auto, f32 or bf16: type of contraction operands and cache">,
    Option<"absorb", "absorb", "std::string", /*default=*/"\"auto\"", "auto, naive or reassociated">,
    Option<"fuseExperts", "fuse-experts", "std::string", /*default=*/"\"auto\"", "auto, on or off">,
    Option<"quantize", "quantize", "std::string", /*default=*/"\"none\"", "none">,
    Option<"kvCache", "kv-cache", "std::string", /*default=*/"\"\"", "bf16 or f32: must be the compute type">,
    Option<"verify", "verify", "int64_t", /*default=*/"0", "largest draft: 0">,
    Option<"maxContext", "max-context", "int64_t", /*default=*/"0",
           "most cached tokens of a sequence (0: the config's, at most 8192)">,
    Option<"maxBatch", "max-batch", "int64_t", /*default=*/"8", "most sequences of a step">,
    Option<"maxStepTokens", "max-step-tokens", "int64_t", /*default=*/"512", "most new tokens of a step">,
    Option<"stopAfter", "stop-after", "std::string", /*default=*/"\"codegen\"",
           "last stage to run: model, dispatches, buffers or codegen">,
    Option<"report", "report", "std::string", /*default=*/"\"\"", "file that says which op got which kernel">,
    Option<"allowFallback", "allow-fallback", "std::string", /*default=*/"\"off\"", "on or off">,
    Option<"emulate", "emulate", "std::string", /*default=*/"\"off\"",
           "on: also compile every target with its special instructions as plain arithmetic">,
  ];
}

def CreateVariantsPass : Pass<"dsv2-create-variants", "::mlir::ModuleOp"> {
  let summary = "Add an empty program for each target";
  let description = [{
    Looks the targets up in the registry and writes down what later passes need to know of them (driver, tier,
    packing), so that they read numbers and never names. Pre: the model stage is done.

    ```mlir
    dsv2_exec.variant @"x86-64-v3" attributes {driver = "cpu", tier = "x86-64-v3", ...} {}
    ```
  }];
  let dependentDialects = ["::mlir::dsv2_exec::ExecDialect"];
  let options = [
    ListOption<"targets", "targets", "std::string", "targets to compile for (default: host)">,
    Option<"emulate", "emulate", "bool", /*default=*/"false", "also add the emulated form of every target">,
    Option<"maxContext", "max-context", "int64_t", /*default=*/"0", "most cached tokens of a sequence">,
    Option<"maxBatch", "max-batch", "int64_t", /*default=*/"8", "most sequences of a step">,
    Option<"maxStepTokens", "max-step-tokens", "int64_t", /*default=*/"512", "most new tokens of a step">,
  ];
}

def GenerateCodePass : Pass<"dsv2-generate-code", "::mlir::ModuleOp"> {
  let summary = "Compile every kernel of every program and attach the code";
  let description = [{
    A kernel of a builder is built through the target's emitter, a generic kernel goes the linalg route; both
    become objects of the target, which joins them to one image without imports or relocations. Kernels are
    compiled in parallel; the order in the image is that of the text.

    Pre: buffers are assigned. Post: every kernel has an offset and a size, every variant an image.
  }];
  let options = [
    Option<"report", "report", "std::string", /*default=*/"\"\"", "file that lists the kernels and their code">,
  ];
}

#endif // DSV2_PIPELINES_PASSES_TD
