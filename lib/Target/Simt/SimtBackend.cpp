//===- SimtBackend.cpp - a GPU target, played by the CPU ------------------===//
//
// Everything but the code is the GPU target's: emitter, packing, capabilities. So what runs checked
// is what runs on the GPU.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/TileEmitter.h"
#include "lib/Target/Simt/Simt.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

using namespace mlir;

namespace dsv2 {
namespace {

class SimtBackend : public TargetBackend {
public:
  explicit SimtBackend(const TargetBackend &gpu)
      : gpu(gpu), name((gpu.getName() + ":simt").str()), tier(simtTier()) {}

  llvm::StringRef getName() const override { return name; }
  llvm::StringRef getDriver() const override { return "simt"; }
  llvm::StringRef getTier() const override { return tier.codeTier; }
  TargetCapabilities getCapabilities() const override { return gpu.getCapabilities(); }
  PackedLayout getPacking(Type element) const override { return gpu.getPacking(element); }
  AttentionTile getAttentionTile(Type element) const override {
    return gpu.getAttentionTile(element);
  }
  std::unique_ptr<TileEmitter> createEmitter(MLIRContext *context) const override {
    return gpu.createEmitter(context);
  }

  FailureOr<CompiledKernel> compileKernel(func::FuncOp kernel,
                                          const CompileOptions &options) const override {
    FailureOr<DeviceForm> form = makeDeviceForm(kernel);
    if (failed(form)) {
      return failure();
    }
    CompiledKernel out;
    out.name = kernel.getName().str();
    out.threads = form->threads;
    out.sharedBytes = form->sharedBytes;
    llvm::LLVMContext context;
    std::unique_ptr<llvm::Module> module =
        lowerDeviceForm(std::move(*form), getCapabilities().lanes, context);
    if (!module) {
      return failure();
    }
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
      return emitError(loc) << "target '" << name << "': " << llvm::toString(image.takeError());
    }
    return std::move(*image);
  }

private:
  const TargetBackend &gpu;
  std::string name;
  X86Tier tier;
};

} // namespace

/// Declared by the registry.
std::unique_ptr<TargetBackend> makeSimtBackend(const TargetBackend &gpu) {
  return std::make_unique<SimtBackend>(gpu);
}

} // namespace dsv2
