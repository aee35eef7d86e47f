// Shared experts become slots of the routed group, gate and up are merged, both through prepare functions.
// RUN: dsv2-opt %s --dsv2-fuse-experts --split-input-file --verify-diagnostics | FileCheck %s
// RUN: dsv2-opt %s --dsv2-fuse-experts=mode=off --split-input-file | FileCheck %s --check-prefix=OFF

dsv2.weights @moe.gate experts 0 to 4 : tensor<3x8xf32> = "e.{e}.gate"
dsv2.weights @moe.up experts 0 to 4 : tensor<3x8xf32> = "e.{e}.up"
dsv2.weights @moe.down experts 0 to 4 : tensor<8x3xf32> = "e.{e}.down"
dsv2.weights @moe.shared_gate : tensor<6x8xf32> = "shared.gate"
dsv2.weights @moe.shared_up : tensor<6x8xf32> = "shared.up"
dsv2.weights @moe.shared_down : tensor<8x6xf32> = "shared.down"

// CHECK: dsv2.prepare @moe.fused_gate_up : tensor<6x6x8xf32> {
// CHECK-DAG: %[[G:.*]] = dsv2.weight @moe.gate :
// CHECK-DAG: %[[U:.*]] = dsv2.weight @moe.up :
// CHECK-DAG: %[[SG:.*]] = dsv2.weight @moe.shared_gate :
// CHECK-DAG: %[[SU:.*]] = dsv2.weight @moe.shared_up :
// CHECK-DAG: %[[E:.*]] = tensor.concat dim(1) %[[G]], %[[U]]
// CHECK-DAG: %[[SG1:.*]] = tensor.expand_shape %[[SG]] {{\[\[}}0, 1], [2]] output_shape [2, 3, 8]
// CHECK-DAG: %[[SU1:.*]] = tensor.expand_shape %[[SU]] {{\[\[}}0, 1], [2]] output_shape [2, 3, 8]
// CHECK: %[[S:.*]] = tensor.concat dim(1) %[[SG1]], %[[SU1]]
// CHECK: %[[ALL:.*]] = tensor.concat dim(0) %[[E]], %[[S]]
// CHECK: dsv2.yield %[[ALL]]

// CHECK: dsv2.prepare @moe.fused_down : tensor<6x8x3xf32> {
// CHECK: %[[D:.*]] = dsv2.weight @moe.down :
// CHECK: %[[SD:.*]] = dsv2.weight @moe.shared_down :
// CHECK: %[[SD1:.*]] = tensor.expand_shape %[[SD]] {{\[\[}}0], [1, 2]] output_shape [8, 2, 3]
// CHECK: %[[SD2:.*]] = dsv2.transpose %[[SD1]] [1, 0, 2]
// CHECK: tensor.concat dim(0) %[[D]], %[[SD2]]

