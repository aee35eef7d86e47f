// Further rules of declarations in a variant.
// RUN: dsv2-opt %s --split-input-file --verify-diagnostics

// Foreign op in a variant.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @below {{stands in a variant, which holds weights, kernels, an image, buffers, caches and entries [exec_variant.1]}}
  func.func private @f()
}

// -----

// Code with an offset but no size.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @below {{has one of offset and size, expected both or none [exec_kernel.1]}}
  "dsv2_exec.kernel"() ({ ^bb0: }) {sym_name = "k", kernel_builder = "b", scratch = 0 : i64, offset = 0 : i64} : () -> ()
}

// -----

// Kernel of two kinds.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @below {{has a spec and a body, expected one of them [exec_kernel.3]}}
  dsv2_exec.kernel @k builder "b" spec {n = 1} scratch 0 {
    func.func @k() {
      return
    }
  }
}

// -----

// Code of floats.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @below {{has code of type 'tensor<4096xf32>', expected a dense tensor of rank 1 of i8 [exec_image.3]}}
  dsv2_exec.image text 4096 code dense<1.0> : tensor<4096xf32>
}

// -----

// Buffer of bytes.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @below {{has type 'i8', expected f32, bf16, i32 or i64 [exec_buffer.1]}}
  dsv2_exec.buffer @b : i8 size(T)
}

// -----

// Table that is an output.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @below {{is a table and an output, expected one of them [exec_buffer.2]}}
  dsv2_exec.buffer @b : f32 size(T) table "tokens" output "logits"
}

// -----

// Half an interval.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @below {{has one end of a live interval, expected both or none [exec_buffer.3]}}
  "dsv2_exec.buffer"() {sym_name = "b", element_type = f32, elements = affine_map<()[T, B, W, C, P, R] -> (T)>, live_begin = 0 : i64} : () -> ()
}

// -----

// Cache of integers.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @below {{has type 'i32', expected f32 or bf16 [exec_cache.1]}}
  dsv2_exec.cache @c : i32 layers 1 page_tokens 64 row_elements 1
}

// -----

// Guard over dimensions.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @below {{guard has 1 dimensions and 0 symbols, expected 0 and 6 [exec_entry.1]}}
  "dsv2_exec.entry"() ({ ^bb0: }) {sym_name = "e", guard = affine_set<(a) : (a >= 0)>} : () -> ()
}

// -----

// Source of integers.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @below {{source "a" has type 'tensor<4xi32>', expected a static tensor of f32, bf16 or f8E4M3FN [exec_source.1]}}
  dsv2_exec.weight @w : f32 elements 4 sources ["a" : tensor<4xi32>] copies []
}

// -----

// Copy of nine dimensions.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @below {{copy has 9 extents, 9 source and 9 destination strides, expected as many of each, at most 8 [exec_copy.1]}}
  dsv2_exec.weight @w : f32 elements 1 sources ["a" : tensor<1xf32>] copies [0 at 0 to 0 dims [1 : 1 -> 1, 1 : 1 -> 1, 1 : 1 -> 1, 1 : 1 -> 1, 1 : 1 -> 1, 1 : 1 -> 1, 1 : 1 -> 1, 1 : 1 -> 1, 1 : 1 -> 1]]
}

// -----

// Copy for no expert.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @below {{copy has a negative number or no expert [exec_copy.2]}}
  dsv2_exec.weight @w : f32 elements 1 sources ["a{e}" : tensor<1xf32>] copies [0 at 0 to 0 dims [] experts 0 to 0 stride 1]
}

// -----

// Tensor map of no slot.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @below {{tensor map has the slots -1 and -1, expected numbers of slots [exec_map.1]}}
  dsv2_exec.kernel @k builder "b" spec {n = 1} scratch 0 maps [slot -1 columns 8 row_bytes 16 box_rows 1]
}

// -----

// Tensor map of ragged rows.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @below {{tensor map has 8 columns in rows of 24 bytes, expected a multiple of 16 that holds them as bf16 [exec_map.2]}}
  dsv2_exec.kernel @k builder "b" spec {n = 1} scratch 0 maps [slot 0 columns 8 row_bytes 24 box_rows 1]
}

// -----

// Tensor map of large boxes.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @below {{tensor map has boxes of 257 rows, expected 1 to 256 [exec_map.3]}}
  dsv2_exec.kernel @k builder "b" spec {n = 1} scratch 0 maps [slot 0 columns 8 row_bytes 16 box_rows 257]
}

// -----

// Tensor map of a number.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  dsv2_exec.kernel @k builder "b" spec {n = 1} scratch 0 maps [slot 1 columns 8 row_bytes 16 box_rows 1]
  dsv2_exec.buffer @x : bf16 size(T)
  dsv2_exec.entry @e {
    // expected-error @below {{launches @k with a tensor map of slot 1, which is no memory [exec_dispatch.7]}}
    dsv2_exec.dispatch @k items(1) (@x, sym T)
  }
}

// -----

// Tensor map with rows from memory.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  dsv2_exec.kernel @k builder "b" spec {n = 1} scratch 0 maps [slot 0 columns 8 row_bytes 16 box_rows 1 rows_slot 0]
  dsv2_exec.buffer @x : bf16 size(T)
  dsv2_exec.entry @e {
    // expected-error @below {{launches @k with a tensor map of as many rows as slot 0, which is no launch symbol [exec_dispatch.8]}}
    dsv2_exec.dispatch @k items(1) (@x, sym T)
  }
}

// -----

// Binary without a module.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @below {{has one of a binary's offset and size, or a binary without a module, expected all or none [exec_kernel.4]}}
  dsv2_exec.kernel @k builder "b" spec {n = 1} scratch 0 binary at 0 size 8
}

// -----

// Binary beside flat code.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @below {{has a binary that ends at 8, expected one within an image of text of 4096 bytes [exec_variant.4]}}
  dsv2_exec.kernel @k builder "b" scratch 0 at 0 size 8 binary at 0 size 8
  dsv2_exec.image text 4096 code dense<0> : tensor<4096xi8>
}
