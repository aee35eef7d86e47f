// Weights that no prepare function can reach, a second compute type, and one that there is not.
// RUN: dsv2-opt %s --dsv2-set-compute-type=compute=bf16 --split-input-file --verify-diagnostics
// RUN: not dsv2-opt %s --dsv2-set-compute-type=compute=f16 2>&1 | FileCheck %s

// CHECK: error: compute type is 'f16', expected auto, f32 or bf16

func.func @f(%x: tensor<?x8xf32>, %w: tensor<6x8xf32>) -> tensor<?x6xf32> {
  // expected-error @below {{operand #1 is a weight of 'tensor<6x8xf32>', expected a dsv2.weight that a dsv2.prepare can turn to 'bf16'}}
  %y = dsv2.linear %x, %w : tensor<?x8xf32>, tensor<6x8xf32>
  return %y : tensor<?x6xf32>
}

// -----

// expected-error @below {{compute type is already "f32", expected none or "bf16"}}
module attributes {dsv2.compute = "f32"} {}
