//===- KernelShop.h - kernels by builder and spec ---------------*- C++ -*-===//
//
// Builds and compiles what cases ask for, once each, for one target after the
// other.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TOOLS_GPU_PACK_KERNELSHOP_H
#define DSV2_TOOLS_GPU_PACK_KERNELSHOP_H

#include "lib/Codegen/KernelBuilder.h"
#include "lib/Target/TargetBackend.h"
#include "tools/gpu-pack/Pack.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"

#include <functional>
#include <random>

namespace dsv2::pack {

/// Fields of a spec as text: {"n", "8"}.
using Spec = std::vector<std::pair<std::string, std::string>>;
inline std::string text(int64_t value) { return std::to_string(value); }
inline std::string text(bool value) { return value ? "true" : "false"; }
inline std::string quoted(const std::string &value) { return "\"" + value + "\""; }
inline std::string typeText(bool bf16) { return bf16 ? "bf16" : "f32"; }

class KernelShop {
public:
  explicit KernelShop(Pack &pack);

  std::vector<std::string> targetNames() const { return targets.getNames(); }
  const TargetBackend *target(const std::string &name) const { return targets.lookup(name); }

  /// The number of the kernel's module in the pack. What does not compile for a target is the
  /// reason why the next case that is added cannot run.
  size_t kernel(const std::string &target, const std::string &builder, const Spec &spec);
  /// Adds a case to the pack, with the reason if a kernel since the last one did not compile.
  void add(Case one);

  mlir::Type element(bool bf16);
  Pack &pack;

private:
  std::optional<Module> compile(const std::string &target, const std::string &builder,
                                const std::string &spec, const std::string &name);

  mlir::MLIRContext context;
  TargetRegistry targets;
  KernelBuilderRegistry builders;
  std::map<std::string, size_t> known;
  std::string diagnostics;
  std::map<std::string, std::string> failures; ///< reasons by kernel
  std::string why;                             ///< of the next case
  mlir::ScopedDiagnosticHandler handler;
};

/// A random matrix of f32 or bf16, also as numbers. Values are uniform in [-1, 1).
struct Values {
  bool bf16 = false;
  std::vector<float> numbers;

  Values(size_t count, bool bf16) : bf16(bf16), numbers(count) {}
  static Values random(size_t count, bool bf16, unsigned seed);
  /// The nearest value of the type.
  void set(size_t at, float value);
  BufferSpec buffer() const;
};

BufferSpec integers(const std::vector<int32_t> &values);
inline BufferSpec empty(uint64_t bytes) { return {bytes, Fill::Nan}; }
inline BufferSpec noise(uint64_t elements, bool bf16) {
  return {elements * (bf16 ? 2u : 4u), bf16 ? Fill::NoiseBF16 : Fill::NoiseF32};
}

inline int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Elements of a packed [batch][n][k].
int64_t packedElements(int64_t batch, int64_t n, int64_t k, PackedLayout layout);
/// Packs it into panels, zero padded.
Values packWeight(const Values &plain, int64_t batch, int64_t n, int64_t k, PackedLayout layout);

// Each adds its builders' checks and measurements for one target.
void addMatmuls(KernelShop &shop, const std::string &target);
void addExperts(KernelShop &shop, const std::string &target);
void addAttention(KernelShop &shop, const std::string &target);
void addRouting(KernelShop &shop, const std::string &target);

/// Bounds of agreement with f64 (INTERFACES.md): where the kernel itself rounds to bf16, where its
/// results are f32 sums of bf16 products, and in f32.
constexpr double kRoundedBound = 1e-2, kExactBound = 1e-3, kF32Bound = 1e-5;

} // namespace dsv2::pack

#endif // DSV2_TOOLS_GPU_PACK_KERNELSHOP_H
