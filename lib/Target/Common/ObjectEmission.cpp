//===- ObjectEmission.cpp - an LLVM module to an object in memory ---------===//
//
// Position-independent code for an explicit processor, without unwind tables, jump tables or
// library calls. The code generator aborts on what it cannot select, so it runs under protection.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/Common/HostCode.h"
#include "lib/Target/Common/Protected.h"

#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Utils/Cloning.h"

#include <mutex>

using namespace llvm;

namespace dsv2 {
namespace {

/// Keeps the first error, and turns the stack-size warning into one.
struct CollectErrors : DiagnosticHandler {
  std::string &first;
  explicit CollectErrors(std::string &first) : first(first) {}
  bool handleDiagnostics(const DiagnosticInfo &info) override {
    if (info.getSeverity() != DS_Error && info.getKind() != DK_StackSize) {
      return true;
    }
    if (first.empty()) {
      raw_string_ostream os(first);
      DiagnosticPrinterRawOStream printer(os);
      info.print(printer);
    }
    return true;
  }
};

std::unique_ptr<TargetMachine> createMachine(const X86Tier &tier, std::string &error) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  });
  Triple triple("x86_64-unknown-linux-gnu");
  const Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target) {
    return nullptr;
  }
  TargetOptions options;
  return std::unique_ptr<TargetMachine>(
      target->createTargetMachine(triple, tier.processor, tier.features, options, Reloc::PIC_,
                                  CodeModel::Small, CodeGenOptLevel::Default));
}

void setAttributes(Module &module, const X86Tier &tier) {
  std::string width = std::to_string(tier.lanes * 32);
  std::string frame = std::to_string(tier.frameBytes);
  for (Function &function : module) {
    // The machine alone says which instructions exist: an attribute would beat it.
    function.removeFnAttr("target-features");
    function.removeFnAttr("target-cpu");
    if (function.isDeclaration()) {
      continue;
    }
    function.addFnAttr("no-builtins");
    function.addFnAttr(Attribute::NoUnwind);
    function.addFnAttr("no-jump-tables", "true");
    function.addFnAttr("warn-stack-size", frame);
    function.addFnAttr("denormal-fp-math", "preserve-sign,preserve-sign");
    if (!tier.emulate) {
      function.addFnAttr("prefer-vector-width", width);
      function.addFnAttr("min-legal-vector-width", width);
    }
  }
  for (GlobalVariable &global : module.globals()) {
    if (global.isConstant() && !global.isDeclaration()) {
      global.setLinkage(GlobalValue::PrivateLinkage);
    }
  }
}

void optimize(Module &module, TargetMachine &machine) {
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager components;
  ModuleAnalysisManager modules;
  // Register blocks are laid out by the emitter: unrolling would only make code and frames larger.
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
  builder.buildPerModuleDefaultPipeline(OptimizationLevel::O1).run(module, modules);
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

} // namespace

Expected<std::vector<char>> emitObject(Module &module, const X86Tier &tier, std::string *assembly) {
  auto fail = [&](const Twine &why) {
    return createStringError(inconvertibleErrorCode(), "target '" + tier.name + "': " + why);
  };
  std::string error;
  std::unique_ptr<TargetMachine> machine = createMachine(tier, error);
  if (!machine) {
    return fail(error);
  }
  module.setTargetTriple(machine->getTargetTriple());
  module.setDataLayout(machine->createDataLayout());
  setAttributes(module, tier);
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
    lowerBf16(module, tier);
    if (assembly) {
      emit(*CloneModule(module), *machine, CodeGenFileType::AssemblyFile, text);
    }
    emitted = emit(module, *machine, CodeGenFileType::ObjectFile, object);
  });
  if (fatal) {
    return fail(*fatal);
  }
  if (!emitted || !diagnostic.empty()) {
    return fail(diagnostic.empty() ? std::string("no object can be written") : diagnostic);
  }
  if (assembly) {
    assembly->assign(text.begin(), text.end());
  }
  return std::vector<char>(object.begin(), object.end());
}

} // namespace dsv2
