//===- CodeObject.cpp - an LLVM module to a relocatable object ------------===//
//
// For an explicit processor, without library calls. The code generator aborts on what it cannot
// select, so it runs under protection.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/AMD/Compile.h"
#include "lib/Target/Common/Protected.h"

#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Utils/Cloning.h"

#include <mutex>

using namespace llvm;

namespace dsv2 {
namespace {

/// Version of code objects: every driver of these processors takes it.
constexpr uint32_t kCodeObjectVersion = 500;

/// Keeps the first error.
struct CollectErrors : DiagnosticHandler {
  std::string &first;
  explicit CollectErrors(std::string &first) : first(first) {}
  bool handleDiagnostics(const DiagnosticInfo &info) override {
    if (info.getSeverity() == DS_Error && first.empty()) {
      raw_string_ostream os(first);
      DiagnosticPrinterRawOStream printer(os);
      info.print(printer);
    }
    return true;
  }
};

std::unique_ptr<TargetMachine> createMachine(const AmdArch &arch, std::string &error) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeAMDGPUTargetInfo();
    LLVMInitializeAMDGPUTarget();
    LLVMInitializeAMDGPUTargetMC();
    LLVMInitializeAMDGPUAsmPrinter();
  });
  Triple triple("amdgcn-amd-amdhsa");
  const Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target) {
    return nullptr;
  }
  return std::unique_ptr<TargetMachine>(
      target->createTargetMachine(triple, arch.name, "", TargetOptions(), Reloc::PIC_));
}

void prepare(Module &module) {
  module.addModuleFlag(Module::Error, "amdhsa_code_object_version", kCodeObjectVersion);
  for (Function &function : module) {
    function.removeFnAttr("target-features");
    function.removeFnAttr("target-cpu");
    if (!function.isDeclaration()) {
      function.addFnAttr(Attribute::NoUnwind);
      function.addFnAttr("no-builtins");
      function.addFnAttr("uniform-work-group-size", "true");
    }
  }
}

void optimize(Module &module, TargetMachine &machine) {
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager components;
  ModuleAnalysisManager modules;
  // Blocks of accumulators are laid out by the emitter: unrolling would only cost registers.
  PipelineTuningOptions tuning;
  tuning.LoopUnrolling = false;
  tuning.LoopInterleaving = false;
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(OptimizationLevel::O2).run(module, modules);
}

bool emit(Module &module, TargetMachine &machine, CodeGenFileType kind,
          SmallVectorImpl<char> &out) {
  raw_svector_ostream os(out);
  legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, os, nullptr, kind)) {
    return false;
  }
  passes.run(module);
  return true;
}

/// Names of what the object wants from elsewhere, joined by ", ".
Expected<std::string> undefinedSymbols(ArrayRef<char> object) {
  auto file = object::ObjectFile::createELFObjectFile(
      MemoryBufferRef(StringRef(object.data(), object.size()), "object"));
  if (!file) {
    return file.takeError();
  }
  std::string out;
  for (const object::SymbolRef &symbol : (*file)->symbols()) {
    Expected<uint32_t> flags = symbol.getFlags();
    Expected<StringRef> name = symbol.getName();
    if (!flags) {
      return flags.takeError();
    }
    if (!name) {
      return name.takeError();
    }
    bool isNull = name->empty(); // the first of every table
    if ((*flags & object::SymbolRef::SF_Undefined) && !isNull) {
      out += (out.empty() ? "'" : ", '") + name->str() + "'";
    }
  }
  return out;
}

} // namespace

Expected<std::vector<char>> emitDeviceObject(Module &module, const AmdArch &arch,
                                             std::string *assembly) {
  auto fail = [&](const Twine &why) {
    return createStringError(inconvertibleErrorCode(), "target '" + arch.name + "': " + why);
  };
  std::string error;
  std::unique_ptr<TargetMachine> machine = createMachine(arch, error);
  if (!machine) {
    return fail(error);
  }
  module.setTargetTriple(machine->getTargetTriple());
  module.setDataLayout(machine->createDataLayout());
  prepare(module);
  std::string broken;
  raw_string_ostream brokenStream(broken);
  if (verifyModule(module, &brokenStream)) {
    return fail("invalid LLVM IR: " + broken);
  }
  std::string diagnostic;
  module.getContext().setDiagnosticHandler(std::make_unique<CollectErrors>(diagnostic));
  SmallVector<char, 0> object, text;
  bool emitted = false;
  std::optional<std::string> fatal = runProtected([&] {
    optimize(module, *machine);
    if (assembly) {
      emit(*CloneModule(module), *machine, CodeGenFileType::AssemblyFile, text);
    }
    emitted = emit(module, *machine, CodeGenFileType::ObjectFile, object);
  });
  if (fatal) {
    return fail("the code generator has no code for it: " + *fatal);
  }
  if (!emitted || !diagnostic.empty()) {
    return fail(diagnostic.empty() ? std::string("no object can be written") : diagnostic);
  }
  Expected<std::string> undefined = undefinedSymbols(object);
  if (!undefined) {
    return undefined.takeError();
  }
  if (!undefined->empty()) {
    return fail("the code needs " + *undefined + ", which no object holds");
  }
  if (assembly) {
    assembly->assign(text.begin(), text.end());
  }
  return std::vector<char>(object.begin(), object.end());
}

} // namespace dsv2
