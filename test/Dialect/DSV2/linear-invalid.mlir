// Shapes of norms, projections, sums and roundings.
// RUN: dsv2-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<?x8xf32>, %w: tensor<6xf32>) {
  // expected-error @below {{the weight's length is 6, expected 8 (the width of x) [rms_norm.1]}}
  %y = dsv2.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xf32>, tensor<6xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<8xf32>) {
  // expected-error @below {{eps is 0.000000e+00, expected a positive number [rms_norm.2]}}
  %y = dsv2.rms_norm %x, %w eps 0.0 : tensor<?x8xf32>, tensor<8xf32>
  return
}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<8xf32>) {
  // expected-error @below {{x is 'tensor<4x8xf32>', expected rows of rank 2 (a dynamic dimension, then static ones) [type.17]}}
  %y = dsv2.rms_norm %x, %w eps 1.0e-06 : tensor<4x8xf32>, tensor<8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<6x7xf32>) {
  // expected-error @below {{the weight's input width is 7, expected 8 (the width of x) [linear.1]}}
  %y = dsv2.linear %x, %w : tensor<?x8xf32>, tensor<6x7xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf16>, %w: tensor<6x8xf32>) {
  // expected-error @below {{operand #0 must be rows of values (tensor<?xWxf32> or bf16) [type.1], but got 'tensor<?x8xf16>'}}
  %y = dsv2.linear %x, %w : tensor<?x8xf16>, tensor<6x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<6x8xf32>) {
  // A contraction accumulates in f32 whatever its operands are.
  // expected-error @below {{result #0 must be rows of f32 values (tensor<?xWxf32>) [type.4], but got 'tensor<?x6xbf16>'}}
  %y = "dsv2.linear"(%x, %w) <{operandSegmentSizes = array<i32: 1, 1, 0, 0>}> : (tensor<?x8xf32>, tensor<6x8xf32>) -> tensor<?x6xbf16>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<6x8xf32>) {
  // expected-error @below {{failed to infer returned types}}
  // expected-error @below {{inferred type(s) 'tensor<?x6xf32>' are incompatible with return type(s) of operation 'tensor<?x5xf32>'}}
  %y = "dsv2.linear"(%x, %w) <{operandSegmentSizes = array<i32: 1, 1, 0, 0>}> : (tensor<?x8xf32>, tensor<6x8xf32>) -> tensor<?x5xf32>
  return
}

// -----

func.func @f(%x: tensor<?x2x8xf32>, %w: tensor<3x6x8xf32>) {
  // expected-error @below {{the weight's number of heads is 3, expected 2 (the heads of x) [head_linear.1]}}
  %y = dsv2.head_linear %x, %w : tensor<?x2x8xf32>, tensor<3x6x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x2x8xf32>, %w: tensor<2x8x6xf32>) {
  // expected-error @below {{the weight's input width is 6, expected 8 (the width of a head of x) [head_linear.2]}}
  %y = dsv2.head_linear %x, %w : tensor<?x2x8xf32>, tensor<2x8x6xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xbf16>) {
  // expected-error @below {{operand #0 must be rows of f32 values (tensor<?xWxf32>) [type.4], but got 'tensor<?x8xbf16>'}}
  %y = dsv2.add %x, %x : tensor<?x8xbf16>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %y: tensor<?x6xf32>) {
  // expected-error @below {{requires all operands to have the same type}}
  %z = "dsv2.add"(%x, %y) : (tensor<?x8xf32>, tensor<?x6xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>) {
  // expected-error @below {{makes 'tensor<?x6xbf16>' of 'tensor<?x8xf32>', expected the same shape [cast.1]}}
  %y = dsv2.cast %x : tensor<?x8xf32> to tensor<?x6xbf16>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>) {
  // expected-error @below {{casts 'tensor<?x8xf32>' to itself, expected another element type [cast.2]}}
  %y = dsv2.cast %x : tensor<?x8xf32> to tensor<?x8xf32>
  return
}
