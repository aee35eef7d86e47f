// Optional parts of ops against each other, quantized weights, layers named by arithmetic.
// RUN: dsv2-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<?x8xf32>, %w: tensor<6x8xf32>, %b: tensor<5xf32>) {
  // expected-error @below {{the width of the bias is 5, expected 6 (the rows of the weight) [linear.2]}}
  %a = dsv2.linear %x, %w bias %b : tensor<?x8xf32>, tensor<6x8xf32>, tensor<5xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<6x8xf32>) {
  // expected-error @below {{the width of add is 8, expected 6 (the rows of the weight) [linear.3]}}
  %a = dsv2.linear %x, %w add %x : tensor<?x8xf32>, tensor<6x8xf32>, tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<10x8xf32>, %n: tensor<6xf32>) {
  // expected-error @below {{the width of the bias is 6, expected 10 (the rows of kv_a) [mla_compress.2]}}
  %a, %b = dsv2.mla_compress %x, %w, %n bias %n eps 1.0e-06
      : tensor<?x8xf32>, tensor<10x8xf32>, tensor<6xf32>, tensor<6xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<6x8xf32>, %d: tensor<8x6xf32>, %b: tensor<6xf32>) {
  // expected-error @below {{the width of bias_down is 6, expected 8 (the output width of down) [mlp.11]}}
  %a = dsv2.mlp %x, %w, %w, %d bias %b, %b, %b
      : tensor<?x8xf32>, tensor<6x8xf32>, tensor<6x8xf32>, tensor<8x6xf32>, tensor<6xf32>,
        tensor<6xf32>, tensor<6xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<6x8xf32>, %d: tensor<8x6xf32>, %b: tensor<6xf32>, %c: tensor<8xf32>) {
  // expected-error @below {{the width of bias_gate is 8, expected 6 (the width of gate) [mlp.9]}}
  %a = dsv2.shared_experts %x, %w, %w, %d bias %c, %b, %c
      : tensor<?x8xf32>, tensor<6x8xf32>, tensor<6x8xf32>, tensor<8x6xf32>, tensor<8xf32>,
        tensor<6xf32>, tensor<8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<6x8xf32>, %d: tensor<8x6xf32>, %b: tensor<6xf32>, %c: tensor<8xf32>) {
  // expected-error @below {{the width of bias_up is 8, expected 6 (the width of gate) [mlp.10]}}
  %a = dsv2.mlp %x, %w, %w, %d bias %b, %c, %c
      : tensor<?x8xf32>, tensor<6x8xf32>, tensor<6x8xf32>, tensor<8x6xf32>, tensor<6xf32>,
        tensor<8xf32>, tensor<8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<6x8xf32>, %d: tensor<8x6xf32>, %b: tensor<6xf32>) {
  // expected-error @below {{failed to infer returned types}}
  // expected-error @below {{has a bias on some of gate, up and down, expected all or none [mlp.8]}}
  %a = "dsv2.shared_experts"(%x, %w, %w, %d, %b) <{operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 0, 0>}>
      : (tensor<?x8xf32>, tensor<6x8xf32>, tensor<6x8xf32>, tensor<8x6xf32>, tensor<6xf32>)
      -> tensor<?x8xf32>
  return
}

// -----

// expected-error @below {{activations stored as 'i4', expected f8E4M3FN or i8 [activation.1]}}
#bad = #dsv2.activation<i4, group = 128, scale = amax>

// -----

// expected-error @below {{group is -1, expected at least 0 (0: the whole row) [activation.2]}}
#bad = #dsv2.activation<i8, group = -1, scale = amax>

// -----

// expected-error @below {{context from 4 to 4, expected 0 or more, and an end (excluded) above the begin [context.1]}}
#bad = #dsv2.context<begin = 4, end = 4>

// -----

// expected-error @below {{context from -1, expected 0 or more, and an end (excluded) above the begin [context.1]}}
#bad = #dsv2.context<begin = -1>

// -----

#scale = #dsv2.attention_scale<head_width = 8, factor = 1.0, mscale_all_dim = 0.0>
func.func @f(%q: tensor<?x4x8xf32>, %k: tensor<?x3x8xf32>, %batch: !dsv2.batch) {
  // expected-error @below {{the number of heads of k_nope is 3, expected a divisor of the 4 heads of q_nope [attention.1]}}
  %a = dsv2.attention (%q), (%k), %k of %batch scale #scale
      : tensor<?x4x8xf32>, tensor<?x3x8xf32>, tensor<?x3x8xf32>
  return
}

// -----

