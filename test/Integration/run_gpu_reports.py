#!/usr/bin/env python3
"""What GPU code of the shipped sizes needs: registers, spills, memory and occupancy of every kernel of V2-Lite and V2.

Whole models are compiled from config.json and headers alone, for every GPU target. Kernels that multiply matrices may not
spill (see MACHINES), a kernel's memory and threads must be what a workgroup of the machine has, and at least one workgroup must fit.
For NVIDIA that is what ptxas says of its own code: without ptxas, those numbers are skipped.
"""
import sys

from suite import ROOT, Suite

sys.path.insert(0, str(ROOT / "tools/dev"))
import make_headers  # noqa: E402
import shipped_models  # noqa: E402

# Bytes of memory and threads that a workgroup may have; bytes that a kernel of matrices may spill: attention of 512
# latents fills the 256 registers of gfx1100.
MACHINES = {"sm_80": (163 << 10, 1024, 0), "sm_90a": (227 << 10, 1024, 0), "gfx942": (64 << 10, 1024, 0),
            "gfx1100": (64 << 10, 1024, 32)}
# Builders whose kernels multiply matrices.
MATRICES = ("matmul", "grouped_matmul", "latent_attention")
FIELDS = ("bytes", "scratch", "threads", "shared", "registers", "spills", "workgroups")


def kernels_of(report, target):
    """[(name, builder, numbers by field)] of the report's lines about kernels."""
    kernels = []
    for line in report.read_text().splitlines():
        words = line.split("\t")
        if words[:2] == [target, "kernel"]:
            kernels.append((words[2], words[3], dict(zip(FIELDS, map(int, words[4:])))))
    return kernels


def problems(kernels, target):
    """What is wrong with them, as texts."""
    shared, threads, spills = MACHINES[target]
    wrong = []
    for name, builder, numbers in kernels:
        if not 0 < numbers["threads"] <= threads or not 0 <= numbers["shared"] <= shared:
            wrong.append(f"{name}: {numbers['threads']} threads and {numbers['shared']} bytes of workgroup memory")
        if numbers["registers"] < 0:
            continue
        if numbers["registers"] == 0 or numbers["workgroups"] < 1:
            wrong.append(f"{name}: {numbers['registers']} registers, {numbers['workgroups']} workgroups")
        if builder in MATRICES and not 0 <= numbers["spills"] <= spills:
            wrong.append(f"{name}: spills {numbers['spills']} bytes")
    missing = {*MATRICES, "gate_topk", "sort_experts", "generic"} - {builder for _, builder, _ in kernels}
    return wrong + [f"no kernel of '{builder}'" for builder in sorted(missing)]


def check(suite, name, target, compute):
    title = f"{name}: {compute} kernels on {target}"
    if suite.only not in title:
        return
    directory = suite.work / name
    if not directory.exists():
        make_headers.write(directory, shipped_models.config(name))
    report = suite.work / f"{name}-{target}-{compute}.report"
    done = suite.run("dsv2-opt", suite.module(directory),
                     f"--dsv2-compile=targets={target} compute={compute} report={report}", "-o", suite.work / "code")
    kernels = kernels_of(report, target) if done.returncode == 0 else []
    wrong = problems(kernels, target)
    suite.test(title, lambda: (done.returncode == 0 and not wrong, f"{done.stderr[-600:]} {wrong}"))
    unknown = [kernel[0] for kernel in kernels if kernel[2]["registers"] < 0]
    if unknown:
        suite.skip(f"{title}: registers and spills", "ptxas is not installed")
    if suite.options.verbose:
        for kernel, builder, numbers in kernels:
            print(f"  {kernel:20} {builder:17}", *(f"{numbers[field]:7} {field}" for field in FIELDS[2:]))


def main():
    suite = Suite(__doc__)
    for name in ("v2-lite", "v2"):
        for target in MACHINES:
            check(suite, name, target, "bf16")
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
