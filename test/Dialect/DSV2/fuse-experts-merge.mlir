// `merge` leaves shared experts apart, and merges gate and up of the routed ones.
// RUN: dsv2-opt %s --dsv2-fuse-experts=mode=merge | FileCheck %s

dsv2.weights @gate experts 0 to 4 : tensor<3x8xf32> = "e.{e}.gate"
dsv2.weights @up experts 0 to 4 : tensor<3x8xf32> = "e.{e}.up"
dsv2.weights @down experts 0 to 4 : tensor<8x3xf32> = "e.{e}.down"
dsv2.weights @shared_gate : tensor<3x8xf32> = "shared.gate"
dsv2.weights @shared_down : tensor<8x3xf32> = "shared.down"

// CHECK: dsv2.prepare @fused_gate_up : tensor<4x6x8xf32>
// CHECK-NOT: dsv2.prepare
// CHECK-LABEL: func.func @merge
func.func @merge(%x: tensor<?x8xf32>, %w: tensor<?x2xf32>, %i: tensor<?x2xi32>) -> tensor<?x8xf32> {
  %gate = dsv2.weight @gate : tensor<4x3x8xf32>
  %up = dsv2.weight @up : tensor<4x3x8xf32>
  %down = dsv2.weight @down : tensor<4x8x3xf32>
  // CHECK: %[[R:.*]] = dsv2.fused_experts %{{.*}} shared 0 :
  %r = dsv2.routed_experts %x, %w, %i, %gate, %up, %down
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<4x3x8xf32>, tensor<4x3x8xf32>, tensor<4x8x3xf32>
  %sgate = dsv2.weight @shared_gate : tensor<3x8xf32>
  %sdown = dsv2.weight @shared_down : tensor<8x3xf32>
  // CHECK: %[[S:.*]] = dsv2.shared_experts
  %s = dsv2.shared_experts %x, %sgate, %sgate, %sdown
      : tensor<?x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>, tensor<8x3xf32>
  // CHECK: dsv2.add %[[R]], %[[S]]
  %y = dsv2.add %r, %s : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
