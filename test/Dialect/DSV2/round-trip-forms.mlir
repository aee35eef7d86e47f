// Optional parts of ops, grouped queries, parts of the context, quantized weights, layers with a
// period and a second step function print as they are written, also in the generic form.
// RUN: dsv2-opt %s | dsv2-opt | FileCheck %s
// RUN: dsv2-opt %s --emit-bytecode | dsv2-opt | FileCheck %s
// RUN: dsv2-opt %s --mlir-print-op-generic | dsv2-opt | FileCheck %s

#scale8 = #dsv2.attention_scale<head_width = 8, factor = 1.0, mscale_all_dim = 0.0>
#scale6 = #dsv2.attention_scale<head_width = 6, factor = 1.0, mscale_all_dim = 0.0>
!gqa = !dsv2.cache<6 x [16, 16] x f32>
!mla = !dsv2.cache<1 x [4, 2] x f32>

// CHECK: dsv2.weights @o layers 0 to 6 : tensor<8x8x!dsv2.scaled<f8E4M3FN, [128, 128], f32>> = "{l}.o.weight" scales "{l}.o.weight_scale_inv"
dsv2.weights @o layers 0 to 6 : tensor<8x8x!dsv2.scaled<f8E4M3FN, [128, 128], f32>>
    = "{l}.o.weight" scales "{l}.o.weight_scale_inv"
// CHECK: dsv2.weights @even layers 2 to 6 step 2 : tensor<8xf32>
dsv2.weights @even layers 2 to 6 step 2 : tensor<8xf32> = "{l}.even"
dsv2.weights @odd layers 3 to 6 step 2 : tensor<8xf32> = "{l}.odd"
dsv2.weights @last layers 6 to 7 : tensor<8x16xf32> = "{l}.eh_proj.weight"

// CHECK: dsv2.prepare @o_int4 layers %[[L:.*]] = 0 to 6 : tensor<8x8x!dsv2.scaled<i4, [1, 4], bf16>>
dsv2.prepare @o_int4 layers %l = 0 to 6 : tensor<8x8x!dsv2.scaled<i4, [1, 4], bf16>> {
  %w = dsv2.weight @o[%l] : tensor<8x8x!dsv2.scaled<f8E4M3FN, [128, 128], f32>>
  // CHECK: %[[D:.*]] = dsv2.dequantize %{{.*}} : tensor<8x8x!dsv2.scaled<f8E4M3FN, [128, 128], f32>> to tensor<8x8xf32>
  %d = dsv2.dequantize %w : tensor<8x8x!dsv2.scaled<f8E4M3FN, [128, 128], f32>> to tensor<8x8xf32>
  // CHECK: dsv2.quantize %[[D]] : tensor<8x8xf32> to tensor<8x8x!dsv2.scaled<i4, [1, 4], bf16>>
  %q = dsv2.quantize %d : tensor<8x8xf32> to tensor<8x8x!dsv2.scaled<i4, [1, 4], bf16>>
  dsv2.yield %q : tensor<8x8x!dsv2.scaled<i4, [1, 4], bf16>>
}

