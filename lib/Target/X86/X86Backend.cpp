//===- X86Backend.cpp - x86-64 tiers as targets ---------------------------===//
//
// One backend class; the tiers are rows of a table. Each tier is registered twice: as it is, and
// emulated (its special instructions spelled out, compiled for x86-64-v3), so that every tier can
// be tested anywhere.
//
//===----------------------------------------------------------------------===//
#include "lib/Support/CpuTier.h"
#include "lib/Target/TargetBackend.h"
#include "lib/Target/X86/Compile.h"
#include "lib/Target/X86/X86Emitter.h"

#include "mlir/Dialect/X86Vector/X86VectorDialect.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

using namespace mlir;

namespace dsv2 {
namespace {

class X86Backend : public TargetBackend {
public:
  explicit X86Backend(X86Tier tier) : tier(std::move(tier)) {}

  llvm::StringRef getName() const override { return tier.name; }
  llvm::StringRef getDriver() const override { return "cpu"; }
  llvm::StringRef getTier() const override { return tier.codeTier; }

  TargetCapabilities getCapabilities() const override {
    TargetCapabilities out;
    out.vectorBits = tier.lanes * 32;
    out.nativeBf16Dot = out.roundsToBf16 = tier.bf16Dot && !tier.emulate;
    out.f32FlopsPerCycle = 32;
    out.bf16FlopsPerCycle = out.nativeBf16Dot ? 64 : 32;
    return out;
  }

  PackedLayout getPacking(Type element) const override { return {64, element.isBF16() ? 2 : 1}; }

  std::unique_ptr<TileEmitter> createEmitter(MLIRContext *context) const override {
    return std::make_unique<X86Emitter>(context, tier);
  }

  FailureOr<CompiledKernel> compileKernel(func::FuncOp kernel,
                                          const CompileOptions &options) const override {
    llvm::LLVMContext context;
    std::unique_ptr<llvm::Module> module = lowerKernel(kernel, tier, context);
    if (!module) {
      return failure();
    }
    CompiledKernel out;
    out.name = kernel.getName().str();
    llvm::Expected<std::vector<char>> object =
        emitObject(*module, tier, options.assembly ? &out.assembly : nullptr);
    if (!object) {
      return kernel.emitError() << "kernel '" << out.name
                                << "': " << llvm::toString(object.takeError());
    }
    out.object = std::move(*object);
    return out;
  }

  FailureOr<KernelImage> serialize(llvm::ArrayRef<CompiledKernel> kernels,
                                   Location loc) const override {
    llvm::Expected<KernelImage> image = flattenObjects(kernels);
    if (!image) {
      return emitError(loc) << "target '" << tier.name
                            << "': " << llvm::toString(image.takeError());
    }
    return std::move(*image);
  }

private:
  X86Tier tier;
};

std::vector<X86Tier> allTiers() {
  return {{"x86-64-v3", "x86-64-v3", "x86-64-v3", "", 8, 16, false, false},
          {"x86-64-v4", "x86-64-v4", "x86-64-v4", "", 16, 32, false, false},
          {"x86-64-v4-bf16", "x86-64-v4-bf16", "x86-64-v4", "+avx512vnni,+avx512bf16", 16, 32, true,
           false}};
}

X86Tier emulated(X86Tier tier) {
  tier.name += ":emulated";
  tier.codeTier = tier.processor = "x86-64-v3";
  tier.features.clear();
  tier.emulate = true;
  return tier;
}

} // namespace

void registerX86Targets(TargetRegistry &registry) {
  std::vector<X86Tier> tiers = allTiers();
  for (const X86Tier &tier : tiers) {
    registry.add(std::make_unique<X86Backend>(tier));
  }
  for (const X86Tier &tier : tiers) {
    registry.add(std::make_unique<X86Backend>(emulated(tier)));
  }
  registry.setHost(bestHostTier());
}

void registerX86Dialects(DialectRegistry &registry) {
  registry.insert<x86vector::X86VectorDialect>();
}

} // namespace dsv2
