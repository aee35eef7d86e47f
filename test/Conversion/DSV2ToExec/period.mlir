// A loop whose body holds a MoE layer and the dense layer after it, and a last MoE layer of its own: weights and
// caches are indexed by the layer's own number, and so are the tables of replayed experts.
// RUN: dsv2-opt %s --dsv2-create-variants=targets=x86-64-v3 --dsv2-form-dispatches | FileCheck %s

!cache = !dsv2.cache<7 x [32, 8] x f32>
// CHECK: routed_layers = array<i64: 2, 4, 6>
module attributes {dsv2.model = {max_context = 4096 : i64, name = "period", vocab = 96 : i64}, dsv2.stage = "model"} {
  dsv2.weights @embed : tensor<96x64xf32> = "embed.weight"
  dsv2.weights @moe.kv_a layers 2 to 7 step 2 : tensor<40x64xf32> = "{l}.kv_a.weight"
  dsv2.weights @moe.kv_a_norm layers 2 to 7 step 2 : tensor<32xf32> = "{l}.kv_a_norm.weight"
  dsv2.weights @moe.gate layers 2 to 7 step 2 : tensor<8x64xf32> = "{l}.gate.weight"
  dsv2.weights @moe.gate_up layers 2 to 7 step 2 experts 0 to 8 : tensor<48x64xf32> = "{l}.{e}.gate_up.weight"
  dsv2.weights @moe.down layers 2 to 7 step 2 experts 0 to 8 : tensor<64x24xf32> = "{l}.{e}.down.weight"
  dsv2.weights @dense.kv_a layers 3 to 6 step 2 : tensor<40x64xf32> = "{l}.kv_a.weight"
  dsv2.weights @dense.kv_a_norm layers 3 to 6 step 2 : tensor<32xf32> = "{l}.kv_a_norm.weight"
  dsv2.weights @norm : tensor<64xf32> = "norm.weight"
  func.func @step(%tokens: tensor<?xi32>, %batch: !dsv2.batch, %cache: !cache) -> (tensor<?x96xf32>, tensor<?x64xf32>, !cache) {
    %we = dsv2.weight @embed : tensor<96x64xf32>
    %x = dsv2.embed %tokens, %we : tensor<?xi32>, tensor<96x64xf32>
    %both:2 = dsv2.layers %l = 2 to 6 step 2 carry(%x0 = %x, %c0 = %cache) : tensor<?x64xf32>, !cache {
      %w1 = dsv2.weight @moe.kv_a[%l] : tensor<40x64xf32>
      %w2 = dsv2.weight @moe.kv_a_norm[%l] : tensor<32xf32>
      %lat, %kr = dsv2.mla_compress %x0, %w1, %w2 eps 1.0e-06 : tensor<?x64xf32>, tensor<40x64xf32>, tensor<32xf32>
      %c1 = dsv2.cache_append %c0[%l], %lat, %kr of %batch : !cache, tensor<?x32xf32>, tensor<?x8xf32>
      %wg = dsv2.weight @moe.gate[%l] : tensor<8x64xf32>
      %gw, %ids = dsv2.gate %x0, %wg by #dsv2.greedy<top_k = 3> scale 1.0 : tensor<?x64xf32>, tensor<8x64xf32>
      %wgu = dsv2.weight @moe.gate_up[%l] : tensor<8x48x64xf32>
      %wd = dsv2.weight @moe.down[%l] : tensor<8x64x24xf32>
      %r = dsv2.fused_experts %x0, %gw, %ids, %wgu, %wd shared 0 : tensor<?x64xf32>, tensor<?x3xf32>, tensor<?x3xi32>, tensor<8x48x64xf32>, tensor<8x64x24xf32>
      %x1 = dsv2.add %x0, %r : tensor<?x64xf32>
      %one = arith.constant 1 : index
      %next = arith.addi %l, %one : index
      %w3 = dsv2.weight @dense.kv_a[%next] : tensor<40x64xf32>
      %w4 = dsv2.weight @dense.kv_a_norm[%next] : tensor<32xf32>
      %lat1, %kr1 = dsv2.mla_compress %x1, %w3, %w4 eps 1.0e-06 : tensor<?x64xf32>, tensor<40x64xf32>, tensor<32xf32>
      %c2 = dsv2.cache_append %c1[%next], %lat1, %kr1 of %batch : !cache, tensor<?x32xf32>, tensor<?x8xf32>
      %x2 = dsv2.add %x1, %x1 : tensor<?x64xf32>
      dsv2.yield %x2, %c2 : tensor<?x64xf32>, !cache
    }
    %last:2 = dsv2.layers %l = 6 to 7 carry(%x0 = %both#0, %c0 = %both#1) : tensor<?x64xf32>, !cache {
      %wg = dsv2.weight @moe.gate[%l] : tensor<8x64xf32>
      %gw, %ids = dsv2.gate %x0, %wg by #dsv2.greedy<top_k = 3> scale 1.0 : tensor<?x64xf32>, tensor<8x64xf32>
      %wgu = dsv2.weight @moe.gate_up[%l] : tensor<8x48x64xf32>
      %wd = dsv2.weight @moe.down[%l] : tensor<8x64x24xf32>
      %r = dsv2.fused_experts %x0, %gw, %ids, %wgu, %wd shared 0 : tensor<?x64xf32>, tensor<?x3xf32>, tensor<?x3xi32>, tensor<8x48x64xf32>, tensor<8x64x24xf32>
      %x1 = dsv2.add %x0, %r : tensor<?x64xf32>
      dsv2.yield %x1, %c0 : tensor<?x64xf32>, !cache
    }
    %wn = dsv2.weight @norm : tensor<64xf32>
    %hidden = dsv2.rms_norm %last#0, %wn eps 1.0e-06 : tensor<?x64xf32>, tensor<64xf32>
    %wanted = dsv2.select_rows %hidden of %batch : tensor<?x64xf32>
    %logits = dsv2.linear %wanted, %we : tensor<?x64xf32>, tensor<96x64xf32>
    return %logits, %hidden, %last#1 : tensor<?x96xf32>, tensor<?x64xf32>, !cache
  }
}

// 512 rows of 3 experts for each number from 2 to 6.
// CHECK: dsv2_exec.buffer @replay : i32 size(7680) table "replay"
// CHECK: dsv2_exec.entry @few_rows
// CHECK: repeat l = 2 to 6 step 2
// CHECK-NEXT: dispatch @{{.*}} (@{{.*}}, @moe.kv_a[l], @
// CHECK: dispatch @cache_append_{{[0-9]+}} items(T) ({{.*}}@cache[l], @slot)
// CHECK: dispatch @gate_topk_0 items(T) ({{.*}}@replay[1536 * l - 3072], sym R)
// CHECK: (@{{.*}}, @dense.kv_a[l + 1], @
// CHECK: dispatch @cache_append_{{[0-9]+}} items(T) ({{.*}}@cache[l + 1], @slot)
// CHECK: repeat l = 6 to 7 {
// CHECK: dispatch @gate_topk_0 items(T) ({{.*}}@replay[1536 * l - 3072], sym R)
