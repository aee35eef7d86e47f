#!/usr/bin/env python3
"""DeepSeek-V2, V3 and their relatives in plain numpy float64: an independent reading of their definitions.

    python3 tools/dev/reference_numpy.py DIR...     # checks DIR/golden.safetensors

The golden generator compares it with transformers; for what transformers does not express it is
the golden's source. Readable before fast: one sequence, no cache, nothing absorbed or fused.
Only the rope angles are float32, because they are so by definition (reference_rope.py).
Model types: deepseek_v2, deepseek_v3 (with its multi-token prediction, and FP8 checkpoints, which
mean their dequantized weights), llama, deepseek, qwen2, mixtral.
"""

import os
import sys

import numpy as np

import model_files
from reference_rope import angles, rotate, softmax_scale

LATENT = ("deepseek_v2", "deepseek_v3")  # with latent attention; the others have grouped queries


def rms_norm(x, weight, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attend(q, k, v, scale):
    """q [T, heads, d], k [T, kv, d], v [T, kv, w]: causal, query head h reads key head h*kv/heads."""
    repeats = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, repeats, 1), np.repeat(v, repeats, 1)
    scores = np.einsum("qhd,khd->hqk", q, k) * scale
    causal = np.tril(np.ones((len(q), len(q)), bool))
    out = np.einsum("hqk,khd->qhd", softmax(np.where(causal, scores, -np.inf)), v)
    return out.reshape(len(q), -1)


