#!/usr/bin/env python3
"""Writes a DeepSeek-V2 or V2-Lite model directory whose shards hold headers but no data.

    python3 tools/dev/make_headers.py v2 build/v2-headers

Import reads headers only, so this is all it needs of a model of 236 billion parameters. The
files have their real length as sparse files: 472 GB that take 6 MB on disk. Standard library
only.
"""

import argparse
import os

import checkpoint_layout

# name: (config, bytes of a shard, parameters)
MODELS = {
    "v2": (checkpoint_layout.V2, 8_600_000_000, 235_741_434_880),
    "v2-lite": (checkpoint_layout.V2_LITE, 8_600_000_000, 15_706_484_224),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("out")
    parser.add_argument("--no-length", action="store_true",
                        help="end each file after its header (a file system without sparse files)")
    arguments = parser.parse_args()
    config, limit, parameters = MODELS[arguments.model]
    files = checkpoint_layout.shards(config, limit)
    index = checkpoint_layout.index(files)
    if index["metadata"]["total_size"] != 2 * parameters:
        raise ValueError(f"expected {parameters} parameters, got {index['metadata']['total_size'] // 2}")
    os.makedirs(arguments.out, exist_ok=True)
    for file, group in files.items():
        entries = [(name, "BF16", shape) for name, shape in group]
        header, length = checkpoint_layout.header_bytes(entries, {"format": "pt"})
        with open(os.path.join(arguments.out, file), "wb") as out:
            out.write(header)
            if not arguments.no_length:
                out.truncate(len(header) + length)
    checkpoint_layout.write_json(os.path.join(arguments.out, "model.safetensors.index.json"), index)
    checkpoint_layout.write_json(os.path.join(arguments.out, "config.json"), config)
    print(f"{arguments.out}: {parameters} parameters, {len(index['weight_map'])} tensors, "
          f"{len(files)} shards")


if __name__ == "__main__":
    main()
