#!/usr/bin/env python3
"""--dsv2-check-semantics on every golden's module: good rewrites pass in every combination, wrong ones are named.

Every wrong edit of test/lib on every golden that it can harm, with three seeds of weights and three far positions.
Ends with `N passed, N failed`.
"""
import argparse
import concurrent.futures
import itertools
import pathlib
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

ABSORB = "--dsv2-absorb-mla-projections=mode=reassociated"
FUSE = "--dsv2-fuse-experts=mode=on"
FUSE_IF_POSSIBLE = "--dsv2-fuse-experts=mode=auto"
NAIVE = "--dsv2-absorb-mla-projections=mode=naive"
BF16 = "--dsv2-set-compute-type=compute=bf16"
ADDS = "--dsv2-fold-adds"
REWRITES = [[NAIVE], [ABSORB], [FUSE], [ABSORB, FUSE], [FUSE, ABSORB, ADDS]]
# The compute type's pass before the rewrites, after them, or not at all.
COMPUTE = [(None, False)] + [(f"--dsv2-set-compute-type=compute={kind}", first)
                             for kind in ("f32", "bf16") for first in (False, True)]
# Seeds of weights and tokens, each with a position of the first token (the second sequence stands 159,000 further).
FAR = [(1, 4352), (2, 8191), (3, 65537)]


class Module:
    """Facts of a module's text that say which mistakes can show in it."""

    def __init__(self, text):
        self.text = text
        self.gates = [self.gate(line) for line in text.splitlines() if " = dsv2.gate " in line]
        self.loops = [range(int(a), int(b), int(c or 1)) for a, b, c in
                      re.findall(r"= dsv2\.layers %\w+ = (\d+) to (\d+)(?: step (\d+))?", text)]

    @staticmethod
    def gate(line):
        number = {name: int(value) for name, value in re.findall(r"(groups|keep|top_k) = (\d+)", line)}
        types = re.findall(r"tensor<(\d+)x\d+x", line)
        return {"method": re.search(r"#dsv2\.(\w+)<", line)[1], "groups": number.get("groups", 1),
                "keep": number.get("keep", 1), "top_k": number["top_k"], "experts": int(types[0]),
                "normalize": " normalize " in line, "scale": float(re.search(r" scale (\S+)", line)[1])}

    def has(self, pattern):
        return re.search(pattern, self.text) is not None

    def biased_shared(self):
        """Shared experts with biases, which cannot become slots of the routed ones."""
        return self.has(r"dsv2\.shared_experts .* bias %")

    def any_gate(self, test):
        return any(test(gate) for gate in self.gates)

    def mscale(self):
        """A scale whose square of mscale is not 1."""
        return any(float(f) > 1 and float(m) != 0 for f, m in
                   re.findall(r"#dsv2\.attention_scale<head_width = \d+, factor = ([^,]+), mscale_all_dim = ([^>]+)>",
                              self.text))

    def attentions(self):
        """The types of heads of each attention: its q, ..., k, v as (heads, width)."""
        return [re.findall(r"tensor<\?x(\d+)x(\d+)x", line) for line in self.text.splitlines()
                if " dsv2.attention" in line]

    def groups_heads(self):
        return any(1 < int(types[-1][0]) < int(types[0][0]) for types in self.attentions())

    def keys_like_values(self):
        return any(types[-2] == types[-1] for types in self.attentions())

    def rounds_in_prepare(self):
        """compute=bf16 prepares projections of f32, and gates of bf16."""
        return self.has(r"x\d+xf32> = ") or bool(self.gates)

    def other_latent_width(self):
        """Some decompressed key is not as wide as the latent that it comes from."""
        return any(nope != latent for nope, latent in
                   re.findall(r"dsv2\.decompress .* widths \[(\d+), \d+\] : .*tensor<\d+x(\d+)x", self.text))


@dataclass
class Edit:
    """A wrong edit, the ops of which its report must name one, and the modules in which it changes the meaning."""
    name: str
    ops: str
    harms: object
    before: tuple = ()  # good passes that run first

    def title(self):
        return " ".join([*(flag.lstrip("-") for flag in self.before), self.name])


def op(name):
    return lambda m: m.has(rf"dsv2\.{name}\b")


def gate(test):
    return lambda m: m.any_gate(test)


def corrected(g):
    return g["method"] == "noaux_tc"


def limited(g):
    """Some group is masked."""
    return g["keep"] < g["groups"]


def grouped(g):
    """Groups are masked, and of more than one expert: otherwise its best is the sum."""
    return limited(g) and g["groups"] < g["experts"]


