"""Models that transformers does not build itself, put together of its parts; and their checkpoints.

What a config asks for and transformers ignores (V2's norm_topk_prob and moe_layer_freq), what it has
no class for (model type deepseek: LLaMA's attention with V2's mixture), FP8 weights, and the block of
multi-token prediction. Such a checkpoint is written by name, experts apart, as its makers ship it.
"""

import re

import numpy as np
import torch
from transformers import (
    DeepseekV2Config, DeepseekV2ForCausalLM, DeepseekV3Config, DeepseekV3ForCausalLM, LlamaConfig,
    LlamaForCausalLM, MixtralConfig, MixtralForCausalLM, Qwen2Config, Qwen2ForCausalLM,
)
from transformers.modeling_layers import MtpModel
from transformers.models.deepseek_v2 import modeling_deepseek_v2

# Classes of each model_type; deepseek is put together.
KINDS = {
    "deepseek_v2": (DeepseekV2Config, DeepseekV2ForCausalLM),
    "deepseek_v3": (DeepseekV3Config, DeepseekV3ForCausalLM),
    "deepseek": (LlamaConfig, LlamaForCausalLM),
    "llama": (LlamaConfig, LlamaForCausalLM),
    "mixtral": (MixtralConfig, MixtralForCausalLM),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
}
BLOCK = 128  # rows and columns of an FP8 weight under one scale
EXPERT = re.compile(r"(.*\.experts)\.(gate_up_proj|down_proj)$")


def allow_odd_widths():
    """transformers views the rope part of kv_a as complex numbers, which an odd stride forbids."""
    rotate = modeling_deepseek_v2.apply_rotary_emb
    modeling_deepseek_v2.apply_rotary_emb = lambda q, k, angles: rotate(
        q.contiguous(), k.contiguous(), angles
    )


class NormalizingRouter(modeling_deepseek_v2.DeepseekV2TopkRouter):
    """V2's gate with norm_topk_prob, which then does not scale."""

    def forward(self, hidden_states):
        logits, weights, experts = super().forward(hidden_states)
        weights = weights / self.routed_scaling_factor
        return logits, weights / (weights.sum(-1, keepdim=True) + 1e-20), experts


def is_assembled(spec):
    """Whether transformers alone does not express this golden's model."""
    fields, kind = spec["fields"], spec.get("kind", "deepseek_v2")
    if kind == "deepseek_v2":
        normalizes = fields["norm_topk_prob"] and fields["num_experts_per_tok"] > 1
        return normalizes or fields.get("moe_layer_freq", 1) != 1
    return kind == "deepseek" or bool(spec.get("fp8") or spec.get("mtp"))


def assemble(model, spec):
    """Gives layers the blocks that the config means."""
    fields, kind = spec["fields"], spec.get("kind", "deepseek_v2")
    if kind not in ("deepseek_v2", "deepseek"):
        return
    config = DeepseekV2Config(**fields)
    for index, layer in enumerate(model.model.layers):
        mixture = index >= config.first_k_dense_replace and index % fields.get("moe_layer_freq", 1) == 0
        if kind == "deepseek" and mixture:
            layer.mlp = modeling_deepseek_v2.DeepseekV2Moe(config)
        elif kind == "deepseek_v2" and not mixture:
            layer.mlp = modeling_deepseek_v2.DeepseekV2MLP(config)
        if mixture and config.norm_topk_prob:
            layer.mlp.gate.__class__ = NormalizingRouter


