// Kinds of tensors that operands and results must be.
// RUN: dsv2-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<?x8xf16>, %w: tensor<6x8xf32>) {
  // expected-error @below {{operand #0 must be rows of values (tensor<?xWxf32> or bf16) [type.1], but got 'tensor<?x8xf16>'}}
  %y = dsv2.linear %x, %w : tensor<?x8xf16>, tensor<6x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x2x8xf16>) {
  // expected-error @below {{operand #0 must be rows of heads (tensor<?xAxWxf32> or bf16) [type.2], but got 'tensor<?x2x8xf16>'}}
  %y = dsv2.merge_heads %x : tensor<?x2x8xf16>
  return
}

// -----

#rope = #dsv2.rope<theta = 10000.0, layout = halves, magnitude = 1.0, inv_freq = dense<[1.0, 0.01]> : tensor<2xf32>>
func.func @f(%x: tensor<?x4xf16>, %b: !dsv2.batch) {
  // expected-error @below {{operand #0 must be rows of values or of heads (tensor<?xWxf32>, tensor<?xAxWxf32> or bf16) [type.3], but got 'tensor<?x4xf16>'}}
  %y = dsv2.rope %x of %b by #rope : tensor<?x4xf16>
  return
}

// -----

func.func @f(%x: tensor<?x8xbf16>) {
  // expected-error @below {{operand #0 must be rows of f32 values (tensor<?xWxf32>) [type.4], but got 'tensor<?x8xbf16>'}}
  %y = dsv2.add %x, %x : tensor<?x8xbf16>
  return
}

// -----

func.func @f(%x: tensor<?x2x8xbf16>, %lse: tensor<?x2xf32>) {
  // expected-error @below {{operand #0 must be variadic of rows of f32 heads (tensor<?xAxWxf32>) [type.5], but got 'tensor<?x2x8xbf16>'}}
  %y = dsv2.merge_attention (%x), (%lse) : tensor<?x2x8xbf16>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<?x2xf32>, %up: tensor<4x3x8xf32>, %down: tensor<4x8x3xf32>) {
  // expected-error @below {{operand #2 must be rows of expert numbers (tensor<?xKxi32>) [type.6], but got 'tensor<?x2xf32>'}}
  %y = dsv2.routed_experts %x, %w, %w, %up, %up, %down
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<4x3x8xf32>, tensor<4x3x8xf32>, tensor<4x8x3xf32>
  return
}

// -----

func.func @f(%x: tensor<?xi64>, %w: tensor<10x8xf32>) {
  // expected-error @below {{operand #0 must be token ids (tensor<?xi32>) [type.7], but got 'tensor<?xi64>'}}
  %y = dsv2.embed %x, %w : tensor<?xi64>, tensor<10x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<8xf16>) {
  // expected-error @below {{operand #1 must be a weight of rank 1 (static shape, f32 or bf16) [type.8], but got 'tensor<8xf16>'}}
  %y = dsv2.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xf32>, tensor<8xf16>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>, %b: tensor<4xbf16>) {
  // expected-error @below {{operand #2 must be a weight of rank 1 (static shape, f32) [type.9], but got 'tensor<4xbf16>'}}
  %a, %i = dsv2.gate %x, %w bias %b by #dsv2.noaux_tc<groups = 2, keep = 1, top_k = 2> scale 1.0
      : tensor<?x8xf32>, tensor<4x8xf32>, tensor<4xbf16>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<6x8xi8>) {
  // expected-error @below {{operand #1 must be a weight of rank 2 (static shape, f32, bf16 or !dsv2.scaled) [type.10], but got 'tensor<6x8xi8>'}}
  %y = dsv2.linear %x, %w : tensor<?x8xf32>, tensor<6x8xi8>
  return
}

// -----

// A gate's matrix is never quantized.
func.func @f(%x: tensor<?x8xf32>, %w: tensor<4x8x!dsv2.scaled<i8, [1, 0], f32>>) {
  // expected-error @below {{operand #1 must be a weight of rank 2 (static shape, f32 or bf16) [type.11], but got 'tensor<4x8x!dsv2.scaled<i8, [1, 0], f32>>'}}
  %a, %i = dsv2.gate %x, %w by #dsv2.greedy<top_k = 2> scale 1.0
      : tensor<?x8xf32>, tensor<4x8x!dsv2.scaled<i8, [1, 0], f32>>
  return
}

// -----

func.func @f(%x: tensor<?x2x8xf32>, %w: tensor<2x6x8xf16>) {
  // expected-error @below {{operand #1 must be a weight of rank 3 (static shape, f32, bf16 or !dsv2.scaled) [type.12], but got 'tensor<2x6x8xf16>'}}
  %y = dsv2.head_linear %x, %w : tensor<?x2x8xf32>, tensor<2x6x8xf16>
  return
}

// -----

// Blocks are not turned: dequantize first.
func.func @f(%w: tensor<4x8x!dsv2.scaled<i8, [1, 0], f32>>) {
  // expected-error @below {{operand #0 must be a weight (static shape, f32 or bf16) [type.13], but got 'tensor<4x8x!dsv2.scaled<i8, [1, 0], f32>>'}}
  %y = dsv2.transpose %w [1, 0] : tensor<4x8x!dsv2.scaled<i8, [1, 0], f32>>
  return
}

// -----

func.func @f(%w: tensor<4x8xf32>) {
  // expected-error @below {{operand #0 must be a quantized weight (static shape of rank 2 or more, !dsv2.scaled) [type.14], but got 'tensor<4x8xf32>'}}
  %y = dsv2.dequantize %w : tensor<4x8xf32> to tensor<4x8xbf16>
  return
}

// -----

// expected-error @below {{a weight (static shape, f32, bf16 or !dsv2.scaled) [type.15]}}
dsv2.weights @w : tensor<4x?xf32> = "w"

// -----

// expected-error @below {{a weight (static shape, f32, bf16 or !dsv2.scaled) [type.15]}}
dsv2.weights @w : tensor<4xi8> = "w"

// -----

func.func @f(%x: tensor<?x8xi32>) {
  // expected-error @below {{operand #0 must be a tensor of f32 or bf16 [type.16], but got 'tensor<?x8xi32>'}}
  %y = dsv2.cast %x : tensor<?x8xi32> to tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<6x8xf32>) {
  // expected-error @below {{x is 'tensor<4x8xf32>', expected rows of rank 2 (a dynamic dimension, then static ones) [type.17]}}
  %y = dsv2.linear %x, %w : tensor<4x8xf32>, tensor<6x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<6x?xf32>) {
  // expected-error @below {{the weight is 'tensor<6x?xf32>', expected a static shape of rank 2 [type.18]}}
  %y = dsv2.linear %x, %w : tensor<?x8xf32>, tensor<6x?xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<6x8xf32>, %d: tensor<8x6xf32>) {
  // expected-error @below {{f32 or bf16 [type.19]}}
  %y = dsv2.mlp %x, %w, %w, %d inner f16 : tensor<?x8xf32>, tensor<6x8xf32>, tensor<6x8xf32>, tensor<8x6xf32>
  return
}
