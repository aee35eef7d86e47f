//===- TranslateMain.h - the actions of dsv2-translate -------------------------===//
//
// dsv2-translate is a table of actions. Each turns an input into text or bytes; the main writes
// them to stdout or, atomically, to a file.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_TRANSLATION_TRANSLATEMAIN_H
#define DSV2_LIB_TRANSLATION_TRANSLATEMAIN_H

#include "lib/Support/Error.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>
#include <vector>

namespace mlir::dsv2 {

/// What the command line asked of an action.
struct TranslateRequest {
  MLIRContext &context;       ///< knows every dialect of Registration.h
  std::string input;          ///< directory or file; "-" is standard input
  bool json = false;          ///< --json was given
  std::string cacheDirectory; ///< --cache-dir, where trust is recorded
  bool locations = false; ///< --mlir-print-debuginfo: IR is printed with where its ops come from
};

struct TranslateAction {
  const char *flag; ///< "--import-hf"
  const char
      *operand; ///< what stands after the flag in --help: "DIR", or "[IN]" if it may be left out
  const char *summary; ///< one line
  bool takesJson;
  ::dsv2::Expected<std::string> (*run)(TranslateRequest &request);
};

/// Every action of this tree.
std::vector<TranslateAction> allTranslateActions();

/// Parses and verifies the IR of `request.input`. A diagnostic on stderr has named the place; the
/// error that comes back has an empty message, which `translateMain` does not print again.
::dsv2::Expected<OwningOpRef<ModuleOp>> parseInput(TranslateRequest &request);

/// The text of a module, as the tools print it; with `loc(...)` behind each op if asked.
std::string printModule(ModuleOp module, bool locations = false);

/// The main of dsv2-translate: 0, or 1 after an `error: ` line.
int translateMain(int argc, char **argv);

} // namespace mlir::dsv2

#endif // DSV2_LIB_TRANSLATION_TRANSLATEMAIN_H
