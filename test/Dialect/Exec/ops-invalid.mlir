// Each verifier's rules, broken once.
// RUN: dsv2-opt %s --split-input-file --verify-diagnostics

// Kernel past the text.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{ends at 4097, the image has 4096 bytes of text [exec_variant.3]}}
  dsv2_exec.kernel @k builder "b" scratch 0 at 4096 size 1
  dsv2_exec.image text 4096 code dense<1> : tensor<4096xi8>
}

// -----

// Two images.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-note @+1 {{the first is here}}
  dsv2_exec.image text 4096 code dense<1> : tensor<4096xi8>
  // expected-error @+1 {{is a second image of its variant [exec_variant.2]}}
  dsv2_exec.image text 4096 code dense<2> : tensor<4096xi8>
}

// -----

// Image without whole pages.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{has 4096 bytes of text of 5000, expected whole pages of 4096 bytes [exec_image.4]}}
  dsv2_exec.image text 4096 code dense<1> : tensor<5000xi8>
}

// -----

// Weight of integers.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{has type 'i32', expected f32 or bf16 [exec_weight.1]}}
  dsv2_exec.weight @w : i32 elements 1 sources [] copies []
}

// -----

// Copy of no source.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{has a copy of source 1, there are 1 [exec_weight.2]}}
  dsv2_exec.weight @w : f32 elements 1 sources ["a" : tensor<1xf32>] copies [1 at 0 to 0 dims []]
}

// -----

// fp8 without scales.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{source "a" of type 'tensor<2x2xf8E4M3FN>' needs scales [exec_source.2]}}
  dsv2_exec.weight @w : f32 elements 4 sources ["a" : tensor<2x2xf8E4M3FN>] copies []
}

// -----

// Scales of plain numbers.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{source "a" of type 'tensor<2x2xbf16>' has scales, expected none [exec_source.2]}}
  dsv2_exec.weight @w : f32 elements 4 sources ["a" : tensor<2x2xbf16> scales "s" [1, 1]] copies []
}

// -----

// Blocks larger than the matrix.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{has scales in blocks of 3 x 1, expected a matrix and blocks within it [exec_source.3]}}
  dsv2_exec.weight @w : f32 elements 4 sources ["a" : tensor<2x2xf8E4M3FN> scales "s" [3, 1]] copies []
}

// -----

// Experts without {e}.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{repeats a copy of "a" for experts, but the name has no {e} [exec_weight.3]}}
  dsv2_exec.weight @w : f32 elements 4 sources ["a" : tensor<1xf32>] copies [0 at 0 to 0 dims [] experts 0 to 4 stride 1]
}

// -----

// Layers of a global weight.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{has no layers but source "a{l}" has {l} [exec_weight.4]}}
  dsv2_exec.weight @w : f32 elements 1 sources ["a{l}" : tensor<1xf32>] copies []
}

// -----

// Negative stride.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{copy has dimension 4 : -1 -> 1, expected a positive extent and strides that are not negative [exec_copy.3]}}
  dsv2_exec.weight @w : f32 elements 4 sources ["a" : tensor<4xf32>] copies [0 at 3 to 0 dims [4 : -1 -> 1]]
}

// -----

// Empty layers.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{layers 3 to 3 step 1, expected 0 <= begin < end and a positive step [exec_layers.1]}}
  dsv2_exec.weight @w layers 3 to 3 : f32 elements 4 sources [] copies []
}

// -----

// Kernel without anything.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{has neither a spec nor a body nor code [exec_kernel.2]}}
  dsv2_exec.kernel @k builder "b" scratch 0
}

// -----

// Table with an interval.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{always live, but has a live interval [exec_buffer.4]}}
  dsv2_exec.buffer @b : f32 size(T) table "tokens" live 0 to 1
}

// -----

// Empty interval.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{is live 2 to 2, expected a begin before the end [exec_buffer.5]}}
  dsv2_exec.buffer @b : f32 size(T) live 2 to 2
}

// -----

// Map over dimensions.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{size has 1 dimensions, 0 symbols and 1 results, expected 0, 6 and at least one [exec_launch.1]}}
  "dsv2_exec.buffer"() {sym_name = "b", element_type = f32, elements = affine_map<(d0) -> (d0)>} : () -> ()
}

// -----

// Large page.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{has pages of 65 tokens, expected at most 64 [exec_cache.2]}}
  dsv2_exec.cache @c : f32 layers 1 page_tokens 65 row_elements 1
}

// -----

// Guard with an equality.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{guard has an equality, expected expressions that must be >= 0 [exec_entry.2]}}
  "dsv2_exec.entry"() ({ ^bb0: }) {sym_name = "e", guard = affine_set<()[a, b, c, d, e, f] : (a == 0)>} : () -> ()
}

// -----

// Guard against another number.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{compares with 1, expected 0}}
  dsv2_exec.entry @e guard(T >= 1) {
  }
}

// -----

// Foreign op in an entry.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  dsv2_exec.entry @e {
    // expected-error @+1 {{stands in an entry, which holds dispatches and repeats [exec_entry.3]}}
    arith.constant 1 : i32
  }
}

// -----

// Unknown kernel.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  dsv2_exec.entry @e {
    // expected-error @+1 {{launches @k, which is no kernel of the variant [exec_dispatch.1]}}
    dsv2_exec.dispatch @k items(T) ()
  }
}