def keep_groups(choice, groups, keep, experts_of_score):
    """-inf where an expert's group is none of the `keep` best, and the gap to the best refused [T].

    A group's score is the sum of its experts_of_score largest choices.
    """
    grouped = np.sort(choice.reshape(len(choice), groups, -1), -1)
    best = grouped[..., -experts_of_score:].sum(-1)
    order = np.argsort(-best, -1, kind="stable")
    gap = np.full(len(choice), np.inf)
    if keep < groups:
        ranked = np.take_along_axis(best, order, -1)
        gap = ranked[:, keep - 1] - ranked[:, keep]
    kept = np.zeros(best.shape, bool)
    np.put_along_axis(kept, order[:, :keep], True, -1)
    return np.where(np.repeat(kept, choice.shape[1] // groups, -1), choice, -np.inf), gap


def dequantized(tensors):
    """Float64 tensors; FP8 weights times the scale of their block (128 x 128, partial at the edges)."""
    result = {name: np.asarray(value, np.float64) for name, value in tensors.items()}
    for name in [name for name in result if name.endswith("_scale_inv")]:
        scales = result.pop(name).repeat(128, 0).repeat(128, 1)
        weight = name.removesuffix("_scale_inv")
        rows, columns = result[weight].shape
        result[weight] = result[weight] * scales[:rows, :columns]
    return result


class Model:
    """tensors: checkpoint names to arrays; experts apart or fused."""

    def __init__(self, config, tensors):
        self.config = config
        self.kind = config["model_type"]
        self.eps = config["rms_norm_eps"]
        self.tensors = dequantized(tensors)

    @classmethod
    def load(cls, directory):
        return cls(*model_files.read_model(directory))

    def linear(self, x, prefix):
        """x W^T, plus a bias where the checkpoint holds one."""
        return x @ self.tensors[f"{prefix}.weight"].T + self.tensors.get(f"{prefix}.bias", 0.0)

    def norm(self, x, name, eps=None):
        return rms_norm(x, self.tensors[f"{name}.weight"], self.eps if eps is None else eps)

    def swiglu(self, x, gate, up, down):
        """down(silu(gate x) * up x); gate, up, down: names of linears."""
        g = self.linear(x, gate)
        return self.linear(g / (1 + np.exp(-g)) * self.linear(x, up), down)

    def mlp(self, x, prefix):
        return self.swiglu(x, *(f"{prefix}.{part}_proj" for part in ("gate", "up", "down")))

    def latent_attention(self, x, prefix, positions):
        c, count = self.config, len(x)
        heads, nope, rope = c["num_attention_heads"], c["qk_nope_head_dim"], c["qk_rope_head_dim"]
        rank = c["kv_lora_rank"]
        if c.get("q_lora_rank"):
            q = self.norm(self.linear(x, f"{prefix}.q_a_proj"), f"{prefix}.q_a_layernorm", 1e-6)
            q = self.linear(q, f"{prefix}.q_b_proj")
        else:
            q = self.linear(x, f"{prefix}.q_proj")
        q = q.reshape(count, heads, nope + rope)
        compressed = self.linear(x, f"{prefix}.kv_a_proj_with_mqa")
        latent = self.norm(compressed[:, :rank], f"{prefix}.kv_a_layernorm", 1e-6)
        kv = self.linear(latent, f"{prefix}.kv_b_proj").reshape(count, heads, nope + c["v_head_dim"])
        cos, sin = angles(c, positions, rope)
        halves = not c.get("rope_interleave", True)
        q_rope = rotate(q[..., nope:], cos, sin, halves)
        k_rope = rotate(compressed[:, None, rank:], cos, sin, halves).repeat(heads, 1)
        out = attend(
            np.concatenate([q[..., :nope], q_rope], -1),
            np.concatenate([kv[..., :nope], k_rope], -1),
            kv[..., nope:], softmax_scale(c, nope + rope),
        )
        return self.linear(out, f"{prefix}.o_proj")

    def grouped_attention(self, x, prefix, positions):
        c = self.config
        heads = c["num_attention_heads"]
        width = c.get("head_dim") or c["hidden_size"] // heads
        cos, sin = angles(c, positions, width)

        def project(name):
            return self.linear(x, f"{prefix}.{name}_proj").reshape(len(x), -1, width)

        q, k = (rotate(project(name), cos, sin, halves=True) for name in ("q", "k"))
        # YaRN's temperature is in cos and sin alone here; only latent attention scales scores by its square.
        return self.linear(attend(q, k, project("v"), width**-0.5), f"{prefix}.o_proj")

    def experts(self):
        """How many routed experts there are; 0 in a dense model."""
        return self.config.get("n_routed_experts") or self.config.get("num_local_experts") or 0

    def gate(self, x, prefix):
        """Weights and experts [T, top_k], and the smallest gap to a refused expert or group [T]."""
        c = self.config
        logits, top_k = self.linear(x, f"{prefix}.gate"), c["num_experts_per_tok"]
        corrected = self.kind == "deepseek_v3"  # transformers 5 writes no topk_method for V3
        if corrected:
            scores = 1 / (1 + np.exp(-logits))
            choice = scores + self.tensors[f"{prefix}.gate.e_score_correction_bias"]
        else:
            scores = choice = softmax(logits)
        gap = np.full(len(x), np.inf)
        if corrected or c.get("topk_method") == "group_limited_greedy":
            choice, gap = keep_groups(choice, c["n_group"], c["topk_group"], 2 if corrected else 1)
        order = np.argsort(-choice, -1, kind="stable")
        if top_k < self.experts():
            ranked = np.take_along_axis(choice, order, -1)
            gap = np.minimum(gap, ranked[:, top_k - 1] - ranked[:, top_k])
        chosen = order[:, :top_k]
        weights = np.take_along_axis(scores, chosen, -1)
        if self.kind == "mixtral":
            return weights / weights.sum(-1, keepdims=True), chosen, gap
        # The original code of V2 scales only weights that it does not normalize; V3's always scales.
        normalize = c.get("norm_topk_prob") and (top_k > 1 or corrected)
        if normalize:
            weights = weights / (weights.sum(-1, keepdims=True) + 1e-20)
        if corrected or not normalize:
            weights = weights * c.get("routed_scaling_factor", 1.0)
        return weights, chosen, gap

    def split_experts(self, prefix):
        """Gives the experts that transformers 5 saves fused the names of experts apart."""
        fused = self.tensors.pop(f"{prefix}.experts.gate_up_proj", None)
        if fused is None:
            return
        down, width = self.tensors.pop(f"{prefix}.experts.down_proj"), fused.shape[1] // 2
        names = ("w1", "w3", "w2") if self.kind == "mixtral" else ("gate_proj", "up_proj", "down_proj")
        for index in range(len(fused)):
            parts = fused[index, :width], fused[index, width:], down[index]
            for name, part in zip(names, parts):
                self.tensors[f"{prefix}.experts.{index}.{name}.weight"] = part

    def mixture(self, x, prefix):
        self.split_experts(prefix)
        weights, chosen, gap = self.gate(x, prefix)
        names = ("w1", "w3", "w2") if self.kind == "mixtral" else ("gate_proj", "up_proj", "down_proj")
        out = np.zeros_like(x)
        for index in np.unique(chosen):
            rows, slots = np.nonzero(chosen == index)
            expert = [f"{prefix}.experts.{index}.{name}" for name in names]
            out[rows] += weights[rows, slots, None] * self.swiglu(x[rows], *expert)
        if self.config.get("n_shared_experts"):
            out += self.mlp(x, f"{prefix}.shared_experts")
        return out, chosen, gap

    def is_mixture(self, layer):
        c = self.config
        return (
            self.experts() > 0
            and layer >= c.get("first_k_dense_replace", 0)
            and layer % (c.get("moe_layer_freq") or 1) == 0
        )

    def layer(self, x, index, positions, mixture):
        """The state behind a decoder layer, and the mixture's (chosen, gap), or None."""
        name = f"model.layers.{index}"
        attention = self.latent_attention if self.kind in LATENT else self.grouped_attention
        h = self.norm(x, f"{name}.input_layernorm")
        x = x + attention(h, f"{name}.self_attn", positions)
        h = self.norm(x, f"{name}.post_attention_layernorm")
        if not mixture:
            return x + self.mlp(h, f"{name}.mlp"), None
        block = "block_sparse_moe" if f"{name}.block_sparse_moe.gate.weight" in self.tensors else "mlp"
        out, chosen, gap = self.mixture(h, f"{name}.{block}")
        return x + out, (chosen, gap)

    def states(self, tokens, positions=None):
        """The state behind the final norm [T, H], chosen experts by layer, smallest gap [T]."""
        positions = np.arange(len(tokens)) if positions is None else np.asarray(positions)
        x = self.tensors["model.embed_tokens.weight"][np.asarray(tokens)]
        routing, gap = {}, np.full(len(tokens), np.inf)
        for layer in range(self.config["num_hidden_layers"]):
            x, choice = self.layer(x, layer, positions, self.is_mixture(layer))
            if choice:
                routing[layer] = choice[0]
                gap = np.minimum(gap, choice[1])
        return self.norm(x, "model.norm"), routing, gap

    def forward(self, tokens, positions=None):
        """logits [T, vocab], chosen experts by layer, smallest gap [T] (inf without a mixture)."""
        hidden, routing, gap = self.states(tokens, positions)
        tied = self.config.get("tie_word_embeddings")
        return hidden @ self.tensors["model.embed_tokens.weight" if tied else "lm_head.weight"].T, routing, gap

    def draft(self, tokens, positions=None):
        """Multi-token prediction: logits [T-1, vocab], chosen experts, gap [T-1].

        Row t: after token t, given token t+1; at the position of t.
        """
        positions = np.arange(len(tokens)) if positions is None else np.asarray(positions)
        index = self.config["num_hidden_layers"]
        name = f"model.layers.{index}"
        hidden = self.states(tokens, positions)[0][:-1]
        embedded = self.tensors[f"{name}.embed_tokens.weight"][np.asarray(tokens)[1:]]
        x = np.concatenate([self.norm(embedded, f"{name}.enorm"), self.norm(hidden, f"{name}.hnorm")], -1)
        x, choice = self.layer(self.linear(x, f"{name}.eh_proj"), index, positions[:-1], True)
        logits = self.linear(self.norm(x, f"{name}.shared_head.norm"), f"{name}.shared_head.head")
        return logits, *choice


def relative_difference(actual, expected):
    return np.abs(actual - expected).max() / np.abs(expected).max()


def main():
    for directory in sys.argv[1:]:
        golden = model_files.read_safetensors(os.path.join(directory, "golden.safetensors"))
        model = Model.load(directory)
        logits, _, gap = model.forward(golden["tokens"], golden["positions"])
        error = relative_difference(logits[golden["first"][0] :], golden["logits"].astype(np.float64))
        text = f"{directory}: relative difference {error:.2e}, smallest gap {gap.min():.2e}"
        if "mtp_logits" in golden:
            drafts = model.draft(golden["tokens"], golden["positions"])[0]
            text += f", of mtp_logits {relative_difference(drafts, golden['mtp_logits']):.2e}"
        print(text)


if __name__ == "__main__":
    main()
