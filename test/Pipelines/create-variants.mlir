// A variant for each target, once, with what the step says of its numbers and the target of its packing.
// RUN: dsv2-opt %s --dsv2-create-variants="targets=x86-64-v4-bf16,x86-64-v3,x86-64-v3 max-batch=4 max-step-tokens=64" | FileCheck %s
// RUN: dsv2-opt %s --dsv2-create-variants="targets=x86-64-v3 emulate=true max-context=96" | FileCheck %s --check-prefix=EMULATED
// RUN: dsv2-opt %s --dsv2-create-variants | FileCheck %s --check-prefix=HOST

!cache = !dsv2.cache<1 x [8, 4] x bf16>
#rope = #dsv2.rope<theta = 10000.0, layout = adjacent_pairs, magnitude = 1.0, inv_freq = dense<[1.0, 0.01]> : tensor<2xf32>>
module attributes {dsv2.model = {eos = [], max_context = 163840 : i64, name = "deepseek_v2", vocab = 96 : i64}, dsv2.stage = "model"} {
  // The program stands behind the step.
  // CHECK-LABEL: func.func @step
  func.func @step(%q: tensor<?x2x4xf32>, %latent: tensor<?x8xbf16>, %k: tensor<?x4xbf16>, %batch: !dsv2.batch, %cache: !cache, %l: index)
      -> (tensor<?x2x4xf32>, !cache) {
    %r = dsv2.rope %q of %batch by #rope : tensor<?x2x4xf32>
    %c = dsv2.cache_append %cache[%l], %latent, %k of %batch : !cache, tensor<?x8xbf16>, tensor<?x4xbf16>
    return %r, %c : tensor<?x2x4xf32>, !cache
  }
}

// A config's context is cut to what a laptop holds, unless an option says so.
// CHECK: dsv2_exec.variant @"x86-64-v4-bf16"
// CHECK-SAME: compute = "bf16", driver = "cpu", max_batch = 4 : i64, max_context = 8192 : i64, max_step_tokens = 64 : i64
// CHECK-SAME: packing = {bf16 = array<i64: {{[0-9]+}}, 2>, f32 = array<i64: {{[0-9]+}}, {{[0-9]+}}>}
// CHECK-SAME: rope_inverse_frequencies = array<f32: 1.000000e+00, 0.00999999977>, rope_magnitude = 1.000000e+00 : f32
// CHECK-SAME: tier = "x86-64-v4-bf16"
// CHECK: dsv2_exec.variant @"x86-64-v3"
// CHECK-NOT: dsv2_exec.variant

// Emulated code needs the lowest tier only.
// EMULATED: dsv2_exec.variant @"x86-64-v3"
// EMULATED-SAME: max_context = 96
// EMULATED: dsv2_exec.variant @"x86-64-v3:emulated"
// EMULATED-SAME: tier = "x86-64-v3"
// EMULATED-NOT: dsv2_exec.variant

// HOST: dsv2_exec.variant @"x86-64-v{{[0-9a-z-]+}}"
// HOST-NOT: dsv2_exec.variant
