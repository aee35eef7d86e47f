#!/usr/bin/env python3
"""Checks who may include whom, and a few more rules of the house that a compiler does not see.

The rooms stand in layers: an arrow back, a vendor's name outside its folder, MLIR in a room that must not
know it, or a file past 800 lines is an error. Ends with `N passed, N failed`.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Each room and the rooms it may include from (besides itself and the public include/dsv2).
ROOMS = {
    "lib/Support": [],
    "lib/Checkpoint": ["lib/Support"],
    "lib/Artifact": ["lib/Support"],
    "lib/Runtime": ["lib/Support", "lib/Checkpoint", "lib/Artifact"],
    "dialects/DSV2": ["lib/Support"],
    "dialects/Exec": ["lib/Support", "lib/Artifact"],
    "lib/Import": ["lib/Support", "lib/Checkpoint", "dialects/DSV2"],
    "lib/Reference": ["lib/Support", "lib/Checkpoint", "dialects/DSV2"],
    "lib/Codegen": ["lib/Support"],
    "lib/Target": ["lib/Support", "lib/Codegen"],
    "lib/Conversion": ["lib/Support", "lib/Artifact", "dialects/DSV2", "dialects/Exec", "lib/Codegen"],
    "lib/Pipelines": ["lib/Support", "lib/Codegen", "lib/Target", "lib/Conversion", "lib/Reference",
                      "lib/Import", "dialects/DSV2", "dialects/Exec"],
    "lib/Translation": ["lib/Support", "lib/Checkpoint", "lib/Artifact", "lib/Import", "lib/Pipelines",
                        "dialects/DSV2", "dialects/Exec"],
}
NO_MLIR = ("lib/Support/", "lib/Checkpoint/", "lib/Artifact/", "lib/Runtime/", "include/dsv2/", "tools/dsv2-run/",
           "lib/Reference/Ops/")
# Words that belong to one target's folder (and to texts that list what exists).
VENDOR = re.compile(r"\b(x86vector|avx512|avx2|nvvm|nvgpu|rocdl|amdgpu|cuda|hip)\b", re.IGNORECASE)
VENDOR_ALLOWED = re.compile(r"^(lib/Target/[^/]+/|lib/Runtime/drivers/|lib/Support/CpuTier)")
LIMIT = 800


def room_of(path):
    for room in sorted(ROOMS, key=len, reverse=True):
        if path.startswith(room + "/"):
            return room
    return None


def check_file(name, text, edges):
    """Yields an error text for each rule that this file breaks; adds the file's arrows to `edges`."""
    if text.count("\n") > LIMIT:
        yield f"{text.count(chr(10))} lines, the house allows {LIMIT}"
    if not name.endswith((".h", ".cpp", ".td")):
        return
    room = room_of(name)
    for include in re.findall(r'^\s*#?\s*include\s+[<"]([^">]+)[">]', text, re.MULTILINE):
        if name.startswith(NO_MLIR) and include.startswith(("mlir/", "llvm/")):
            yield f"includes {include}, but this room knows no MLIR or LLVM"
        other = room_of(include)
        if room and other and other != room:
            edges.setdefault(room, set()).add(other)
            if other not in ROOMS[room]:
                yield f"includes {include}; {room} may only use {', '.join(ROOMS[room]) or 'nothing'}"
        target = re.match(r"lib/Target/([A-Za-z0-9]+)/", include)
        if target and target.group(1) != "Common" and name.startswith("lib/") and not name.startswith(f"lib/Target/{target.group(1)}/"):
            yield f"names the target {target.group(1)}; only its own folder may"
    if name.startswith(("lib/", "dialects/")) and not VENDOR_ALLOWED.match(name):
        word = VENDOR.search(re.sub(r"//[^\n]*", "", text))
        if word:
            yield f"says {word.group(0)}, which belongs to a target's folder"


def circles(edges):
    """Yields each circle of rooms as a text."""
    def visit(room, trail):
        if room in trail:
            yield "circle of rooms: " + " -> ".join(trail[trail.index(room):] + [room])
            return
        for other in sorted(edges.get(room, ())):
            yield from visit(other, trail + [room])
    for room in sorted(edges):
        yield from visit(room, [])


def linked_compiler():
    """Yields an error when dsv2-run pulls the compiler in."""
    binary = ROOT / "build/bin/dsv2-run"
    if binary.exists():
        linked = subprocess.run(["ldd", str(binary)], capture_output=True, text=True).stdout
        for library in ("libMLIR", "libLLVM", "libDSV2Compiler"):
            if library in linked:
                yield f"dsv2-run links {library}"


def main():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split("\n")
    errors, checked, edges = set(), 0, {}
    for name in listed:
        path = ROOT / name
        if name.endswith((".h", ".cpp", ".td", ".py", ".fbs")) and path.is_file():
            checked += 1
            text = path.read_text(encoding="utf-8", errors="replace")
            errors.update(f"{name}: {error}" for error in check_file(name, text, edges))
    errors.update(circles(edges))
    errors.update(linked_compiler())
    for error in sorted(errors):
        print(f"layering: error: {error}")
    print(f"{checked} passed, {len(errors)} failed")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
