"""Model directories read and written with numpy alone: safetensors, index, config.

bfloat16 and F8_E4M3 have no numpy type here: they are read as float32 (exact) and written by
rounding to nearest even.
"""

import json
import os
import struct

import numpy as np

from checkpoint_layout import header_bytes

NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4"}


def to_bf16(values):
    """float32 array to uint16 bits, rounded to nearest even (finite values only)."""
    bits = np.ascontiguousarray(values, "<f4").view("<u4")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def from_bf16(bits):
    """uint16 bits to the float32 array of the same values."""
    return (bits.astype("<u4") << 16).view("<f4")


def e4m3_values():
    """float32 [256]: the value of each byte of F8_E4M3 (no infinities; 0x7f and 0xff are NaN)."""
    bits = np.arange(256)
    sign, exponent, mantissa = 1.0 - 2.0 * (bits >> 7), (bits >> 3) & 15, bits & 7
    normal = np.ldexp(1 + mantissa / 8, exponent - 7)
    values = sign * np.where(exponent == 0, np.ldexp(mantissa / 8, -6), normal)
    values[(bits & 0x7F) == 0x7F] = np.nan
    return values.astype(np.float32)


def to_e4m3(values):
    """Float array to F8_E4M3 bytes, rounded to nearest even; at most 448 in size."""
    largest = 0x7E  # 448
    table = e4m3_values()[: largest + 1].astype(np.float64)
    size = np.abs(np.asarray(values, np.float64))
    above = np.searchsorted(table, size).clip(1, largest)
    middle = (table[above - 1] + table[above]) / 2
    even = np.where(above % 2 == 0, above, above - 1)
    code = np.where(size == middle, even, np.where(size < middle, above - 1, above))
    return (code + 128 * np.signbit(values)).astype("u1")


def write_safetensors(path, tensors):
    """tensors: name to array, or name to (dtype, float array) with dtype "BF16" or "F8_E4M3"."""
    entries, data = [], []
    for name, value in tensors.items():
        if isinstance(value, tuple):
            dtype, array = value[0], {"BF16": to_bf16, "F8_E4M3": to_e4m3}[value[0]](value[1])
        else:
            array = np.asarray(value)
            dtype = {"float32": "F32", "float64": "F64", "int64": "I64", "int32": "I32"}[str(array.dtype)]
        entries.append((name, dtype, np.shape(value[1] if isinstance(value, tuple) else value)))
        data.append(np.ascontiguousarray(array).tobytes())
    with open(path, "wb") as file:
        file.write(header_bytes(entries, {"format": "pt"})[0])
        for piece in data:
            file.write(piece)


def read_safetensors(path):
    """Name to array; BF16 and F8_E4M3 as float32."""
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack("<Q", content[:8])
    header, base, result = json.loads(content[8 : 8 + length]), 8 + length, {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        raw = content[base + begin : base + end]
        if entry["dtype"] == "BF16":
            array = from_bf16(np.frombuffer(raw, "<u2"))
        elif entry["dtype"] == "F8_E4M3":
            array = e4m3_values()[np.frombuffer(raw, "u1")]
        else:
            array = np.frombuffer(raw, NUMPY[entry["dtype"]])
        result[name] = array.reshape(entry["shape"])
    return result


def read_model(directory):
    """(config, name to float array) of a model directory, sharded or not."""
    with open(os.path.join(directory, "config.json")) as file:
        config = json.load(file)
    index = os.path.join(directory, "model.safetensors.index.json")
    if os.path.exists(index):
        with open(index) as file:
            shards = sorted(set(json.load(file)["weight_map"].values()))
    else:
        shards = ["model.safetensors"]
    tensors = {}
    for shard in shards:
        tensors.update(read_safetensors(os.path.join(directory, shard)))
    return config, tensors
