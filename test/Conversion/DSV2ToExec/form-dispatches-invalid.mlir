// Steps that have no program: each is an error at the op.
// RUN: dsv2-opt %s --dsv2-form-dispatches --split-input-file --verify-diagnostics

// expected-error @below {{expected a function @step}}
module {}

// -----

// expected-error @below {{expected a variant (dsv2-create-variants)}}
module {
  func.func @step(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
    return %x : tensor<?x8xf32>
  }
}

// -----

// The naive form of attention is never compiled in secret by another way.
!cache = !dsv2.cache<1 x [8, 4] x f32>
#rope = #dsv2.rope<theta = 10000.0, layout = adjacent_pairs, magnitude = 1.0, inv_freq = dense<[1.0, 0.01]> : tensor<2xf32>>
#scale = #dsv2.attention_scale<head_width = 10, factor = 1.0, mscale_all_dim = 0.0>
module {
  dsv2.weights @embed : tensor<16x8xf32> = "embed"
  dsv2.weights @kv_b layers 0 to 1 : tensor<24x8xf32> = "{l}.kv_b"
  func.func @step(%tokens: tensor<?xi32>, %batch: !dsv2.batch, %cache: !cache) -> (tensor<?x16xf32>, tensor<?x8xf32>, !cache) {
    %we = dsv2.weight @embed : tensor<16x8xf32>
    %x = dsv2.embed %tokens, %we : tensor<?xi32>, tensor<16x8xf32>
    %loop:2 = dsv2.layers %l = 0 to 1 carry(%x0 = %x, %c0 = %cache) : tensor<?x8xf32>, !cache {
      %w = dsv2.weight @kv_b[%l] : tensor<24x8xf32>
      // expected-error @below {{has no kernel yet: only the reassociated form of attention can be compiled (absorb=reassociated)}}
      %kn, %kr, %v = dsv2.decompress %c0[%l], %w of %batch heads 2 widths [6, 6] : !cache, tensor<24x8xf32>
      dsv2.yield %x0, %c0 : tensor<?x8xf32>, !cache
    }
    %wanted = dsv2.select_rows %loop#0 of %batch : tensor<?x8xf32>
    %logits = dsv2.linear %wanted, %we : tensor<?x8xf32>, tensor<16x8xf32>
    return %logits, %loop#0, %loop#1 : tensor<?x16xf32>, tensor<?x8xf32>, !cache
  }
  dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64,
      max_step_tokens = 8 : i64, rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  }
}

// -----

// Logits alone are no step.
module {
  dsv2.weights @embed : tensor<16x8xf32> = "embed"
  func.func @step(%tokens: tensor<?xi32>, %batch: !dsv2.batch) -> tensor<?x8xbf16> {
    %we = dsv2.weight @embed : tensor<16x8xf32>
    %x = dsv2.embed %tokens, %we : tensor<?xi32>, tensor<16x8xf32>
    %y = dsv2.cast %x : tensor<?x8xf32> to tensor<?x8xbf16>
    // expected-error @below {{expected a step that returns wanted logits, hidden states (both f32) and the cache}}
    return %y : tensor<?x8xbf16>
  }
  dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64,
      max_step_tokens = 8 : i64, rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  }
}

// -----

// Two outputs would share one buffer.
module {
  dsv2.weights @embed : tensor<8x8xf32> = "embed"
  func.func @step(%tokens: tensor<?xi32>, %batch: !dsv2.batch) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
    %we = dsv2.weight @embed : tensor<8x8xf32>
    %x = dsv2.embed %tokens, %we : tensor<?xi32>, tensor<8x8xf32>
    // expected-error @below {{returns one value twice, expected an op for each output}}
    return %x, %x : tensor<?x8xf32>, tensor<?x8xf32>
  }
  dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64,
      max_step_tokens = 8 : i64, rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  }
}

// -----

// A weight that does not come from the checkpoint.
module {
  func.func @step(%tokens: tensor<?xi32>, %batch: !dsv2.batch, %we: tensor<8x8xf32>) -> tensor<?x8xf32> {
    // expected-error @above {{expected a dsv2.weight as the weight of a contraction or norm}}
    %x = dsv2.embed %tokens, %we : tensor<?xi32>, tensor<8x8xf32>
    return %x : tensor<?x8xf32>
  }
  dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64,
      max_step_tokens = 8 : i64, rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  }
}

// -----

// The facts of the model have no place to go.
// expected-error @below {{expected a module attribute 'dsv2.model'}}
module {
  dsv2.weights @embed : tensor<16x8xf32> = "embed"
  func.func @step(%tokens: tensor<?xi32>) -> tensor<?x8xf32> {
    %we = dsv2.weight @embed : tensor<16x8xf32>
    %x = dsv2.embed %tokens, %we : tensor<?xi32>, tensor<16x8xf32>
    return %x : tensor<?x8xf32>
  }
  dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64,
      max_step_tokens = 8 : i64, rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  }
}