def shared_scale(m):
    return m.has(r"dsv2\.shared_experts") and m.any_gate(lambda g: g["scale"] != 1)


EDITS = [
    Edit("test-drop-mscale-square", "attention", Module.mscale),
    # Where the latent is as wide as q's part without rope the scale is the right one.
    Edit("test-scale-by-latent-width", "latent_attention", Module.other_latent_width, (ABSORB,)),
    # Two elements have one pair, in either layout.
    Edit("test-swap-pair-order", "rope", lambda m: m.has(r"inv_freq = dense<.*?> : tensor<(?!1x)\d+xf32>")),
    Edit("test-drop-yarn", "rope", lambda m: m.has(r"yarn = ")),
    Edit("test-shift-key-positions", "rope", op("rope")),
    Edit("test-forget-query-rope", "rope", op("rope")),
    Edit("test-swap-key-and-value-rows", "decompress", op("decompress")),
    # Parts of equal width keep their shape, and the user of the wrong one is named.
    Edit("test-swap-parts-of-heads", "split_heads|rope", lambda m: m.has(r"split_heads .* widths \[\d+, \d+\]")),
    Edit("test-mask-off-by-one", "attention", op("attention")),
    Edit("test-mask-without-itself", "attention", op("attention")),
    Edit("test-drop-cache-append", "cache_append", op("cache_append")),
    # A cache of one layer has no other.
    Edit("test-append-to-wrong-layer", "decompress|cache_read", lambda m: m.has(r"!dsv2\.cache<(?!1 x)")),
    # Softmax gates keep the best group by its best expert, corrected ones by the two best.
    Edit("test-sum-of-group", "gate", gate(lambda g: not corrected(g) and grouped(g))),
    Edit("test-best-of-group", "gate", gate(lambda g: corrected(g) and grouped(g))),
    # Softmax scores are positive: 0 beats none of them.
    Edit("test-fill-masked-with-zero", "gate", gate(lambda g: corrected(g) and limited(g))),
    # Where every expert of the kept groups is chosen, ties decide nothing; the check ties three experts' rows, of
    # fewer than three none.
    Edit("test-last-of-ties", "gate", gate(lambda g: g["experts"] >= 3 and
                                           g["top_k"] < g["keep"] * g["experts"] // g["groups"])),
    # A single weight that is divided by itself is 1.
    Edit("test-bias-in-weights", "gate", gate(lambda g: corrected(g) and not (g["normalize"] and g["top_k"] == 1))),
    # With one expert, softmax gates do not divide.
    Edit("test-forget-normalization", "gate", gate(lambda g: g["normalize"] and (corrected(g) or g["top_k"] > 1))),
    Edit("test-normalize-weights", "gate", gate(lambda g: not g["normalize"] and (corrected(g) or g["top_k"] > 1))),
    # Softmax gates that divide do not multiply.
    Edit("test-forget-gate-scale", "gate",
         gate(lambda g: g["scale"] != 1 and (corrected(g) or g["top_k"] == 1 or not g["normalize"]))),
    Edit("test-swap-two-experts", "routed_experts", op("routed_experts")),
    Edit("test-lose-an-expert", "routed_experts", op("routed_experts")),
    Edit("test-forget-shared-expert", "shared_experts", op("shared_experts")),
    Edit("test-scale-shared-expert", "shared_experts", shared_scale),
    Edit("test-swap-gate-and-up", "mlp|routed_experts|shared_experts", op("(mlp|routed_experts)")),
    Edit("test-take-wrong-layer", "linear", op("linear")),
    # The same mistake behind each pass that prepares weights.
    Edit("test-leave-stale-prepare", "linear|mla_compress|gate", Module.rounds_in_prepare, (BF16,)),
    Edit("test-leave-stale-prepare", "head_linear", op("decompress"), (ABSORB,)),
    Edit("test-leave-stale-prepare", "fused_experts",
         lambda m: op("routed_experts")(m) and not m.biased_shared(), (FUSE,)),
    Edit("test-eps-of-another-norm", "rms_norm", op("rms_norm")),
    Edit("test-eps-of-another-latent-norm", "mla_compress", op("mla_compress")),
    Edit("test-forget-query-norm", "rms_norm", lambda m: m.has(r"q_a_layernorm")),
    Edit("test-forget-residual", "add", op("add")),
    # One key head serves every query head, and as many as query heads one each.
    Edit("test-interleave-query-heads", "attention", Module.groups_heads),
    # Only where keys are as wide as values can one stand for the other.
    Edit("test-swap-keys-and-values", "attention", Module.keys_like_values),
    Edit("test-skip-first-token", "attention", op("attention")),
    Edit("test-forget-biases", "linear|mla_compress", lambda m: m.has(r"dsv2\.(linear|mla_compress) .* bias %")),
    Edit("test-forget-mlp-biases", "mlp|shared_experts", lambda m: m.has(r"dsv2\.(mlp|shared_experts) .* bias %")),
    Edit("test-swap-draft-inputs", "concat", lambda m: m.has(r"@mtp")),
    Edit("test-take-wrong-scales", "linear|mla_compress|decompress|mlp|routed_experts|shared_experts",
         lambda m: m.has(r'" scales "')),
    # Behind a good rewrite it is the wrong pass that is named, and the op that stands there now.
    Edit("test-drop-mscale-square", "latent_attention", lambda m: m.mscale() and op("decompress")(m), (ABSORB,)),
]


class Counter:
    passed = failed = 0

    def count(self, good, name, text):
        self.passed += good
        self.failed += not good
        if not good:
            print(f"FAILED: {name}\n{text[-3000:]}", flush=True)


def goldens(tools, work, counter):
    """(directory, module file, facts) of each golden."""
    for golden in sorted(path.parent for path in ROOT.glob("test/Golden/*/golden.safetensors")):
        module = pathlib.Path(work) / f"{golden.name}.mlir"
        done = subprocess.run([tools / "dsv2-translate", "--import-hf", golden], capture_output=True, text=True)
        if done.returncode != 0:
            counter.count(False, f"{golden.name}: import", done.stderr)
            continue
        module.write_text(done.stdout)
        yield golden, module, Module(done.stdout)


def good_passes(golden, facts):
    """(name, flags) of each combination of good passes."""
    for rewrites, (compute, first) in itertools.product(REWRITES, COMPUTE):
        if facts.biased_shared():
            rewrites = [FUSE_IF_POSSIBLE if flag == FUSE else flag for flag in rewrites]
        passes = rewrites if compute is None else [compute, *rewrites] if first else [*rewrites, compute]
        # Made-up weights, and once the golden's own.
        weights = f" weights={golden}" if len(passes) == 1 else ""
        yield (f"{golden.name}: {' '.join(passes)}",
               [f"--dsv2-check-semantics=tokens=48{weights}", *passes, "--canonicalize", "--cse"])


def wrong_edits(golden, facts):
    """(name, flags, edit) of each wrong edit that can show in this golden."""
    for edit, (seed, position) in itertools.product(EDITS, FAR):
        if edit.harms(facts):
            yield (f"{golden.name}: {edit.title()}, seed {seed}, position {position}",
                   [f"--dsv2-check-semantics=tokens=48 seed={seed} position={position}", *edit.before, "--cse",
                    f"--{edit.name}", "--canonicalize"], edit)


def names_culprit(edit, errors):
    """The report names the pass and the op; and the element, unless the op is gone."""
    verdict = f"error: pass '{edit.name}' changed what the module computes"
    return (errors.count("error: ") == 1 and verdict in errors and re.search(rf"'(dsv2|tensor)\.({edit.ops})'", errors)
            and re.search(r"element \[[\d, ]+\]: expected \S+, actual \S+", errors))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--only", default="", help="run the tests whose name holds this text")
    options = parser.parse_args()
    tools = (ROOT / options.build / "bin").resolve()
    counter = Counter()
    harmed = {edit.title(): 0 for edit in EDITS}
    with tempfile.TemporaryDirectory() as work, concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        def submit(name, module, flags, edit=None):
            command = [tools / "dsv2-opt-test", module, *flags, "-o", "/dev/null"]
            return name, edit, pool.submit(subprocess.run, command, capture_output=True, text=True, timeout=300)

        jobs = []
        for golden, module, facts in goldens(tools, work, counter):
            jobs += [submit(name, module, flags) for name, flags in good_passes(golden, facts) if options.only in name]
            for name, flags, edit in wrong_edits(golden, facts):
                harmed[edit.title()] += 1
                if options.only in name:
                    jobs.append(submit(name, module, flags, edit))
        for name, edit, future in jobs:
            done = future.result()
            if edit is None:
                counter.count(done.returncode == 0, name, done.stderr)
            else:
                counter.count(done.returncode == 1 and bool(names_culprit(edit, done.stderr)), name,
                              done.stderr or "not caught")
    for title, count in harmed.items():
        counter.count(count > 0, f"no golden can be harmed by {title}", "")
    print(f"{counter.passed} passed, {counter.failed} failed")
    return 1 if counter.failed or not counter.passed else 0


if __name__ == "__main__":
    sys.exit(main())
