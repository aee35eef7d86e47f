// A dense and a MoE layer in absorbed, fused form, compute type bf16: which dispatches they become.
// RUN: dsv2-opt %s --dsv2-create-variants=targets=x86-64-v3 --dsv2-form-dispatches | FileCheck %s
// RUN: dsv2-opt %s --dsv2-create-variants=targets=x86-64-v3 --dsv2-form-dispatches --dsv2-assign-live-intervals | FileCheck %s --check-prefix=LIVE

!cache = !dsv2.cache<2 x [32, 8] x bf16>
#rope = #dsv2.rope<theta = 10000.0, layout = adjacent_pairs, magnitude = 1.0, inv_freq = dense<[1.000000e+00, 1.000000e-01, 0.00999999977, 0.00100000005]> : tensor<4xf32>>
#scale = #dsv2.attention_scale<head_width = 24, factor = 1.0, mscale_all_dim = 0.0>
module attributes {dsv2.model = {bos = 0 : i64, eos = [1], max_context = 4096 : i64, name = "deepseek_v2", vocab = 96 : i64}, dsv2.stage = "model"} {
  dsv2.weights @embed : tensor<96x64xbf16> = "model.embed_tokens.weight"
  dsv2.weights @input_norm layers 0 to 2 : tensor<64xbf16> = "model.layers.{l}.input_layernorm.weight"
  dsv2.weights @q layers 0 to 2 : tensor<96x64xbf16> = "model.layers.{l}.self_attn.q_proj.weight"
  dsv2.weights @kv_a layers 0 to 2 : tensor<40x64xbf16> = "model.layers.{l}.self_attn.kv_a_proj_with_mqa.weight"
  dsv2.weights @kv_a_norm layers 0 to 2 : tensor<32xbf16> = "model.layers.{l}.self_attn.kv_a_layernorm.weight"
  dsv2.weights @kv_b layers 0 to 2 : tensor<128x32xbf16> = "model.layers.{l}.self_attn.kv_b_proj.weight"
  dsv2.weights @o layers 0 to 2 : tensor<64x64xbf16> = "model.layers.{l}.self_attn.o_proj.weight"
  dsv2.weights @mlp_gate layers 0 to 1 : tensor<112x64xbf16> = "model.layers.{l}.mlp.gate_proj.weight"
  dsv2.weights @mlp_up layers 0 to 1 : tensor<112x64xbf16> = "model.layers.{l}.mlp.up_proj.weight"
  dsv2.weights @mlp_down layers 0 to 1 : tensor<64x112xbf16> = "model.layers.{l}.mlp.down_proj.weight"
  dsv2.weights @gate layers 1 to 2 : tensor<8x64xbf16> = "model.layers.{l}.mlp.gate.weight"
  dsv2.weights @experts_gate layers 1 to 2 experts 0 to 8 : tensor<24x64xbf16> = "model.layers.{l}.mlp.experts.{e}.gate_proj.weight"
  dsv2.weights @experts_up layers 1 to 2 experts 0 to 8 : tensor<24x64xbf16> = "model.layers.{l}.mlp.experts.{e}.up_proj.weight"
  dsv2.weights @experts_down layers 1 to 2 experts 0 to 8 : tensor<64x24xbf16> = "model.layers.{l}.mlp.experts.{e}.down_proj.weight"
  dsv2.weights @norm : tensor<64xbf16> = "model.norm.weight"
  dsv2.weights @head : tensor<96x64xbf16> = "lm_head.weight"
  dsv2.prepare @q_latent layers %l = 0 to 2 : tensor<4x32x16xbf16> {
    %w = dsv2.weight @kv_b[%l] : tensor<128x32xbf16>
    %heads = tensor.expand_shape %w [[0, 1], [2]] output_shape [4, 32, 32] : tensor<128x32xbf16> into tensor<4x32x32xbf16>
    %k = tensor.extract_slice %heads[0, 0, 0] [4, 16, 32] [1, 1, 1] : tensor<4x32x32xbf16> to tensor<4x16x32xbf16>
    %t = dsv2.transpose %k [0, 2, 1] : tensor<4x16x32xbf16>
    dsv2.yield %t : tensor<4x32x16xbf16>
  }
  dsv2.prepare @v_up layers %l = 0 to 2 : tensor<4x16x32xbf16> {
    %w = dsv2.weight @kv_b[%l] : tensor<128x32xbf16>
    %heads = tensor.expand_shape %w [[0, 1], [2]] output_shape [4, 32, 32] : tensor<128x32xbf16> into tensor<4x32x32xbf16>
    %v = tensor.extract_slice %heads[0, 16, 0] [4, 16, 32] [1, 1, 1] : tensor<4x32x32xbf16> to tensor<4x16x32xbf16>
    dsv2.yield %v : tensor<4x16x32xbf16>
  }
  dsv2.prepare @gate_up layers %l = 1 to 2 : tensor<8x48x64xbf16> {
    %g = dsv2.weight @experts_gate[%l] : tensor<8x24x64xbf16>
    %u = dsv2.weight @experts_up[%l] : tensor<8x24x64xbf16>
    %both = tensor.concat dim(1) %g, %u : (tensor<8x24x64xbf16>, tensor<8x24x64xbf16>) -> tensor<8x48x64xbf16>
    dsv2.yield %both : tensor<8x48x64xbf16>
  }
  func.func @step(%tokens: tensor<?xi32>, %batch: !dsv2.batch, %cache: !cache) -> (tensor<?x96xf32>, tensor<?x64xf32>, !cache) {
    %we = dsv2.weight @embed : tensor<96x64xbf16>
    %x = dsv2.embed %tokens, %we : tensor<?xi32>, tensor<96x64xbf16>
    %dense:2 = dsv2.layers %l = 0 to 1 carry(%x0 = %x, %c0 = %cache) : tensor<?x64xf32>, !cache {
      %w1 = dsv2.weight @input_norm[%l] : tensor<64xbf16>
      %h = dsv2.rms_norm %x0, %w1 eps 1.0e-06 : tensor<?x64xf32>, tensor<64xbf16>
      %hb = dsv2.cast %h : tensor<?x64xf32> to tensor<?x64xbf16>
      %w2 = dsv2.weight @q[%l] : tensor<96x64xbf16>
      %q = dsv2.linear %hb, %w2 : tensor<?x64xbf16>, tensor<96x64xbf16>
      %qs:2 = dsv2.split_heads %q heads 4 widths [16, 8] : tensor<?x96xf32>
      %w3 = dsv2.weight @kv_a[%l] : tensor<40x64xbf16>
      %w4 = dsv2.weight @kv_a_norm[%l] : tensor<32xbf16>
      %lat, %kr = dsv2.mla_compress %hb, %w3, %w4 eps 1.0e-06 : tensor<?x64xbf16>, tensor<40x64xbf16>, tensor<32xbf16>
      %qr = dsv2.rope %qs#1 of %batch by #rope : tensor<?x4x8xf32>
      %qrb = dsv2.cast %qr : tensor<?x4x8xf32> to tensor<?x4x8xbf16>
      %krr = dsv2.rope %kr of %batch by #rope : tensor<?x8xf32>
      %latb = dsv2.cast %lat : tensor<?x32xf32> to tensor<?x32xbf16>
      %krb = dsv2.cast %krr : tensor<?x8xf32> to tensor<?x8xbf16>
      %c1 = dsv2.cache_append %c0[%l], %latb, %krb of %batch : !cache, tensor<?x32xbf16>, tensor<?x8xbf16>
      %qnb = dsv2.cast %qs#0 : tensor<?x4x16xf32> to tensor<?x4x16xbf16>
      %w5 = dsv2.weight @q_latent[%l] : tensor<4x32x16xbf16>
      %ql = dsv2.head_linear %qnb, %w5 : tensor<?x4x16xbf16>, tensor<4x32x16xbf16>
      %qlb = dsv2.cast %ql : tensor<?x4x32xf32> to tensor<?x4x32xbf16>
      %a = dsv2.latent_attention(%qlb, %qrb), %c1[%l] of %batch scale #scale inner bf16 : tensor<?x4x32xbf16>, tensor<?x4x8xbf16>, !cache
      %ab = dsv2.cast %a : tensor<?x4x32xf32> to tensor<?x4x32xbf16>
      %w6 = dsv2.weight @v_up[%l] : tensor<4x16x32xbf16>
      %v = dsv2.head_linear %ab, %w6 : tensor<?x4x32xbf16>, tensor<4x16x32xbf16>
      %m = dsv2.merge_heads %v : tensor<?x4x16xf32>
      %mb = dsv2.cast %m : tensor<?x64xf32> to tensor<?x64xbf16>
      %w7 = dsv2.weight @o[%l] : tensor<64x64xbf16>
      %o = dsv2.linear %mb, %w7 : tensor<?x64xbf16>, tensor<64x64xbf16>
      %x1 = dsv2.add %x0, %o : tensor<?x64xf32>
      %h1 = dsv2.rms_norm %x1, %w1 eps 1.0e-06 : tensor<?x64xf32>, tensor<64xbf16>
      %h1b = dsv2.cast %h1 : tensor<?x64xf32> to tensor<?x64xbf16>
      %w8 = dsv2.weight @mlp_gate[%l] : tensor<112x64xbf16>
      %w9 = dsv2.weight @mlp_up[%l] : tensor<112x64xbf16>
      %w10 = dsv2.weight @mlp_down[%l] : tensor<64x112xbf16>
      %y = dsv2.mlp %h1b, %w8, %w9, %w10 inner bf16 : tensor<?x64xbf16>, tensor<112x64xbf16>, tensor<112x64xbf16>, tensor<64x112xbf16>
      %x2 = dsv2.add %x1, %y : tensor<?x64xf32>
      dsv2.yield %x2, %c1 : tensor<?x64xf32>, !cache
    }
    %moe:2 = dsv2.layers %l = 1 to 2 carry(%x0 = %dense#0, %c0 = %dense#1) : tensor<?x64xf32>, !cache {
      %w1 = dsv2.weight @input_norm[%l] : tensor<64xbf16>
      %h1 = dsv2.rms_norm %x0, %w1 eps 1.0e-06 : tensor<?x64xf32>, tensor<64xbf16>
      %h1b = dsv2.cast %h1 : tensor<?x64xf32> to tensor<?x64xbf16>
      %wg = dsv2.weight @gate[%l] : tensor<8x64xbf16>
      %gw, %ids = dsv2.gate %h1, %wg by #dsv2.group_limited<groups = 4, keep = 2, top_k = 3> scale 2.5 : tensor<?x64xf32>, tensor<8x64xbf16>
      %wgu = dsv2.weight @gate_up[%l] : tensor<8x48x64xbf16>
      %wd = dsv2.weight @experts_down[%l] : tensor<8x64x24xbf16>
      %r = dsv2.fused_experts %h1b, %gw, %ids, %wgu, %wd shared 0 inner bf16 : tensor<?x64xbf16>, tensor<?x3xf32>, tensor<?x3xi32>, tensor<8x48x64xbf16>, tensor<8x64x24xbf16>
      %x2 = dsv2.add %x0, %r : tensor<?x64xf32>
      dsv2.yield %x2, %c0 : tensor<?x64xf32>, !cache
    }
    %wn = dsv2.weight @norm : tensor<64xbf16>
    %hidden = dsv2.rms_norm %moe#0, %wn eps 1.0e-06 : tensor<?x64xf32>, tensor<64xbf16>
    %wanted = dsv2.select_rows %hidden of %batch : tensor<?x64xf32>
    %wb = dsv2.cast %wanted : tensor<?x64xf32> to tensor<?x64xbf16>
    %wh = dsv2.weight @head : tensor<96x64xbf16>
    %logits = dsv2.linear %wb, %wh : tensor<?x64xbf16>, tensor<96x64xbf16>
    return %logits, %hidden, %moe#1 : tensor<?x96xf32>, tensor<?x64xf32>, !cache
  }
}

