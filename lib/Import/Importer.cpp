//===- Importer.cpp - model directories to dsv2 IR -----------------------------===//
//
// The registry, and the list of importers in this tree.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Importer.h"

#include "dialects/DSV2/IR/DSV2.h"
#include "lib/Checkpoint/Config.h"
#include "lib/Import/DeepseekMoE.h"
#include "lib/Import/DeepseekV2.h"
#include "lib/Import/DeepseekV3.h"
#include "lib/Import/Llama.h"
#include "lib/Import/Mixtral.h"
#include "lib/Import/Qwen2.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"

namespace mlir::dsv2 {

void ImporterRegistry::add(std::string modelType, ImportFunction function) {
  functions[std::move(modelType)] = function;
}

ImportFunction ImporterRegistry::find(const std::string &modelType) const {
  auto found = functions.find(modelType);
  return found == functions.end() ? nullptr : found->second;
}

std::vector<std::string> ImporterRegistry::modelTypes() const {
  std::vector<std::string> names;
  for (const auto &entry : functions) {
    names.push_back(entry.first);
  }
  return names;
}

ImporterRegistry allImporters() {
  ImporterRegistry registry;
  registry.add("deepseek", importDeepseekMoE);
  registry.add("deepseek_v2", importDeepseekV2);
  registry.add("deepseek_v3", importDeepseekV3);
  registry.add("llama", importLlama);
  registry.add("mixtral", importMixtral);
  registry.add("qwen2", importQwen2);
  return registry;
}

::dsv2::Expected<OwningOpRef<ModuleOp>> importModelDirectory(MLIRContext &context,
                                                             const std::string &directory,
                                                             const ImporterRegistry &registry) {
  ::dsv2::Expected<::dsv2::Checkpoint> checkpoint = ::dsv2::Checkpoint::open(directory);
  if (!checkpoint) {
    return checkpoint.takeError();
  }
  std::string modelType = checkpoint->modelType();
  ImportFunction function = registry.find(modelType);
  if (!function) {
    return ::dsv2::unsupportedModelType(checkpoint->configPath(), modelType, registry.modelTypes());
  }
  context.loadDialect<DSV2Dialect, arith::ArithDialect, func::FuncDialect, tensor::TensorDialect>();
  ::dsv2::Expected<OwningOpRef<ModuleOp>> module = function(context, *checkpoint);
  if (module && failed(verify(**module))) {
    return ::dsv2::Error(::dsv2::ErrorKind::Internal, directory,
                         ": the imported module does not verify");
  }
  return module;
}

} // namespace mlir::dsv2
