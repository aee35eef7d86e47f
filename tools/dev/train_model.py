#!/usr/bin/env python3
"""Trains models/kjv-v2: a small DeepSeek-V2 on the CPU, with its byte-level BPE tokenizer.

    python3 tools/dev/train_model.py models/kjv-v2

The directory is written as transformers writes it, in bf16. What the reference implementation
says about it (greedy ids, perplexity) is recorded apart, by record_trained.py. See README.md
here for the environment. Needs PyTorch, transformers and tokenizers; two threads are enough.
"""

import argparse
import json
import math
import os
import time

import torch
import torch.nn.functional as F
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import DeepseekV2Config, DeepseekV2ForCausalLM, GenerationConfig
from transformers import PreTrainedTokenizerFast
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

import kjv_corpus

BOS, EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
VOCAB = 1536
CONTEXT = 4096


def model_config():
    """Every mechanism of DeepSeek-V2 in small: its gate, both low-rank projections, YaRN."""
    return DeepseekV2Config(
        vocab_size=VOCAB, hidden_size=192, intermediate_size=384, moe_intermediate_size=64,
        num_hidden_layers=5, num_attention_heads=6, num_key_value_heads=6,
        q_lora_rank=96, kv_lora_rank=64, qk_nope_head_dim=32, qk_rope_head_dim=16, v_head_dim=32,
        n_routed_experts=12, n_shared_experts=2, num_experts_per_tok=3, n_group=4, topk_group=2,
        topk_method="group_limited_greedy", norm_topk_prob=False, routed_scaling_factor=2.0,
        first_k_dense_replace=1, max_position_embeddings=CONTEXT, rms_norm_eps=1e-6,
        rope_parameters={
            "rope_type": "yarn", "rope_theta": 10000.0, "factor": 16.0,
            "original_max_position_embeddings": 256, "beta_fast": 32.0, "beta_slow": 1.0,
            "mscale": 0.707, "mscale_all_dim": 0.707,
        },
        bos_token_id=0, eos_token_id=1, tie_word_embeddings=False, initializer_range=0.02,
    )


