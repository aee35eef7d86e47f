//===- WeightLayout.cpp - Where each prepared weight lies -----------------===//
//
// Checked sums over the tables.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/WeightLayout.h"

#include "lib/Support/CheckedMath.h"

using namespace dsv2;

static constexpr uint64_t kMaxBytes = uint64_t(16) << 40;

int64_t dsv2::layerCount(const LayerRange &range) {
  if (range.global) {
    return 1;
  }
  if (range.step < 1 || range.begin < 0 || range.end <= range.begin) {
    return 0;
  }
  return (range.end - range.begin - 1) / range.step + 1;
}

int64_t dsv2::layerIndex(const LayerRange &range, int64_t number) {
  if (range.global) {
    return number == 0 ? 0 : -1;
  }
  if (number < range.begin || number >= range.end || (number - range.begin) % range.step != 0) {
    return -1;
  }
  return (number - range.begin) / range.step;
}

Expected<WeightLayout> dsv2::layOutWeights(const std::vector<Weight> &weights) {
  WeightLayout layout;
  for (const Weight &weight : weights) {
    WeightLayout::Place place;
    place.offset = layout.bytes;
    place.layers = layerCount(weight.layers);
    std::optional<uint64_t> bytes, stride, all, total;
    if (weight.elements >= 0 && place.layers > 0 &&
        (bytes = checkedMul(static_cast<uint64_t>(weight.elements), elementBytes(weight.type))) &&
        (stride = checkedAlign(*bytes, 64)) &&
        (all = checkedMul(*stride, static_cast<uint64_t>(place.layers)))) {
      total = checkedAdd(layout.bytes, *all);
    }
    if (!total || *total > kMaxBytes) {
      return Error(ErrorKind::Limit, "weight ", quote(weight.name), ": ", place.layers,
                   " layers of ", weight.elements, " elements do not fit the limit of ", kMaxBytes,
                   " bytes for all weights");
    }
    place.layerBytes = *bytes;
    place.layerStride = *stride;
    layout.bytes = *total;
    layout.places.push_back(place);
  }
  return layout;
}
