#!/usr/bin/env python3
"""--dsv2-check-semantics on every golden's module: good rewrites pass in every combination, wrong ones are named.

48 tokens, three seeds of weights for the wrong passes, on every golden that has something for them to break. Ends with
`N passed, N failed`.
"""
import argparse
import itertools
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

ABSORB = "--dsv2-absorb-mla-projections=mode=reassociated"
FUSE = "--dsv2-fuse-experts=mode=on"
NAIVE = "--dsv2-absorb-mla-projections=mode=naive"
REWRITES = [[NAIVE], [ABSORB], [FUSE], [ABSORB, FUSE], [FUSE, ABSORB]]
# The compute type's pass before the rewrites, after them, or not at all.
COMPUTE = [(None, False)] + [(f"--dsv2-set-compute-type=compute={kind}", first)
                             for kind in ("f32", "bf16") for first in (False, True)]

# Each wrong pass, the op that its report must name, and what a module must hold for it to be wrong.
WRONG = [
    ("test-drop-mscale-square", "dsv2.attention", r"mscale_all_dim = 0*\.?0*[1-9]"),
    ("test-swap-two-experts", "dsv2.routed_experts", r"dsv2\.routed_experts"),
    ("test-forget-shared-expert", "dsv2.shared_experts", r"dsv2\.shared_experts"),
    ("test-mask-off-by-one", "dsv2.attention", r"dsv2\.attention"),
]


class Counter:
    passed = failed = 0
    applied = set()  # wrong passes that some golden had the op for

    def count(self, good, name, text):
        self.passed += good
        self.failed += not good
        if not good:
            print(f"FAILED: {name}\n{text[-3000:]}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build")
    options = parser.parse_args()
    tools = (ROOT / options.build / "bin").resolve()
    counter = Counter()

    def opt(path, *flags):
        done = subprocess.run([tools / "dsv2-opt-test", path, *flags, "-o", "/dev/null"], capture_output=True, text=True,
                              timeout=300)
        return done.returncode, done.stderr

    with tempfile.TemporaryDirectory() as work:
        for golden in sorted(path.parent for path in ROOT.glob("test/Golden/*/golden.safetensors")):
            module = pathlib.Path(work) / f"{golden.name}.mlir"
            imported = subprocess.run([tools / "dsv2-translate", "--import-hf", golden], capture_output=True, text=True)
            if imported.returncode != 0:
                counter.count(False, f"{golden.name}: import", imported.stderr)
                continue
            module.write_text(imported.stdout)
            good_passes(counter, opt, golden, module)
            wrong_passes(counter, opt, golden, module, imported.stdout)
    for name, _, _ in WRONG:
        counter.count(name in counter.applied, f"no golden has the op of {name}", "")
    print(f"{counter.passed} passed, {counter.failed} failed")
    return 1 if counter.failed or not counter.passed else 0


def good_passes(counter, opt, golden, module):
    for rewrites, (compute, first) in itertools.product(REWRITES, COMPUTE):
        passes = rewrites if compute is None else [compute, *rewrites] if first else [*rewrites, compute]
        # Made-up weights, and once the golden's own.
        weights = f" weights={golden}" if len(passes) == 1 else ""
        status, errors = opt(module, f"--dsv2-check-semantics=tokens=48{weights}", *passes, "--canonicalize", "--cse")
        counter.count(status == 0, f"{golden.name}: {' '.join(passes)}", errors)


def wrong_passes(counter, opt, golden, module, text):
    for (name, op, needs), seed in itertools.product(WRONG, (1, 2, 3)):
        title = f"{golden.name}: {name}, seed {seed}"
        if not re.search(needs, text):
            continue
        counter.applied.add(name)
        status, errors = opt(module, f"--dsv2-check-semantics=tokens=48 seed={seed}", "--cse", f"--{name}",
                             "--canonicalize")
        found = (f"error: pass '{name}' changed what the module computes" in errors and f"'{op}'" in errors and
                 re.search(r"element \[[\d, ]+\]: expected \S+, actual \S+", errors))
        counter.count(status != 0 and bool(found), title, errors or "not caught")
    # Behind a good rewrite it is the wrong pass that is named.
    if re.search(WRONG[0][2], text):
        status, errors = opt(module, "--dsv2-check-semantics", ABSORB, f"--{WRONG[0][0]}")
        counter.count(status != 0 and f"pass '{WRONG[0][0]}' changed" in errors and "'dsv2.latent_attention'" in errors,
                      f"{golden.name}: {WRONG[0][0]} after absorbing", errors or "not caught")


if __name__ == "__main__":
    sys.exit(main())
