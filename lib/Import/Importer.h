//===- Importer.h - model directories to dsv2 IR -------------------------------===//
//
// One function for each model_type, in an explicit registry. Import reads config.json and the
// headers of the weight files, never a weight, and checks each against the other.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_IMPORT_IMPORTER_H
#define DSV2_LIB_IMPORT_IMPORTER_H

#include "lib/Checkpoint/Checkpoint.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <map>
#include <string>

namespace mlir::dsv2 {

/// Makes the module of one model: weight families, prepare functions and `@step`, at stage
/// "import". Errors name the file, the field and the value.
using ImportFunction = ::dsv2::Expected<OwningOpRef<ModuleOp>> (*)(MLIRContext &,
                                                                   const ::dsv2::Checkpoint &);

/// Importers by the config's model_type.
class ImporterRegistry {
public:
  void add(std::string modelType, ImportFunction function);
  /// Null if there is none.
  ImportFunction find(const std::string &modelType) const;
  std::vector<std::string> modelTypes() const;

private:
  std::map<std::string, ImportFunction> functions;
};

/// Every importer of this tree.
ImporterRegistry allImporters();

/// Opens a Hugging Face model directory and imports it with the registry's function for it.
::dsv2::Expected<OwningOpRef<ModuleOp>> importModelDirectory(MLIRContext &context,
                                                             const std::string &directory,
                                                             const ImporterRegistry &registry);

} // namespace mlir::dsv2

#endif // DSV2_LIB_IMPORT_IMPORTER_H
