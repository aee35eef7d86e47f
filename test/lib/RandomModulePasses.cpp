//===- RandomModulePasses.cpp - Random modules for dsv2-opt-test ----------===//
//
// One pass puts a random module in the place of its input, for tests of other
// passes; the other makes many and checks what holds for every valid module: it
// verifies, and is the same after text and after bytecode.
//
//===----------------------------------------------------------------------===//
#include "RandomModule.h"

#include "mlir/Bytecode/BytecodeReader.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/Pass.h"

#include "llvm/Support/raw_ostream.h"

#include <map>

namespace dsv2 {

using namespace mlir;

namespace {

void addDialects(DialectRegistry &registry) {
  registry.insert<mlir::dsv2::DSV2Dialect, arith::ArithDialect, func::FuncDialect,
                  tensor::TensorDialect>();
}

class MakeRandomModule : public PassWrapper<MakeRandomModule, OperationPass<ModuleOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(MakeRandomModule)

  MakeRandomModule() = default;
  MakeRandomModule(const MakeRandomModule &other) : PassWrapper(other) {}
  StringRef getArgument() const override { return "test-make-random-module"; }
  StringRef getDescription() const override { return "replace the module by a random one"; }
  void getDependentDialects(DialectRegistry &registry) const override { addDialects(registry); }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    RandomModel model = RandomModel::draw(getContext(), uint64_t(seed));
    model.bf16Cache &= rounded;
    model.bf16Operands &= rounded;
    OwningOpRef<ModuleOp> made = makeModule(getContext(), model);
    module->setAttrs((*made)->getAttrs());
    module.getBodyRegion().takeBody(made->getBodyRegion());
  }

private:
  Option<int64_t> seed{*this, "seed", llvm::cl::desc("of the module"), llvm::cl::init(1)};
  Option<bool> rounded{*this, "rounded", llvm::cl::desc("may have casts and a cache of bf16"),
                       llvm::cl::init(true)};
};

std::string textOf(ModuleOp module, bool generic = false) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  OpPrintingFlags flags;
  flags.enableDebugInfo();
  if (generic) {
    flags.printGenericOpForm();
  }
  module.print(stream, flags);
  return text;
}

class CheckRandomModules : public PassWrapper<CheckRandomModules, OperationPass<ModuleOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(CheckRandomModules)

  CheckRandomModules() = default;
  CheckRandomModules(const CheckRandomModules &other) : PassWrapper(other) {}
  StringRef getArgument() const override { return "test-random-modules"; }
  StringRef getDescription() const override {
    return "make random modules; they verify and survive text and bytecode";
  }
  void getDependentDialects(DialectRegistry &registry) const override { addDialects(registry); }

  void runOnOperation() override {
    for (int64_t i = 0; i < count; ++i) {
      if (failed(check(uint64_t(seed + i)))) {
        getOperation().emitError("random module of seed ") << seed + i << " failed";
        return signalPassFailure();
      }
    }
    llvm::outs() << count << " random modules from seed " << seed << "\n";
    for (const auto &[name, number] : ops) {
      llvm::outs() << name << ": " << number << "\n";
    }
  }

private:
  LogicalResult check(uint64_t seed) {
    OwningOpRef<ModuleOp> made = makeModule(getContext(), RandomModel::draw(getContext(), seed));
    if (failed(verify(*made))) {
      return failure();
    }
    made->walk([&](Operation *op) {
      ++ops[op->getName().getStringRef().str()];
      if (auto gate = dyn_cast<mlir::dsv2::GateOp>(op)) {
        ++ops["gate by " + std::string(gate.getMethod().getAbstractAttribute().getName())];
      }
    });
    std::string text = textOf(*made);
    for (const std::string &form : {text, textOf(*made, true), bytecodeOf(*made)}) {
      ParserConfig config(&getContext());
      OwningOpRef<ModuleOp> again = parseSourceString<ModuleOp>(form, config);
      if (!again) {
        return made->emitError("cannot be parsed again");
      }
      if (textOf(*again) != text) {
        return made->emitError("prints otherwise after it was read again");
      }
    }
    return success();
  }

  std::string bytecodeOf(ModuleOp module) {
    std::string bytes;
    llvm::raw_string_ostream stream(bytes);
    (void)writeBytecodeToFile(module, stream);
    return bytes;
  }

  /// How often each op and each method of a gate occurs.
  std::map<std::string, int64_t> ops;
  Option<int64_t> seed{*this, "seed", llvm::cl::desc("of the first module"), llvm::cl::init(1)};
  Option<int64_t> count{*this, "count", llvm::cl::desc("how many"), llvm::cl::init(1000)};
};

} // namespace

void registerRandomModulePasses() {
  PassRegistration<MakeRandomModule>();
  PassRegistration<CheckRandomModules>();
}

} // namespace dsv2
