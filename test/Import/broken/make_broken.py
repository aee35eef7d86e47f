#!/usr/bin/env python3
"""Writes broken model directories, each with what its error must name. Standard library only.

    python3 test/Import/broken/make_broken.py OUT

Every directory is a good one with a single thing broken: a golden one, or one of tiny_models.py.
OUT/expected.json maps each directory to strings that the one error line must contain: the file, the
field, the value.
"""

import json
import os
import shutil
import struct
import sys

import tiny_models

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "Golden")
CASES = {}


def case(expected, base="v2-groups"):
    """Registers a function that breaks a copy of a golden directory, under the function's name."""

    def register(function):
        CASES[function.__name__.replace("_", "-")] = (base, expected, function)
        return function

    return register


# What a case does to its directory.


def path(directory, file):
    return os.path.join(directory, file)


def read_json(directory, file="config.json"):
    with open(path(directory, file)) as stream:
        return json.load(stream)


def write_json(directory, value, file="config.json"):
    with open(path(directory, file), "w") as stream:
        json.dump(value, stream, indent=2)


def write_bytes(directory, file, content):
    with open(path(directory, file), "wb") as stream:
        stream.write(content)


def config_text(directory):
    with open(path(directory, "config.json")) as stream:
        return stream.read()


def set_config(directory, **fields):
    write_json(directory, {**read_json(directory), **fields})


