# Configuration of the MLIR tests: `lit BUILD/test`, or one file of this tree through it.
import os
import sys

import lit.formats

config.name = "dsv2"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Golden", "Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.dsv2_build, "test", "lit")
config.environment["PATH"] = os.pathsep.join(
    [os.path.join(config.dsv2_build, "bin"), config.llvm_tools, config.environment["PATH"]])
config.substitutions.append(("%build", config.dsv2_build))
config.substitutions.append(("%source_root", config.dsv2_source))
config.substitutions.append(("%golden", os.path.join(config.dsv2_source, "test", "Golden")))
# Code of one kernel, out of a module of dsv2_exec: test/Target/Inputs/kernel_code.py.
config.substitutions.append(("%kernel_code", " ".join(
    [sys.executable, os.path.join(config.dsv2_source, "test", "Target", "Inputs", "kernel_code.py")])))
