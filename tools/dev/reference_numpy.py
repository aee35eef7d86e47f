#!/usr/bin/env python3
"""DeepSeek-V2 and V3 in plain numpy float64: a second, independent reading of the model's definition.

    python3 tools/dev/reference_numpy.py DIR     # checks DIR/golden.safetensors

The golden generator compares it with transformers; for what transformers does not express it is
the golden's source. Readable before fast: one sequence, no cache, nothing absorbed or fused.
Only the rope angles are float32, because they are so by definition (see `angles`).
"""

import os
import sys

import numpy as np

import model_files


def rope_settings(config):
    """rope_theta and the scaling dictionary (or None), from either spelling of the config."""
    parameters = config.get("rope_parameters")
    if parameters is None:
        return float(config["rope_theta"]), config.get("rope_scaling")
    kind = parameters.get("rope_type", parameters.get("type", "default"))
    return float(parameters["rope_theta"]), None if kind == "default" else parameters


def mscale(factor, m):
    """YaRN's attention temperature."""
    return 1.0 if factor <= 1 else 0.1 * m * np.log(factor) + 1.0


def inverse_frequencies(config):
    """float32 [rope/2]; every operation after the power is rounded to float32."""
    one, dim = np.float32(1), config["qk_rope_head_dim"]
    base, scaling = rope_settings(config)
    exponent = (np.arange(0, dim, 2, dtype=np.float32) / np.float32(dim)).astype(np.float64)
    power = np.power(base, exponent).astype(np.float32)
    if scaling is None:
        return one / power
    factor, original = scaling["factor"], scaling["original_max_position_embeddings"]

    def correction(rotations):
        return dim * np.log(original / (2 * np.pi * rotations)) / (2 * np.log(base))

    low = max(np.floor(correction(scaling["beta_fast"])), 0)
    high = min(np.ceil(correction(scaling["beta_slow"])), dim - 1)
    high += 0.001 if low == high else 0
    index = np.arange(dim // 2, dtype=np.float32)
    ramp = np.clip((index - np.float32(low)) / np.float32(high - low), 0, 1).astype(np.float32)
    return (one / (np.float32(factor) * power)) * ramp + (one / power) * (one - ramp)


def angles(config, positions):
    """float64 cos and sin [T, rope/2] of float32 angles, with YaRN's factor."""
    angle = positions.astype(np.float32)[:, None] * inverse_frequencies(config)[None]
    assert angle.dtype == np.float32
    _, scaling = rope_settings(config)
    gain = 1.0
    if scaling is not None:
        gain = mscale(scaling["factor"], scaling.get("mscale", 1.0)) / mscale(
            scaling["factor"], scaling.get("mscale_all_dim", 0.0)
        )
    return np.cos(angle.astype(np.float64)) * gain, np.sin(angle.astype(np.float64)) * gain


def rotate(x, cos, sin):
    """Rotates adjacent pairs of the last axis; x [T, heads, rope]."""
    even, odd = x[..., 0::2], x[..., 1::2]
    cos, sin = cos[:, None], sin[:, None]
    return np.stack([even * cos - odd * sin, even * sin + odd * cos], -1).reshape(x.shape)


def rms_norm(x, weight, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def swiglu(x, gate, up, down):
    g = x @ gate.T
    return (g / (1 + np.exp(-g)) * (x @ up.T)) @ down.T


class Model:
    """tensors: checkpoint names to arrays; experts apart or fused."""

    def __init__(self, config, tensors):
        self.config = config
        self.tensors = {name: np.asarray(value, np.float64) for name, value in tensors.items()}

    @classmethod
    def load(cls, directory):
        return cls(*model_files.read_model(directory))

    def mlp(self, x, prefix):
        return swiglu(x, *(self.tensors[f"{prefix}.{n}_proj.weight"] for n in ("gate", "up", "down")))

    def attention(self, x, prefix, positions):
        c, w = self.config, lambda name: self.tensors[f"{prefix}.{name}.weight"]
        heads, nope, rope = c["num_attention_heads"], c["qk_nope_head_dim"], c["qk_rope_head_dim"]
        value, rank, count = c["v_head_dim"], c["kv_lora_rank"], len(x)
        if c.get("q_lora_rank"):
            q = rms_norm(x @ w("q_a_proj").T, w("q_a_layernorm"), 1e-6) @ w("q_b_proj").T
        else:
            q = x @ w("q_proj").T
        q = q.reshape(count, heads, nope + rope)
        compressed = x @ w("kv_a_proj_with_mqa").T
        latent = rms_norm(compressed[:, :rank], w("kv_a_layernorm"), 1e-6)
        kv = (latent @ w("kv_b_proj").T).reshape(count, heads, nope + value)
        cos, sin = angles(c, positions)
        q_rope = rotate(q[..., nope:], cos, sin)
        k_rope = rotate(compressed[:, None, rank:], cos, sin)[:, 0]
        scores = np.einsum("qhd,khd->hqk", q[..., :nope], kv[..., :nope])
        scores += np.einsum("qhd,kd->hqk", q_rope, k_rope)
        scale = (nope + rope) ** -0.5
        _, scaling = rope_settings(c)
        if scaling is not None and scaling.get("mscale_all_dim", 0.0):
            scale *= mscale(scaling["factor"], scaling["mscale_all_dim"]) ** 2
        causal = np.tril(np.ones((count, count), bool))
        scores = np.where(causal, scores * scale, -np.inf)
        out = np.einsum("hqk,khd->qhd", softmax(scores), kv[..., nope:])
        return out.reshape(count, heads * value) @ w("o_proj").T

    def topk_method(self):
        """transformers 5 writes no topk_method for V3: there is only one."""
        default = "noaux_tc" if self.config.get("model_type") == "deepseek_v3" else None
        return self.config.get("topk_method", default)

    def gate(self, x, prefix):
        """Weights and experts [T, top_k], and the smallest gap to a refused expert or group [T]."""
        c, method = self.config, self.topk_method()
        logits = x @ self.tensors[f"{prefix}.gate.weight"].T
        if method == "noaux_tc":
            scores = 1 / (1 + np.exp(-logits))
            choice = scores + self.tensors[f"{prefix}.gate.e_score_correction_bias"]
        else:
            scores = choice = softmax(logits)
        count, experts = scores.shape
        top_k, gap = c["num_experts_per_tok"], np.full(count, np.inf)
        if method in ("group_limited_greedy", "noaux_tc"):
            groups, keep = c["n_group"], c["topk_group"]
            grouped = np.sort(choice.reshape(count, groups, -1), -1)
            best = grouped[..., -2:].sum(-1) if method == "noaux_tc" else grouped[..., -1]
            order = np.argsort(-best, -1, kind="stable")
            if keep < groups:
                ranked = np.take_along_axis(best, order, -1)
                gap = ranked[:, keep - 1] - ranked[:, keep]
            kept = np.zeros((count, groups), bool)
            np.put_along_axis(kept, order[:, :keep], True, -1)
            choice = np.where(np.repeat(kept, experts // groups, -1), choice, -np.inf)
        order = np.argsort(-choice, -1, kind="stable")
        if top_k < experts:
            ranked = np.take_along_axis(choice, order, -1)
            gap = np.minimum(gap, ranked[:, top_k - 1] - ranked[:, top_k])
        chosen = order[:, :top_k]
        weights = np.take_along_axis(scores, chosen, -1)
        normalize = c.get("norm_topk_prob") and (top_k > 1 or method == "noaux_tc")
        if normalize:
            weights = weights / (weights.sum(-1, keepdims=True) + 1e-20)
        if not normalize or method == "noaux_tc":
            weights = weights * c["routed_scaling_factor"]
        return weights, chosen, gap

    def expert(self, prefix, index):
        """gate, up and down matrices of one routed expert."""
        fused = self.tensors.get(f"{prefix}.experts.gate_up_proj")
        if fused is not None:
            width = fused.shape[1] // 2
            down = self.tensors[f"{prefix}.experts.down_proj"][index]
            return fused[index, :width], fused[index, width:], down
        name = f"{prefix}.experts.{index}.%s_proj.weight"
        return tuple(self.tensors[name % part] for part in ("gate", "up", "down"))

    def mixture(self, x, prefix):
        weights, chosen, gap = self.gate(x, prefix)
        out = np.zeros_like(x)
        for index in np.unique(chosen):
            rows, slots = np.nonzero(chosen == index)
            out[rows] += weights[rows, slots, None] * swiglu(x[rows], *self.expert(prefix, index))
        if self.config.get("n_shared_experts"):
            out += self.mlp(x, f"{prefix}.shared_experts")
        return out, chosen, gap

    def is_mixture(self, layer):
        c = self.config
        return bool(
            c.get("n_routed_experts")
            and layer >= c["first_k_dense_replace"]
            and layer % c.get("moe_layer_freq", 1) == 0
        )

    def forward(self, tokens, positions=None):
        """logits [T, vocab], chosen experts by layer, smallest gap [T] (inf without a mixture)."""
        c = self.config
        positions = np.arange(len(tokens)) if positions is None else np.asarray(positions)
        x = self.tensors["model.embed_tokens.weight"][np.asarray(tokens)]
        routing, gap = {}, np.full(len(tokens), np.inf)
        for layer in range(c["num_hidden_layers"]):
            name = f"model.layers.{layer}"
            h = rms_norm(x, self.tensors[f"{name}.input_layernorm.weight"], c["rms_norm_eps"])
            x = x + self.attention(h, f"{name}.self_attn", positions)
            h = rms_norm(x, self.tensors[f"{name}.post_attention_layernorm.weight"], c["rms_norm_eps"])
            if self.is_mixture(layer):
                out, routing[layer], layer_gap = self.mixture(h, f"{name}.mlp")
                gap = np.minimum(gap, layer_gap)
            else:
                out = self.mlp(h, f"{name}.mlp")
            x = x + out
        x = rms_norm(x, self.tensors["model.norm.weight"], c["rms_norm_eps"])
        return x @ self.tensors["lm_head.weight"].T, routing, gap


def main():
    for directory in sys.argv[1:]:
        golden = model_files.read_safetensors(os.path.join(directory, "golden.safetensors"))
        logits, _, gap = Model.load(directory).forward(golden["tokens"], golden["positions"])
        expected = golden["logits"].astype(np.float64)
        error = np.abs(logits[golden["first"][0] :] - expected).max() / np.abs(expected).max()
        print(f"{directory}: relative difference {error:.2e}, smallest gap {gap.min():.2e}")


if __name__ == "__main__":
    main()
