"""The golden model directories: which configs they have, and why. make_goldens.py makes them.

What each covers is said once more, for readers of the directories, in test/Golden/README.md.
Sizes are as small as their subject allows. Where eps is the subject it is 1e-2: states have a mean square
near 1, so that 1e-5 in place of 1e-6 would move logits by less than the bound.
"""


def yarn(mscale=0.707, mscale_all_dim=0.707, factor=40.0, original=4096):
    return {
        "rope_type": "yarn", "rope_theta": 10000.0, "factor": factor,
        "original_max_position_embeddings": original, "beta_fast": 32.0, "beta_slow": 1.0,
        "mscale": mscale, "mscale_all_dim": mscale_all_dim,
    }


def form(**fields):
    """A config's fields; what all goldens share can be overridden."""
    shared = dict(
        rms_norm_eps=1e-6, max_position_embeddings=163840, bos_token_id=0, eos_token_id=1,
        norm_topk_prob=False, tie_word_embeddings=False, rope_parameters=yarn(),
    )
    fields.setdefault("num_key_value_heads", fields["num_attention_heads"])
    return {**shared, **fields}


def relative(theta, **fields):
    """The same for the model types with grouped-query attention: plain rope."""
    shared = form(rope_parameters={"rope_type": "default", "rope_theta": theta}, **fields)
    if "n_routed_experts" not in fields:
        shared.pop("norm_topk_prob")
    return shared


FAR = dict(
    vocab_size=256, hidden_size=64, intermediate_size=96, moe_intermediate_size=24,
    num_hidden_layers=3, num_attention_heads=4, q_lora_rank=32, kv_lora_rank=32,
    qk_nope_head_dim=16, qk_rope_head_dim=16, v_head_dim=16, n_routed_experts=8,
    n_shared_experts=2, num_experts_per_tok=2, n_group=4, topk_group=2,
    topk_method="group_limited_greedy", routed_scaling_factor=2.0, first_k_dense_replace=1,
)

