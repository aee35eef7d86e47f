//===- TranslateMain.cpp - the command line of dsv2-translate ------------------===//
//
// `mlir-translate` opens files only and writes over its output even when it fails. This main opens
// directories too, and leaves an existing file as it was after an error.
//
//===----------------------------------------------------------------------===//

#include "lib/Translation/TranslateMain.h"

#include "lib/Artifact/Trust.h"
#include "lib/Pipelines/Registration.h"
#include "lib/Support/AtomicFile.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"

namespace mlir::dsv2 {

using ::dsv2::Error;
using ::dsv2::ErrorKind;
using ::dsv2::Expected;

Expected<OwningOpRef<ModuleOp>> parseInput(TranslateRequest &request) {
  std::string message;
  std::unique_ptr<llvm::MemoryBuffer> buffer = openInputFile(request.input, &message);
  if (!buffer) {
    return Error(ErrorKind::Io, message);
  }
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(buffer), SMLoc());
  SourceMgrDiagnosticHandler handler(sources, &request.context);
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(sources, &request.context);
  if (!module) {
    return Error(ErrorKind::InvalidFile, "");
  }
  return module;
}

std::string printModule(ModuleOp module, bool locations) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, OpPrintingFlags().printNameLocAsPrefix().enableDebugInfo(locations));
  stream << '\n';
  return text;
}

static void printHelp(const std::vector<TranslateAction> &actions) {
  llvm::outs() << "dsv2-translate: models and artifacts to and from IR\n"
                  "usage: dsv2-translate ACTION [-o FILE]\n\nactions:\n";
  for (const TranslateAction &action : actions) {
    std::string left = std::string("  ") + action.flag + " " + action.operand +
                       (action.takesJson ? " [--json]" : "");
    llvm::outs() << llvm::formatv("{0,-36}", left) << ' ' << action.summary << '\n';
  }
  llvm::outs()
      << "\n  -o FILE    write there instead of to standard output (unchanged after an error)\n"
         "  --cache-dir DIR  where --to-artifact records trust (default $XDG_CACHE_HOME/dsv2;\n"
         "             none: nowhere)\n"
         "  --mlir-print-debuginfo  print IR with the tensor and layers that each op comes from, "
         "so\n"
         "             that messages of later passes name them\n"
         "  --help, --version\n\n"
         "example:\n  dsv2-translate --import-hf models/kjv-v2 | dsv2-opt --dsv2-compile \\\n"
         "    | dsv2-translate --to-artifact -o model.dsv2\n";
}

namespace {

struct CommandLine {
  const TranslateAction *action = nullptr;
  std::string input;
  std::string output = "-";
  bool json = false;
  bool locations = false;
  std::string cacheDirectory = ::dsv2::defaultCacheDirectory();
};

} // namespace

static Expected<CommandLine> parseCommandLine(ArrayRef<std::string> arguments,
                                              const std::vector<TranslateAction> &actions) {
  CommandLine line;
  bool haveInput = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string &argument = arguments[i];
    auto isFlag = [&](const TranslateAction &action) {
      return argument == action.flag ||
             StringRef(argument).starts_with(std::string(action.flag) + "=");
    };
    auto action = llvm::find_if(actions, isFlag);
    if (action != actions.end()) {
      if (line.action) {
        return Error(ErrorKind::Usage, "both ", line.action->flag, " and ", action->flag,
                     ", expected one action");
      }
      line.action = &*action;
      if (argument != action->flag) {
        line.input = argument.substr(StringRef(action->flag).size() + 1);
        haveInput = true;
      }
    } else if (argument == "-o") {
      if (++i == arguments.size()) {
        return Error(ErrorKind::Usage, "-o takes a file");
      }
      line.output = arguments[i];
    } else if (argument == "--cache-dir") {
      if (++i == arguments.size()) {
        return Error(ErrorKind::Usage, "--cache-dir takes a directory");
      }
      line.cacheDirectory = arguments[i];
    } else if (argument == "--json") {
      line.json = true;
    } else if (argument == "--mlir-print-debuginfo") {
      line.locations = true;
    } else if (argument.size() > 1 && argument[0] == '-') {
      return Error(ErrorKind::Usage, "unknown option ", ::dsv2::quote(argument), " (see --help)");
    } else if (haveInput) {
      return Error(ErrorKind::Usage, "a second input ", ::dsv2::quote(argument), ", expected one");
    } else {
      line.input = argument;
      haveInput = true;
    }
  }
  if (!line.action) {
    return Error(ErrorKind::Usage, "no action (see --help)");
  }
  if (!haveInput) {
    if (line.action->operand[0] != '[') {
      return Error(ErrorKind::Usage, line.action->flag, " takes ", line.action->operand);
    }
    line.input = "-";
  }
  if (line.json && !line.action->takesJson) {
    return Error(ErrorKind::Usage, "--json does not go with ", line.action->flag);
  }
  return line;
}

static std::optional<Error> writeOutput(const std::string &output, const std::string &content) {
  if (output != "-") {
    return ::dsv2::writeFileAtomically(output, content);
  }
  llvm::outs() << content;
  llvm::outs().flush();
  if (llvm::outs().has_error()) {
    llvm::outs().clear_error();
    return Error(ErrorKind::Io, "cannot write to standard output");
  }
  return std::nullopt;
}

static std::optional<Error> runCommand(ArrayRef<std::string> arguments,
                                       const std::vector<TranslateAction> &actions) {
  Expected<CommandLine> line = parseCommandLine(arguments, actions);
  if (!line) {
    return line.takeError();
  }
  DialectRegistry dialects;
  registerAllDialects(dialects);
  MLIRContext context(dialects, MLIRContext::Threading::DISABLED);
  TranslateRequest request{context, line->input, line->json, line->cacheDirectory, line->locations};
  Expected<std::string> content = line->action->run(request);
  if (!content) {
    return content.takeError();
  }
  return writeOutput(line->output, *content);
}

int translateMain(int argc, char **argv) {
  std::vector<TranslateAction> actions = allTranslateActions();
  std::vector<std::string> arguments(argv + 1, argv + argc);
  for (const std::string &argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      printHelp(actions);
      return 0;
    }
    if (argument == "--version") {
      llvm::outs() << "dsv2-translate " << DSV2_VERSION << '\n';
      return 0;
    }
  }
  if (std::optional<Error> error = runCommand(arguments, actions)) {
    if (!error->message().empty()) {
      llvm::errs() << "dsv2-translate: error: " << error->message() << '\n';
    }
    return 1;
  }
  return 0;
}

} // namespace mlir::dsv2
