//===- OptMain.cpp - the main of tools like dsv2-opt ---------------------------===//
//
// The check of semantics wraps whatever pipeline the flags describe, so it needs no knowledge of
// the passes. The result is kept in memory until all went well.
//
//===----------------------------------------------------------------------===//

#include "lib/Pipelines/OptMain.h"

#include "lib/Reference/SemanticsCheck.h"
#include "lib/Support/AtomicFile.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Support/Timing.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

namespace mlir::dsv2 {

/// Puts the check around the pipeline that `config` sets up.
static void addSemanticsCheck(MlirOptMainConfig &config,
                              const ::dsv2::SemanticsCheckOptions &options) {
  MlirOptMainConfig plain = config;
  config.setPassPipelineSetupFn([plain, options](PassManager &manager) {
    if (failed(plain.setupPassPipeline(manager))) {
      return failure();
    }
    ::dsv2::checkSemantics(manager, options);
    return success();
  });
}

/// Writes `content` to `path`, or to standard output for "-".
static LogicalResult writeOutput(llvm::StringRef path, llvm::StringRef content) {
  if (path == "-") {
    llvm::outs() << content;
    llvm::outs().flush();
    if (llvm::outs().has_error()) {
      llvm::outs().clear_error(); // or its destructor aborts
      llvm::errs() << "error: cannot write to standard output\n";
      return failure();
    }
    return success();
  }
  if (std::optional<::dsv2::Error> error =
          ::dsv2::writeFileAtomically(path.str(), std::string_view(content))) {
    llvm::errs() << "error: " << error->message() << "\n";
    return failure();
  }
  return success();
}

static LogicalResult run(llvm::StringRef input, llvm::StringRef output, DialectRegistry &registry,
                         const MlirOptMainConfig &config) {
  std::string message;
  std::unique_ptr<llvm::MemoryBuffer> buffer = openInputFile(input, &message);
  if (!buffer) {
    llvm::errs() << "error: " << message << "\n";
    return failure();
  }
  std::string content;
  llvm::raw_string_ostream stream(content);
  if (failed(MlirOptMain(stream, std::move(buffer), registry, config))) {
    return failure();
  }
  return writeOutput(output, content);
}

/// LLVM's own message lacks the word that every message of ours has.
static bool parseCommandLine(int argc, char **argv, llvm::StringRef overview) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (llvm::cl::ParseCommandLineOptions(argc, argv, overview, &stream)) {
    return true;
  }
  llvm::errs() << "error: " << text;
  return false;
}

/// MLIR prints the op behind an error; ours is often the module, with all it holds.
/// `--mlir-print-op-on-diagnostic` brings that back.
static void keepDiagnosticsShort() {
  auto &options = llvm::cl::getRegisteredOptions();
  if (auto option = options.find("mlir-print-op-on-diagnostic"); option != options.end()) {
    static_cast<llvm::cl::opt<bool> *>(option->second)->setInitialValue(false);
  }
}

int optMain(int argc, char **argv, llvm::StringRef overview, DialectRegistry &registry) {
  llvm::InitLLVM init(argc, argv);
  llvm::cl::SetVersionPrinter(
      [](llvm::raw_ostream &stream) { stream << "dsv2-opt " << DSV2_VERSION << "\n"; });
  llvm::cl::opt<std::string> input(llvm::cl::Positional, llvm::cl::desc("<input file>"),
                                   llvm::cl::init("-"));
  llvm::cl::opt<std::string> output("o", llvm::cl::desc("output file"),
                                    llvm::cl::value_desc("file"), llvm::cl::init("-"));
  // The option keeps a reference to its text.
  const std::string checkHelp = "run the module in f64 before and after every pass and name the "
                                "first that changes what it computes; " +
                                std::string(::dsv2::semanticsCheckHelp);
  llvm::cl::opt<std::string> check("dsv2-check-semantics", llvm::cl::ValueOptional,
                                   llvm::cl::value_desc("sub-options"), llvm::cl::desc(checkHelp));
  MlirOptMainConfig::registerCLOptions(registry);
  registerAsmPrinterCLOptions();
  registerMLIRContextCLOptions();
  registerPassManagerCLOptions();
  registerDefaultTimingManagerCLOptions();
  keepDiagnosticsShort();
  if (!parseCommandLine(argc, argv, overview)) {
    return EXIT_FAILURE;
  }
  MlirOptMainConfig config = MlirOptMainConfig::createFromCLOptions();
  if (config.shouldShowDialects()) {
    llvm::interleave(registry.getDialectNames(), llvm::outs(), "\n");
    llvm::outs() << "\n";
    return EXIT_SUCCESS;
  }
  if (config.shouldListPasses()) {
    printRegisteredPasses();
    return EXIT_SUCCESS;
  }
  if (check.getNumOccurrences() > 0) {
    FailureOr<::dsv2::SemanticsCheckOptions> options = ::dsv2::parseSemanticsCheckOptions(check);
    if (failed(options)) {
      return EXIT_FAILURE;
    }
    addSemanticsCheck(config, *options);
  }
  return asMainReturnCode(run(input, output, registry, config));
}

} // namespace mlir::dsv2
