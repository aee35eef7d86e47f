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
    Post: `dsv2.stage` says the last stage that ran; the step function is there up to `model`, variants from
    `dispatches` on.

    No op has a slow fallback: one without a kernel is an error that names it, whatever `allow-fallback` says.

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
    Option<"quantizeOverrides", "quantize-overrides", "std::string", /*default=*/"\"\"", "nothing yet">,
    Option<"kvCache", "kv-cache", "std::string", /*default=*/"\"\"", "bf16 or f32: must be the compute type">,
    Option<"verify", "verify", "int64_t", /*default=*/"0", "largest draft: 0">,
    Option<"maxContext", "max-context", "int64_t", /*default=*/"0",
           "most cached tokens of a sequence (0: the config's, at most 8192)">,
    Option<"maxBatch", "max-batch", "int64_t", /*default=*/"8", "most sequences of a step">,
    Option<"maxStepTokens", "max-step-tokens", "int64_t", /*default=*/"512", "most new tokens of a step">,
    Option<"stopAfter", "stop-after", "std::string", /*default=*/"\"codegen\"",
           "last stage to run: model, dispatches, buffers or codegen">,
    Option<"report", "report", "std::string", /*default=*/"\"\"", "file that says which op got which kernel, written by the stage codegen">,
    Option<"binaries", "binaries", "std::string", /*default=*/"\"auto\"",
           "auto: beside text for drivers also code for exactly the target, where its assembler is installed; or off">,
    Option<"allowFallback", "allow-fallback", "std::string", /*default=*/"\"off\"", "on or off; no op has a fallback yet">,
    Option<"emulate", "emulate", "std::string", /*default=*/"\"off\"",
           "on: also compile every target with its special instructions as plain arithmetic">,
    Option<"simt", "simt", "std::string", /*default=*/"\"off\"",
           "on: also compile every GPU target for checked runs on the CPU">,
  ];
}

def CreateVariantsPass : Pass<"dsv2-create-variants", "::mlir::ModuleOp"> {
  let summary = "Add an empty program for each target";
  let description = [{
    Looks the targets up in the registry and writes down what later passes need to know of them (driver, tier,
    packing), so that they read numbers and never names.

    Pre: a step function that went through the model stage, all rotations of which agree; the module attribute
    `dsv2.model` with `max_context`. Post: a variant for every target, named like it, without entries.

    ```mlir
    module attributes {dsv2.model = {max_context = 4096 : i64}, ...} {
      ...
      // becomes, behind the step function
      dsv2_exec.variant @"x86-64-v3" attributes {compute = "bf16", driver = "cpu", max_context = 4096 : i64,
          packing = {bf16 = array<i64: 64, 2>, f32 = array<i64: 32, 1>}, tier = "x86-64-v3", ...} {}
    ```
  }];
  let dependentDialects = ["::mlir::dsv2_exec::ExecDialect"];
  let options = [
    ListOption<"targets", "targets", "std::string", "targets to compile for (default: host)">,
    Option<"emulate", "emulate", "bool", /*default=*/"false", "also add the emulated form of every CPU target">,
    Option<"simt", "simt", "bool", /*default=*/"false", "also add the checked form of every GPU target">,
    Option<"maxContext", "max-context", "int64_t", /*default=*/"0", "most cached tokens of a sequence">,
    Option<"maxBatch", "max-batch", "int64_t", /*default=*/"8", "most sequences of a step">,
    Option<"maxStepTokens", "max-step-tokens", "int64_t", /*default=*/"512", "most new tokens of a step">,
  ];
  let statistics = [Statistic<"numVariants", "variants", "programs added">];
}

def GenerateCodePass : Pass<"dsv2-generate-code", "::mlir::ModuleOp"> {
  let summary = "Compile every kernel of every program and attach the code";
  let description = [{
    A kernel of a builder is built through the target's emitter, a generic kernel goes the linalg route; both
    become objects of the target, which joins them to one image without imports or relocations. Kernels are
    compiled in parallel; the order in the image is that of the text.

    Pre: at least one variant; kernels have a spec or a body. Post: every kernel has an offset and a size, every
    variant an image; specs and bodies are gone.

    ```mlir
    dsv2_exec.kernel @matmul_0 builder "matmul" spec {k = 64 : i64, n = 96 : i64, ...} scratch 0
    // becomes
    dsv2_exec.image text 4096 code dense_resource<image> : tensor<8192xi8>
    dsv2_exec.kernel @matmul_0 builder "matmul" scratch 3744 at 0 size 5218
    ```
  }];
  let options = [
    Option<"report", "report", "std::string", /*default=*/"\"\"", "file that lists the kernels and their code">,
    Option<"binaries", "binaries", "std::string", /*default=*/"\"auto\"",
           "auto: beside text for drivers also code for exactly the target, where its assembler is installed; or off">,
  ];
  let statistics = [
    Statistic<"numKernels", "kernels", "kernels compiled">,
    Statistic<"numBytes", "bytes", "bytes of code and constants in all images">,
  ];
}

#endif // DSV2_PIPELINES_PASSES_TD
