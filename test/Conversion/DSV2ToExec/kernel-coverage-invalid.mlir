// Ops and forms without a kernel: each is one error, at the op, before anything is lowered.
// RUN: dsv2-opt %s --dsv2-form-dispatches --split-input-file --verify-diagnostics

// Attention of grouped queries reads keys and values of heads.
!cache = !dsv2.cache<1 x [16, 16] x f32>
#scale = #dsv2.attention_scale<head_width = 8, factor = 1.0, mscale_all_dim = 0.0>
module {
  dsv2.weights @embed : tensor<16x16xf32> = "embed"
  func.func @step(%tokens: tensor<?xi32>, %batch: !dsv2.batch, %cache: !cache) -> (tensor<?x16xf32>, tensor<?x16xf32>, !cache) {
    %we = dsv2.weight @embed : tensor<16x16xf32>
    %x = dsv2.embed %tokens, %we : tensor<?xi32>, tensor<16x16xf32>
    %loop:2 = dsv2.layers %l = 0 to 1 carry(%x0 = %x, %c0 = %cache) : tensor<?x16xf32>, !cache {
      %c1 = dsv2.cache_append %c0[%l], %x0, %x0 of %batch : !cache, tensor<?x16xf32>, tensor<?x16xf32>
      // expected-error @below {{'dsv2.cache_read' op has no kernel yet: grouped-query attention cannot be compiled}}
      %k, %v = dsv2.cache_read %c1[%l] of %batch heads 2 : !cache
      %q = dsv2.split_heads %x0 heads 2 widths [8] : tensor<?x16xf32>
      %a = dsv2.attention (%q), (%k), %v of %batch scale #scale : tensor<?x2x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>
      %m = dsv2.merge_heads %a : tensor<?x2x8xf32>
      %y = dsv2.add %x0, %m : tensor<?x16xf32>
      dsv2.yield %y, %c1 : tensor<?x16xf32>, !cache
    }
    %wanted = dsv2.select_rows %loop#0 of %batch : tensor<?x16xf32>
    %logits = dsv2.linear %wanted, %we : tensor<?x16xf32>, tensor<16x16xf32>
    return %logits, %loop#0, %loop#1 : tensor<?x16xf32>, tensor<?x16xf32>, !cache
  }
  dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64,
      max_step_tokens = 8 : i64, rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  }
}

// -----

// A part of the context, whose lse another part would need.
!cache = !dsv2.cache<1 x [16, 4] x f32>
#scale = #dsv2.attention_scale<head_width = 20, factor = 1.0, mscale_all_dim = 0.0>
module {
  func.func @step(%batch: !dsv2.batch, %cache: !cache, %q: tensor<?x2x16xf32>, %r: tensor<?x2x4xf32>) -> !cache {
    %zero = arith.constant 0 : index
    // expected-error @below {{'dsv2.latent_attention' op with a part of the context is not known to the kernels}}
    %a = dsv2.latent_attention (%q, %r), %cache[%zero] of %batch scale #scale context <begin = 0, end = 4>
        : tensor<?x2x16xf32>, tensor<?x2x4xf32>, !cache
    return %cache : !cache
  }
  dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64,
      max_step_tokens = 8 : i64, rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  }
}

// -----

// Rounded activations.
module {
  dsv2.weights @w : tensor<16x16xf32> = "w"
  func.func @step(%x: tensor<?x16xf32>) -> tensor<?x16xf32> {
    %w = dsv2.weight @w : tensor<16x16xf32>
    // expected-error @below {{'dsv2.linear' op with activations rounded in groups is not known to the kernels}}
    %y = dsv2.linear %x, %w activation <i8, group = 0, scale = amax> : tensor<?x16xf32>, tensor<16x16xf32>
    return %y : tensor<?x16xf32>
  }
  dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64,
      max_step_tokens = 8 : i64, rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  }
}

// -----

// A quantized weight that nothing widened.
!fp8 = !dsv2.scaled<f8E4M3FN, [8, 8], f32>
module {
  dsv2.weights @w : tensor<16x16x!fp8> = "w" scales "w_scale"
  func.func @step(%x: tensor<?x16xf32>) -> tensor<?x16xf32> {
    // expected-error @below {{'dsv2.weight' op with a quantized weight is not known to the kernels}}
    %w = dsv2.weight @w : tensor<16x16x!fp8>
    %y = dsv2.linear %x, %w : tensor<?x16xf32>, tensor<16x16x!fp8>
    return %y : tensor<?x16xf32>
  }
  dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64,
      max_step_tokens = 8 : i64, rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  }
}
