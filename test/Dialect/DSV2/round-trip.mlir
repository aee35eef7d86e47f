// Every op of the dialect, with and without its optional parts, prints back as it was written.
// RUN: dsv2-opt %s | dsv2-opt | FileCheck %s
// RUN: dsv2-opt %s --mlir-print-op-generic | dsv2-opt | FileCheck %s

// CHECK: !cache = !dsv2.cache<2 x [6, 4] x f32>
// CHECK: #rope = #dsv2.rope<theta = 10000.0, layout = adjacent_pairs, magnitude = 1.0, inv_freq = dense<[1.000000e+00, 0.00999999977]> : tensor<2xf32>>
// CHECK: #scale = #dsv2.attention_scale<head_width = 12, factor = 40.0, mscale_all_dim = 0.707>
#rope = #dsv2.rope<theta = 10000.0, layout = adjacent_pairs, magnitude = 1.0, inv_freq = dense<[1.0, 0.01]> : tensor<2xf32>>
#scale = #dsv2.attention_scale<head_width = 12, factor = 40.0, mscale_all_dim = 0.707>
!cache = !dsv2.cache<2 x [6, 4] x f32>

// CHECK: module attributes {dsv2.model = {{.*}}, dsv2.stage = "import"}
module attributes {dsv2.stage = "import",
    dsv2.model = {name = "tiny", max_context = 64 : i64, vocab = 10 : i64, bos = 0 : i64, eos = [1]}} {
  // CHECK: dsv2.weights @embed : tensor<10x8xf32> = "model.embed_tokens.weight"
  dsv2.weights @embed : tensor<10x8xf32> = "model.embed_tokens.weight"
  // CHECK: dsv2.weights @kv_b layers 0 to 2 : tensor<32x6xf32> = "l.{l}.kv_b"
  dsv2.weights @kv_b layers 0 to 2 : tensor<32x6xf32> = "l.{l}.kv_b"
  // CHECK: dsv2.weights @gates layers 1 to 4 step 2 experts 0 to 4 : tensor<3x8xf32> = "l.{l}.e.{e}.g"
  dsv2.weights @gates layers 1 to 4 step 2 experts 0 to 4 : tensor<3x8xf32> = "l.{l}.e.{e}.g"
  // CHECK: dsv2.weights @gate_bias layers 1 to 4 step 2 : tensor<4xf32> = "l.{l}.b"
  dsv2.weights @gate_bias layers 1 to 4 step 2 : tensor<4xf32> = "l.{l}.b"

  // CHECK: dsv2.prepare @q_latent layers %[[L:.*]] = 0 to 2 : tensor<2x6x8xbf16> {
  // CHECK:   %[[W:.*]] = dsv2.weight @kv_b[%[[L]]] : tensor<32x6xf32>
  // CHECK:   dsv2.transpose %{{.*}} [0, 2, 1] : tensor<2x8x6xf32>
  // CHECK:   %[[B:.*]] = dsv2.cast %{{.*}} : tensor<2x6x8xf32> to tensor<2x6x8xbf16>
  // CHECK:   dsv2.yield %[[B]] : tensor<2x6x8xbf16>
  dsv2.prepare @q_latent layers %l = 0 to 2 : tensor<2x6x8xbf16> {
    %w = dsv2.weight @kv_b[%l] : tensor<32x6xf32>
    %h = tensor.expand_shape %w [[0, 1], [2]] output_shape [2, 16, 6]
        : tensor<32x6xf32> into tensor<2x16x6xf32>
    %k = tensor.extract_slice %h[0, 0, 0] [2, 8, 6] [1, 1, 1] : tensor<2x16x6xf32> to tensor<2x8x6xf32>
    %t = dsv2.transpose %k [0, 2, 1] : tensor<2x8x6xf32>
    %b = dsv2.cast %t : tensor<2x6x8xf32> to tensor<2x6x8xbf16>
    dsv2.yield %b : tensor<2x6x8xbf16>
  }

  // CHECK: dsv2.prepare @embed_bf16 : tensor<10x8xbf16> {
  dsv2.prepare @embed_bf16 : tensor<10x8xbf16> {
    %w = dsv2.weight @embed : tensor<10x8xf32>
    %b = dsv2.cast %w : tensor<10x8xf32> to tensor<10x8xbf16>
    dsv2.yield %b : tensor<10x8xbf16>
  }

  // CHECK-LABEL: func.func @attention
  // CHECK-SAME: %[[TOKENS:.*]]: tensor<?xi32>, %[[BATCH:.*]]: !dsv2.batch, %[[CACHE:.*]]: !cache
  func.func @attention(%tokens: tensor<?xi32>, %batch: !dsv2.batch, %cache: !cache,
                       %norm: tensor<8xf32>, %q: tensor<24x8xf32>, %kv_a: tensor<10x8xf32>,
                       %kv_norm: tensor<6xf32>, %o: tensor<8x16xf32>, %v_up: tensor<2x8x6xf32>)
      -> (tensor<?x8xf32>, !cache) {
    // CHECK: %[[E:.*]] = dsv2.weight @embed : tensor<10x8xf32>
    %e = dsv2.weight @embed : tensor<10x8xf32>
    // CHECK: %[[X:.*]] = dsv2.embed %[[TOKENS]], %[[E]] : tensor<?xi32>, tensor<10x8xf32>
    %x = dsv2.embed %tokens, %e : tensor<?xi32>, tensor<10x8xf32>
    // CHECK: dsv2.layers %[[L:.*]] = 0 to 2 carry(%[[XI:.*]] = %[[X]], %[[C:.*]] = %[[CACHE]]) : tensor<?x8xf32>, !cache {
    %y, %c2 = dsv2.layers %l = 0 to 2 carry(%xi = %x, %c = %cache) : tensor<?x8xf32>, !cache {
      // CHECK: %[[H:.*]] = dsv2.rms_norm %[[XI]], %{{.*}} eps 1.0e-06 : tensor<?x8xf32>, tensor<8xf32>
      %h = dsv2.rms_norm %xi, %norm eps 1.0e-06 : tensor<?x8xf32>, tensor<8xf32>
      // CHECK: dsv2.linear %[[H]], %{{.*}} : tensor<?x8xf32>, tensor<24x8xf32>
      %qh = dsv2.linear %h, %q : tensor<?x8xf32>, tensor<24x8xf32>
      // CHECK: %[[QP:.*]]:2 = dsv2.split_heads %{{.*}} heads 2 widths [8, 4] : tensor<?x24xf32>
      %qn, %qr = dsv2.split_heads %qh heads 2 widths [8, 4] : tensor<?x24xf32>
      // CHECK: %[[LATENT:.*]], %[[KR:.*]] = dsv2.mla_compress %[[H]], %{{.*}}, %{{.*}} eps 1.0e-06 : tensor<?x8xf32>, tensor<10x8xf32>, tensor<6xf32>
      %latent, %kr = dsv2.mla_compress %h, %kv_a, %kv_norm eps 1.0e-06
          : tensor<?x8xf32>, tensor<10x8xf32>, tensor<6xf32>
      // CHECK: dsv2.rope %[[QP]]#1 of %[[BATCH]] by #rope : tensor<?x2x4xf32>
      %qp = dsv2.rope %qr of %batch by #rope : tensor<?x2x4xf32>
      // CHECK: %[[KP:.*]] = dsv2.rope %[[KR]] of %[[BATCH]] by #rope : tensor<?x4xf32>
      %kp = dsv2.rope %kr of %batch by #rope : tensor<?x4xf32>
      // CHECK: %[[C1:.*]] = dsv2.cache_append %[[C]][%[[L]]], %[[LATENT]], %[[KP]] of %[[BATCH]] : !cache, tensor<?x6xf32>, tensor<?x4xf32>
      %c1 = dsv2.cache_append %c[%l], %latent, %kp of %batch : !cache, tensor<?x6xf32>, tensor<?x4xf32>
      %kv_b = dsv2.weight @kv_b[%l] : tensor<32x6xf32>
      // CHECK: %[[KN:.*]], %[[KRC:.*]], %[[V:.*]] = dsv2.decompress %[[C1]][%[[L]]], %{{.*}} of %[[BATCH]] heads 2 widths [8, 8] : !cache, tensor<32x6xf32>
      %kn, %krc, %v = dsv2.decompress %c1[%l], %kv_b of %batch heads 2 widths [8, 8]
          : !cache, tensor<32x6xf32>
      // CHECK: dsv2.attention(%[[QP]]#0, %{{.*}}), (%[[KN]], %[[KRC]]), %[[V]] of %[[BATCH]] scale #scale : tensor<?x2x8xf32>, tensor<?x2x4xf32>, tensor<?x2x8xf32>, tensor<?x4xf32>, tensor<?x2x8xf32>
      %a = dsv2.attention (%qn, %qp), (%kn, %krc), %v of %batch scale #scale
          : tensor<?x2x8xf32>, tensor<?x2x4xf32>, tensor<?x2x8xf32>, tensor<?x4xf32>, tensor<?x2x8xf32>
      // CHECK: dsv2.attention{{.*}} scale #scale inner bf16 :
      %a2 = dsv2.attention (%qn, %qp), (%kn, %krc), %v of %batch scale #scale inner bf16
          : tensor<?x2x8xf32>, tensor<?x2x4xf32>, tensor<?x2x8xf32>, tensor<?x4xf32>, tensor<?x2x8xf32>
      // CHECK: %[[QL:.*]] = dsv2.weight @q_latent[%[[L]]] : tensor<2x6x8xbf16>
      %w_uk = dsv2.weight @q_latent[%l] : tensor<2x6x8xbf16>
      // CHECK: %[[Q:.*]] = dsv2.head_linear %[[QP]]#0, %[[QL]] : tensor<?x2x8xf32>, tensor<2x6x8xbf16>
      %ql = dsv2.head_linear %qn, %w_uk : tensor<?x2x8xf32>, tensor<2x6x8xbf16>
      // CHECK: dsv2.latent_attention(%[[Q]], %{{.*}}), %[[C1]][%[[L]]] of %[[BATCH]] scale #scale : tensor<?x2x6xf32>, tensor<?x2x4xf32>, !cache
      %al = dsv2.latent_attention (%ql, %qp), %c1[%l] of %batch scale #scale
          : tensor<?x2x6xf32>, tensor<?x2x4xf32>, !cache
      // CHECK: dsv2.latent_attention{{.*}} scale #scale inner f32 :
      %al2 = dsv2.latent_attention (%ql, %qp), %c1[%l] of %batch scale #scale inner f32
          : tensor<?x2x6xf32>, tensor<?x2x4xf32>, !cache
      // CHECK: dsv2.merge_heads %{{.*}} : tensor<?x2x8xf32>
      %m = dsv2.merge_heads %a : tensor<?x2x8xf32>
      %p = dsv2.linear %m, %o : tensor<?x16xf32>, tensor<8x16xf32>
      // CHECK: %[[S:.*]] = dsv2.add %[[XI]], %{{.*}} : tensor<?x8xf32>
      %s = dsv2.add %xi, %p : tensor<?x8xf32>
      // CHECK: dsv2.yield %[[S]], %[[C1]] : tensor<?x8xf32>, !cache
      dsv2.yield %s, %c1 : tensor<?x8xf32>, !cache
    }
    // CHECK: dsv2.select_rows %{{.*}} of %[[BATCH]] : tensor<?x8xf32>
    %z = dsv2.select_rows %y of %batch : tensor<?x8xf32>
    return %z, %c2 : tensor<?x8xf32>, !cache
  }

  // CHECK-LABEL: func.func @experts
  func.func @experts(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>, %gate: tensor<3x8xf32>,
                     %down: tensor<8x3xf32>, %downs: tensor<4x8x3xf32>, %gate_up: tensor<6x6x8xf32>,
                     %fused_down: tensor<6x8x3xf32>) -> tensor<?x8xf32> {
    // CHECK: dsv2.layers %[[L:.*]] = 1 to 4 step 2 carry
    %r = dsv2.layers %l = 1 to 4 step 2 carry(%h = %x) : tensor<?x8xf32> {
      // CHECK: %[[GATES:.*]] = dsv2.weight @gates[%[[L]]] : tensor<4x3x8xf32>
      %gates = dsv2.weight @gates[%l] : tensor<4x3x8xf32>
      // CHECK: %{{.*}}, %{{.*}} = dsv2.gate %[[H:[a-z0-9_]+]], %{{.*}} by #dsv2.group_limited<groups = 2, keep = 1, top_k = 2> scale 16.0 : tensor<?x8xf32>, tensor<4x8xf32>
      %ws, %ids = dsv2.gate %h, %w by #dsv2.group_limited<groups = 2, keep = 1, top_k = 2> scale 16.0
          : tensor<?x8xf32>, tensor<4x8xf32>
      // CHECK: dsv2.gate %[[H]], %{{.*}} by #dsv2.greedy<top_k = 2> normalize scale 0.125 :
      %ws2, %ids2 = dsv2.gate %h, %w by #dsv2.greedy<top_k = 2> normalize scale 0.125
          : tensor<?x8xf32>, tensor<4x8xf32>
      // CHECK: %[[BIAS:.*]] = dsv2.weight @gate_bias[%[[L]]] : tensor<4xf32>
      %bias = dsv2.weight @gate_bias[%l] : tensor<4xf32>
      // CHECK: dsv2.gate %[[H]], %{{.*}} bias %[[BIAS]] by #dsv2.noaux_tc<groups = 2, keep = 1, top_k = 2> normalize scale 2.5 : tensor<?x8xf32>, tensor<4x8xf32>, tensor<4xf32>
      %ws3, %ids3 = dsv2.gate %h, %w bias %bias by #dsv2.noaux_tc<groups = 2, keep = 1, top_k = 2>
          normalize scale 2.5 : tensor<?x8xf32>, tensor<4x8xf32>, tensor<4xf32>
      // CHECK: dsv2.routed_experts %[[H]], %{{.*}}, %{{.*}}, %[[GATES]], %[[GATES]], %{{.*}} : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<4x3x8xf32>, tensor<4x3x8xf32>, tensor<4x8x3xf32>
      %a = dsv2.routed_experts %h, %ws, %ids, %gates, %gates, %downs
          : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<4x3x8xf32>, tensor<4x3x8xf32>,
            tensor<4x8x3xf32>
      // CHECK: dsv2.shared_experts %[[H]], %{{.*}}, %{{.*}}, %{{.*}} inner bf16 : tensor<?x8xf32>
      %b = dsv2.shared_experts %h, %gate, %gate, %down inner bf16
          : tensor<?x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>, tensor<8x3xf32>
      // CHECK: dsv2.mlp %[[H]]
      %c = dsv2.mlp %h, %gate, %gate, %down
          : tensor<?x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>, tensor<8x3xf32>
      // CHECK: dsv2.fused_experts %[[H]], %{{.*}} shared 2 : tensor<?x8xf32>
      %d = dsv2.fused_experts %h, %ws2, %ids2, %gate_up, %fused_down shared 2
          : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<6x6x8xf32>, tensor<6x8x3xf32>
      dsv2.yield %d : tensor<?x8xf32>
    }
    return %r : tensor<?x8xf32>
  }
}
