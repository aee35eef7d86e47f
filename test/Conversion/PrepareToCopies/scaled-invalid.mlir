// Quantized weights that copies cannot widen.
// RUN: dsv2-opt %s --dsv2-create-variants=targets=x86-64-v3 --dsv2-form-dispatches --split-input-file --verify-diagnostics

!cache = !dsv2.cache<1 x [8, 4] x f32>
!int8 = !dsv2.scaled<i8, [1, 0], f32>
module attributes {dsv2.model = {max_context = 64 : i64, name = "scaled", vocab = 16 : i64}} {
  // expected-error @below {{expected a matrix of f8E4M3FN with scales in f32 to be prepared}}
  dsv2.weights @stored : tensor<16x8x!int8> = "w" scales "w_scale"
  dsv2.prepare @embed : tensor<16x8xf32> {
    %w = dsv2.weight @stored : tensor<16x8x!int8>
    %v = dsv2.dequantize %w : tensor<16x8x!int8> to tensor<16x8xf32>
    dsv2.yield %v : tensor<16x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %batch: !dsv2.batch, %cache: !cache) -> (tensor<?x16xf32>, tensor<?x8xf32>, !cache) {
    %e = dsv2.weight @embed : tensor<16x8xf32>
    %x = dsv2.embed %tokens, %e : tensor<?xi32>, tensor<16x8xf32>
    %y = dsv2.select_rows %x of %batch : tensor<?x8xf32>
    %l = dsv2.linear %y, %e : tensor<?x8xf32>, tensor<16x8xf32>
    return %l, %x, %cache : tensor<?x16xf32>, tensor<?x8xf32>, !cache
  }
}

// -----

// What is made by quantizing is no checkpoint tensor.
!cache = !dsv2.cache<1 x [8, 4] x f32>
!fp8 = !dsv2.scaled<f8E4M3FN, [8, 8], f32>
module attributes {dsv2.model = {max_context = 64 : i64, name = "scaled", vocab = 16 : i64}} {
  dsv2.weights @stored : tensor<16x8xf32> = "w"
  dsv2.prepare @embed : tensor<16x8xf32> {
    %w = dsv2.weight @stored : tensor<16x8xf32>
    %q = dsv2.quantize %w : tensor<16x8xf32> to tensor<16x8x!fp8>
    // expected-error @below {{must widen a family of the checkpoint as it is}}
    %v = dsv2.dequantize %q : tensor<16x8x!fp8> to tensor<16x8xf32>
    dsv2.yield %v : tensor<16x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %batch: !dsv2.batch, %cache: !cache) -> (tensor<?x16xf32>, tensor<?x8xf32>, !cache) {
    %e = dsv2.weight @embed : tensor<16x8xf32>
    %x = dsv2.embed %tokens, %e : tensor<?xi32>, tensor<16x8xf32>
    %y = dsv2.select_rows %x of %batch : tensor<?x8xf32>
    %l = dsv2.linear %y, %e : tensor<?x8xf32>, tensor<16x8xf32>
    return %l, %x, %cache : tensor<?x16xf32>, tensor<?x8xf32>, !cache
  }
}