class Golden:
    """The torch model of a golden, and its draft block where it has one."""

    def __init__(self, spec):
        config_class, model_class = KINDS[spec.get("kind", "deepseek_v2")]
        self.config = config_class(**spec["fields"])
        self.config.architectures = [model_class.__name__]
        self.model = model_class(self.config)
        self.draft = MtpModel(self.model, 1) if spec.get("mtp") else None
        if is_assembled(spec):
            assemble(self.model, spec)
        self.model = self.model.float().eval()
        self.use_plain_code()

    def use_plain_code(self):
        """No fused attention, whose arithmetic differs, and no grouped experts, which refuse odd widths."""
        for model in filter(None, (self.model, self.draft)):
            model.eval()
            model.set_attn_implementation("eager")
            model.set_experts_implementation("eager")

    def draft_name(self, name):
        """The checkpoint's name of a parameter of the draft block."""
        layer = f"model.layers.{self.config.num_hidden_layers}."
        return layer + name.replace("mtp_block.", "").replace("post_norm.", "shared_head.norm.")

    def parts(self):
        """(checkpoint's name, tensor) of everything; experts still fused."""
        yield from self.model.state_dict().items()
        if self.draft is not None:
            layer = f"model.layers.{self.config.num_hidden_layers}."
            yield layer + "embed_tokens.weight", self.model.model.embed_tokens.weight
            yield layer + "shared_head.head.weight", self.model.lm_head.weight
            for name, value in self.draft.layers[0].state_dict().items():
                yield self.draft_name(name), value

    def tensors(self):
        """Name to float32 array, experts apart."""
        result = {}
        for name, value in self.parts():
            array, found = value.detach().float().numpy(), EXPERT.match(name)
            if not found:
                result[name] = array
                continue
            for index, expert in enumerate(array):
                prefix = f"{found[1]}.{index}"
                if found[2] == "down_proj":
                    result[f"{prefix}.down_proj.weight"] = expert
                else:
                    gate, up = np.split(expert, 2)
                    result[f"{prefix}.gate_proj.weight"], result[f"{prefix}.up_proj.weight"] = gate, up
        return result

    def load(self, tensors):
        """Takes over every tensor of a checkpoint with experts apart."""
        for name, value in self.parts():
            found = EXPERT.match(name)
            if found:
                parts = ("down",) if found[2] == "down_proj" else ("gate", "up")
                array = np.stack([
                    np.concatenate([tensors[f"{found[1]}.{index}.{part}_proj.weight"] for part in parts])
                    for index in range(len(value))
                ])
            else:
                array = tensors[name]
            with torch.no_grad():
                value.copy_(torch.from_numpy(np.ascontiguousarray(array, np.float32)))

    def logits(self, tokens, positions):
        """f32 logits [T, vocab]; the mask keeps jumps of the positions from starting a new sequence."""
        with torch.no_grad():
            return self.model(
                input_ids=torch.tensor(tokens)[None], position_ids=torch.tensor(positions)[None],
                attention_mask=torch.ones(1, len(tokens), dtype=torch.long), use_cache=False,
            ).logits[0]

    def draft_logits(self, tokens, positions):
        """f32 logits [T-1, vocab] of the draft block; the positions must be consecutive."""
        with torch.no_grad():
            hidden = self.model.model(
                input_ids=torch.tensor(tokens)[None], position_ids=torch.tensor(positions)[None],
                attention_mask=torch.ones(1, len(tokens), dtype=torch.long), use_cache=False,
            ).last_hidden_state
            hidden = self.draft.forward_layer(
                0, hidden[:, :-1], torch.tensor(positions[:-1])[None], None,
                input_ids=torch.tensor(tokens[1:])[None],
            )
            return self.model.lm_head(hidden)[0]


def random_weights(model, generator):
    """Weights that keep activations near 1 and make routing diverse."""
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        if "norm" in name:
            p.data = 1 + 0.2 * noise
        elif "embed" in name:
            p.data = noise
        elif name.endswith(".bias"):
            p.data = 0.3 * noise
        elif "mlp.gate.weight" in name:
            p.data = noise * 1.5 * p.shape[-1] ** -0.5
        else:
            p.data = noise * 1.2 * p.shape[-1] ** -0.5
    for name, b in model.named_buffers():
        if name.endswith("e_score_correction_bias"):
            # Around -0.8 most choices are negative: masked experts that got 0 would be chosen.
            b.copy_(0.15 * torch.randn(b.shape, generator=generator) - 0.8)


def is_fp8(name):
    """Whether an FP8 checkpoint holds this tensor as FP8: all projections of attention and MLPs."""
    return re.search(r"\.(self_attn|mlp)\..*_proj\w*\.weight$", name) is not None


def blocks(shape):
    return tuple(-(-extent // BLOCK) for extent in shape)


def spread(scales, shape):
    """A value for each block to one for each element; edge blocks are partial."""
    return scales.repeat(BLOCK, 0).repeat(BLOCK, 1)[: shape[0], : shape[1]]


def unequal_blocks(tensors, generator):
    """FP8 weights times a factor of each block, so that a wrong block's scale is far off."""
    for name in filter(is_fp8, tensors):
        shape = tensors[name].shape
        factors = np.exp2(torch.rand(blocks(shape), generator=generator).numpy() * 2 - 1)
        tensors[name] = tensors[name] * spread(factors, shape)


def to_fp8(tensors):
    """Entries for model_files.write_safetensors: ("F8_E4M3", values) and their F32 scales, the rest as it is."""
    result = {}
    for name, value in tensors.items():
        if not is_fp8(name):
            result[name] = value
            continue
        count = blocks(value.shape)
        padded = np.zeros((count[0] * BLOCK, count[1] * BLOCK), np.float32)
        padded[: value.shape[0], : value.shape[1]] = np.abs(value)
        largest = padded.reshape(count[0], BLOCK, count[1], BLOCK).max((1, 3))
        scales = (largest / 448).astype(np.float32)
        result[name] = "F8_E4M3", value.astype(np.float64) / spread(scales, value.shape)
        result[f"{name}_scale_inv"] = scales
    return result