#scale = #dsv2.attention_scale<head_width = 8, factor = 1.0, mscale_all_dim = 0.0>
func.func @f(%q: tensor<?x4x8xf32>, %k: tensor<?x2x8xf32>, %v: tensor<?x4x8xf32>, %batch: !dsv2.batch) {
  // expected-error @below {{the number of heads of v is 4, expected 2 (the heads of k_nope) [attention.2]}}
  %a = dsv2.attention (%q), (%k), %v of %batch scale #scale
      : tensor<?x4x8xf32>, tensor<?x2x8xf32>, tensor<?x4x8xf32>
  return
}

// -----

#scale = #dsv2.attention_scale<head_width = 8, factor = 1.0, mscale_all_dim = 0.0>
func.func @f(%q: tensor<?x4x8xf32>, %batch: !dsv2.batch) {
  // expected-error @below {{has q_rope but no k_rope, expected both or neither [attention.4]}}
  %a = dsv2.attention (%q, %q), (%q), %q of %batch scale #scale
      : tensor<?x4x8xf32>, tensor<?x4x8xf32>, tensor<?x4x8xf32>, tensor<?x4x8xf32>
  return
}

// -----

func.func @f() {
  // expected-error @below {{failed to infer returned types}}
  // expected-error @below {{has no part, expected at least 1 [merge_attention.1]}}
  %a = "dsv2.merge_attention"() <{operandSegmentSizes = array<i32: 0, 0>}> : () -> tensor<?x4x8xf32>
  return
}

// -----

func.func @f(%o: tensor<?x4x8xf32>, %lse: tensor<?x4xf32>) {
  // expected-error @below {{the number of lse is 1, expected 2 (one for each part) [merge_attention.2]}}
  %a = dsv2.merge_attention (%o, %o), (%lse) : tensor<?x4x8xf32>
  return
}

// -----

