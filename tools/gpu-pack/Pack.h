//===- Pack.h - what a pack tells a machine with a GPU to do ----*- C++ -*-===//
//
// A case is memory, launches and, for a check, the results in f64. The same
// description is replayed by replay/replay.py on a GPU and by SimtReplay.cpp on
// this machine, so that what a pack asks for was seen to be right.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TOOLS_GPU_PACK_PACK_H
#define DSV2_TOOLS_GPU_PACK_PACK_H

#include "lib/Artifact/Program.h"
#include "lib/Support/Error.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace dsv2::pack {

/// What a buffer holds at first: given bytes, or the same NaN, zero or noise everywhere.
enum class Fill { Bytes, Nan, Zero, NoiseF32, NoiseBF16 };

struct BufferSpec {
  uint64_t bytes = 0;
  Fill fill = Fill::Nan;
  std::vector<uint8_t> data = {}; ///< Fill::Bytes
};

/// A slot of a launch: memory of the case, or a number.
struct Slot {
  int64_t buffer = -1;
  uint64_t value = 0; ///< offset into the buffer in bytes, or the number

  static Slot number(int64_t value) { return {-1, uint64_t(value)}; }
};

struct Launch {
  size_t module = 0;
  int64_t items = 0;
  std::vector<Slot> slots;
};

/// `rows` rows of `columns` elements, `stride` elements apart, must agree with `values`: exactly
/// where they are integers, else max|y-x|/max|x| is at most `bound`.
struct Expectation {
  size_t buffer = 0;
  ElementType type = ElementType::F32; ///< F32, BF16 or I32
  uint64_t offset = 0;                 ///< bytes
  int64_t rows = 0, columns = 0, stride = 0;
  double bound = 0;
  std::vector<double> values;
};

struct Case {
  std::string name, target, builder;
  std::string why; ///< set: why it cannot run
  std::vector<BufferSpec> buffers;
  std::vector<Launch> launches;
  std::vector<Expectation> expect; ///< none: a measurement
  // Measurements:
  std::string goal, wanted; ///< "G1", ">= 680 TFLOP/s"
  double flop = 0, bytes = 0;

  size_t add(BufferSpec buffer) {
    buffers.push_back(std::move(buffer));
    return buffers.size() - 1;
  }
};

/// A kernel's module. The name in it is `kernel.name`.
struct Module {
  std::string target;
  std::string extension; ///< "ptx", "hsaco", "bin"
  Kernel kernel;
  std::vector<uint8_t> code, binary;
  uint64_t textBytes = 0; ///< flat code of checked targets
};

struct Pack {
  std::string revision;
  std::vector<Module> modules;
  std::vector<Case> cases;
};

/// Writes pack.json, data.bin and modules/ into a folder that exists.
std::optional<Error> writePack(const Pack &pack, const std::string &folder);

/// Runs every check of the targets with checked code ("sm_80:simt") on this CPU and compares;
/// prints a line for each that fails. The number of failures.
int replayOnSimt(const Pack &pack);

} // namespace dsv2::pack

#endif // DSV2_TOOLS_GPU_PACK_PACK_H
