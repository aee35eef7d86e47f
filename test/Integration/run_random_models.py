#!/usr/bin/env python3
"""Models of random widths with random weights: compiled code against the oracle, in f32 and bf16.

Goldens are few and tidy; here one head meets 40 experts, widths are odd, ranks are small, and biases, a period of MoE
layers, tied embeddings and FP8 weights in odd blocks meet in any combination. Each seed is one model, the same on every
machine; `--seeds 100-200` looks further than a check has time for.
"""
import bisect
import math
import random
import struct
import sys

from suite import ROOT, Suite, check_golden, ids, missing_flags

sys.path.insert(0, str(ROOT / "tools/dev"))
import checkpoint_layout  # noqa: E402

TIERS = [tier for tier in ("x86-64-v3", "x86-64-v4-bf16") if not missing_flags(tier)]
SEEDS = range(1, 9)


def random_config(rng):
    heads, layers = rng.choice([1, 2, 3, 5, 8, 9]), rng.randint(1, 3)
    groups = rng.choice([1, 1, 2, 3, 4])
    experts = groups * rng.randint(1, 10 if groups < 3 else 4)
    kept = rng.randint(1, groups)
    config = checkpoint_layout.shipped_config(
        hidden_size=rng.randint(2, 90), intermediate_size=rng.randint(1, 120), moe_intermediate_size=rng.randint(1, 70),
        n_group=groups, topk_group=kept, n_routed_experts=experts, n_shared_experts=rng.randint(1, 3),
        num_experts_per_tok=rng.randint(1, min(7, kept * (experts // groups))),
        topk_method="greedy" if groups == 1 else "group_limited_greedy",
        routed_scaling_factor=rng.choice([1.0, 0.5, 2.5]), num_attention_heads=heads, num_key_value_heads=heads,
        num_hidden_layers=layers, first_k_dense_replace=rng.randint(0, layers),
        q_lora_rank=rng.choice([None, rng.randint(1, 60)]), kv_lora_rank=rng.randint(1, 80),
        qk_nope_head_dim=rng.randint(1, 40), qk_rope_head_dim=2 * rng.randint(2, 16), v_head_dim=rng.randint(1, 50),
        vocab_size=rng.randint(2, 300), rms_norm_eps=rng.choice([1e-6, 1e-5]), bos_token_id=0, eos_token_id=1,
        max_position_embeddings=4096)
    if rng.random() < 0.3:
        config["rope_scaling"] = None
    else:
        config["rope_scaling"] = dict(config["rope_scaling"], factor=rng.choice([2, 8, 40]),
                                      original_max_position_embeddings=rng.choice([64, 512, 4096]),
                                      mscale=rng.choice([0.707, 1.0]), mscale_all_dim=rng.choice([0, 0.707, 1.0]))
    if rng.random() < 0.5:
        config.update(attention_bias=rng.random() < 0.5, mlp_bias=rng.random() < 0.5,
                      tie_word_embeddings=rng.random() < 0.3, norm_topk_prob=rng.random() < 0.5)
    if rng.random() < 0.4:
        config.update(moe_layer_freq=rng.randint(2, 3), num_hidden_layers=rng.randint(3, 7))
        config["first_k_dense_replace"] = rng.randint(0, config["num_hidden_layers"])
    if rng.random() < 0.4:
        block = [rng.choice([1, 8, 16, 128]), rng.choice([1, 8, 24, 128])]
        config["quantization_config"] = {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
                                         "weight_block_size": block}
    return config


# The positive values of F8_E4M3 by their byte.
E4M3 = [math.ldexp(byte & 7, -9) if byte < 8 else math.ldexp(8 + (byte & 7), (byte >> 3) - 10) for byte in range(127)]


def to_e4m3(value):
    """The byte of a value near `value`; which of two neighbours does not matter here."""
    return min(bisect.bisect_left(E4M3, abs(value)), len(E4M3) - 1) | (128 if value < 0 else 0)


def is_quantized(name, config):
    """Whether a tensor is stored in FP8: projections, and neither gates, norms, biases nor what touches tokens."""
    plain = ("embed_tokens", "lm_head", "norm", "mlp.gate.", ".bias")
    return "quantization_config" in config and not any(part in name for part in plain)


def fp8_tensors(name, shape, config, rng):
    """(name, dtype, shape, bytes) of a matrix and of its scales, values near those of write_model."""
    blocks = [-(-extent // block) for extent, block in zip(shape, config["quantization_config"]["weight_block_size"])]
    yield name, "F8_E4M3", shape, bytes(to_e4m3(rng.gauss(0, 20)) for _ in range(checkpoint_layout.elements(shape)))
    size = 1.4 / shape[1]**0.5 / 20
    scales = [size * rng.uniform(0.7, 1.3) for _ in range(checkpoint_layout.elements(blocks))]
    yield f"{name}_scale_inv", "F32", blocks, struct.pack(f"<{len(scales)}f", *scales)


def bf16_tensor(name, shape, rng):
    data = bytearray()
    for _ in range(checkpoint_layout.elements(shape)):
        value = rng.gauss(0, 1.4 / shape[1]**0.5) if len(shape) == 2 else rng.gauss(0, 0.3)
        if "norm" in name:
            value = rng.gauss(1, 0.2)
        data += struct.pack("<f", 1.5 * value if "embed" in name else value)[2:]
    yield name, "BF16", shape, bytes(data)


def write_model(directory, config, rng):
    """The model in bf16 or FP8: activations stay near 1, whatever the widths."""
    entries, data = [], []
    for name, shape in checkpoint_layout.tensors(config):
        made = fp8_tensors(name, shape, config, rng) if is_quantized(name, config) else bf16_tensor(name, shape, rng)
        for name, dtype, shape, values in made:
            entries.append((name, dtype, shape))
            data.append(values)
    directory.mkdir()
    header, length = checkpoint_layout.header_bytes(entries)
    assert length == sum(map(len, data))
    (directory / "model.safetensors").write_bytes(header + b"".join(data))
    checkpoint_layout.write_json(directory / "config.json", config)


class Expected:
    """The oracle's logits, in the form that check_golden compares with."""

    first = 0

    def __init__(self, path, positions):
        (count, self.vocab), values = check_golden.read_safetensors(path)["logits"]
        self.rows = [values[i * self.vocab:(i + 1) * self.vocab] for i in range(count)]
        self.longest = max(positions)

    def bound(self):
        return 1e-4 * max(1.0, self.longest / 2048)


class RandomModel:
    def __init__(self, suite, seed):
        rng = random.Random(seed)
        self.suite, self.directory = suite, suite.work / f"random-{seed}"
        self.config = random_config(rng)
        write_model(self.directory, self.config, rng)
        count = rng.randint(1, 40)
        start = rng.choice([0, 0, 1000])
        tokens = [rng.randrange(self.config["vocab_size"]) for _ in range(count)]
        positions = list(range(start, start + count))
        self.chunk = rng.randint(1, count)
        self.options = rng.choice(["", "", "fuse-experts=off"])
        self.routing, self.logits = suite.work / "routing.safetensors", suite.work / "logits.safetensors"
        self.fed = ["--weights", self.directory, "--tokens", ids(tokens), "--positions",
                    suite.file("positions", positions)]
        self.exact = self.oracle(self.suite.module(self.directory), positions, "--record-routing", self.routing)

    def oracle(self, module, positions, *flags):
        path = self.suite.work / "oracle.safetensors"
        self.suite.tool("dsv2-interpret", module, *self.fed, "--logits", path, *flags)
        return Expected(path, positions)

    def runs(self, compute):
        """On every tier, whole and in chunks; bf16 with the oracle's routing."""
        options = f"targets={','.join(TIERS)} compute={compute} max-context=64 {self.options}"
        artifact = self.suite.artifact(self.directory, options)
        replay = ["--replay-routing", self.routing] if compute == "bf16" else []
        for tier in TIERS:
            for chunk in (0, self.chunk):
                self.suite.tool("dsv2-run", artifact, *self.fed, "--tier", tier, "--logits", self.logits, *replay,
                                *(["--chunk", chunk] if chunk else []))
                good, text = check_golden.check(self.exact, self.logits, compute)
                if not good:
                    return False, f"{tier}, chunk {chunk}, {self.options}: {text}; {self.config}"
                if self.suite.options.verbose:
                    print(f"{self.directory.name}: {tier}, chunk {chunk}: {text}")
        return True, ""


def main():
    suite = Suite(__doc__, lambda parser: parser.add_argument("--seeds", default="", help="FIRST-LAST"))
    seeds = SEEDS
    if suite.options.seeds:
        first, last = map(int, suite.options.seeds.split("-"))
        seeds = range(first, last + 1)
    for seed in seeds:
        made = []
        suite.test(f"seed {seed}: the oracle runs it", lambda s=seed: (made.append(RandomModel(suite, s)) or True, ""))
        for compute in ("f32", "bf16"):
            suite.test(f"seed {seed}: {compute}", lambda m=made, c=compute: m[0].runs(c) if m else (False, "no model"))
    print(f"seeds {seeds.start} to {seeds.stop - 1}")
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
