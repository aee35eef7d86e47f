// A cache is a linear value: one op consumes it, and every read comes before that op in its block.
// RUN: dsv2-opt %s --split-input-file --verify-diagnostics
!cache = !dsv2.cache<2 x [6, 4] x f32>

func.func @consumed_twice(%c: !cache, %l: index, %x: tensor<?x6xf32>, %k: tensor<?x4xf32>, %b: !dsv2.batch)
    -> (!cache, !cache) {
  // expected-error @below {{a cache is consumed twice, expected once [linear_cache.1]}}
  // expected-note @below {{consumed here}}
  %c1 = dsv2.cache_append %c[%l], %x, %k of %b : !cache, tensor<?x6xf32>, tensor<?x4xf32>
  // expected-note @below {{and here}}
  %c2 = dsv2.cache_append %c[%l], %x, %k of %b : !cache, tensor<?x6xf32>, tensor<?x4xf32>
  return %c1, %c2 : !cache, !cache
}

// -----

!cache = !dsv2.cache<2 x [6, 4] x f32>
func.func @never_consumed(%c: !cache, %l: index, %x: tensor<?x6xf32>, %k: tensor<?x4xf32>, %b: !dsv2.batch) {
  // expected-error @below {{a cache is never consumed, expected one cache_append, layers, yield or return to take it [linear_cache.2]}}
  %c1 = dsv2.cache_append %c[%l], %x, %k of %b : !cache, tensor<?x6xf32>, tensor<?x4xf32>
  return
}

// -----

!cache = !dsv2.cache<2 x [6, 4] x f32>
func.func @read_of_a_dropped_cache(%c: !cache, %l: index, %w: tensor<32x6xf32>, %b: !dsv2.batch) {
  // expected-error @below {{a cache is never consumed, expected one cache_append, layers, yield or return to take it [linear_cache.2]}}
  %kn, %kr, %v = dsv2.decompress %c[%l], %w of %b heads 2 widths [8, 8] : !cache, tensor<32x6xf32>
  return
}

// -----

!cache = !dsv2.cache<2 x [6, 4] x f32>
func.func @read_after(%c: !cache, %l: index, %x: tensor<?x6xf32>, %k: tensor<?x4xf32>, %w: tensor<32x6xf32>,
                      %b: !dsv2.batch) -> !cache {
  // expected-error @below {{a cache is read after or beside the op that consumes it, expected every read before it in its block [linear_cache.4]}}
  // expected-note @below {{consumed here}}
  %c1 = dsv2.cache_append %c[%l], %x, %k of %b : !cache, tensor<?x6xf32>, tensor<?x4xf32>
  // expected-note @below {{read here}}
  %kn, %kr, %v = dsv2.decompress %c[%l], %w of %b heads 2 widths [8, 8] : !cache, tensor<32x6xf32>
  return %c1 : !cache
}

// -----

!cache = !dsv2.cache<2 x [6, 4] x f32>
func.func @read_in_another_block(%c: !cache, %w: tensor<32x6xf32>, %b: !dsv2.batch) -> !cache {
  dsv2.layers %l = 0 to 2 {
    // expected-error @below {{a cache is read after or beside the op that consumes it, expected every read before it in its block [linear_cache.4]}}
    // expected-note @below {{read here}}
    %kn, %kr, %v = dsv2.decompress %c[%l], %w of %b heads 2 widths [8, 8] : !cache, tensor<32x6xf32>
    dsv2.yield
  }
  // expected-note @below {{consumed here}}
  return %c : !cache
}

// -----

!cache = !dsv2.cache<2 x [6, 4] x f32>
func.func @consumed_in_another_block(%c: !cache, %x: tensor<?x6xf32>, %k: tensor<?x4xf32>, %b: !dsv2.batch) {
  dsv2.layers %l = 0 to 2 {
    // expected-error @below {{a cache is consumed in another block than it is made in [linear_cache.3]}}
    // expected-note @below {{consumed here}}
    %c1 = dsv2.cache_append %c[%l], %x, %k of %b : !cache, tensor<?x6xf32>, tensor<?x4xf32>
    dsv2.yield
  }
  return
}

// -----

// The body drops the cache that it carries.
!cache = !dsv2.cache<2 x [6, 4] x f32>
func.func @dropped_by_a_body(%c: !cache, %d: !cache) -> !cache {
  // expected-error @below {{a cache is never consumed, expected one cache_append, layers, yield or return to take it [linear_cache.2]}}
  %r = dsv2.layers %l = 0 to 2 carry(%i = %c) : !cache {
    dsv2.yield %d : !cache
  }
  return %r : !cache
}

// -----

// What is right: two reads, then the op that consumes.
!cache = !dsv2.cache<2 x [6, 4] x f32>
func.func @reads_then_append(%c: !cache, %l: index, %x: tensor<?x6xf32>, %k: tensor<?x4xf32>, %w: tensor<32x6xf32>,
                             %b: !dsv2.batch) -> !cache {
  %kn, %kr, %v = dsv2.decompress %c[%l], %w of %b heads 2 widths [8, 8] : !cache, tensor<32x6xf32>
  %kn2, %kr2, %v2 = dsv2.decompress %c[%l], %w of %b heads 2 widths [8, 8] : !cache, tensor<32x6xf32>
  %c1 = dsv2.cache_append %c[%l], %x, %k of %b : !cache, tensor<?x6xf32>, tensor<?x4xf32>
  return %c1 : !cache
}
