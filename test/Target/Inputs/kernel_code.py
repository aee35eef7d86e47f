#!/usr/bin/env python3
"""The code of one kernel, out of a module of dsv2_exec that has reached `codegen`.

  kernel_code.py MODULE.mlir VARIANT BUILDER [NUMBER]     # on stdout: text (PTX), or an object (HSACO, cubin)

NUMBER counts the kernels of that builder in the variant, from 0 (the default). Standard library only.
"""
import re
import sys


def kernel_code(text, variant, builder, number=0):
    start = text.find(f"dsv2_exec.variant @{variant} ")
    if start < 0:
        raise SystemExit(f"error: no variant '{variant}'")
    end = text.find("dsv2_exec.variant @", start + 1)
    text = text[start:end if end > 0 else len(text)]
    image = re.search(r'dsv2_exec\.image .*?dense<"0x([0-9A-F]*)">', text)
    kernels = re.findall(rf'dsv2_exec\.kernel @\S+ builder "{builder}" .*?at (\d+) size (\d+)', text)
    if not image or len(kernels) <= number:
        raise SystemExit(f"error: '{variant}' has {len(kernels)} kernels of '{builder}', number {number} is wanted")
    at, size = map(int, kernels[number])
    code = bytes.fromhex(image.group(1))[at:at + size]
    return code if code.startswith(b"\x7fELF") else code.rstrip(b"\0")


def main():
    with open(sys.argv[1]) as file:
        code = kernel_code(file.read(), sys.argv[2], sys.argv[3], *map(int, sys.argv[4:]))
    sys.stdout.buffer.write(code)


if __name__ == "__main__":
    main()
