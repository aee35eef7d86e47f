#!/usr/bin/env python3
"""Records what transformers in float32 says about the trained model.

    python3 tools/dev/record_trained.py models/kjv-v2 test/Golden/trained

greedy.json holds the greedy ids after a few prompts, heldout.json the loss on the held-out
tokens fed as one sequence. From a list of prompts those are taken whose every decision, between
two tokens and between a chosen and a refused expert, is far from a tie, so that each right
float32 implementation gives the same ids; among these, those with the most varied text.
"""

import argparse
import math
import os

import numpy as np
import torch
import torch.nn.functional as F
from transformers import AutoTokenizer, DeepseekV2ForCausalLM

import checkpoint_layout
import reference_numpy

PROMPTS = [
    "In the beginning",
    "And it came to pass",
    "The LORD is my shepherd",
    "And the king said unto him",
    "Then Jesus answered and said",
    "Blessed is the man that",
    "And Moses spake unto the children of Israel, saying,",
    "Now these are the names of",
    "Thus saith the LORD of hosts",
    "A wise man",
    "And David went",
    "For God so loved the world",
    "Hear, O Israel",
    "And there was a great",
    "The words of the prophet",
    "Woe unto them that",
    "And I saw a new heaven",
    "My son, hear",
    "Paul, an apostle of",
    "Praise ye the LORD",
]


EOS = 1
SMALLEST_MARGIN = 2e-3  # of logits, between the best two tokens
SMALLEST_GAP = 1e-5  # of softmax scores, between a chosen and a refused expert or group


def greedy(model, ids, count):
    """Greedy ids after a prompt, the whole sequence computed anew at each step, and margins."""
    new, margins = [], []
    for _ in range(count):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids + new]), use_cache=False).logits[0, -1]
        best = logits.topk(2)
        margins.append((best.values[0] - best.values[1]).item())
        new.append(best.indices[0].item())
    return new, min(margins)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--count", type=int, default=64, help="ids after each prompt")
    parser.add_argument("--prompts", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.makedirs(arguments.out, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = DeepseekV2ForCausalLM.from_pretrained(
        arguments.model, dtype=torch.float32, attn_implementation="eager",
        experts_implementation="eager",
    ).eval()
    reference = reference_numpy.Model.load(arguments.model)

    candidates = []
    for prompt in PROMPTS:
        ids = tokenizer(prompt)["input_ids"]
        new, margin = greedy(model, ids, arguments.count)
        logits, _, gap = reference.forward(ids + new)
        again = logits[len(ids) - 1 : -1].argmax(-1).tolist()
        if again != new:
            raise ValueError(f"{prompt!r}: numpy's greedy ids differ from transformers'")
        text = tokenizer.decode(new)
        print(f"margin {margin:.1e} gap {gap.min():.1e} {prompt!r}{text!r}", flush=True)
        if EOS not in new and margin >= SMALLEST_MARGIN and gap.min() >= SMALLEST_GAP:
            candidates.append({
                "prompt": prompt, "prompt_ids": ids, "greedy_ids": new, "text": text,
                "min_margin": margin, "min_gap": float(gap.min()),
            })
    candidates.sort(key=lambda c: -len(set(c["greedy_ids"])))
    chosen = candidates[: arguments.prompts]
    if len(chosen) < arguments.prompts:
        raise ValueError(f"only {len(chosen)} prompts of {len(PROMPTS)} are far from ties")
    checkpoint_layout.write_json(os.path.join(arguments.out, "greedy.json"), chosen)

    with open(os.path.join(arguments.model, "heldout_tokens.txt")) as file:
        tokens = [int(word) for word in file.read().split()]
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0, :-1].double()
    losses = F.cross_entropy(logits, torch.tensor(tokens[1:]), reduction="none")
    logits, routing, gap = reference.forward(tokens)
    shifted = logits - logits.max(-1, keepdims=True)
    scores = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    other = -scores[np.arange(len(tokens) - 1), tokens[1:]].mean()
    record = {
        "tokens_file": "heldout_tokens.txt in the model directory, fed as one sequence",
        "tokens": len(tokens), "predicted": len(losses),
        "nll_mean": losses.mean().item(), "nll_sum": losses.sum().item(),
        "perplexity": math.exp(losses.mean().item()),
        "nll_mean_numpy_f64": float(other), "perplexity_numpy_f64": math.exp(other),
        "min_gap": float(gap.min()),
    }
    checkpoint_layout.write_json(os.path.join(arguments.out, "heldout.json"), record)
    print(record)
    for layer, experts in routing.items():
        print(f"layer {layer} load {np.bincount(experts.ravel()).tolist()}")


if __name__ == "__main__":
    main()
