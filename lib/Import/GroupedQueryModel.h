//===- GroupedQueryModel.h - import of models with grouped queries -------------===//
//
// What the importers of llama, deepseek, qwen2 and mixtral share: attention in which groups of
// query heads share a key and a value head.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_IMPORT_GROUPEDQUERYMODEL_H
#define DSV2_LIB_IMPORT_GROUPEDQUERYMODEL_H

#include "lib/Checkpoint/GroupedQueryConfig.h"
#include "lib/Import/ModelBuilder.h"

namespace mlir::dsv2 {

/// Imports what `config` describes, without roundings. The cache keeps keys after rope, then
/// values, as merged heads.
::dsv2::Expected<OwningOpRef<ModuleOp>>
importGroupedQueryModel(MLIRContext &context, const ::dsv2::Checkpoint &checkpoint,
                        const ::dsv2::GroupedQueryConfig &config, ExpertNames expertNames = {});

/// Reads the checkpoint's config as a Config, then imports it.
template <typename Config>
::dsv2::Expected<OwningOpRef<ModuleOp>>
readAndImportGroupedQueryModel(MLIRContext &context, const ::dsv2::Checkpoint &checkpoint,
                               ExpertNames expertNames = {}) {
  ::dsv2::Expected<Config> config = Config::read(checkpoint.config(), checkpoint.configPath());
  if (!config) {
    return config.takeError();
  }
  return importGroupedQueryModel(context, checkpoint, *config, expertNames);
}

} // namespace mlir::dsv2

#endif // DSV2_LIB_IMPORT_GROUPEDQUERYMODEL_H
