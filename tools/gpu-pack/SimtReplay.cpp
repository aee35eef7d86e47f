//===- SimtReplay.cpp - a pack's checks on this machine -------------------===//
//
// What replay/replay.py does on a GPU, on the driver 'simt', which also reports
// what no GPU would: races, accesses out of bounds, reads of nothing.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/simt/SimtDriver.h"
#include "lib/Support/BFloat16.h"
#include "tools/gpu-pack/Pack.h"

#include <cmath>
#include <cstdio>
#include <cstring>

namespace dsv2::pack {
namespace {

double elementAt(const std::vector<uint8_t> &bytes, ElementType type, int64_t index) {
  const uint8_t *at = bytes.data() + uint64_t(index) * elementBytes(type);
  if (type == ElementType::I32) {
    int32_t value = 0;
    std::memcpy(&value, at, sizeof(value));
    return value;
  }
  uint32_t bits = 0;
  std::memcpy(type == ElementType::BF16 ? reinterpret_cast<uint8_t *>(&bits) + 2
                                        : reinterpret_cast<uint8_t *>(&bits),
              at, elementBytes(type));
  float value = 0;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

/// The worst relative error, or how many integers differ.
double errorOf(const std::vector<uint8_t> &bytes, const Expectation &expect) {
  double largest = 0, worst = 0, wrong = 0;
  for (int64_t row = 0; row < expect.rows; ++row) {
    for (int64_t column = 0; column < expect.columns; ++column) {
      double found = elementAt(bytes, expect.type, row * expect.stride + column);
      double wanted = expect.values[uint64_t(row * expect.columns + column)];
      if (!std::isfinite(found)) {
        return INFINITY;
      }
      wrong += found != wanted;
      worst = std::max(worst, std::fabs(found - wanted));
      largest = std::max(largest, std::fabs(wanted));
    }
  }
  return expect.type == ElementType::I32 ? wrong : largest > 0 ? worst / largest : worst;
}

std::optional<Error> replay(const Pack &pack, const Case &one) {
  Expected<std::unique_ptr<Driver>> driver = createSimtDriver({});
  if (!driver) {
    return driver.takeError();
  }
  std::vector<std::unique_ptr<DeviceMemory>> memory;
  for (const BufferSpec &buffer : one.buffers) {
    Expected<std::unique_ptr<DeviceMemory>> made =
        (*driver)->allocate(std::max<uint64_t>(buffer.bytes, 1), MemoryUse::Working);
    if (!made) {
      return made.takeError();
    }
    memory.push_back(std::move(*made));
    std::vector<uint8_t> bytes = buffer.data;
    if (buffer.fill == Fill::Zero) {
      bytes.assign(buffer.bytes, 0);
    }
    if (!bytes.empty()) {
      // Memory that is to be NaN is left unwritten: reading it is reported.
      if (std::optional<Error> error =
              (*driver)->copyIn(memory.back()->address(), bytes.data(), bytes.size())) {
        return error;
      }
    }
  }
  for (const Launch &launch : one.launches) {
    const Module &module = pack.modules[launch.module];
    Image image;
    image.bytes = module.code;
    image.textBytes = module.textBytes;
    Expected<std::unique_ptr<DeviceCode>> code = (*driver)->load(image, {module.kernel});
    if (!code) {
      return code.takeError();
    }
    std::vector<uint64_t> slots;
    for (const Slot &slot : launch.slots) {
      uint64_t base = slot.buffer < 0 ? 0 : memory[uint64_t(slot.buffer)]->address();
      slots.push_back(base + slot.value);
    }
    KernelCall call{0, slots.data(), launch.items, uint32_t(slots.size())};
    if (std::optional<Error> error = (*driver)->launch(**code, &call, 1)) {
      return error;
    }
  }
  for (const Expectation &expect : one.expect) {
    uint64_t elements = uint64_t((expect.rows - 1) * expect.stride + expect.columns);
    std::vector<uint8_t> bytes(elements * elementBytes(expect.type));
    if (std::optional<Error> error = (*driver)->copyOut(
            bytes.data(), memory[expect.buffer]->address() + expect.offset, bytes.size())) {
      return error;
    }
    double error = errorOf(bytes, expect);
    if (!(error <= expect.bound)) {
      return Error(ErrorKind::Internal, "error ", error, ", at most ", expect.bound, " is allowed");
    }
  }
  return std::nullopt;
}

} // namespace

int replayOnSimt(const Pack &pack) {
  int run = 0, failed = 0;
  for (const Case &one : pack.cases) {
    if (one.expect.empty() || one.target.find(":simt") == std::string::npos) {
      continue;
    }
    if (!one.why.empty()) {
      std::printf("skipped: %s %s: %s\n", one.target.c_str(), one.name.c_str(), one.why.c_str());
      continue;
    }
    ++run;
    if (std::optional<Error> error = replay(pack, one)) {
      ++failed;
      std::printf("FAILED %s %s: %s\n", one.target.c_str(), one.name.c_str(),
                  error->message().c_str());
    }
  }
  std::printf("%d passed, %d failed\n", run - failed, failed);
  return run == 0 ? 1 : failed;
}

} // namespace dsv2::pack
