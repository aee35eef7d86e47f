#!/usr/bin/env python3
"""Writes a model directory of DeepSeek-V2-Lite's widths with two layers, for benchmarks.

    python3 tools/dev/make_lite2.py build/lite2

One dense layer and one with 64 experts, the whole vocabulary, random bf16 weights: 2.2 GB.
numpy only.
"""

import argparse
import os

import numpy as np

import checkpoint_layout
import shipped_models
import model_files

POOL = 1 << 22


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--layers", type=int, default=2, help="the first is dense")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    config = {**shipped_models.config("v2-lite"), "num_hidden_layers": arguments.layers}
    files = checkpoint_layout.shards(config, 1 << 30)
    os.makedirs(arguments.out, exist_ok=True)

    # Values come from a window of a pool of normal numbers, one pool for each standard deviation:
    # drawing two billion of them would take minutes and measure nothing more.
    random, pools = np.random.default_rng(arguments.seed), {}

    def values(name, shape):
        count = checkpoint_layout.elements(shape)
        if "norm" in name:
            return model_files.to_bf16(np.ones(count, np.float32))
        scale = 1.0 if "embed" in name else shape[-1] ** -0.5
        if scale not in pools:
            normal = random.standard_normal(POOL, np.float32) * np.float32(scale)
            pools[scale] = model_files.to_bf16(normal)
        start = int(random.integers(POOL))
        return np.resize(np.roll(pools[scale], -start), count)

    for file, group in files.items():
        entries = [(name, "BF16", shape) for name, shape in group]
        with open(os.path.join(arguments.out, file), "wb") as out:
            out.write(checkpoint_layout.header_bytes(entries, {"format": "pt"})[0])
            for name, shape in group:
                out.write(values(name, shape).tobytes())
    index = checkpoint_layout.index(files)
    checkpoint_layout.write_json(os.path.join(arguments.out, "model.safetensors.index.json"), index)
    checkpoint_layout.write_json(os.path.join(arguments.out, "config.json"), config)
    print(f"{arguments.out}: {index['metadata']['total_size'] / 1e9:.2f} GB in {len(files)} shards")


if __name__ == "__main__":
    main()
