#!/usr/bin/env python3
"""The trained model, compiled: greedy ids that transformers gives, perplexity of held-out text, prompts to text."""
import json
import re
import sys

from suite import ROOT, TRAINED, Suite, ids, missing_flags

STORED = ROOT / "test/Golden/trained"
TIERS = [tier for tier in ("x86-64-v3", "x86-64-v4", "x86-64-v4-bf16") if not missing_flags(tier)]


def greedy(suite, artifact, tier, cases, *flags):
    """The cases as one batch; (passed, text)."""
    prompts = [flag for case in cases for flag in ("--tokens", ids(case["prompt_ids"]))]
    text = suite.tool("dsv2-run", artifact, "--weights", TRAINED, "--tier", tier, *prompts, "--generate",
                      len(cases[0]["greedy_ids"]), "--print-ids", *flags)
    lines = [[int(word) for word in line.split()] for line in text.splitlines()]
    expected = [case["greedy_ids"] for case in cases]
    for line, want in zip(lines, expected):
        at = next((i for i, (a, b) in enumerate(zip(line, want)) if a != b), None)
        if at is not None:
            return False, f"token {at} is {line[at]}, expected {want[at]}"
    return lines == expected, f"printed {text!r}"


def perplexity(suite, artifact, tier, bound):
    expected = json.loads((STORED / "heldout.json").read_text())
    text = suite.tool("dsv2-run", artifact, "--weights", TRAINED, "--tier", tier, "--tokens",
                      f"@{TRAINED}/heldout_tokens.txt", "--perplexity")
    found = dict(line.rsplit(" ", 1) for line in text.splitlines())
    distance = abs(float(found["perplexity"]) / expected["perplexity"] - 1)
    return (distance <= bound and found["tokens"] == str(expected["predicted"]),
            f"{text!r}, expected {expected['perplexity']} within {bound:.2%}")


def texts(suite, artifact, cases):
    """--prompt: the tokenizer, the code and the printed text, together."""
    for case in cases:
        flags = ["--weights", TRAINED, "--prompt", case["prompt"], "--generate", len(case["greedy_ids"])]
        text = suite.tool("dsv2-run", artifact, *flags)
        if text != case["text"] + "\n":
            return False, f"printed {text!r}, expected {case['text']!r}"
        answer = json.loads(suite.tool("dsv2-run", artifact, *flags, "--json"))
        if answer["sequences"][0]["text"] != case["text"] or answer["sequences"][0]["ids"] != case["greedy_ids"]:
            return False, f"--json gave {answer}"
    return True, ""


def two_prompts(suite, artifact, cases):
    """Texts of a batch come one after the other, in order."""
    flags = ["--prompt", cases[1]["prompt"], "--prompt", cases[0]["prompt"], "--generate", len(cases[0]["greedy_ids"])]
    text = suite.tool("dsv2-run", artifact, "--weights", TRAINED, *flags)
    return text == cases[1]["text"] + "\n" + cases[0]["text"] + "\n", f"printed {text!r}"


def sampled(suite, artifact, cases):
    """The same seed gives the same text, another seed another one."""
    def text(seed):
        return suite.tool("dsv2-run", artifact, "--weights", TRAINED, "--prompt", cases[0]["prompt"], "--generate", 40,
                          "--temperature", 1, "--top-p", 0.9, "--seed", seed, "--ignore-eos")
    first = text(3)
    return first == text(3) and first != text(4) and first != cases[0]["text"] + "\n", f"printed {first!r}"


def until_the_end(suite, artifact, _):
    """Without --generate a sequence ends with its EOS or a full context; both are in time."""
    text = suite.tool("dsv2-run", artifact, "--weights", TRAINED, "--tokens", f"@{suite.work}/long", "--print-ids",
                      "--ignore-eos")
    return len(text.split()) == 7, f"printed {text!r}"  # 4,090 are cached, 6 more fit, the last need not be fed


def pipe(suite):
    """The three commands as the README has them, joined by pipes."""
    imported = suite.tool("dsv2-translate", "--import-hf", TRAINED)
    code = suite.tool("dsv2-opt", "--dsv2-compile", stdin=imported)
    path = suite.work / "pipe.dsv2"
    suite.tool("dsv2-translate", "--to-artifact", "-o", path, stdin=code)
    text = suite.tool("dsv2-run", path, "--weights", TRAINED, "--prompt", "And it came to pass", "--generate", 32)
    return len(re.findall(r"[A-Za-z]{2,}", text)) > 8, f"printed {text!r}"


def main():
    suite = Suite(__doc__)
    cases = json.loads((STORED / "greedy.json").read_text())
    heldout = (TRAINED / "heldout_tokens.txt").read_text().split()
    (suite.work / "long").write_text(" ".join(heldout[:4090]))
    targets = f"targets={','.join(TIERS)}"

    def artifact(compute):
        return suite.artifact(TRAINED, f"{targets} compute={compute}")

    for tier in TIERS:
        suite.test(f"greedy ids in f32 on {tier}, one batch",
                   lambda t=tier: greedy(suite, artifact("f32"), t, cases))
        suite.test(f"greedy ids in f32 on {tier}, alone, in chunks",
                   lambda t=tier: next((r for r in (greedy(suite, artifact("f32"), t, [case], "--chunk", 4)
                                                    for case in cases) if not r[0]), (True, "")))
        suite.test(f"perplexity in f32 on {tier}", lambda t=tier: perplexity(suite, artifact("f32"), t, 2e-5))
        suite.test(f"perplexity in bf16 on {tier}", lambda t=tier: perplexity(suite, artifact("bf16"), t, 0.005))
    for function in (texts, two_prompts, sampled, until_the_end):
        suite.test(function.__name__, lambda f=function: f(suite, artifact("f32"), cases))
    suite.test("the pipe with every default", lambda: pipe(suite))
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