// CHECK-LABEL: func.func @grouped_queries
// CHECK-SAME: (%[[Q:.*]]: tensor<?x4x8xf32>, %[[K:.*]]: tensor<?x16xf32>, %[[BATCH:.*]]: !dsv2.batch, %[[C:.*]]: !cache
func.func @grouped_queries(%q: tensor<?x4x8xf32>, %k: tensor<?x16xf32>, %batch: !dsv2.batch,
                           %c: !gqa) -> (tensor<?x4x8xf32>, tensor<?x4xf32>, !gqa) {
  %l = arith.constant 5 : index
  // CHECK: %[[C1:.*]] = dsv2.cache_append %[[C]][%{{.*}}], %[[K]], %[[K]] of %[[BATCH]] : !cache{{.*}}, tensor<?x16xf32>, tensor<?x16xf32>
  %c1 = dsv2.cache_append %c[%l], %k, %k of %batch : !gqa, tensor<?x16xf32>, tensor<?x16xf32>
  // CHECK: %[[KV:.*]]:2 = dsv2.cache_read %[[C1]][%{{.*}}] of %[[BATCH]] heads 2 : !cache
  %kv:2 = dsv2.cache_read %c1[%l] of %batch heads 2 : !gqa
  // CHECK: dsv2.attention(%[[Q]]), (%[[KV]]#0), %[[KV]]#1 of %[[BATCH]] scale #scale{{[0-9]*}} : tensor<?x4x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>
  %o = dsv2.attention (%q), (%kv#0), %kv#1 of %batch scale #scale8
      : tensor<?x4x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>
  // CHECK: %[[O1:.*]], %[[L1:.*]] = dsv2.attention{{.*}} inner bf16 context <begin = 0, end = 256> returning lse :
  %o1, %l1 = dsv2.attention (%q), (%kv#0), %kv#1 of %batch scale #scale8 inner bf16
      context <begin = 0, end = 256> returning lse
      : tensor<?x4x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>
  // CHECK: %[[O2:.*]], %[[L2:.*]] = dsv2.attention{{.*}} context <begin = 256> returning lse :
  %o2, %l2 = dsv2.attention (%q), (%kv#0), %kv#1 of %batch scale #scale8
      context <begin = 256> returning lse
      : tensor<?x4x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>
  // CHECK: dsv2.merge_attention(%[[O1]], %[[O2]]), (%[[L1]], %[[L2]]) : tensor<?x4x8xf32>
  %m = dsv2.merge_attention (%o1, %o2), (%l1, %l2) : tensor<?x4x8xf32>
  // CHECK: %{{.*}}, %{{.*}} = dsv2.merge_attention(%[[O1]], %[[O2]]), (%[[L1]], %[[L2]]) returning lse : tensor<?x4x8xf32>
  %m2, %lse = dsv2.merge_attention (%o1, %o2), (%l1, %l2) returning lse : tensor<?x4x8xf32>
  return %m2, %lse, %c1 : tensor<?x4x8xf32>, tensor<?x4xf32>, !gqa
}

// CHECK-LABEL: func.func @latent_parts
func.func @latent_parts(%q: tensor<?x2x4xf32>, %r: tensor<?x2x2xf32>, %batch: !dsv2.batch, %c: !mla)
    -> (tensor<?x2x4xf32>, tensor<?x2xf32>, !mla) {
  %l = arith.constant 0 : index
  // CHECK: dsv2.latent_attention{{.*}} scale #scale{{[0-9]*}} context <begin = 0, end = 4> returning lse : tensor<?x2x4xf32>, tensor<?x2x2xf32>, !cache
  %o, %lse = dsv2.latent_attention (%q, %r), %c[%l] of %batch scale #scale6
      context <begin = 0, end = 4> returning lse
      : tensor<?x2x4xf32>, tensor<?x2x2xf32>, !mla
  return %o, %lse, %c : tensor<?x2x4xf32>, tensor<?x2xf32>, !mla
}

// CHECK-LABEL: func.func @additions
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: tensor<8x8xf32>, %[[B:.*]]: tensor<8xf32>, %[[N:.*]]: tensor<6xf32>
func.func @additions(%x: tensor<?x8xf32>, %w: tensor<8x8xf32>, %b: tensor<8xf32>,
                     %n: tensor<6xf32>) -> tensor<?x8xf32> {
  // CHECK: dsv2.linear %[[X]], %[[W]] bias %[[B]] : tensor<?x8xf32>, tensor<8x8xf32>, tensor<8xf32>
  %0 = dsv2.linear %x, %w bias %b : tensor<?x8xf32>, tensor<8x8xf32>, tensor<8xf32>
  // CHECK: dsv2.linear %[[X]], %[[W]] add %[[X]] : tensor<?x8xf32>, tensor<8x8xf32>, tensor<?x8xf32>
  %1 = dsv2.linear %x, %w add %x : tensor<?x8xf32>, tensor<8x8xf32>, tensor<?x8xf32>
  // CHECK: dsv2.linear %[[X]], %[[W]] bias %[[B]] add %[[X]] activation <f8E4M3FN, group = 128, scale = ue8m0> : tensor<?x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<?x8xf32>
  %2 = dsv2.linear %x, %w bias %b add %x
      activation <f8E4M3FN, group = 128, scale = ue8m0>
      : tensor<?x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<?x8xf32>
  // CHECK: %{{.*}}, %{{.*}} = dsv2.mla_compress %[[X]], %[[W]], %[[N]] bias %[[B]] eps 1.0e-06 activation <i8, group = 0, scale = amax> : tensor<?x8xf32>, tensor<8x8xf32>, tensor<6xf32>, tensor<8xf32>
  %c, %r = dsv2.mla_compress %x, %w, %n bias %b eps 1.0e-06
      activation <i8, group = 0, scale = amax>
      : tensor<?x8xf32>, tensor<8x8xf32>, tensor<6xf32>, tensor<8xf32>
  // CHECK: dsv2.mlp %[[X]], %[[W]], %[[W]], %[[W]] bias %[[B]], %[[B]], %[[B]] inner bf16 activation <i8, group = 4, scale = amax> : tensor<?x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
  %3 = dsv2.mlp %x, %w, %w, %w bias %b, %b, %b inner bf16
      activation <i8, group = 4, scale = amax>
      : tensor<?x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>, tensor<8xf32>,
        tensor<8xf32>, tensor<8xf32>
  // CHECK: dsv2.shared_experts %{{.*}} bias %[[B]], %[[B]], %[[B]] :
  %4 = dsv2.shared_experts %3, %w, %w, %w bias %b, %b, %b
      : tensor<?x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>, tensor<8xf32>,
        tensor<8xf32>, tensor<8xf32>
  return %4 : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @rounded_experts
func.func @rounded_experts(%x: tensor<?x8xf32>, %ws: tensor<?x2xf32>, %ids: tensor<?x2xi32>,
                           %up: tensor<4x6x8xf32>, %down: tensor<4x8x6xf32>,
                           %gate_up: tensor<4x12x8xf32>) -> tensor<?x8xf32> {
  // CHECK: dsv2.routed_experts{{.*}} inner bf16 activation <i8, group = 2, scale = amax> :
  %0 = dsv2.routed_experts %x, %ws, %ids, %up, %up, %down inner bf16
      activation <i8, group = 2, scale = amax>
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<4x6x8xf32>, tensor<4x6x8xf32>,
        tensor<4x8x6xf32>
  // CHECK: dsv2.fused_experts{{.*}} shared 0 activation <i8, group = 2, scale = amax> :
  %1 = dsv2.fused_experts %0, %ws, %ids, %gate_up, %down shared 0
      activation <i8, group = 2, scale = amax>
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<4x12x8xf32>, tensor<4x8x6xf32>
  return %1 : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @period
func.func @period(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK: dsv2.layers %[[L:.*]] = 2 to 6 step 2 carry
  %y = dsv2.layers %l = 2 to 6 step 2 carry(%h = %x) : tensor<?x8xf32> {
    %even = dsv2.weight @even[%l] : tensor<8xf32>
    %a = dsv2.rms_norm %h, %even eps 1.0e-06 : tensor<?x8xf32>, tensor<8xf32>
    %one = arith.constant 1 : index
    // CHECK: %[[NEXT:.*]] = arith.addi %[[L]], %{{.*}} : index
    %next = arith.addi %l, %one : index
    // CHECK: dsv2.weight @odd[%[[NEXT]]] : tensor<8xf32>
    %odd = dsv2.weight @odd[%next] : tensor<8xf32>
    %b = dsv2.rms_norm %a, %odd eps 1.0e-06 : tensor<?x8xf32>, tensor<8xf32>
    // CHECK: dsv2.linear %{{.*}}, %{{.*}} : tensor<?x8xf32>, tensor<8x8x!dsv2.scaled<f8E4M3FN, [128, 128], f32>>
    %o = dsv2.weight @o[%next] : tensor<8x8x!dsv2.scaled<f8E4M3FN, [128, 128], f32>>
    %d = dsv2.linear %b, %o : tensor<?x8xf32>, tensor<8x8x!dsv2.scaled<f8E4M3FN, [128, 128], f32>>
    dsv2.yield %d : tensor<?x8xf32>
  }
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @mtp
func.func @mtp(%embedded: tensor<?x8xf32>, %hidden: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %layer = arith.constant 6 : index
  %both = tensor.concat dim(1) %embedded, %hidden
      : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x16xf32>
  // CHECK: dsv2.weight @last[%{{.*}}] : tensor<8x16xf32>
  %w = dsv2.weight @last[%layer] : tensor<8x16xf32>
  %h = dsv2.linear %both, %w : tensor<?x16xf32>, tensor<8x16xf32>
  return %h : tensor<?x8xf32>
}