// -----

// Unknown reference.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  dsv2_exec.kernel @k builder "b" spec {} scratch 0
  dsv2_exec.weight @w layers 1 to 5 step 2 : f32 elements 1 sources [] copies []
  dsv2_exec.weight @g : f32 elements 1 sources [] copies []
  dsv2_exec.cache @c : f32 layers 2 page_tokens 64 row_elements 1
  dsv2_exec.entry @e {
    // expected-error @+1 {{names @x, which is no buffer, weight or cache of the variant [exec_dispatch.3]}}
    dsv2_exec.dispatch @k items(T) (@x)
  }
}

// -----

// L outside a loop.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  dsv2_exec.kernel @k builder "b" spec {} scratch 0
  dsv2_exec.weight @w layers 1 to 5 step 2 : f32 elements 1 sources [] copies []
  dsv2_exec.weight @g : f32 elements 1 sources [] copies []
  dsv2_exec.cache @c : f32 layers 2 page_tokens 64 row_elements 1
  dsv2_exec.entry @e {
    // expected-error @+1 {{indexes @w by l outside a repeat [exec_dispatch.2]}}
    dsv2_exec.dispatch @k items(T) (@w[l])
  }
}

// -----

// Layer of a global weight.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  dsv2_exec.kernel @k builder "b" spec {} scratch 0
  dsv2_exec.weight @w layers 1 to 5 step 2 : f32 elements 1 sources [] copies []
  dsv2_exec.weight @g : f32 elements 1 sources [] copies []
  dsv2_exec.cache @c : f32 layers 2 page_tokens 64 row_elements 1
  dsv2_exec.entry @e {
    // expected-error @+1 {{indexes @g, which has no layers [exec_dispatch.5]}}
    dsv2_exec.dispatch @k items(T) (@g[1])
  }
}

// -----

// Layer that is not there.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  dsv2_exec.kernel @k builder "b" spec {} scratch 0
  // expected-note @+1 {{which has layers 1 to 5 step 2}}
  dsv2_exec.weight @w layers 1 to 5 step 2 : f32 elements 1 sources [] copies []
  dsv2_exec.weight @g : f32 elements 1 sources [] copies []
  dsv2_exec.cache @c : f32 layers 2 page_tokens 64 row_elements 1
  dsv2_exec.entry @e {
    dsv2_exec.repeat l = 1 to 3 {
      // expected-error @+1 {{wants layer 2 of @w [exec_dispatch.6]}}
      dsv2_exec.dispatch @k items(T) (@w[l])
    }
  }
}

// -----

// Layer past the cache.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  dsv2_exec.kernel @k builder "b" spec {} scratch 0
  dsv2_exec.weight @w layers 1 to 5 step 2 : f32 elements 1 sources [] copies []
  dsv2_exec.weight @g : f32 elements 1 sources [] copies []
  dsv2_exec.cache @c : f32 layers 2 page_tokens 64 row_elements 1
  dsv2_exec.entry @e {
    dsv2_exec.repeat l = 1 to 3 {
      // expected-error @+1 {{indexes @c from 1 to 2, expected an index that it has [exec_dispatch.4]}}
      dsv2_exec.dispatch @k items(T) (@c[l])
    }
  }
}

// -----

// Unknown letter.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  dsv2_exec.kernel @k builder "b" spec {} scratch 0
  dsv2_exec.weight @w layers 1 to 5 step 2 : f32 elements 1 sources [] copies []
  dsv2_exec.weight @g : f32 elements 1 sources [] copies []
  dsv2_exec.cache @c : f32 layers 2 page_tokens 64 row_elements 1
  dsv2_exec.entry @e {
    // expected-error @+1 {{'X' is no launch symbol, expected T, B, W, C, P or R [exec_arg.1]}}
    dsv2_exec.dispatch @k items(T) (sym X)
  }
}

// -----

// Index that is not affine.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  dsv2_exec.kernel @k builder "b" spec {} scratch 0
  dsv2_exec.weight @w layers 1 to 5 step 2 : f32 elements 1 sources [] copies []
  dsv2_exec.weight @g : f32 elements 1 sources [] copies []
  dsv2_exec.cache @c : f32 layers 2 page_tokens 64 row_elements 1
  dsv2_exec.entry @e {
    dsv2_exec.repeat l = 1 to 3 {
      // expected-error @+1 {{expected an index of the form a * l + c [exec_arg.2]}}
      dsv2_exec.dispatch @k items(T) (@w[l floordiv 2])
    }
  }
}

// -----

// Module past the end of an image of modules.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{ends at 4097, the image has 4096 bytes [exec_variant.3]}}
  dsv2_exec.kernel @k builder "b" scratch 0 threads 32 shared 0 at 4032 size 65
  dsv2_exec.image format "cubin" text 0 code dense<1> : tensor<4096xi8>
}

// -----

// Unknown format.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{has the format 'elf', expected flat, ptx, cubin or hsaco [exec_image.1]}}
  dsv2_exec.image format "elf" text 0 code dense<1> : tensor<4096xi8>
}

// -----

// Modules have no text.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64, max_step_tokens = 8 : i64,
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // expected-error @+1 {{of format ptx has 4096 bytes of text, expected 0 [exec_image.2]}}
  dsv2_exec.image format "ptx" text 4096 code dense<1> : tensor<4096xi8>
}
