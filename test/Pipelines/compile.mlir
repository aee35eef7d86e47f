// The stages of a whole compilation: what each runs, that it may stop anywhere, and that resuming changes nothing.
// RUN: dsv2-translate --import-hf %golden/lite -o %t.import
// RUN: dsv2-opt %t.import --dsv2-compile="targets=x86-64-v3 compute=bf16 report=%t.report" \
// RUN:     --mlir-print-ir-after-all -o %t.whole 2> %t.passes
// RUN: FileCheck %s --check-prefix=PASSES < %t.passes
// RUN: FileCheck %s --check-prefix=REPORT < %t.report

// RUN: dsv2-opt %t.import --dsv2-compile="targets=x86-64-v3 compute=bf16 stop-after=model" -o %t.model
// RUN: FileCheck %s --check-prefix=MODEL < %t.model
// RUN: dsv2-opt %t.model --dsv2-compile="targets=x86-64-v3 stop-after=dispatches" -o %t.dispatches
// RUN: FileCheck %s --check-prefix=DISPATCHES < %t.dispatches
// RUN: dsv2-opt %t.dispatches --dsv2-compile=stop-after=buffers -o %t.buffers
// RUN: FileCheck %s --check-prefix=BUFFERS < %t.buffers
// RUN: dsv2-opt %t.buffers --dsv2-compile -o %t.codegen
// RUN: FileCheck %s --check-prefix=CODEGEN < %t.codegen
// RUN: cmp %t.whole %t.codegen

// A stage that is behind is not run again.
// RUN: dsv2-opt %t.model --dsv2-compile=stop-after=model | cmp - %t.model

// The golden list of passes.
// PASSES: IR Dump After AbsorbMLAProjectionsPass (dsv2-absorb-mla-projections)
// PASSES: IR Dump After FuseExpertsPass (dsv2-fuse-experts)
// PASSES: IR Dump After SetComputeTypePass (dsv2-set-compute-type)
// PASSES: IR Dump After Canonicalizer
// PASSES: IR Dump After CSE
// PASSES: IR Dump After FuseExpertsPass (dsv2-fuse-experts)
// PASSES: IR Dump After CreateVariantsPass (dsv2-create-variants)
// PASSES: IR Dump After FormDispatchesPass (dsv2-form-dispatches)
// PASSES: IR Dump After AssignLiveIntervalsPass (dsv2-assign-live-intervals)
// PASSES: IR Dump After GenerateCodePass (dsv2-generate-code)
// PASSES: IR Dump After CompilePass (dsv2-compile)

// MODEL: module {{.*}}attributes {dsv2.compute = "bf16"
// MODEL-SAME: dsv2.stage = "model"
// MODEL: func.func @step
// MODEL-NOT: dsv2.attention
// MODEL: dsv2.latent_attention
// MODEL: dsv2.fused_experts
// MODEL-NOT: dsv2_exec

// DISPATCHES: dsv2.stage = "dispatches"
// DISPATCHES-NOT: func.func @step
// DISPATCHES: dsv2_exec.variant @"x86-64-v3"
// DISPATCHES: dsv2_exec.kernel @matmul_0 builder "matmul" spec {
// DISPATCHES-NOT: live

// BUFFERS: dsv2.stage = "buffers"
// BUFFERS: dsv2_exec.buffer @{{.*}} live 0 to

// CODEGEN: dsv2.stage = "codegen"
// CODEGEN: dsv2_exec.image text
// CODEGEN: dsv2_exec.kernel @matmul_0 builder "matmul" scratch {{[0-9]+}} at {{[0-9]+}} size
// CODEGEN-NOT: spec

// Which op got which kernel: fields are separated by tabs.
// REPORT: x86-64-v3{{	}}kernel{{	}}matmul_0{{	}}matmul{{	}}{{[1-9][0-9]*	[0-9]+}}
// REPORT: x86-64-v3{{	}}dispatch{{	}}few_rows{{	}}latent_attention_0{{	}}loc(
// REPORT: x86-64-v3{{	}}dispatch{{	}}any_rows{{	}}latent_attention_{{[0-9]+	}}loc(