// The head of a program: weights as copies in the target's panels, tables the runtime knows.
// CHECK: dsv2_exec.variant @"x86-64-v3"
// CHECK-SAME: compute = "bf16"
// CHECK: dsv2_exec.buffer @logits : f32 size(W * 96) output "logits"
// A head's K rows of kv_b, transposed and packed in panels of 64 rows and pairs.
// CHECK: dsv2_exec.weight @q_latent layers 0 to 2 : bf16 elements 4096
// CHECK-NEXT: "model.layers.{l}.self_attn.kv_b_proj.weight" : tensor<128x32xbf16>
// Gate and up are packed apart: two parts of an expert.
// CHECK: dsv2_exec.weight @gate_up layers 1 to 2 : bf16 elements 65536

// Few rows: attention is split over the context, then merged.
// CHECK: dsv2_exec.entry @few_rows guard(16 - T >= 0)
// CHECK-NEXT: dispatch @[[EMBED:embed_[0-9]+]] items(T) (@tokens, @embed, @[[X:x_[0-9]+]])
// CHECK-NEXT: repeat l = 0 to 1
// CHECK-NEXT: dispatch @[[NORM:rms_norm_[0-9]+]] items(T) (@[[X]], @input_norm[l], @[[H:rms_norm_[0-9]+]])
// CHECK-NEXT: dispatch @[[LINEAR:matmul_[0-9]+]] items(2) (@[[H]], @q[l], @{{.*}}, sym T)
// CHECK: dispatch @cache_append_{{[0-9]+}} items(T) ({{.*}}@cache[l], @slot)
// CHECK: dispatch @latent_attention_{{[0-9]+}} items(T * (C ceildiv 256))
// CHECK-NEXT: dispatch @latent_attention_{{[0-9]+}} items(T)
// The residual is added by the contraction.
// CHECK: dispatch @matmul_{{[0-9]+}} items(1) (@{{.*}}, @o[l], @[[X]], @[[X1:.*]], sym T)
// The layer's result takes the carried buffer.
// CHECK: dispatch @matmul_{{[0-9]+}} items(1) (@{{.*}}, @mlp_down[l], @[[X1]], @[[X]], sym T)
// CHECK: repeat l = 1 to 2
// One norm, two forms: f32 for the gate, bf16 for the experts.
// CHECK-NEXT: dispatch @{{.*}} items(T) (@[[X]], @input_norm[l], @[[F32:.*]], @[[BF16:.*]])
// CHECK: dispatch @gate_topk_0 items(T) ({{.*}}@replay[1536 * l - 1536], sym R)
// CHECK-NEXT: dispatch @sort_experts_0 items(1)
// CHECK-NEXT: dispatch @grouped_matmul_0 items(min(T * 3, 8)) (@[[BF16]], @gate_up[l]
// In place: the carried buffer is passed once.
// CHECK: dispatch @combine_0 items(T) ({{.*}}, @[[X]])
// CHECK: dispatch @select_rows_0 items(W)
// Equal kernels are one: the head's contraction has the shape of q's.
// CHECK-NEXT: dispatch @[[LINEAR]] items(2) (@{{.*}}, @head, @logits, sym W)

// Any number of rows: one row after the other.
// CHECK: dsv2_exec.entry @any_rows {
// CHECK: dispatch @[[EMBED]] items(T)
// CHECK: dispatch @latent_attention_{{[0-9]+}} items(T) (
// CHECK-NOT: func.func @step

// LIVE: dsv2_exec.buffer @x_0 : f32 size(T * 64 + 64) live 0 to 27
// LIVE: dsv2_exec.buffer @kv_0 : f32 size(T * 40 + 64) live 3 to 6
