#!/usr/bin/env python3
"""Writes the directory of a shipped model whose shards hold headers but no data.

    python3 tools/dev/make_headers.py v3 build/v3-headers

Import reads headers only, so this is all it needs of a model of 671 billion parameters. The
files have their real length as sparse files: 689 GB that take some MB on disk. Configs are those
of test/Import/Shipped. Standard library only.
"""

import argparse
import os

import checkpoint_layout
import shipped_models

SHARD_BYTES = 8_600_000_000


def size_of(entry):
    return checkpoint_layout.WIDTHS[entry[1]] * checkpoint_layout.elements(entry[2])


def shards(entries):
    """File name to entries (name, dtype, shape), each file at most SHARD_BYTES (or one tensor)."""
    groups, size = [[]], 0
    for entry in entries:
        if groups[-1] and size + size_of(entry) > SHARD_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(entry)
        size += size_of(entry)
    return {f"model-{number:05d}-of-{len(groups):06d}.safetensors": group for number, group in enumerate(groups, 1)}


def write(directory, model, length=True):
    """The directory of a model with that config; the number of its shards."""
    os.makedirs(directory, exist_ok=True)
    files = shards(shipped_models.tensors(model))
    for file, group in files.items():
        header, data = checkpoint_layout.header_bytes(group, {"format": "pt"})
        with open(os.path.join(directory, file), "wb") as out:
            out.write(header)
            if length:
                out.truncate(len(header) + data)
    index = {
        "metadata": {"total_size": sum(size_of(entry) for group in files.values() for entry in group)},
        "weight_map": {entry[0]: file for file, group in files.items() for entry in group},
    }
    checkpoint_layout.write_json(os.path.join(directory, "model.safetensors.index.json"), index)
    checkpoint_layout.write_json(os.path.join(directory, "config.json"), model)
    return len(files)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=shipped_models.NAMES)
    parser.add_argument("out")
    parser.add_argument("--no-length", action="store_true",
                        help="end each file after its header (a file system without sparse files)")
    arguments = parser.parse_args()
    model = shipped_models.config(arguments.model)
    count = write(arguments.out, model, not arguments.no_length)
    print(f"{arguments.out}: {shipped_models.parameters(model)[0]} parameters, {count} shards")


if __name__ == "__main__":
    main()
