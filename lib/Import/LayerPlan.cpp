//===- LayerPlan.cpp - which layers share families and loops -------------------===//
//
// Groups first, then the loops over them.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/LayerPlan.h"

namespace mlir::dsv2 {

/// Periods up to this are one loop body even where they do not repeat.
static constexpr int64_t kLongPeriod = 4;

LayerPlan planLayers(MLIRContext &context, const ::dsv2::ModelConfig &config) {
  LayerPlan plan;
  int64_t layers = config.numLayers;
  int64_t period = config.moeLayerFrequency;
  auto range = [&](int64_t begin, int64_t end, int64_t step) {
    return RangeAttr::get(&context, begin, end, step);
  };
  auto addLoop = [&](int64_t begin, int64_t end, int64_t step, SmallVector<unsigned> groups) {
    plan.loops.push_back({range(begin, end, step), std::move(groups)});
  };

  int64_t firstMoe = 0;
  while (firstMoe < layers && !config.isMoeLayer(firstMoe)) {
    ++firstMoe;
  }
  if (firstMoe > 0) {
    addLoop(0, firstMoe, 1, {0});
    plan.groups.push_back({"dense", range(0, firstMoe, 1), false});
  }
  if (firstMoe == layers) {
    return plan;
  }
  // A long period that does not repeat: runs of layers, so that the text stays short.
  if (period > kLongPeriod && layers - firstMoe < 2 * period) {
    unsigned moe = plan.groups.size();
    plan.groups.push_back({"moe", range(firstMoe, layers, period), true});
    for (int64_t begin = firstMoe, run = 1; begin < layers; begin += period, ++run) {
      addLoop(begin, begin + 1, 1, {moe});
      int64_t end = std::min(begin + period, layers);
      if (begin + 1 < end) {
        addLoop(begin + 1, end, 1, {static_cast<unsigned>(plan.groups.size())});
        plan.groups.push_back({"dense" + std::to_string(run), range(begin + 1, end, 1), false});
      }
    }
    return plan;
  }
  // One group for each place in the period that some layer has.
  SmallVector<unsigned> body;
  for (int64_t place = 0; place < std::min(period, layers - firstMoe); ++place) {
    body.push_back(plan.groups.size());
    plan.groups.push_back({place == 0 ? "moe" : "dense" + std::to_string(place),
                           range(firstMoe + place, layers, period), place == 0});
  }
  int64_t whole = (layers - firstMoe) / period;
  if (whole > 0) {
    addLoop(firstMoe, firstMoe + whole * period, period, body);
  }
  for (int64_t layer = firstMoe + whole * period, place = 0; layer < layers; ++layer, ++place) {
    addLoop(layer, layer + 1, 1, {body[place]});
  }
  return plan;
}

} // namespace mlir::dsv2