// CHECK-LABEL: func.func @with_shared
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: tensor<?x2xf32>, %[[I:.*]]: tensor<?x2xi32>)
// OFF-LABEL: func.func @with_shared
// OFF: dsv2.routed_experts
// OFF: dsv2.shared_experts
func.func @with_shared(%x: tensor<?x8xf32>, %w: tensor<?x2xf32>, %i: tensor<?x2xi32>) -> tensor<?x8xf32> {
  %gate = dsv2.weight @moe.gate : tensor<4x3x8xf32>
  %up = dsv2.weight @moe.up : tensor<4x3x8xf32>
  %down = dsv2.weight @moe.down : tensor<4x8x3xf32>
  %r = dsv2.routed_experts %x, %w, %i, %gate, %up, %down
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<4x3x8xf32>, tensor<4x3x8xf32>, tensor<4x8x3xf32>
  %sgate = dsv2.weight @moe.shared_gate : tensor<6x8xf32>
  %sup = dsv2.weight @moe.shared_up : tensor<6x8xf32>
  %sdown = dsv2.weight @moe.shared_down : tensor<8x6xf32>
  %s = dsv2.shared_experts %x, %sgate, %sup, %sdown
      : tensor<?x8xf32>, tensor<6x8xf32>, tensor<6x8xf32>, tensor<8x6xf32>
  // CHECK-NEXT: %[[GU:.*]] = dsv2.weight @moe.fused_gate_up : tensor<6x6x8xf32>
  // CHECK-NEXT: %[[D:.*]] = dsv2.weight @moe.fused_down : tensor<6x8x3xf32>
  // CHECK-NEXT: %[[Y:.*]] = dsv2.fused_experts %[[X]], %[[W]], %[[I]], %[[GU]], %[[D]] shared 2 :
  // CHECK-NEXT: return %[[Y]]
  %y = dsv2.add %s, %r : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// Without shared experts gate and up are merged all the same; down stays the checkpoint's. `inner` is kept.
dsv2.weights @gate experts 0 to 4 : tensor<3x8xbf16> = "e.{e}.gate"
dsv2.weights @up experts 0 to 4 : tensor<3x8xbf16> = "e.{e}.up"
dsv2.weights @down experts 0 to 4 : tensor<8x3xbf16> = "e.{e}.down"

// CHECK: dsv2.prepare @fused_gate_up : tensor<4x6x8xbf16>
// CHECK-LABEL: func.func @without_shared
func.func @without_shared(%x: tensor<?x8xbf16>, %w: tensor<?x2xf32>, %i: tensor<?x2xi32>) -> tensor<?x8xf32> {
  // CHECK-DAG: %[[D:.*]] = dsv2.weight @down :
  // CHECK-DAG: %[[GU:.*]] = dsv2.weight @fused_gate_up :
  // CHECK: dsv2.fused_experts %{{.*}}, %[[GU]], %[[D]] shared 0 inner bf16 :
  %gate = dsv2.weight @gate : tensor<4x3x8xbf16>
  %up = dsv2.weight @up : tensor<4x3x8xbf16>
  %down = dsv2.weight @down : tensor<4x8x3xbf16>
  %r = dsv2.routed_experts %x, %w, %i, %gate, %up, %down inner bf16
      : tensor<?x8xbf16>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<4x3x8xbf16>, tensor<4x3x8xbf16>, tensor<4x8x3xbf16>
  return %r : tensor<?x8xf32>
}

// -----

// A shared width of 5 does not cut into slots of 3.
dsv2.weights @gate experts 0 to 4 : tensor<3x8xf32> = "e.{e}.gate"
dsv2.weights @down experts 0 to 4 : tensor<8x3xf32> = "e.{e}.down"
dsv2.weights @shared_gate : tensor<5x8xf32> = "shared.gate"
dsv2.weights @shared_down : tensor<8x5xf32> = "shared.down"

// CHECK-LABEL: func.func @odd_width
func.func @odd_width(%x: tensor<?x8xf32>, %w: tensor<?x2xf32>, %i: tensor<?x2xi32>) -> tensor<?x8xf32> {
  %gate = dsv2.weight @gate : tensor<4x3x8xf32>
  %down = dsv2.weight @down : tensor<4x8x3xf32>
  // CHECK: dsv2.routed_experts
  // expected-remark @below {{stays apart from shared experts: the shared width 5 is no multiple of the routed width 3}}
  %r = dsv2.routed_experts %x, %w, %i, %gate, %gate, %down
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<4x3x8xf32>, tensor<4x3x8xf32>, tensor<4x8x3xf32>
  %sgate = dsv2.weight @shared_gate : tensor<5x8xf32>
  %sdown = dsv2.weight @shared_down : tensor<8x5xf32>
  %s = dsv2.shared_experts %x, %sgate, %sgate, %sdown
      : tensor<?x8xf32>, tensor<5x8xf32>, tensor<5x8xf32>, tensor<8x5xf32>
  %y = dsv2.add %r, %s : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// Weights of two types.
dsv2.weights @gate experts 0 to 4 : tensor<3x8xf32> = "e.{e}.gate"
dsv2.weights @down experts 0 to 4 : tensor<8x3xbf16> = "e.{e}.down"

// CHECK-LABEL: func.func @mixed_types
func.func @mixed_types(%x: tensor<?x8xf32>, %w: tensor<?x2xf32>, %i: tensor<?x2xi32>) -> tensor<?x8xf32> {
  %gate = dsv2.weight @gate : tensor<4x3x8xf32>
  %down = dsv2.weight @down : tensor<4x8x3xbf16>
  // CHECK: dsv2.routed_experts
  // expected-remark @below {{stays apart from shared experts: its weights are of f32 and bf16}}
  %r = dsv2.routed_experts %x, %w, %i, %gate, %gate, %down
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<4x3x8xf32>, tensor<4x3x8xf32>, tensor<4x8x3xbf16>
  return %r : tensor<?x8xf32>
}

// -----

// The same sum, but the shared experts read another input: they stay, the routed ones are merged alone.
dsv2.weights @gate experts 0 to 4 : tensor<3x8xf32> = "e.{e}.gate"
dsv2.weights @down experts 0 to 4 : tensor<8x3xf32> = "e.{e}.down"
dsv2.weights @shared_gate : tensor<3x8xf32> = "shared.gate"
dsv2.weights @shared_down : tensor<8x3xf32> = "shared.down"

// CHECK-LABEL: func.func @other_input
func.func @other_input(%x: tensor<?x8xf32>, %z: tensor<?x8xf32>, %w: tensor<?x2xf32>, %i: tensor<?x2xi32>)
    -> tensor<?x8xf32> {
  %gate = dsv2.weight @gate : tensor<4x3x8xf32>
  %down = dsv2.weight @down : tensor<4x8x3xf32>
  // CHECK: dsv2.fused_experts %{{.*}} shared 0
  // CHECK: dsv2.shared_experts
  %r = dsv2.routed_experts %x, %w, %i, %gate, %gate, %down
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<4x3x8xf32>, tensor<4x3x8xf32>, tensor<4x8x3xf32>
  %sgate = dsv2.weight @shared_gate : tensor<3x8xf32>
  %sdown = dsv2.weight @shared_down : tensor<8x3xf32>
  %s = dsv2.shared_experts %z, %sgate, %sgate, %sdown
      : tensor<?x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>, tensor<8x3xf32>
  %y = dsv2.add %r, %s : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// Slots have no bias.
dsv2.weights @gate experts 0 to 4 : tensor<3x8xf32> = "e.{e}.gate"
dsv2.weights @down experts 0 to 4 : tensor<8x3xf32> = "e.{e}.down"
dsv2.weights @shared_gate : tensor<3x8xf32> = "shared.gate"
dsv2.weights @shared_down : tensor<8x3xf32> = "shared.down"

// CHECK-LABEL: func.func @bias
func.func @bias(%x: tensor<?x8xf32>, %w: tensor<?x2xf32>, %i: tensor<?x2xi32>, %b: tensor<3xf32>,
                %c: tensor<8xf32>) -> tensor<?x8xf32> {
  %gate = dsv2.weight @gate : tensor<4x3x8xf32>
  %down = dsv2.weight @down : tensor<4x8x3xf32>
  // CHECK: dsv2.routed_experts
  // expected-remark @below {{stays apart from shared experts: the shared experts have a bias}}
  %r = dsv2.routed_experts %x, %w, %i, %gate, %gate, %down
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<4x3x8xf32>, tensor<4x3x8xf32>, tensor<4x8x3xf32>
  %sgate = dsv2.weight @shared_gate : tensor<3x8xf32>
  %sdown = dsv2.weight @shared_down : tensor<8x3xf32>
  %s = dsv2.shared_experts %x, %sgate, %sgate, %sdown bias %b, %b, %c
      : tensor<?x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>, tensor<8x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<8xf32>
  %y = dsv2.add %r, %s : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// Two slots of 3 would cut groups of 2 elsewhere than the shared product of 6 does.
dsv2.weights @gate experts 0 to 4 : tensor<3x8xf32> = "e.{e}.gate"
dsv2.weights @down experts 0 to 4 : tensor<8x3xf32> = "e.{e}.down"
dsv2.weights @shared_gate : tensor<6x8xf32> = "shared.gate"
dsv2.weights @shared_down : tensor<8x6xf32> = "shared.down"

// CHECK-LABEL: func.func @groups
func.func @groups(%x: tensor<?x8xf32>, %w: tensor<?x2xf32>, %i: tensor<?x2xi32>) -> tensor<?x8xf32> {
  %gate = dsv2.weight @gate : tensor<4x3x8xf32>
  %down = dsv2.weight @down : tensor<4x8x3xf32>
  // CHECK: dsv2.routed_experts
  // expected-remark @below {{stays apart from shared experts: groups of 2 activations do not divide the routed width 3}}
  %r = dsv2.routed_experts %x, %w, %i, %gate, %gate, %down activation <i8, group = 2, scale = amax>
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<4x3x8xf32>, tensor<4x3x8xf32>, tensor<4x8x3xf32>
  %sgate = dsv2.weight @shared_gate : tensor<6x8xf32>
  %sdown = dsv2.weight @shared_down : tensor<8x6xf32>
  %s = dsv2.shared_experts %x, %sgate, %sgate, %sdown activation <i8, group = 2, scale = amax>
      : tensor<?x8xf32>, tensor<6x8xf32>, tensor<6x8xf32>, tensor<8x6xf32>
  %y = dsv2.add %r, %s : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