# name: fields of the config, and how the directory is made:
#   kind: model_type, default deepseek_v2; seed; count: tokens, default 64
#   positions: default 0, 1, ...; first: the first row whose logits are recorded
#   dtype: default F32; layout: "single" or the number of shards; experts "apart" or "fused"
#   spelling: "new" (as transformers 5 writes config.json) or "shipped" (as the model's makers ship it)
#   fp8: weights in blocks of 128 x 128; mtp: with a block of multi-token prediction and mtp_logits
GOLDENS = {
    # DeepSeek-V2's form: device-limited gate, both projections of low rank, shared experts.
    "v2-groups": dict(
        fields=form(
            vocab_size=256, hidden_size=64, intermediate_size=112, moe_intermediate_size=24,
            num_hidden_layers=3, num_attention_heads=4, q_lora_rank=48, kv_lora_rank=32,
            qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=16, n_routed_experts=8,
            n_shared_experts=2, num_experts_per_tok=3, n_group=4, topk_group=2,
            topk_method="group_limited_greedy", routed_scaling_factor=2.5, first_k_dense_replace=1,
        ),
        seed=18,
    ),
    # DeepSeek-V2-Lite's form: no q_lora, greedy gate, one group; bf16, sharded, shipped spelling.
    "lite": dict(
        fields=form(
            vocab_size=320, hidden_size=80, intermediate_size=144, moe_intermediate_size=40,
            num_hidden_layers=3, num_attention_heads=5, q_lora_rank=None, kv_lora_rank=48,
            qk_nope_head_dim=16, qk_rope_head_dim=16, v_head_dim=16, n_routed_experts=8,
            n_shared_experts=2, num_experts_per_tok=2, n_group=1, topk_group=1,
            topk_method="greedy", routed_scaling_factor=1.0, first_k_dense_replace=1,
        ),
        dtype="BF16", layout=3, spelling="shipped", seed=12,
    ),
    # All layers dense, plain rope, logits recorded from token 8 on.
    "dense": dict(
        fields=form(
            vocab_size=288, hidden_size=72, intermediate_size=104, moe_intermediate_size=32,
            num_hidden_layers=3, num_attention_heads=4, q_lora_rank=40, kv_lora_rank=32,
            qk_nope_head_dim=24, qk_rope_head_dim=8, v_head_dim=24, n_routed_experts=4,
            n_shared_experts=1, num_experts_per_tok=2, n_group=1, topk_group=1,
            topk_method="greedy", routed_scaling_factor=1.0, first_k_dense_replace=3,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        ),
        seed=13, first=8,
    ),
    # Odd widths everywhere, v_head != nope, mscale != mscale_all_dim; experts fused.
    "odd": dict(
        fields=form(
            vocab_size=271, hidden_size=75, intermediate_size=53, moe_intermediate_size=37,
            num_hidden_layers=3, num_attention_heads=3, q_lora_rank=29, kv_lora_rank=41,
            qk_nope_head_dim=20, qk_rope_head_dim=6, v_head_dim=13, n_routed_experts=6,
            n_shared_experts=1, num_experts_per_tok=3, n_group=3, topk_group=2,
            topk_method="group_limited_greedy", routed_scaling_factor=1.5, first_k_dense_replace=1,
            rope_parameters=yarn(1.0, 0.707, 8.0, 512), max_position_embeddings=4096,
            rms_norm_eps=1e-5,
        ),
        experts="fused", seed=14, count=57,
    ),
    # Explicit positions: 32 around 4,352, then 32 near 163,800.
    "far": dict(
        fields=form(**FAR), seed=15,
        positions=list(range(4336, 4368)) + list(range(163784, 163816)),
    ),
    # The same distance as 4,352 alone, where the bound is tighter; mscale 1 as in DeepSeek-V2.5.
    "far-4352": dict(
        fields=form(**FAR, rope_parameters=yarn(1.0, 1.0)), seed=21, layout=2, experts="fused",
        positions=list(range(0, 8)) + list(range(4320, 4376)),
    ),
    # DeepSeek-V3's form: sigmoid gate with correction biases (most of them negative), group scores
    # of two experts, weights normalized and scaled; far positions.
    "v3": dict(
        fields=form(
            vocab_size=256, hidden_size=64, intermediate_size=96, moe_intermediate_size=24,
            num_hidden_layers=3, num_attention_heads=4, q_lora_rank=32, kv_lora_rank=32,
            qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=16, n_routed_experts=12,
            n_shared_experts=1, num_experts_per_tok=4, n_group=4, topk_group=2,
            routed_scaling_factor=2.5, first_k_dense_replace=1, norm_topk_prob=True,
            rope_parameters=yarn(1.0, 1.0),
        ),
        kind="deepseek_v3", seed=31,
        positions=list(range(0, 24)) + list(range(4320, 4360)),
    ),
    # Weights normalized after top-k and then not scaled, as the original code has it.
    "v2-norm-topk": dict(
        fields=form(
            vocab_size=160, hidden_size=48, intermediate_size=80, moe_intermediate_size=20,
            num_hidden_layers=3, num_attention_heads=4, q_lora_rank=40, kv_lora_rank=24,
            qk_nope_head_dim=12, qk_rope_head_dim=8, v_head_dim=20, n_routed_experts=8,
            n_shared_experts=1, num_experts_per_tok=3, n_group=4, topk_group=2,
            topk_method="group_limited_greedy", routed_scaling_factor=4.0, first_k_dense_replace=1,
            norm_topk_prob=True,
        ),
        dtype="BF16", seed=41, positions=list(range(0, 24)) + list(range(4320, 4360)),
    ),
    # Every second layer a mixture: 0, 2 and 4 of five, so that one is left over at the end.
    "v2-period-2": dict(
        fields=form(
            vocab_size=160, hidden_size=48, intermediate_size=72, moe_intermediate_size=20,
            num_hidden_layers=5, num_attention_heads=3, q_lora_rank=28, kv_lora_rank=24,
            qk_nope_head_dim=12, qk_rope_head_dim=8, v_head_dim=12, n_routed_experts=6,
            n_shared_experts=1, num_experts_per_tok=2, n_group=3, topk_group=2,
            topk_method="group_limited_greedy", routed_scaling_factor=1.5, first_k_dense_replace=0,
            moe_layer_freq=2,
        ),
        dtype="BF16", seed=42,
    ),
    # The same where the dense layers at the begin do not end at a multiple: mixtures 2, 4 and 6 of eight.
    "lite-period-2": dict(
        fields=form(
            vocab_size=160, hidden_size=42, intermediate_size=48, moe_intermediate_size=20,
            num_hidden_layers=8, num_attention_heads=3, q_lora_rank=None, kv_lora_rank=24,
            qk_nope_head_dim=12, qk_rope_head_dim=8, v_head_dim=12, n_routed_experts=5,
            n_shared_experts=1, num_experts_per_tok=2, n_group=1, topk_group=1,
            topk_method="greedy", routed_scaling_factor=1.0, first_k_dense_replace=1,
            moe_layer_freq=2,
        ),
        dtype="BF16", seed=43,
    ),
    # attention_bias and mlp_bias, both of V2 in transformers; another eps, which q_a and kv_a do not use.
    "v2-biases": dict(
        fields=form(
            vocab_size=160, hidden_size=48, intermediate_size=72, moe_intermediate_size=20,
            num_hidden_layers=3, num_attention_heads=4, q_lora_rank=32, kv_lora_rank=24,
            qk_nope_head_dim=12, qk_rope_head_dim=8, v_head_dim=16, n_routed_experts=9,
            n_shared_experts=2, num_experts_per_tok=3, n_group=3, topk_group=2,
            topk_method="group_limited_greedy", routed_scaling_factor=1.5, first_k_dense_replace=1,
            attention_bias=True, mlp_bias=True, rms_norm_eps=1e-2,
        ),
        dtype="BF16", seed=44,
    ),
    # Embedding and head are one tensor.
    "lite-tied": dict(
        fields=form(
            vocab_size=160, hidden_size=56, intermediate_size=80, moe_intermediate_size=20,
            num_hidden_layers=3, num_attention_heads=4, q_lora_rank=None, kv_lora_rank=36,
            qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=12, n_routed_experts=7,
            n_shared_experts=1, num_experts_per_tok=2, n_group=1, topk_group=1,
            topk_method="greedy", routed_scaling_factor=1.0, first_k_dense_replace=1,
            tie_word_embeddings=True,
        ),
        dtype="BF16", spelling="shipped", seed=45,
    ),
    # One head, one expert a token: norm_topk_prob does not normalize a single weight, so it is scaled.
    "lite-one-head": dict(
        fields=form(
            vocab_size=160, hidden_size=48, intermediate_size=64, moe_intermediate_size=20,
            num_hidden_layers=3, num_attention_heads=1, q_lora_rank=None, kv_lora_rank=20,
            qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=12, n_routed_experts=6,
            n_shared_experts=1, num_experts_per_tok=1, n_group=None, topk_group=None,
            topk_method="greedy", routed_scaling_factor=1.5, first_k_dense_replace=1,
            norm_topk_prob=True,
        ),
        dtype="BF16", seed=46,
    ),
    # V3 as its makers spell it, three dense layers first; its FP8 weights turned into bf16.
    "v3-shipped": dict(
        fields=form(
            vocab_size=160, hidden_size=48, intermediate_size=72, moe_intermediate_size=20,
            num_hidden_layers=5, num_attention_heads=3, q_lora_rank=36, kv_lora_rank=40,
            qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=12, n_routed_experts=8,
            n_shared_experts=1, num_experts_per_tok=3, n_group=4, topk_group=2,
            routed_scaling_factor=2.5, first_k_dense_replace=3, norm_topk_prob=True,
            rope_parameters=yarn(1.0, 1.0), num_mtp_layers=0,
        ),
        kind="deepseek_v3", dtype="BF16", spelling="shipped", seed=51,
    ),
    # 32 positions around 4,352, then 32 near 163,800; q_lora none, one group, one expert a token, whose
    # normalized weight is 1.
    "v3-far": dict(
        fields=form(
            vocab_size=160, hidden_size=48, intermediate_size=72, moe_intermediate_size=20,
            num_hidden_layers=3, num_attention_heads=4, q_lora_rank=None, kv_lora_rank=28,
            qk_nope_head_dim=12, qk_rope_head_dim=16, v_head_dim=16, n_routed_experts=6,
            n_shared_experts=2, num_experts_per_tok=1, n_group=1, topk_group=1,
            routed_scaling_factor=1.25, first_k_dense_replace=1, norm_topk_prob=True,
            rope_parameters=yarn(1.0, 0.707),
        ),
        kind="deepseek_v3", dtype="BF16", seed=52,
        positions=list(range(4336, 4368)) + list(range(163784, 163816)),
    ),
    # rope_interleave false (the rotated part in halves), attention_bias, another eps.
    "v3-halves": dict(
        fields=form(
            vocab_size=160, hidden_size=48, intermediate_size=72, moe_intermediate_size=20,
            num_hidden_layers=3, num_attention_heads=3, q_lora_rank=28, kv_lora_rank=24,
            qk_nope_head_dim=12, qk_rope_head_dim=12, v_head_dim=16, n_routed_experts=8,
            n_shared_experts=1, num_experts_per_tok=3, n_group=2, topk_group=1,
            routed_scaling_factor=1.5, first_k_dense_replace=1, norm_topk_prob=False,
            rope_parameters=yarn(1.0, 1.0), rope_interleave=False, attention_bias=True,
            rms_norm_eps=1e-2,
        ),
        kind="deepseek_v3", dtype="BF16", seed=53,
        positions=list(range(0, 24)) + list(range(4320, 4360)),
    ),
    # FP8 weights as shipped, both extents of their blocks ragged: 160 = 128 + 32, 144 = 128 + 16, 132, 72.
    "v3-fp8": dict(
        fields=form(
            vocab_size=160, hidden_size=160, intermediate_size=132, moe_intermediate_size=24,
            num_hidden_layers=2, num_attention_heads=4, q_lora_rank=72, kv_lora_rank=136,
            qk_nope_head_dim=28, qk_rope_head_dim=8, v_head_dim=33, n_routed_experts=4,
            n_shared_experts=1, num_experts_per_tok=2, n_group=1, topk_group=1,
            routed_scaling_factor=2.5, first_k_dense_replace=1, norm_topk_prob=True,
            rope_parameters=yarn(1.0, 1.0), num_mtp_layers=0,
        ),
        kind="deepseek_v3", dtype="BF16", spelling="shipped", fp8=True, seed=54,
    ),
    # A block of multi-token prediction behind the last layer.
    "v3-mtp": dict(
        fields=form(
            vocab_size=160, hidden_size=48, intermediate_size=72, moe_intermediate_size=20,
            num_hidden_layers=2, num_attention_heads=4, q_lora_rank=28, kv_lora_rank=24,
            qk_nope_head_dim=12, qk_rope_head_dim=8, v_head_dim=16, n_routed_experts=6,
            n_shared_experts=1, num_experts_per_tok=2, n_group=3, topk_group=2,
            routed_scaling_factor=2.5, first_k_dense_replace=1, norm_topk_prob=True,
            rope_parameters=yarn(1.0, 1.0), num_mtp_layers=1,
        ),
        kind="deepseek_v3", dtype="BF16", spelling="shipped", mtp=True, seed=55,
    ),
    # 600 tokens.
    "v3-long": dict(
        fields=form(
            vocab_size=96, hidden_size=48, intermediate_size=72, moe_intermediate_size=16,
            num_hidden_layers=2, num_attention_heads=3, q_lora_rank=28, kv_lora_rank=24,
            qk_nope_head_dim=12, qk_rope_head_dim=8, v_head_dim=12, n_routed_experts=6,
            n_shared_experts=1, num_experts_per_tok=2, n_group=3, topk_group=2,
            routed_scaling_factor=1.5, first_k_dense_replace=1, norm_topk_prob=True,
            rope_parameters=yarn(1.0, 1.0, 8.0, 128), max_position_embeddings=1024,
        ),
        kind="deepseek_v3", dtype="BF16", count=600, seed=57,
    ),
    # LLaMA 3's form: grouped queries; heads whose width is not hidden_size / heads; far positions.
    "llama-gqa": dict(
        fields=relative(
            500000.0, vocab_size=160, hidden_size=60, intermediate_size=88, num_hidden_layers=3,
            num_attention_heads=6, num_key_value_heads=2, head_dim=12, rms_norm_eps=1e-2,
        ),
        kind="llama", dtype="BF16", seed=61, layout=2,
        positions=list(range(0, 24)) + list(range(4320, 4360)),
    ),
    # One key head.
    "llama-mqa": dict(
        fields=relative(
            10000.0, vocab_size=160, hidden_size=80, intermediate_size=72, num_hidden_layers=2,
            num_attention_heads=5, num_key_value_heads=1,
        ),
        kind="llama", dtype="BF16", seed=62,
    ),
    # As many key heads as heads; as DeepSeek ships its LLaMA-shaped models.
    "llama-mha": dict(
        fields=relative(
            10000.0, vocab_size=160, hidden_size=60, intermediate_size=88, num_hidden_layers=2,
            num_attention_heads=3, max_position_embeddings=4096,
        ),
        kind="llama", dtype="BF16", spelling="shipped", seed=63,
    ),
    # attention_bias (q, k, v and o here) and mlp_bias.
    "llama-bias": dict(
        fields=relative(
            10000.0, vocab_size=160, hidden_size=48, intermediate_size=72, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, attention_bias=True, mlp_bias=True,
        ),
        kind="llama", seed=64,
    ),
    # DeepSeekMoE 16B's form.
    "deepseek-moe": dict(
        fields=relative(
            10000.0, vocab_size=160, hidden_size=48, intermediate_size=72, num_hidden_layers=3,
            num_attention_heads=4, max_position_embeddings=4096,
            moe_intermediate_size=20, n_routed_experts=8, n_shared_experts=2, num_experts_per_tok=3,
            first_k_dense_replace=1, moe_layer_freq=1, scoring_func="softmax",
        ),
        kind="deepseek", dtype="BF16", spelling="shipped", seed=65,
    ),
    # Qwen2's small sizes: biases of q, k and v, grouped queries, tied embeddings; far positions.
    "qwen2": dict(
        fields=relative(
            1000000.0, vocab_size=160, hidden_size=60, intermediate_size=88, num_hidden_layers=3,
            num_attention_heads=6, num_key_value_heads=2, tie_word_embeddings=True,
        ),
        kind="qwen2", dtype="BF16", seed=66,
        positions=list(range(0, 24)) + list(range(4320, 4360)),
    ),
    # Qwen1.5 72B's form: as many key heads as heads, a window that is not used.
    "qwen2-mha": dict(
        fields=relative(
            1000000.0, vocab_size=160, hidden_size=64, intermediate_size=88, num_hidden_layers=2,
            num_attention_heads=4, max_position_embeddings=32768,
        ),
        kind="qwen2", dtype="BF16", spelling="shipped", seed=67,
    ),
    # Mixtral 8x22B's form.
    "mixtral": dict(
        fields=relative(
            1000000.0, vocab_size=160, hidden_size=48, intermediate_size=28, num_hidden_layers=3,
            num_attention_heads=6, num_key_value_heads=2, num_local_experts=8,
            num_experts_per_tok=2, rms_norm_eps=1e-5,
            max_position_embeddings=65536,
        ),
        kind="mixtral", dtype="BF16", spelling="shipped", seed=68,
    ),
}
