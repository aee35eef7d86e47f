// Programs that have no code: each is an error at the op.
// RUN: dsv2-opt %s --dsv2-generate-code --split-input-file --verify-diagnostics

// expected-error @below {{expected a variant (dsv2-create-variants)}}
module {}

// -----

// expected-error @below {{is for a target that this compiler does not have}}
dsv2_exec.variant @sm_999 attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64,
    max_step_tokens = 8 : i64, rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
}

// -----

// expected-error @below {{has no kernels}}
dsv2_exec.variant @"x86-64-v3" attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64,
    max_step_tokens = 8 : i64, rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
}

// -----

dsv2_exec.variant @"x86-64-v3" attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64,
    max_step_tokens = 8 : i64, rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @below {{names an unknown builder 'convolution'}}
  dsv2_exec.kernel @k builder "convolution" spec {} scratch 0
}

// -----

dsv2_exec.variant @"x86-64-v3" attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64,
    max_step_tokens = 8 : i64, rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @below {{kernel 'k': builder 'sort_experts', field 'slots': expected an integer}}
  dsv2_exec.kernel @k builder "sort_experts" spec {experts = 4 : i64} scratch 0
}

// -----

dsv2_exec.variant @"x86-64-v3" attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64,
    max_step_tokens = 8 : i64, rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @below {{has neither a spec nor a body}}
  dsv2_exec.kernel @k builder "matmul" scratch 0
}

// -----

// Code is never made twice.
dsv2_exec.variant @"x86-64-v3" attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64,
    max_step_tokens = 8 : i64, rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  dsv2_exec.image text 4096 code dense<1> : tensor<4096xi8>
  // expected-error @below {{has code already}}
  dsv2_exec.kernel @k builder "matmul" scratch 0 at 0 size 64
}
