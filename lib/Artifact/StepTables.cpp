//===- StepTables.cpp - The tables and outputs of a step ------------------===//
//
// The list itself and the size of each shape.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/StepTables.h"

#include "lib/Artifact/Limits.h"

#include <algorithm>

namespace dsv2 {

namespace {

constexpr StepTable stepTables[] = {
    {"tokens", BufferKind::Table, ElementType::I32},
    {"positions", BufferKind::Table, ElementType::I32},
    {"rope_cos", BufferKind::Table, ElementType::F32},
    {"rope_sin", BufferKind::Table, ElementType::F32},
    {"slot", BufferKind::Table, ElementType::I64},
    {"context", BufferKind::Table, ElementType::I32},
    {"sequence", BufferKind::Table, ElementType::I32},
    {"block_table", BufferKind::Table, ElementType::I32},
    {"wanted", BufferKind::Table, ElementType::I32},
    {"replay", BufferKind::Table, ElementType::I32},
    {"logits", BufferKind::Output, ElementType::F32},
    {"hidden", BufferKind::Output, ElementType::F32},
};

} // namespace

const StepTable *findStepTable(std::string_view name) {
  for (const StepTable &table : stepTables) {
    if (name == table.name) {
      return &table;
    }
  }
  return nullptr;
}

std::optional<int64_t> stepTableElements(std::string_view name, const ModelInfo &model,
                                         const Variant &variant, const SymbolValues &symbols) {
  if (!findStepTable(name)) {
    return std::nullopt;
  }
  int64_t rows = symbols[static_cast<size_t>(Symbol::Rows)];
  int64_t width = 1;
  if (name == "rope_cos" || name == "rope_sin") {
    width = static_cast<int64_t>(variant.ropeInverseFrequencies.size());
  } else if (name == "block_table") {
    rows = symbols[static_cast<size_t>(Symbol::Sequences)];
    // Caches may differ in their page; the smallest page gives the longest row.
    int64_t pageTokens = limits::kPageTokens;
    for (const Cache &cache : variant.caches) {
      pageTokens = std::min(pageTokens, std::max<int64_t>(cache.pageTokens, 1));
    }
    width = variant.maxContext / pageTokens + (variant.maxContext % pageTokens != 0);
  } else if (name == "wanted") {
    rows = symbols[static_cast<size_t>(Symbol::Wanted)];
  } else if (name == "replay") {
    // Numbers without routing between two with it have room too, so that a layer is found by
    // its number.
    const std::vector<int64_t> &numbers = model.routedLayerNumbers;
    int64_t span = 0;
    if (!numbers.empty() && (__builtin_sub_overflow(numbers.back(), numbers.front() - 1, &span))) {
      return std::nullopt;
    }
    if (__builtin_mul_overflow(span, model.topK, &width)) {
      return std::nullopt;
    }
  } else if (name == "logits") {
    rows = symbols[static_cast<size_t>(Symbol::Wanted)];
    width = model.vocab;
  } else if (name == "hidden") {
    width = model.hidden;
  }
  int64_t elements = 0;
  if (__builtin_mul_overflow(rows, width, &elements)) {
    return std::nullopt;
  }
  return elements;
}

SymbolValues symbolCaps(const Variant &variant) {
  return {variant.maxStepTokens, variant.maxBatch, variant.maxStepTokens,
          variant.maxContext,    limits::kWorkers, 1};
}

} // namespace dsv2