def read_shard(directory, file="model.safetensors"):
    """(header, data) of a safetensors file."""
    with open(path(directory, file), "rb") as stream:
        content = stream.read()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def write_shard(directory, header, data, file="model.safetensors"):
    """header: a dictionary, or the bytes to stand where the header belongs."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    write_bytes(directory, file, struct.pack("<Q", len(text)) + text + data)


def edit_entry(directory, name, **fields):
    header, data = read_shard(directory)
    header[name].update(fields)
    write_shard(directory, header, data)


def remove_tensor(directory, name):
    """Removes a tensor and its data, so that only its absence is wrong."""
    header, data = read_shard(directory)
    begin, end = header.pop(name)["data_offsets"]
    for key, entry in header.items():
        if key != "__metadata__" and entry["data_offsets"][0] >= end:
            entry["data_offsets"] = [at - (end - begin) for at in entry["data_offsets"]]
    write_shard(directory, header, data[:begin] + data[end:])


def shards_of(directory):
    return read_json(directory, "model.safetensors.index.json")


KV_B = "model.layers.1.self_attn.kv_b_proj.weight"
HEAD = "lm_head.weight"

# config.json as a file.


@case(["config.json"])
def config_absent(d):
    os.remove(path(d, "config.json"))


@case(["config.json"])
def config_empty(d):
    write_bytes(d, "config.json", b"")


@case(["config.json"])
def config_cut(d):
    write_bytes(d, "config.json", config_text(d)[:200].encode())


@case(["config.json"])
def config_not_an_object(d):
    write_bytes(d, "config.json", b"[1, 2, 3]\n")


@case(["config.json", "hidden_size"])
def config_duplicate_key(d):
    write_bytes(d, "config.json", config_text(d).replace("{", '{"hidden_size": 64,', 1).encode())


@case(["config.json"])
def config_invalid_utf8(d):
    text = config_text(d).encode().replace(b'"silu"', b'"sil\xff\xfe"')
    write_bytes(d, "config.json", text)


@case(["config.json"])
def config_deep_nesting(d):
    write_bytes(d, "config.json", b'{"a":' + b"[" * 200000 + b"]" * 200000 + b"}")


@case(["config.json"])
def config_nan(d):
    write_bytes(d, "config.json", config_text(d).replace("1e-06", "NaN").encode())


# Fields of config.json.


@case(["config.json", "kv_lora_rank"])
def missing_key(d):
    config = read_json(d)
    del config["kv_lora_rank"]
    write_json(d, config)


@case(["config.json", "moe_intermediate_size"])
def missing_expert_width(d):
    config = read_json(d)
    del config["moe_intermediate_size"]
    write_json(d, config)


@case(["config.json", "mscale_all_dim"])
def missing_mscale_all_dim(d):
    config = read_json(d)
    del config["rope_parameters"]["mscale_all_dim"]
    write_json(d, config)


@case(["config.json", "rope_theta"], base="lite")
def missing_rope_theta(d):
    config = read_json(d)
    del config["rope_theta"]
    write_json(d, config)


@case(["config.json", "hidden_size", "64"])
def string_for_number(d):
    set_config(d, hidden_size="64")


@case(["config.json", "num_hidden_layers", "2.5"])
def fraction_of_a_layer(d):
    set_config(d, num_hidden_layers=2.5)


@case(["config.json", "vocab_size", "-256"])
def negative_size(d):
    set_config(d, vocab_size=-256)


@case(["config.json", "intermediate_size"])
def huge_size(d):
    set_config(d, intermediate_size=10**30)


@case(["config.json", "num_attention_heads"])
def huge_heads(d):
    set_config(d, num_attention_heads=2**62)


@case(["config.json", "rms_norm_eps"])
def negative_eps(d):
    set_config(d, rms_norm_eps=-1e-6)


@case(["config.json", "topk_group", "5"])
def topk_group_above_n_group(d):
    set_config(d, topk_group=5)


@case(["config.json", "n_group", "3"])
def groups_do_not_divide(d):
    set_config(d, n_group=3)


@case(["config.json", "num_experts_per_tok", "5"])
def top_k_above_kept_groups(d):
    set_config(d, num_experts_per_tok=5)


@case(["config.json", "topk_method", "best"])
def unknown_topk_method(d):
    set_config(d, topk_method="best")


@case(["config.json", "scoring_func", "sigmoid"])
def foreign_scoring(d):
    set_config(d, scoring_func="sigmoid")


@case(["config.json", "model_type", "deepseek_v32"])
def sparse_attention_model(d):
    set_config(d, model_type="deepseek_v32")


@case(["config.json", "model_type", "gpt2"])
def foreign_model(d):
    set_config(d, model_type="gpt2")


@case(["config.json", "model_type"])
def missing_model_type(d):
    config = read_json(d)
    del config["model_type"]
    write_json(d, config)


@case(["config.json", "longrope"])
def unknown_rope_type(d):
    config = read_json(d)
    config["rope_parameters"]["rope_type"] = "longrope"
    write_json(d, config)


@case(["config.json", "factor"])
def zero_rope_factor(d):
    config = read_json(d)
    config["rope_parameters"]["factor"] = 0
    write_json(d, config)


@case(["config.json", "rope"])
def contradicting_rope(d):
    config = read_json(d)
    config["rope_scaling"] = {**config["rope_parameters"], "factor": 20.0}
    write_json(d, config)


@case(["config.json", "hidden_act", "gelu"])
def foreign_activation(d):
    set_config(d, hidden_act="gelu")


@case(["config.json", "qk_rope_head_dim", "7"])
def odd_rope_width(d):
    set_config(d, qk_rope_head_dim=7, head_dim=7, qk_head_dim=23)


@case(["config.json", "num_key_value_heads", "2"])
def grouped_query_heads(d):
    set_config(d, num_key_value_heads=2)


@case(["config.json", "quantization_config"])
def unknown_quantization(d):
    set_config(d, quantization_config={"quant_method": "nonesuch"})


@case(["config.json", "float32", "bfloat16"])
def contradicting_dtypes(d):
    set_config(d, torch_dtype="bfloat16")


# Config against tensors.


@case(["model.embed_tokens.weight", "257", "256"])
def vocabulary_of_another_size(d):
    set_config(d, vocab_size=257)


@case(["model.layers.3."])
def more_layers_than_tensors(d):
    set_config(d, num_hidden_layers=4)


@case(["model.layers.2.", "config.json"])
def fewer_layers_than_tensors(d):
    set_config(d, num_hidden_layers=2)


@case(["model.layers.0.self_attn.q_a_proj.bias", "missing", "attention_bias"])
def bias_without_tensors(d):
    set_config(d, attention_bias=True)


@case([HEAD])
def missing_head(d):
    remove_tensor(d, HEAD)


@case(["model.layers.2.mlp.experts.5.up_proj.weight"])
def missing_expert(d):
    remove_tensor(d, "model.layers.2.mlp.experts.5.up_proj.weight")


@case([KV_B])
def transposed_tensor(d):
    header, _ = read_shard(d)
    edit_entry(d, KV_B, shape=header[KV_B]["shape"][::-1])


@case([KV_B, "I32"])
def integer_weight(d):
    edit_entry(d, KV_B, dtype="I32")


BIAS = "model.layers.1.mlp.gate.e_score_correction_bias"


def rename_entry(directory, old, new):
    header, data = read_shard(directory)
    header[new] = header.pop(old)
    write_shard(directory, header, data)


@case([BIAS, "missing"], base="v3")
def v3_without_a_bias(d):
    # What was the bias is a tensor of the layer that is left out.
    rename_entry(d, BIAS, "model.layers.3.enorm.weight")


@case(["model.layers.4.enorm.weight", "no part of the model"], base="v3")
def v3_layer_behind_the_draft_layer(d):
    header, data = read_shard(d)
    header["model.layers.4.enorm.weight"] = {
        "dtype": "F32", "shape": [1], "data_offsets": [len(data), len(data) + 4],
    }
    write_shard(d, header, data + bytes(4))


@case([BIAS, "I32"], base="v3")
def v3_integer_bias(d):
    edit_entry(d, BIAS, dtype="I32")


@case(["config.json", "topk_method", "group_limited_greedy"], base="v3")
def v3_with_the_gate_of_v2(d):
    set_config(d, topk_method="group_limited_greedy")


@case(["config.json", "quantization_config"], base="v3")
def v3_fp8(d):
    set_config(d, quantization_config={"quant_method": "fp8", "weight_block_size": [128, 128]})


@case(["config.json", "n_group", "12"], base="v3")
def v3_groups_of_one(d):
    set_config(d, n_group=12, topk_group=4)


# Safetensors files.


@case(["model.safetensors"])
def no_weights(d):
    os.remove(path(d, "model.safetensors"))


@case(["model.safetensors"])
def empty_shard(d):
    write_bytes(d, "model.safetensors", b"")


@case(["model.safetensors", "truncated"])
def truncated_shard(d):
    header, data = read_shard(d)
    write_shard(d, header, data[:-100])


@case(["model.safetensors"])
def header_past_the_file(d):
    _, data = read_shard(d)
    write_bytes(d, "model.safetensors", struct.pack("<Q", len(data) + 1) + data)


@case(["model.safetensors"])
def header_of_half_the_address_space(d):
    write_bytes(d, "model.safetensors", struct.pack("<Q", 1 << 63) + b"{}")


@case(["model.safetensors"])
def header_not_json(d):
    write_shard(d, b"\x80\x04pickle" * 4, read_shard(d)[1])


@case(["model.safetensors", HEAD])
def tensor_named_twice(d):
    header, data = read_shard(d)
    entry = json.dumps({HEAD: header[HEAD]})[1:-1]
    text = json.dumps(header)
    write_shard(d, (text[:-1] + ", " + entry + "}").encode(), data)


@case(["model.safetensors", "overlap"])
def overlapping_tensors(d):
    header, _ = read_shard(d)
    begin, end = header[KV_B]["data_offsets"]
    edit_entry(d, KV_B, data_offsets=[begin - 64, end - 64])


@case(["model.safetensors", KV_B])
def end_before_begin(d):
    header, _ = read_shard(d)
    edit_entry(d, KV_B, data_offsets=header[KV_B]["data_offsets"][::-1])


@case(["model.safetensors", KV_B])
def shape_against_bytes(d):
    edit_entry(d, KV_B, shape=[1, 2])


@case(["model.safetensors", KV_B])
def shape_product_overflows(d):
    edit_entry(d, KV_B, shape=[1 << 32, 1 << 32, 1 << 32])


@case(["model.safetensors", KV_B])
def negative_shape(d):
    edit_entry(d, KV_B, shape=[-64, -32])


@case(["model.safetensors", KV_B, "Q7"])
def unknown_dtype(d):
    edit_entry(d, KV_B, dtype="Q7")


# Shards and their index.


@case(["model.safetensors.index.json", "model-00002-of-"], base="lite")
def absent_shard(d):
    os.remove(path(d, sorted(set(shards_of(d)["weight_map"].values()))[1]))


@case(["model.norm.weight"], base="lite")
def tensor_in_two_shards(d):
    norm = shards_of(d)["weight_map"]["model.norm.weight"]
    first = sorted(set(shards_of(d)["weight_map"].values()) - {norm})[0]
    source, data = read_shard(d, norm)
    begin, end = source["model.norm.weight"]["data_offsets"]
    header, rest = read_shard(d, first)
    header["model.norm.weight"] = {
        **source["model.norm.weight"], "data_offsets": [len(rest), len(rest) + end - begin],
    }
    write_shard(d, header, rest + data[begin:end], first)


@case(["model.safetensors.index.json", "model.norm.weight"], base="lite")
def index_points_to_another_shard(d):
    index = shards_of(d)
    others = sorted(set(index["weight_map"].values()) - {index["weight_map"]["model.norm.weight"]})
    index["weight_map"]["model.norm.weight"] = others[0]
    write_json(d, index, "model.safetensors.index.json")


@case(["model.safetensors.index.json", "../outside.safetensors"], base="lite")
def index_leaves_the_directory(d):
    index = shards_of(d)
    index["weight_map"]["model.norm.weight"] = "../outside.safetensors"
    write_json(d, index, "model.safetensors.index.json")


@case(["model.safetensors.index.json", "weight_map"], base="lite")
def index_without_a_map(d):
    write_json(d, {"metadata": {}}, "model.safetensors.index.json")


def copy_golden(base, directory):
    shutil.copytree(os.path.join(GOLDEN, base), directory, ignore=shutil.ignore_patterns("golden.*"))


def make_bases(out):
    """Writes every directory of which a copy is broken, whole; their names."""
    bases = sorted({base for base, _, _ in CASES.values()})
    for base in bases:
        copy_golden(base, os.path.join(out, base))
    for base in tiny_models.BASES:
        tiny_models.TinyModel(base).write(os.path.join(out, base))
    return bases + list(tiny_models.BASES)


def make_all(out):
    """Writes every directory, and returns name to expected strings."""
    for name, (base, _, break_it) in CASES.items():
        directory = os.path.join(out, name)
        copy_golden(base, directory)
        break_it(directory)
    for name, (base, _, break_it) in tiny_models.CASES.items():
        model = tiny_models.TinyModel(base)
        break_it(model)
        model.write(os.path.join(out, name))
    cases = {**CASES, **tiny_models.CASES}
    if len(cases) != len(CASES) + len(tiny_models.CASES):
        raise ValueError("two cases of one name")
    expected = {name: strings for name, (_, strings, _) in cases.items()}
    write_json(out, expected, "expected.json")
    return expected


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    os.makedirs(sys.argv[1], exist_ok=True)
    print(f"{len(make_all(sys.argv[1]))} directories")
