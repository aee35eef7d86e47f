// Families and prepare functions: names, ranges, uses, and what a body may hold.
// RUN: dsv2-opt %s --split-input-file --verify-diagnostics

// expected-error @below {{the name "l.{l}.w" has {l}, expected a range of layers [weights.1]}}
dsv2.weights @w : tensor<4xf32> = "l.{l}.w"

// -----

// expected-error @below {{has a range of layers, expected {l} in the name "w" [weights.2]}}
dsv2.weights @w layers 0 to 2 : tensor<4xf32> = "w"

// -----

// expected-error @below {{the name "l.{l}.{e}" has {e}, expected a range of experts [weights.1]}}
dsv2.weights @w layers 0 to 2 : tensor<4xf32> = "l.{l}.{e}"

// -----

// expected-error @below {{has a range of experts, expected {e} in the name "w" [weights.2]}}
dsv2.weights @w experts 0 to 2 : tensor<4xf32> = "w"

// -----

// expected-error @below {{a weight (static shape, f32, bf16 or !dsv2.scaled) [type.15]}}
dsv2.weights @w : tensor<4x?xf32> = "w"

// -----

// expected-error @below {{a weight (static shape, f32, bf16 or !dsv2.scaled) [type.15]}}
dsv2.weights @w : tensor<4xi8> = "w"

// -----

func.func @f() {
  // expected-error @below {{@w names no dsv2.weights or dsv2.prepare [weight.1]}}
  %w = dsv2.weight @w : tensor<4xf32>
  return
}

// -----

// expected-note @below {{the family stands here}}
dsv2.weights @w experts 0 to 3 : tensor<4xf32> = "{e}"
func.func @f() {
  // expected-error @below {{is of 'tensor<4xf32>', expected 'tensor<3x4xf32>' [weight.3]}}
  %w = dsv2.weight @w : tensor<4xf32>
  return
}

// -----

dsv2.weights @w layers 0 to 2 : tensor<4xf32> = "{l}"
func.func @f() {
  // expected-error @below {{@w has layers, expected an index [weight.4]}}
  %w = dsv2.weight @w : tensor<4xf32>
  return
}

// -----

dsv2.weights @w : tensor<4xf32> = "w"
func.func @f(%l: index) {
  // expected-error @below {{@w has no layers, expected no index [weight.4]}}
  %w = dsv2.weight @w[%l] : tensor<4xf32>
  return
}

// -----

dsv2.weights @w layers 0 to 2 : tensor<4xf32> = "{l}"
func.func @f() {
  dsv2.layers %l = 0 to 3 {
    // expected-error @below {{layers 0 to 3 index @w of layers 0 to 2 [weight.5]}}
    %w = dsv2.weight @w[%l] : tensor<4xf32>
    dsv2.yield
  }
  return
}

// -----

dsv2.weights @w layers 0 to 7 step 2 : tensor<4xf32> = "{l}"
func.func @f() {
  dsv2.layers %l = 0 to 7 {
    // Layer 1 is between two of the family.
    // expected-error @below {{layers 0 to 7 index @w of layers 0 to 7 [weight.5]}}
    %w = dsv2.weight @w[%l] : tensor<4xf32>
    dsv2.yield
  }
  return
}

// -----

dsv2.weights @w : tensor<4xf32> = "w"
dsv2.prepare @p : tensor<4xf32> {
  %w = dsv2.weight @w : tensor<4xf32>
  dsv2.yield %w : tensor<4xf32>
}
dsv2.prepare @q : tensor<4xf32> {
  // expected-error @below {{@p is a dsv2.prepare, expected a checkpoint family in a prepare body [weight.2]}}
  %w = dsv2.weight @p : tensor<4xf32>
  dsv2.yield %w : tensor<4xf32>
}

// -----

dsv2.weights @w : tensor<4xf32> = "w"
// expected-error @below {{must yield one value of its type 'tensor<4xbf16>' [prepare.7]}}
dsv2.prepare @p : tensor<4xbf16> {
  %w = dsv2.weight @w : tensor<4xf32>
  dsv2.yield %w : tensor<4xf32>
}

// -----

dsv2.prepare @p : tensor<f32> {
  // expected-error @below {{is not one of the ops that a dsv2.prepare may hold: dsv2.weight, dsv2.cast, dsv2.dequantize, dsv2.quantize, dsv2.transpose, tensor.extract_slice, tensor.concat, tensor.expand_shape, tensor.collapse_shape [prepare.6]}}
  %c = arith.constant dense<1.0> : tensor<f32>
  dsv2.yield %c : tensor<f32>
}

// -----

dsv2.weights @w : tensor<4xf32> = "w"
dsv2.prepare @p : tensor<2xf32> {
  %w = dsv2.weight @w : tensor<4xf32>
  // expected-error @below {{in a dsv2.prepare takes unit strides [prepare.5]}}
  %s = tensor.extract_slice %w[0] [2] [2] : tensor<4xf32> to tensor<2xf32>
  dsv2.yield %s : tensor<2xf32>
}

// -----

dsv2.weights @w layers 0 to 2 : tensor<4xf32> = "{l}"
dsv2.prepare @p layers %l = 0 to 2 : tensor<2xf32> {
  %w = dsv2.weight @w[%l] : tensor<4xf32>
  // expected-error @below {{in a dsv2.prepare takes static offsets, sizes and strides [prepare.4]}}
  %s = tensor.extract_slice %w[%l] [2] [1] : tensor<4xf32> to tensor<2xf32>
  dsv2.yield %s : tensor<2xf32>
}

// -----

// expected-error @below {{a body with layers takes one index, the layer's number [prepare.1]}}
"dsv2.prepare"() <{sym_name = "p", layers = #dsv2.range<0 to 2>, type = tensor<4xf32>}> ({
  %w = dsv2.weight @w : tensor<4xf32>
  dsv2.yield %w : tensor<4xf32>
}) : () -> ()

// -----

// expected-error @below {{a body without layers takes no argument [prepare.2]}}
"dsv2.prepare"() <{sym_name = "p", type = tensor<4xf32>}> ({
^bb0(%l: index):
  %w = dsv2.weight @w : tensor<4xf32>
  dsv2.yield %w : tensor<4xf32>
}) : () -> ()

// -----

func.func @f(%w: tensor<4x2xf32>) {
  // expected-error @below {{the permutation's length is 3, expected 2 (the source's rank) [transpose.1]}}
  %t = dsv2.transpose %w [0, 1, 2] : tensor<4x2xf32>
  return
}

// -----

func.func @f(%w: tensor<4x2xf32>) {
  // expected-error @below {{the permutation must name each dimension once [transpose.2]}}
  %t = dsv2.transpose %w [1, 1] : tensor<4x2xf32>
  return
}
