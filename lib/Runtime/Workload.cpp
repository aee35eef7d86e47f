//===- Workload.cpp - What a step must read and compute -------------------===//
//
// A dispatch shows how it uses a weight: one that takes the token table gathers
// rows, one that takes the number of wanted rows runs for those alone, and a
// grouped contraction reads the experts that were chosen.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/Workload.h"

#include <algorithm>

using namespace dsv2;

static bool startsWith(const std::string &text, const char *prefix) {
  return text.rfind(prefix, 0) == 0;
}

/// Elements of a stack of experts that one token uses: all but those of the
/// routed experts that were not chosen.
static double chosenElements(const ModelInfo &model, const Weight &weight) {
  double elements = static_cast<double>(weight.elements);
  for (const WeightCopy &copy : weight.copies) {
    int64_t experts = copy.expertCount, stride = copy.expertDstStride;
    // A checkpoint that keeps its experts in one tensor has them as a dim.
    if (experts == 1 && !copy.dims.empty()) {
      experts = copy.dims.front().extent;
      stride = copy.dims.front().dstStride;
    }
    if (experts > model.topK && stride > 0) {
      return elements - static_cast<double>(experts - model.topK) * static_cast<double>(stride);
    }
  }
  return elements;
}

static void countDispatch(const ModelInfo &model, const Variant &variant, const Dispatch &dispatch,
                          int64_t repeats, Workload &workload) {
  const std::string &builder = variant.kernels[dispatch.kernel].builder;
  bool grouped = startsWith(builder, "grouped_matmul");
  bool contraction = grouped || startsWith(builder, "matmul");
  bool gathers = false, wanted = false;
  for (const Arg &arg : dispatch.args) {
    gathers =
        gathers || (arg.kind == ArgKind::Buffer && variant.buffers[arg.index].table == "tokens");
    wanted = wanted ||
             (arg.kind == ArgKind::Symbol && arg.index == static_cast<uint32_t>(Symbol::Wanted));
  }
  for (const Arg &arg : dispatch.args) {
    if (arg.kind != ArgKind::Weight) {
      continue;
    }
    const Weight &weight = variant.weights[arg.index];
    double elements =
        grouped ? chosenElements(model, weight) : static_cast<double>(weight.elements);
    if (gathers) {
      elements /= static_cast<double>(std::max<int64_t>(1, model.vocab));
    }
    elements *= static_cast<double>(repeats);
    workload.weightBytes += elements * static_cast<double>(elementBytes(weight.type));
    if (contraction) {
      (wanted ? workload.wantedFlops : workload.rowFlops) += 2 * elements;
    }
  }
}

Workload dsv2::countWorkload(const ModelInfo &model, const Variant &variant, const Entry &entry) {
  Workload workload;
  for (const Step &step : entry.steps) {
    if (!step.isRepeat) {
      countDispatch(model, variant, step.dispatch, 1, workload);
      continue;
    }
    int64_t repeats = step.end > step.begin ? (step.end - step.begin - 1) / step.step + 1 : 0;
    for (const Dispatch &dispatch : step.body) {
      countDispatch(model, variant, dispatch, repeats, workload);
    }
  }
  for (const Cache &cache : variant.caches) {
    workload.cacheBytesPerToken += static_cast<double>(cache.layers * cache.rowElements) *
                                   static_cast<double>(elementBytes(cache.type));
  }
  return workload;
}
