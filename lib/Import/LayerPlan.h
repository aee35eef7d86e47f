//===- LayerPlan.h - which layers share families and loops ---------------------===//
//
// Dense layers come first, then MoE layers, with dense ones between them where moe_layer_freq is
// above 1. A plan says which layers share their weight families and which loops run them, so that
// the text of a model grows with its period, never with its number of layers.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_IMPORT_LAYERPLAN_H
#define DSV2_LIB_IMPORT_LAYERPLAN_H

#include "dialects/DSV2/IR/DSV2.h"
#include "lib/Checkpoint/ModelConfig.h"

#include <string>

namespace mlir::dsv2 {

/// Layers of one shape: their numbers and the prefix of their families.
struct LayerGroup {
  std::string prefix;
  RangeAttr layers;
  bool moe;
};

/// One `dsv2.layers`: layer l + i of the model is of group groups[i].
struct LayerLoop {
  RangeAttr range;
  SmallVector<unsigned> groups;
};

struct LayerPlan {
  SmallVector<LayerGroup> groups;
  SmallVector<LayerLoop> loops;
};

/// With moe_layer_freq 2, first_k_dense_replace 1 and 6 layers: @dense 0 to 2, @moe 2 to 6 step 2,
/// @dense1 3 to 6 step 2; loops 0 to 2 (dense) and 2 to 6 step 2 (moe, dense1). Layers that fill no
/// period have loops of their own at the end. A long period that does not repeat (moe_layer_freq
/// 100) becomes runs: @moe, and @dense1 for all layers behind it.
LayerPlan planLayers(MLIRContext &context, const ::dsv2::ModelConfig &config);

} // namespace mlir::dsv2

#endif // DSV2_LIB_IMPORT_LAYERPLAN_H
