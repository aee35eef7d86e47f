//===- TargetRegistry.cpp - the targets of this build ---------------------===//
//
// The list of targets is data that CMake writes (Targets.inc): a target is added by a folder and
// one word.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/TargetBackend.h"

#include "lib/Codegen/Gpu/DeviceForm.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"

namespace dsv2 {

#define DSV2_TARGET(Name)                                                                          \
  void register##Name##Targets(TargetRegistry &registry);                                          \
  void register##Name##Dialects(mlir::DialectRegistry &registry);
#include "lib/Target/Targets.inc"
#undef DSV2_TARGET

TargetBackend::~TargetBackend() = default;

mlir::LogicalResult TargetBackend::convertDevice(DeviceForm &form) const {
  return form.device.emitError() << "target '" << getName() << "' has no device form";
}

AttentionTile TargetBackend::getAttentionTile(mlir::Type) const { return {}; }

llvm::StringRef codeFormatName(CodeFormat format) {
  switch (format) {
  case CodeFormat::Flat:
    return "flat";
  case CodeFormat::Ptx:
    return "ptx";
  case CodeFormat::Cubin:
    return "cubin";
  case CodeFormat::Hsaco:
    return "hsaco";
  }
  llvm_unreachable("a format without a name");
}

KernelImage joinModules(llvm::ArrayRef<CompiledKernel> kernels, CodeFormat format) {
  KernelImage image;
  image.format = format;
  auto append = [&](llvm::ArrayRef<char> module) {
    uint64_t at = image.bytes.size();
    image.bytes.insert(image.bytes.end(), module.begin(), module.end());
    image.bytes.resize(llvm::alignTo(image.bytes.size(), 64));
    return at;
  };
  for (const CompiledKernel &kernel : kernels) {
    image.symbols.push_back({kernel.name, append(kernel.object), kernel.object.size()});
  }
  for (auto [symbol, kernel] : llvm::zip_equal(image.symbols, kernels)) {
    if (!kernel.binary.empty()) {
      symbol.binaryOffset = append(kernel.binary);
      symbol.binarySize = kernel.binary.size();
    }
  }
  image.bytes.resize(llvm::alignTo(image.bytes.size(), 4096));
  return image;
}

bool TargetRegistry::add(std::unique_ptr<TargetBackend> backend) {
  if (lookup(backend->getName()) != nullptr) {
    return false;
  }
  backends.push_back(std::move(backend));
  return true;
}

void TargetRegistry::addSimtTargets() {
  for (size_t i = 0, count = backends.size(); i < count; ++i) {
    if (backends[i]->hasDeviceForm()) {
      add(makeSimtBackend(*backends[i]));
    }
  }
}

const TargetBackend *TargetRegistry::lookup(llvm::StringRef name) const {
  llvm::StringRef wanted = name == "host" ? llvm::StringRef(host) : name;
  for (const std::unique_ptr<TargetBackend> &backend : backends) {
    if (backend->getName() == wanted) {
      return backend.get();
    }
  }
  return nullptr;
}

std::vector<std::string> TargetRegistry::getNames() const {
  std::vector<std::string> names;
  for (const std::unique_ptr<TargetBackend> &backend : backends) {
    names.push_back(backend->getName().str());
  }
  return names;
}

void registerAllTargets(TargetRegistry &registry) {
#define DSV2_TARGET(Name) register##Name##Targets(registry);
#include "lib/Target/Targets.inc"
#undef DSV2_TARGET
  registry.addSimtTargets();
}

void registerKernelDialects(mlir::DialectRegistry &registry) {
  registry.insert<mlir::arith::ArithDialect, mlir::cf::ControlFlowDialect, mlir::func::FuncDialect,
                  mlir::LLVM::LLVMDialect, mlir::math::MathDialect, mlir::memref::MemRefDialect,
                  mlir::scf::SCFDialect, mlir::ub::UBDialect, mlir::vector::VectorDialect>();
  mlir::registerBuiltinDialectTranslation(registry);
  mlir::registerLLVMDialectTranslation(registry);
#define DSV2_TARGET(Name) register##Name##Dialects(registry);
#include "lib/Target/Targets.inc"
#undef DSV2_TARGET
}

} // namespace dsv2
