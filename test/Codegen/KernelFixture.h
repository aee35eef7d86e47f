//===- KernelFixture.h - builds, compiles and loads kernels in tests ------===//
//
// Compiled kernels are kept for the process: many tests call the same one.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TEST_CODEGEN_KERNELFIXTURE_H
#define DSV2_TEST_CODEGEN_KERNELFIXTURE_H

#include "lib/Codegen/KernelBuilder.h"
#include "lib/Codegen/TileEmitter.h"
#include "test/Codegen/KernelLoader.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Diagnostics.h"

#include <cmath>
#include <gtest/gtest.h>
#include <map>
#include <random>

namespace dsv2::test {

/// A kernel that can be called.
struct ReadyKernel {
  std::unique_ptr<LoadedImage> image;
  KernelFunction function = nullptr;
  uint64_t scratchBytes = 0;

  /// Calls with fresh scratch, full of NaNs.
  void call(const std::vector<uint64_t> &slots, int64_t begin, int64_t end) const {
    Buffer<uint8_t> scratch(scratchBytes);
    FlushDenormals flush;
    function(slots.data(), begin, end, scratch.data());
  }
};

/// Context, targets and builders of one process.
class KernelHouse {
public:
  static KernelHouse &get() {
    static KernelHouse house;
    return house;
  }

  const TargetRegistry &targets() const { return registry; }

  /// Names of the targets whose code this CPU runs.
  std::vector<std::string> runnable() const {
    std::vector<std::string> names;
    for (const std::string &name : registry.getNames()) {
      if (runsHere(*registry.lookup(name))) {
        names.push_back(name);
      }
    }
    return names;
  }

  /// Builds and compiles; a failure fails the test and gives null.
  const ReadyKernel *kernel(const std::string &target, const std::string &builder,
                            const std::string &spec) {
    std::string key = target + " " + builder + " " + spec;
    auto found = kernels.find(key);
    if (found == kernels.end()) {
      found = kernels.emplace(key, compile(target, builder, spec)).first;
    }
    return found->second.function ? &found->second : nullptr;
  }

  /// Assembly text of a kernel, whether this CPU runs it or not; empty after a failure.
  std::string assembly(const std::string &target, const std::string &builder,
                       const std::string &spec) {
    std::string text;
    compile(target, builder, spec, &text);
    return text;
  }

  std::string message; ///< diagnostics so far

private:
  KernelHouse() : handler(nullptr) {
    mlir::DialectRegistry dialects;
    registerKernelDialects(dialects);
    context.appendDialectRegistry(dialects);
    context.loadAllAvailableDialects();
    registerAllTargets(registry);
    registerAllKernelBuilders(builders);
    handler = std::make_unique<mlir::ScopedDiagnosticHandler>(&context,
                                                              [this](mlir::Diagnostic &diagnostic) {
                                                                message += diagnostic.str() + "\n";
                                                                return mlir::success();
                                                              });
  }

  ReadyKernel compile(const std::string &targetName, const std::string &builderName,
                      const std::string &spec, std::string *assembly = nullptr) {
    ReadyKernel out;
    const TargetBackend *target = registry.lookup(targetName);
    KernelBuilder builder = builders.lookup(builderName);
    auto attribute =
        llvm::dyn_cast_or_null<mlir::DictionaryAttr>(mlir::parseAttribute(spec, &context));
    EXPECT_TRUE(target && builder && attribute) << targetName << " " << builderName << " " << spec;
    if (!target || !builder || !attribute) {
      return out;
    }
    std::unique_ptr<TileEmitter> emitter = target->createEmitter(&context);
    KernelRequest request{"kernel", attribute, mlir::UnknownLoc::get(&context)};
    mlir::FailureOr<BuiltKernel> built = builder(request, *emitter);
    if (mlir::failed(built)) {
      return out;
    }
    mlir::FailureOr<CompiledKernel> compiled =
        target->compileKernel(built->function, {assembly != nullptr});
    if (mlir::failed(compiled)) {
      return out;
    }
    if (assembly) {
      *assembly = compiled->assembly;
    }
    mlir::FailureOr<KernelImage> image = target->serialize({*compiled}, request.loc);
    if (mlir::failed(image)) {
      return out;
    }
    out.scratchBytes = built->scratchBytes;
    out.image = std::make_unique<LoadedImage>(*image);
    out.function = runsHere(*target) ? out.image->find("kernel") : nullptr;
    return out;
  }

  mlir::MLIRContext context;
  TargetRegistry registry;
  KernelBuilderRegistry builders;
  std::unique_ptr<mlir::ScopedDiagnosticHandler> handler;
  std::map<std::string, ReadyKernel> kernels;
};

/// Memory of f32 or bf16 elements that reads and writes as float.
class Elements {
public:
  Elements(size_t count, bool bf16) : bf16(bf16), bytes(count * (bf16 ? 2 : 4)), count(count) {}
  size_t size() const { return count; }
  uint64_t slot() const { return bytes.slot(); }
  float get(size_t i) const {
    if (bf16) {
      return fromBf16(reinterpret_cast<const uint16_t *>(bytes.data())[i]);
    }
    return reinterpret_cast<const float *>(bytes.data())[i];
  }
  void set(size_t i, float value) {
    if (bf16) {
      reinterpret_cast<uint16_t *>(bytes.data())[i] = toBf16(value);
    } else {
      reinterpret_cast<float *>(bytes.data())[i] = value;
    }
  }
  /// Every value in turn, uniform in [-1, 1).
  void randomize(unsigned seed) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
    for (size_t i = 0; i < count; ++i) {
      set(i, uniform(random));
    }
  }
  void zero() { std::memset(bytes.data(), 0, bytes.size()); }
  bool sameBits(const Elements &other, size_t begin, size_t otherBegin, size_t n) const {
    size_t size = bf16 ? 2 : 4;
    return std::memcmp(bytes.data() + begin * size, other.bytes.data() + otherBegin * size,
                       n * size) == 0;
  }

private:
  bool bf16;
  Buffer<uint8_t> bytes;
  size_t count;
};

inline Elements randomElements(size_t count, bool bf16, unsigned seed) {
  Elements out(count, bf16);
  out.randomize(seed);
  return out;
}

inline int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Packs [batch][n][k] into the contraction layout of panels of 64, zero padded.
inline Elements packWeight(const Elements &plain, int64_t batch, int64_t n, int64_t k, bool bf16) {
  int64_t pair = bf16 ? 2 : 1, panels = ceilDiv(n, 64), steps = ceilDiv(k, pair);
  Elements out(batch * panels * steps * 64 * pair, bf16);
  out.zero();
  for (int64_t e = 0; e < batch; ++e) {
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t x = 0; x < k; ++x) {
        int64_t at = (((e * panels + j / 64) * steps + x / pair) * 64 + j % 64) * pair + x % pair;
        out.set(at, plain.get((e * n + j) * k + x));
      }
    }
  }
  return out;
}

} // namespace dsv2::test

#endif // DSV2_TEST_CODEGEN_KERNELFIXTURE_H