func.func @f(%o: tensor<?x4x8xf32>, %p: tensor<?x4x6xf32>, %lse: tensor<?x4xf32>) {
  // expected-error @below {{failed to infer returned types}}
  // expected-error @below {{part #1 is 'tensor<?x4x6xf32>' with an lse 'tensor<?x4xf32>', expected 'tensor<?x4x8xf32>' and 'tensor<?x4xf32>' [merge_attention.3]}}
  %a = "dsv2.merge_attention"(%o, %p, %lse, %lse) <{operandSegmentSizes = array<i32: 2, 2>}>
      : (tensor<?x4x8xf32>, tensor<?x4x6xf32>, tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4x8xf32>
  return
}

// -----

func.func @f(%c: !dsv2.cache<2 x [16, 16] x f32>, %l: index, %batch: !dsv2.batch)
    -> !dsv2.cache<2 x [16, 16] x f32> {
  // expected-error @below {{a part of width 16 does not divide into 3 heads [cache_read.2]}}
  %k, %v = dsv2.cache_read %c[%l] of %batch heads 3 : !dsv2.cache<2 x [16, 16] x f32>
  return %c : !dsv2.cache<2 x [16, 16] x f32>
}

// -----

func.func @f(%c: !dsv2.cache<2 x [16, 16] x f32>, %l: index, %batch: !dsv2.batch)
    -> !dsv2.cache<2 x [16, 16] x f32> {
  // expected-error @below {{heads is 0, expected at least 1 [cache_read.1]}}
  %k, %v = dsv2.cache_read %c[%l] of %batch heads 0 : !dsv2.cache<2 x [16, 16] x f32>
  return %c : !dsv2.cache<2 x [16, 16] x f32>
}

// -----

func.func @f(%c: !dsv2.cache<2 x [8, 8, 4] x f32>, %x: tensor<?x8xf32>, %l: index, %batch: !dsv2.batch)
    -> !dsv2.cache<2 x [8, 8, 4] x f32> {
  // expected-error @below {{the number of values is 2, expected 3 (the parts of the cache) [cache_append.1]}}
  %d = dsv2.cache_append %c[%l], %x, %x of %batch
      : !dsv2.cache<2 x [8, 8, 4] x f32>, tensor<?x8xf32>, tensor<?x8xf32>
  return %d : !dsv2.cache<2 x [8, 8, 4] x f32>
}

// -----

// expected-error @below {{elements stored as 'i32', expected f8E4M3FN, i8 or i4 [scaled.1]}}
dsv2.weights @x : tensor<8x8x!dsv2.scaled<i32, [1, 0], f32>> = "x" scales "y"

// -----

// expected-error @below {{a block of [1, 0, 2], expected two numbers of at least 0 [scaled.2]}}
dsv2.weights @x : tensor<8x8x!dsv2.scaled<i8, [1, 0, 2], f32>> = "x" scales "y"

// -----

// expected-error @below {{scales of 'i8', expected f32, bf16 or f16 [scaled.3]}}
dsv2.weights @x : tensor<8x8x!dsv2.scaled<i8, [1, 0], i8>> = "x" scales "y"

// -----

// expected-error @below {{is quantized, expected `scales` and the name of its tensor of scales [weights.3]}}
dsv2.weights @x : tensor<8x8x!dsv2.scaled<i8, [1, 0], f32>> = "x"

// -----

// expected-error @below {{has scales "y", expected none with elements of 'f32' [weights.4]}}
dsv2.weights @x : tensor<8x8xf32> = "x" scales "y"

// -----

// expected-error @below {{has a range of layers, expected {l} in the name "y" [weights.2]}}
dsv2.weights @x layers 0 to 2 : tensor<8x8x!dsv2.scaled<i8, [1, 0], f32>> = "x.{l}" scales "y"

// -----

// A block needs two dimensions.
// expected-error @below {{attribute 'type' failed to satisfy constraint: type attribute of a weight (static shape, f32, bf16 or !dsv2.scaled) [type.15]}}
dsv2.weights @x : tensor<8x!dsv2.scaled<i8, [1, 0], f32>> = "x" scales "y"

// -----

func.func @f(%w: tensor<8x8x!dsv2.scaled<i8, [1, 0], f32>>) {
  // expected-error @below {{makes 'tensor<8x4xf32>' of 'tensor<8x8x!dsv2.scaled<i8, [1, 0], f32>>', expected the same shape [dequantize.1]}}
  %a = dsv2.dequantize %w : tensor<8x8x!dsv2.scaled<i8, [1, 0], f32>> to tensor<8x4xf32>
  return
}

// -----

func.func @f(%w: tensor<8x4xf32>) {
  // expected-error @below {{makes 'tensor<8x8x!dsv2.scaled<i8, [1, 0], f32>>' of 'tensor<8x4xf32>', expected the same shape [quantize.1]}}
  %a = dsv2.quantize %w : tensor<8x4xf32> to tensor<8x8x!dsv2.scaled<i8, [1, 0], f32>>
  return
}

// -----

dsv2.weights @x : tensor<8x8x!dsv2.scaled<i8, [1, 0], f32>> = "x" scales "y"
dsv2.prepare @y : tensor<4x8x!dsv2.scaled<i8, [1, 0], f32>> {
  %w = dsv2.weight @x : tensor<8x8x!dsv2.scaled<i8, [1, 0], f32>>
  // expected-error @below {{in a dsv2.prepare takes 'tensor<8x8x!dsv2.scaled<i8, [1, 0], f32>>', expected a dsv2.dequantize before it [prepare.3]}}
  %s = tensor.extract_slice %w[0, 0] [4, 8] [1, 1]
      : tensor<8x8x!dsv2.scaled<i8, [1, 0], f32>> to tensor<4x8x!dsv2.scaled<i8, [1, 0], f32>>
  dsv2.yield %s : tensor<4x8x!dsv2.scaled<i8, [1, 0], f32>>
}

// -----

dsv2.weights @x layers 0 to 4 step 2 : tensor<8xf32> = "{l}.x"
func.func @f(%x: tensor<?x8xf32>) {
  %y = dsv2.layers %l = 0 to 4 step 2 carry(%h = %x) : tensor<?x8xf32> {
    %one = arith.constant 1 : index
    %next = arith.addi %l, %one : index
    // expected-error @below {{layers 1 to 4 index @x of layers 0 to 4 [weight.5]}}
    %w = dsv2.weight @x[%next] : tensor<8xf32>
    dsv2.yield %h : tensor<?x8xf32>
  }
  return
}

// -----

dsv2.weights @x layers 0 to 4 : tensor<8xf32> = "{l}.x"
func.func @f() {
  %l = arith.constant 4 : index
  // expected-error @below {{layers 4 to 5 index @x of layers 0 to 4 [weight.5]}}
  %w = dsv2.weight @x[%l] : tensor<8xf32>
  return
}

// -----

dsv2.weights @x layers 0 to 4 : tensor<8xf32> = "{l}.x"
func.func @f() {
  %l = arith.constant -1 : index
  // expected-error @below {{indexes layer -1, expected at least 0 [layer.1]}}
  %w = dsv2.weight @x[%l] : tensor<8xf32>
  return
}
