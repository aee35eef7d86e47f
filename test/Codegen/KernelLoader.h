//===- KernelLoader.h - runs compiled kernels inside a test ---------------===//
//
// The least that a loader must do: copy the image, make text executable and constants read-only.
// Kernels are called through the ABI, with the denormal mode that the runtime's workers set.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TEST_CODEGEN_KERNELLOADER_H
#define DSV2_TEST_CODEGEN_KERNELLOADER_H

#include "lib/Support/CpuTier.h"
#include "lib/Target/TargetBackend.h"

#include <cstdlib>
#include <cstring>
#include <immintrin.h>
#include <sys/mman.h>

namespace dsv2::test {

/// Whether this process can call the target's kernels: flat code for a CPU like this one.
inline bool runsHere(const TargetBackend &target) {
  return target.getDriver() == "cpu" && hostSupportsTier(target.getTier().str());
}

using KernelFunction = void (*)(const uint64_t *slots, int64_t begin, int64_t end, void *scratch);

/// An image mapped for execution.
class LoadedImage {
public:
  explicit LoadedImage(const KernelImage &image)
      : symbols(image.symbols), size(image.bytes.size()) {
    memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      std::abort();
    }
    std::memcpy(memory, image.bytes.data(), size);
    if (mprotect(memory, size, PROT_READ) != 0 ||
        mprotect(memory, image.textBytes, PROT_READ | PROT_EXEC) != 0) {
      std::abort();
    }
  }
  LoadedImage(const LoadedImage &) = delete;
  LoadedImage &operator=(const LoadedImage &) = delete;
  ~LoadedImage() { munmap(memory, size); }

  KernelFunction find(llvm::StringRef name) const {
    for (const KernelSymbol &symbol : symbols) {
      if (symbol.name == name) {
        return reinterpret_cast<KernelFunction>(static_cast<char *>(memory) + symbol.offset);
      }
    }
    return nullptr;
  }

private:
  std::vector<KernelSymbol> symbols;
  void *memory = nullptr;
  size_t size = 0;
};

/// Memory aligned to 64 bytes as the runtime gives it, filled with a byte pattern that is a NaN in
/// f32 and bf16.
template <typename T> class Buffer {
public:
  explicit Buffer(size_t count, int fill = 0xff) : count(count) {
    size_t bytes = (count * sizeof(T) + 127) / 64 * 64;
    data_ = static_cast<T *>(std::aligned_alloc(64, bytes));
    std::memset(static_cast<void *>(data_), fill, bytes);
  }
  Buffer(Buffer &&other) noexcept : data_(other.data_), count(other.count) {
    other.data_ = nullptr;
  }
  Buffer &operator=(Buffer &&other) noexcept {
    std::swap(data_, other.data_);
    std::swap(count, other.count);
    return *this;
  }
  Buffer(const Buffer &) = delete;
  ~Buffer() { std::free(data_); }
  T &operator[](size_t i) { return data_[i]; }
  const T &operator[](size_t i) const { return data_[i]; }
  T *data() const { return data_; }
  size_t size() const { return count; }
  uint64_t slot() const { return reinterpret_cast<uint64_t>(data_); }

private:
  T *data_;
  size_t count;
};

/// Sets flush-to-zero and denormals-are-zero for a scope, as the runtime's workers have them.
class FlushDenormals {
public:
  FlushDenormals() : before(_mm_getcsr()) { _mm_setcsr(before | 0x8040); }
  ~FlushDenormals() { _mm_setcsr(before); }

private:
  unsigned before;
};

/// Bits of the bf16 nearest to x, ties to even.
inline uint16_t toBf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

inline float fromBf16(uint16_t x) {
  uint32_t bits = uint32_t(x) << 16;
  float out;
  std::memcpy(&out, &bits, 4);
  return out;
}

} // namespace dsv2::test

#endif // DSV2_TEST_CODEGEN_KERNELLOADER_H
