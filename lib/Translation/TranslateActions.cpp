//===- TranslateActions.cpp - the table of dsv2-translate ----------------------===//
//
// One entry for each action; what an action does lives in the room that it comes from.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Importer.h"
#include "lib/Translation/TranslateMain.h"

namespace mlir::dsv2 {

static ::dsv2::Expected<std::string> importHuggingFace(TranslateRequest &request) {
  ::dsv2::Expected<OwningOpRef<ModuleOp>> module =
      importModelDirectory(request.context, request.input, allImporters());
  if (!module) {
    return module.takeError();
  }
  return printModule(**module);
}

std::vector<TranslateAction> allTranslateActions() {
  return {
      {"--import-hf", "DIR", "config.json and safetensors headers of a model directory to dsv2 IR", false,
       importHuggingFace},
  };
}

} // namespace mlir::dsv2
