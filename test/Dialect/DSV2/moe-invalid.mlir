// Gates and the four forms of MLP.
// RUN: dsv2-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<?x8xf32>, %w: tensor<4x7xf32>) {
  // expected-error @below {{the weight's input width is 7, expected 8 (the width of x) [gate.1]}}
  %a, %i = dsv2.gate %x, %w by #dsv2.greedy<top_k = 2> scale 1.0 : tensor<?x8xf32>, tensor<4x7xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xbf16>, %w: tensor<4x8xf32>) {
  // The gate is never rounded.
  // expected-error @below {{operand #0 must be rows of f32 values (tensor<?xWxf32>) [type.4], but got 'tensor<?x8xbf16>'}}
  %a, %i = dsv2.gate %x, %w by #dsv2.greedy<top_k = 2> scale 1.0 : tensor<?x8xbf16>, tensor<4x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) {
  // expected-error @below {{top_k is 5, expected at most the 4 experts [greedy.2]}}
  %a, %i = dsv2.gate %x, %w by #dsv2.greedy<top_k = 5> scale 1.0 : tensor<?x8xf32>, tensor<4x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) {
  // expected-error @below {{4 experts do not divide into 3 groups [groups.4]}}
  %a, %i = dsv2.gate %x, %w by #dsv2.group_limited<groups = 3, keep = 1, top_k = 1> scale 1.0
      : tensor<?x8xf32>, tensor<4x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) {
  // expected-error @below {{top_k is 3, expected at most the 2 experts of 1 groups [groups.5]}}
  %a, %i = dsv2.gate %x, %w by #dsv2.group_limited<groups = 2, keep = 1, top_k = 3> scale 1.0
      : tensor<?x8xf32>, tensor<4x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>, %b: tensor<4xf32>) {
  // expected-error @below {{4 experts do not divide into 3 groups [groups.4]}}
  %a, %i = dsv2.gate %x, %w bias %b by #dsv2.noaux_tc<groups = 3, keep = 1, top_k = 1> scale 1.0
      : tensor<?x8xf32>, tensor<4x8xf32>, tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>, %b: tensor<4xf32>) {
  // expected-error @below {{top_k is 3, expected at most the 2 experts of 1 groups [groups.5]}}
  %a, %i = dsv2.gate %x, %w bias %b by #dsv2.noaux_tc<groups = 2, keep = 1, top_k = 3> scale 1.0
      : tensor<?x8xf32>, tensor<4x8xf32>, tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>, %b: tensor<4xf32>) {
  // A group counts its two best experts.
  // expected-error @below {{4 experts in 4 groups, expected at least 2 in each [noaux_tc.1]}}
  %a, %i = dsv2.gate %x, %w bias %b by #dsv2.noaux_tc<groups = 4, keep = 2, top_k = 2> scale 1.0
      : tensor<?x8xf32>, tensor<4x8xf32>, tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) {
  // expected-error @below {{#dsv2.noaux_tc<groups = 2, keep = 1, top_k = 2> expects a bias of every expert [gate.4]}}
  %a, %i = dsv2.gate %x, %w by #dsv2.noaux_tc<groups = 2, keep = 1, top_k = 2> scale 1.0
      : tensor<?x8xf32>, tensor<4x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>, %b: tensor<4xf32>) {
  // expected-error @below {{#dsv2.greedy<top_k = 2> takes no bias [gate.4]}}
  %a, %i = dsv2.gate %x, %w bias %b by #dsv2.greedy<top_k = 2> scale 1.0
      : tensor<?x8xf32>, tensor<4x8xf32>, tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>, %b: tensor<5xf32>) {
  // expected-error @below {{the width of the bias is 5, expected 4 (the experts of the weight) [gate.2]}}
  %a, %i = dsv2.gate %x, %w bias %b by #dsv2.noaux_tc<groups = 2, keep = 1, top_k = 2> scale 1.0
      : tensor<?x8xf32>, tensor<4x8xf32>, tensor<5xf32>
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

func.func @f(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) {
  // expected-error @below {{scale is 0.000000e+00, expected a positive number [gate.3]}}
  %a, %i = dsv2.gate %x, %w by #dsv2.greedy<top_k = 2> scale 0.0 : tensor<?x8xf32>, tensor<4x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %g: tensor<3x7xf32>, %u: tensor<3x8xf32>, %d: tensor<8x3xf32>) {
  // expected-error @below {{the input width of gate is 7, expected 8 (the width of x) [mlp.3]}}
  %y = dsv2.mlp %x, %g, %u, %d : tensor<?x8xf32>, tensor<3x7xf32>, tensor<3x8xf32>, tensor<8x3xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %g: tensor<3x8xf32>, %u: tensor<4x8xf32>, %d: tensor<8x3xf32>) {
  // expected-error @below {{the width of up is 4, expected 3 (the width of gate) [mlp.4]}}
  %y = dsv2.mlp %x, %g, %u, %d : tensor<?x8xf32>, tensor<3x8xf32>, tensor<4x8xf32>, tensor<8x3xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %g: tensor<3x8xf32>, %u: tensor<3x7xf32>, %d: tensor<8x3xf32>) {
  // expected-error @below {{the input width of up is 7, expected 8 (the width of x) [mlp.5]}}
  %y = dsv2.mlp %x, %g, %u, %d : tensor<?x8xf32>, tensor<3x8xf32>, tensor<3x7xf32>, tensor<8x3xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %g: tensor<3x8xf32>, %d: tensor<7x3xf32>) {
  // expected-error @below {{the output width of down is 7, expected 8 (the width of x) [mlp.6]}}
  %y = dsv2.shared_experts %x, %g, %g, %d : tensor<?x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>, tensor<7x3xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %g: tensor<3x8xf32>, %d: tensor<8x4xf32>) {
  // expected-error @below {{the input width of down is 4, expected 3 (the width of gate) [mlp.7]}}
  %y = dsv2.shared_experts %x, %g, %g, %d : tensor<?x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>, tensor<8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<?x2xf32>, %i: tensor<?x3xi32>, %g: tensor<4x3x8xf32>, %d: tensor<4x8x3xf32>) {
  // expected-error @below {{the width of ids is 3, expected 2 (the width of weights) [experts.1]}}
  %y = dsv2.routed_experts %x, %w, %i, %g, %g, %d
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x3xi32>, tensor<4x3x8xf32>, tensor<4x3x8xf32>, tensor<4x8x3xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<?x2xf32>, %i: tensor<?x2xi32>, %g: tensor<4x3x8xf32>, %u: tensor<5x3x8xf32>, %d: tensor<4x8x3xf32>) {
  // expected-error @below {{the number of experts of up is 5, expected 4 (the experts of gate) [mlp.1]}}
  %y = dsv2.routed_experts %x, %w, %i, %g, %u, %d
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<4x3x8xf32>, tensor<5x3x8xf32>, tensor<4x8x3xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<?x2xf32>, %i: tensor<?x2xi32>, %g: tensor<4x3x8xf32>, %d: tensor<5x8x3xf32>) {
  // expected-error @below {{the number of experts of down is 5, expected 4 (the experts of gate) [mlp.2]}}
  %y = dsv2.routed_experts %x, %w, %i, %g, %g, %d
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<4x3x8xf32>, tensor<4x3x8xf32>, tensor<5x8x3xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<?x2xf32>, %i: tensor<?x2xi32>, %g: tensor<6x6x8xf32>, %d: tensor<6x8x3xf32>) {
  // expected-error @below {{shared is 6, expected 0 or more and fewer than the 6 slots [fused_experts.1]}}
  %y = dsv2.fused_experts %x, %w, %i, %g, %d shared 6
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<6x6x8xf32>, tensor<6x8x3xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<?x2xf32>, %i: tensor<?x2xi32>, %g: tensor<6x6x8xf32>, %d: tensor<5x8x3xf32>) {
  // expected-error @below {{the number of slots of down is 5, expected 6 (the slots of gate_up) [fused_experts.2]}}
  %y = dsv2.fused_experts %x, %w, %i, %g, %d shared 2
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<6x6x8xf32>, tensor<5x8x3xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<?x2xf32>, %i: tensor<?x2xi32>, %g: tensor<6x6x7xf32>, %d: tensor<6x8x3xf32>) {
  // expected-error @below {{the input width of gate_up is 7, expected 8 (the width of x) [fused_experts.3]}}
  %y = dsv2.fused_experts %x, %w, %i, %g, %d shared 2
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<6x6x7xf32>, tensor<6x8x3xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<?x2xf32>, %i: tensor<?x2xi32>, %g: tensor<6x6x8xf32>, %d: tensor<6x7x3xf32>) {
  // expected-error @below {{the output width of down is 7, expected 8 (the width of x) [fused_experts.4]}}
  %y = dsv2.fused_experts %x, %w, %i, %g, %d shared 2
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<6x6x8xf32>, tensor<6x7x3xf32>
  return
}

// -----

// gate and up not merged: half the rows.
func.func @f(%x: tensor<?x8xf32>, %w: tensor<?x2xf32>, %i: tensor<?x2xi32>, %g: tensor<6x3x8xf32>, %d: tensor<6x8x3xf32>) {
  // expected-error @below {{the rows of gate_up is 3, expected 6 (gate and up, each of the input width of down) [fused_experts.5]}}
  %y = dsv2.fused_experts %x, %w, %i, %g, %d shared 2
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<6x3x8xf32>, tensor<6x8x3xf32>
  return
}