def train_tokenizer(texts):
    """Byte-level BPE with the pre-tokenizer of DeepSeek-V2's own tokenizer.json."""
    tokenizer = Tokenizer(models.BPE())
    patterns = [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+"]
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        splits + [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=[BOS, EOS], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, model_max_length=CONTEXT,
        add_bos_token=True, add_eos_token=False, clean_up_tokenization_spaces=False,
    )


def stream(tokenizer, texts):
    """All documents as one sequence of ids, each between BOS and EOS."""
    ids = []
    for text in texts:
        ids += tokenizer(text)["input_ids"] + [1]
    return torch.tensor(ids)


def padded_attention(module, query, key, value, attention_mask, scaling, dropout=0.0, **_):
    """Causal attention for training; torch's fast CPU kernel wants equal head widths."""
    width = value.shape[-1]
    value = F.pad(value, (0, query.shape[-1] - width))
    out = F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling)
    return out[..., :width].transpose(1, 2).contiguous(), None


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalized (Newton-Schulz); handles stacked matrices."""

    def __init__(self, params, lr, momentum=0.95, weight_decay=0.05):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                buffer = state.setdefault("momentum", torch.zeros_like(p))
                buffer.lerp_(p.grad, 1 - group["momentum"])
                x = p.grad.lerp(buffer, group["momentum"]).bfloat16()
                tall = x.shape[-2] > x.shape[-1]
                x = x.mT if tall else x
                x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
                for _ in range(5):
                    a = x @ x.mT
                    x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
                x = (x.mT if tall else x).float()
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(x, alpha=-group["lr"] * 0.2 * math.sqrt(max(p.shape[-2:])))


def batch_shape(progress):
    """(rows, length) of a batch at a point of the training: short first, whole context last."""
    if progress < 0.75:
        return 8, 256
    if progress < 0.94:
        return 2, 1024
    return 1, CONTEXT


def take_batch(ids, rows, length, generator):
    """Random windows and their positions.

    Short windows get a random start and a random jump inside, so that every distance up to the
    context's length is seen long before a window of that length is.
    """
    starts = torch.randint(0, len(ids) - length - 1, (rows,), generator=generator)
    windows = torch.stack([ids[s : s + length + 1] for s in starts])
    positions = torch.arange(length).repeat(rows, 1)
    room = CONTEXT - length
    for row in range(rows // 2 if room else 0):
        first, second = torch.randint(0, room + 1, (2,), generator=generator).sort().values.tolist()
        cut = int(torch.randint(1, length, (1,), generator=generator))
        positions[row] += first
        positions[row, cut:] += second - first
    return windows[:, :-1], windows[:, 1:], positions


def balance_loss(scores, experts, top_k):
    """Expert-level balance: experts * sum of (share of tokens) * (mean score)."""
    probabilities = scores.softmax(-1)
    chosen = F.one_hot(experts, probabilities.shape[-1]).sum(1).float()
    return probabilities.shape[-1] * (chosen.mean(0) / top_k * probabilities.mean(0)).sum()


@torch.no_grad()
def held_out_loss(model, ids):
    model.eval()
    logits = model(input_ids=ids[None, :CONTEXT], use_cache=False).logits[0, :-1].float()
    loss = F.cross_entropy(logits, ids[1:CONTEXT]).item()
    short = ids[: len(ids) // 256 * 256].view(-1, 256)
    logits = model(input_ids=short, use_cache=False).logits[:, :-1].float()
    model.train()
    return loss, F.cross_entropy(logits.reshape(-1, VOCAB), short[:, 1:].reshape(-1)).item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--steps", type=int, default=3200)
    parser.add_argument("--resume", metavar="DIR", help="begin with the weights of an earlier run")
    parser.add_argument("--minutes", type=float, default=38,
                        help="a slow machine trains for fewer steps, on the same schedule")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--lr", type=float, default=0.01, help="of the matrices (Muon)")
    parser.add_argument("--adam-lr", type=float, default=0.003, help="of everything else")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(20240507)
    generator = torch.Generator().manual_seed(2 if arguments.resume else 1)

    train_texts, held_texts = kjv_corpus.split()
    tokenizer = train_tokenizer(train_texts)
    train, held = stream(tokenizer, train_texts), stream(tokenizer, held_texts)
    print(f"{len(train)} training tokens, {len(held)} held out", flush=True)
    if len(held) < CONTEXT:
        raise ValueError(f"expected at least {CONTEXT} held-out tokens, got {len(held)}")

    ALL_ATTENTION_FUNCTIONS.register("padded", padded_attention)
    config = model_config()
    config._attn_implementation = "padded"
    config._experts_implementation = "eager"
    if arguments.resume:
        model = DeepseekV2ForCausalLM.from_pretrained(
            arguments.resume, config=config, dtype=torch.float32
        ).train()
    else:
        model = DeepseekV2ForCausalLM(config)
    gates, top_k = [], config.num_experts_per_tok
    for name, module in model.named_modules():
        if name.endswith("mlp.gate"):
            if not arguments.resume:
                torch.nn.init.normal_(module.weight, std=0.02)
            module.register_forward_hook(lambda _m, _i, out: gates.append((out[0], out[2])))
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)

    matrices, others = [], []
    for name, p in model.named_parameters():
        plain = p.ndim < 2 or "embed" in name or "lm_head" in name or "mlp.gate." in name
        (others if plain else matrices).append(p)
    optimizers = [
        Muon(matrices, arguments.lr),
        torch.optim.AdamW(others, arguments.adam_lr, betas=(0.9, 0.95), weight_decay=0.01),
    ]
    base = [o.param_groups[0]["lr"] for o in optimizers]

    started, mean = time.time(), None
    for step in range(arguments.steps):
        elapsed = (time.time() - started) / 60
        progress = max(step / arguments.steps, elapsed / arguments.minutes)
        if progress >= 1:
            break
        warm = min(1.0, (step + 1) / 50)
        rate = warm * min(1.0, 0.02 + 0.98 * (1 - progress) / 0.7)
        for optimizer, lr in zip(optimizers, base):
            optimizer.param_groups[0]["lr"] = lr * rate
        inputs, targets, positions = take_batch(train, *batch_shape(progress), generator)
        gates.clear()
        logits = model(input_ids=inputs, position_ids=positions, use_cache=False).logits
        loss = F.cross_entropy(logits.view(-1, VOCAB), targets.reshape(-1))
        balance = sum(balance_loss(s, e, top_k) for s, e in gates) / len(gates)
        (loss + 0.01 * balance).backward()
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        for optimizer in optimizers:
            optimizer.step()
        model.zero_grad(set_to_none=True)
        mean = loss.item() if mean is None else 0.97 * mean + 0.03 * loss.item()
        if step % 25 == 24:
            print(f"step {step + 1} loss {mean:.4f} balance {balance.item():.3f} "
                  f"{time.time() - started:.0f} s", flush=True)
        if step % 400 == 399:
            whole, short = held_out_loss(model, held)
            print(f"held out: {whole:.4f} at {CONTEXT}, {short:.4f} at 256", flush=True)

    model = model.to(torch.bfloat16)
    model.generation_config = GenerationConfig(bos_token_id=0, eos_token_id=1, do_sample=False)
    model.save_pretrained(arguments.out)
    tokenizer.save_pretrained(arguments.out)
    complete_config(arguments.out, config)
    with open(os.path.join(arguments.out, "heldout_tokens.txt"), "w") as file:
        file.write(" ".join(map(str, held[:CONTEXT].tolist())) + "\n")
    print(f"trained in {time.time() - started:.0f} s")


def complete_config(directory, config):
    """Adds what DeepSeek's own configs state and transformers leaves to its classes."""
    path = os.path.join(directory, "config.json")
    with open(path) as file:
        written = json.load(file)
    written.update(scoring_func="softmax", moe_layer_freq=1)
    for name in list(written):
        if name.startswith("_"):
            del written[name]
    with open(path, "w") as file:
        json.dump(written, file, indent=2, sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    main()
