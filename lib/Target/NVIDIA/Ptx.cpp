//===- Ptx.cpp - PTX text of a kernel ------------------------------------===//
//
// The code generator runs in this process and needs nothing of the vendor's. A PTX module may
// declare functions that are defined elsewhere; a kernel may not, so each is refused by name.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/Common/Protected.h"
#include "lib/Target/NVIDIA/Compile.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace dsv2 {

FailureOr<std::string> emitPtx(DeviceForm &form, const NvidiaArch &arch) {
  Location loc = form.device.getLoc();
  LLVM::LLVMFuncOp kernel, missing;
  form.device.walk([&](LLVM::LLVMFuncOp function) {
    if (!function.isExternal()) {
      kernel = function;
    } else if (!function.getName().starts_with("llvm.")) {
      missing = function;
    }
  });
  if (missing) {
    return emitError(loc) << "kernel '" << kernel.getName() << "' needs the function '"
                          << missing.getName() << "', which no object of target '" << arch.name
                          << "' holds";
  }
  auto target = NVVM::NVVMTargetAttr::get(form.device.getContext(), /*optLevel=*/2,
                                          "nvptx64-nvidia-cuda", arch.name, arch.features);
  gpu::TargetOptions options({}, {}, {}, {}, gpu::CompilationTarget::Assembly);
  std::optional<SmallVector<char, 0>> object;
  std::optional<std::string> fatal = runProtected([&] {
    object =
        cast<gpu::TargetAttrInterface>(Attribute(target)).serializeToObject(form.device, options);
  });
  if (fatal) {
    return emitError(loc) << "kernel '" << kernel.getName()
                          << "': the code generator has no code for it on target '" << arch.name
                          << "': " << StringRef(*fatal).split('\n').first;
  }
  if (!object) {
    return emitError(loc) << "kernel '" << kernel.getName() << "' gives no code for target '"
                          << arch.name << "'";
  }
  std::string text(object->begin(), object->end());
  text.resize(text.find_last_not_of('\0') + 1);
  size_t import = text.find(".extern .func");
  if (import != std::string::npos) {
    return emitError(loc) << "kernel '" << kernel.getName() << "' has an import: "
                          << StringRef(text).substr(import).split('\n').first;
  }
  return text;
}

} // namespace dsv2
