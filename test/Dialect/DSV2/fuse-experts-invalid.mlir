// What `on` may not leave apart, and a mode that there is not.
// RUN: dsv2-opt %s --dsv2-fuse-experts=mode=on --split-input-file --verify-diagnostics
// RUN: dsv2-opt %s --dsv2-fuse-experts=mode=merge --split-input-file --verify-diagnostics
// RUN: not dsv2-opt %s --dsv2-fuse-experts=mode=maybe 2>&1 | FileCheck %s

// CHECK: error: fuse-experts mode is 'maybe', expected auto, on, off or merge

func.func @f(%x: tensor<?x8xf32>, %w: tensor<?x2xf32>, %i: tensor<?x2xi32>, %gate: tensor<4x3x8xf32>,
             %down: tensor<4x8x3xf32>) -> tensor<?x8xf32> {
  // expected-error @below {{cannot be fused: a weight of its experts is no dsv2.weight}}
  %r = dsv2.routed_experts %x, %w, %i, %gate, %gate, %down
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<4x3x8xf32>, tensor<4x3x8xf32>, tensor<4x8x3xf32>
  return %r : tensor<?x8xf32>
}
