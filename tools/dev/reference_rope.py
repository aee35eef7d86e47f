"""Rotary positions of every model type in plain numpy: frequencies, YaRN, the two layouts of a head.

Angles are part of the meaning: they are float32, every operation rounded, because the models were
trained so. All else is float64.
"""

import numpy as np


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


def softmax_scale(config, width):
    """width ** -0.5, times the square of the temperature if mscale_all_dim is set."""
    _, scaling = rope_settings(config)
    if scaling is None or not scaling.get("mscale_all_dim", 0.0):
        return width**-0.5
    return width**-0.5 * mscale(scaling["factor"], scaling["mscale_all_dim"]) ** 2


def inverse_frequencies(config, dim):
    """float32 [dim/2]; every operation after the power is rounded to float32."""
    one = np.float32(1)
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


def angles(config, positions, dim):
    """float64 cos and sin [T, dim/2] of float32 angles, with YaRN's factor."""
    angle = positions.astype(np.float32)[:, None] * inverse_frequencies(config, dim)[None]
    assert angle.dtype == np.float32
    _, scaling = rope_settings(config)
    gain = 1.0
    if scaling is not None:
        gain = mscale(scaling["factor"], scaling.get("mscale", 1.0)) / mscale(
            scaling["factor"], scaling.get("mscale_all_dim", 0.0)
        )
    return np.cos(angle.astype(np.float64)) * gain, np.sin(angle.astype(np.float64)) * gain


def rotate(x, cos, sin, halves=False):
    """Rotates the last axis of x [T, heads, dim]: adjacent pairs, or element i with i + dim/2."""
    cos, sin = cos[:, None], sin[:, None]
    if halves:
        first, second = np.split(x, 2, -1)
        return np.concatenate([first * cos - second * sin, first * sin + second * cos], -1)
    even, odd = x[..., 0::2], x[..., 1::2]
    return np.stack([even * cos - odd * sin, even * sin + odd * cos], -1).reshape(x.shape)
