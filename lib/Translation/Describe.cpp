//===- Describe.cpp - an artifact in words ------------------------------------===//
//
// Both forms print the same facts, gathered once for each variant.
//
//===----------------------------------------------------------------------===//

#include "lib/Translation/Describe.h"

#include "lib/Artifact/Expr.h"
#include "lib/Artifact/StepTables.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

using namespace ::dsv2;

namespace {

int64_t layerCount(const LayerRange &layers) {
  return (layers.end - layers.begin + layers.step - 1) / layers.step;
}

int64_t bytesAtCaps(const Variant &variant, const Buffer &buffer) {
  return evaluate(buffer.elements, symbolCaps(variant)).value_or(0) *
         int64_t(elementBytes(buffer.type));
}

int64_t weightBytes(const Weight &weight) {
  return weight.elements * int64_t(elementBytes(weight.type)) * layerCount(weight.layers);
}

struct EntryFacts {
  int64_t dispatches = 0; ///< in the text, those in loops once
  int64_t launches = 0;   ///< of a step
  int64_t arenaBytes = 0; ///< most that is live at once, at the caps
};

EntryFacts entryFacts(const Variant &variant, const Entry &entry) {
  EntryFacts facts;
  for (const Step &step : entry.steps) {
    int64_t here = step.isRepeat ? int64_t(step.body.size()) : 1;
    facts.dispatches += here;
    facts.launches +=
        step.isRepeat ? here * layerCount({step.begin, step.end, step.step, false}) : 1;
  }
  std::vector<int64_t> change(size_t(facts.dispatches) + 1);
  for (uint32_t index : entry.buffers) {
    const Buffer &buffer = variant.buffers[index];
    change[size_t(buffer.liveBegin)] += bytesAtCaps(variant, buffer);
    change[size_t(buffer.liveEnd)] -= bytesAtCaps(variant, buffer);
  }
  int64_t live = 0;
  for (int64_t delta : change) {
    live += delta;
    facts.arenaBytes = std::max(facts.arenaBytes, live);
  }
  return facts;
}

struct VariantFacts {
  explicit VariantFacts(const Variant &variant);

  int64_t weightBytes = 0, tableBytes = 0, outputBytes = 0, arenaBytes = 0;
  int64_t cacheBytesPerToken = 0;
  int64_t scratchBytes = 0; ///< of each worker: the largest that a kernel needs
  std::vector<EntryFacts> entries;
};

VariantFacts::VariantFacts(const Variant &variant) {
  for (const Weight &weight : variant.weights) {
    weightBytes += ::weightBytes(weight);
  }
  for (const Buffer &buffer : variant.buffers) {
    tableBytes += buffer.kind == BufferKind::Table ? bytesAtCaps(variant, buffer) : 0;
    outputBytes += buffer.kind == BufferKind::Output ? bytesAtCaps(variant, buffer) : 0;
  }
  for (const Cache &cache : variant.caches) {
    cacheBytesPerToken += cache.layers * cache.rowElements * int64_t(elementBytes(cache.type));
  }
  for (const Kernel &kernel : variant.kernels) {
    scratchBytes = std::max(scratchBytes, int64_t(kernel.scratchBytes));
  }
  for (const Entry &entry : variant.entries) {
    entries.push_back(entryFacts(variant, entry));
    arenaBytes = std::max(arenaBytes, entries.back().arenaBytes);
  }
}

std::string guardText(const Entry &entry) {
  std::string text;
  for (const Expr &guard : entry.guard) {
    text += (text.empty() ? "" : ", ") + printExpr(guard) + " >= 0";
  }
  return text.empty() ? "any step" : text;
}

std::string layersText(const LayerRange &layers) {
  if (layers.global) {
    return "global";
  }
  std::string text = concat("layers ", layers.begin, " to ", layers.end);
  return layers.step == 1 ? text : text + concat(" step ", layers.step);
}

void describeVariant(llvm::raw_ostream &out, const Variant &variant) {
  VariantFacts facts(variant);
  out << llvm::formatv("\nvariant {0}: driver {1}, code for {2}, compute {3}\n", variant.name,
                       variant.driver, variant.tier, variant.compute);
  out << llvm::formatv("  caps     context {0} tokens, batch {1} sequences, step {2} rows\n",
                       variant.maxContext, variant.maxBatch, variant.maxStepTokens);
  out << llvm::formatv(
      "  memory   weights {0}, cache {1} a token, step tables {2}, outputs {3}, buffers {4} at the "
      "caps, scratch {5} a worker (bytes)\n",
      facts.weightBytes, facts.cacheBytesPerToken, facts.tableBytes, facts.outputBytes,
      facts.arenaBytes, facts.scratchBytes);
  out << llvm::formatv("  image    {0} bytes, {1} of them code\n", variant.image.bytes.size(),
                       variant.image.textBytes);
  for (size_t i = 0; i < variant.entries.size(); ++i) {
    const EntryFacts &entry = facts.entries[i];
    out << llvm::formatv(
        "  entry    {0}: {1}; {2} dispatches, {3} launches a step, buffers {4} bytes at the caps\n",
        variant.entries[i].name, guardText(variant.entries[i]), entry.dispatches, entry.launches,
        entry.arenaBytes);
  }
  for (const Kernel &kernel : variant.kernels) {
    out << llvm::formatv("  kernel   {0,-40} {1,-20} {2,8} bytes", kernel.name, kernel.builder,
                         kernel.size);
    if (kernel.binarySize != 0) {
      out << ", binary " << kernel.binarySize;
    }
    if (!kernel.tensorMaps.empty()) {
      out << ", tensor maps " << kernel.tensorMaps.size();
    }
    out << '\n';
  }
  for (const Weight &weight : variant.weights) {
    out << llvm::formatv("  weight   {0,-40} {1,-20} {2,-4} {3,12} bytes", weight.name,
                         layersText(weight.layers), elementTypeName(weight.type),
                         weightBytes(weight));
    for (const WeightSource &source : weight.sources) {
      out << (&source == &weight.sources.front() ? "  <- " : ", ") << source.name;
      if (!source.scales.empty()) {
        out << llvm::formatv(" * {0} [{1}, {2}]", source.scales, source.blockRows,
                             source.blockColumns);
      }
    }
    out << '\n';
  }
}

void describeVariant(llvm::json::OStream &json, const Variant &variant) {
  VariantFacts facts(variant);
  json.attribute("name", variant.name);
  json.attribute("driver", variant.driver);
  json.attribute("tier", variant.tier);
  json.attribute("compute", variant.compute);
  json.attributeObject("caps", [&] {
    json.attribute("max_context", variant.maxContext);
    json.attribute("max_batch", variant.maxBatch);
    json.attribute("max_step_tokens", variant.maxStepTokens);
  });
  json.attributeObject("memory", [&] {
    json.attribute("weights", facts.weightBytes);
    json.attribute("cache_per_token", facts.cacheBytesPerToken);
    json.attribute("tables", facts.tableBytes);
    json.attribute("outputs", facts.outputBytes);
    json.attribute("buffers", facts.arenaBytes);
    json.attribute("scratch_per_worker", facts.scratchBytes);
  });
  json.attributeObject("image", [&] {
    json.attribute("bytes", int64_t(variant.image.bytes.size()));
    json.attribute("text", int64_t(variant.image.textBytes));
  });
  json.attributeArray("entries", [&] {
    for (size_t i = 0; i < variant.entries.size(); ++i) {
      json.object([&] {
        json.attribute("name", variant.entries[i].name);
        json.attributeArray("guard", [&] {
          for (const Expr &guard : variant.entries[i].guard) {
            json.value(printExpr(guard) + " >= 0");
          }
        });
        json.attribute("dispatches", facts.entries[i].dispatches);
        json.attribute("launches", facts.entries[i].launches);
        json.attribute("buffers", facts.entries[i].arenaBytes);
      });
    }
  });
  json.attributeArray("kernels", [&] {
    for (const Kernel &kernel : variant.kernels) {
      json.object([&] {
        json.attribute("name", kernel.name);
        json.attribute("builder", kernel.builder);
        json.attribute("size", int64_t(kernel.size));
        json.attribute("scratch", int64_t(kernel.scratchBytes));
        json.attribute("binary", int64_t(kernel.binarySize));
        json.attribute("tensor_maps", int64_t(kernel.tensorMaps.size()));
      });
    }
  });
  json.attributeArray("weights", [&] {
    for (const Weight &weight : variant.weights) {
      json.object([&] {
        json.attribute("name", weight.name);
        json.attribute("type", elementTypeName(weight.type));
        json.attribute("layers", weight.layers.global ? 0 : layerCount(weight.layers));
        json.attribute("bytes", weightBytes(weight));
        json.attributeArray("sources", [&] {
          for (const WeightSource &source : weight.sources) {
            json.value(source.name);
            if (!source.scales.empty()) {
              json.value(source.scales);
            }
          }
        });
      });
    }
  });
}

} // namespace

std::string mlir::dsv2::describeArtifact(const Artifact &artifact) {
  std::string text;
  llvm::raw_string_ostream out(text);
  const ModelInfo &model = artifact.program.model;
  out << llvm::formatv("artifact {0}, {1} bytes\n", toHex(artifact.hash), artifact.fileBytes);
  out << llvm::formatv(
      "model    {0}: {1} layers, hidden {2}, vocabulary {3}, positions up to {4}\n", model.name,
      model.layers, model.hidden, model.vocab, model.maxPosition);
  if (!model.routedLayerNumbers.empty()) {
    out << llvm::formatv("         {0} routed experts in {1} layers, {2} chosen for a token\n",
                         model.routedExperts, model.routedLayerNumbers.size(), model.topK);
  }
  for (const Variant &variant : artifact.program.variants) {
    describeVariant(out, variant);
  }
  return text;
}

std::string mlir::dsv2::describeArtifactAsJson(const Artifact &artifact) {
  std::string text;
  llvm::raw_string_ostream out(text);
  llvm::json::OStream json(out, /*IndentSize=*/2);
  const ModelInfo &model = artifact.program.model;
  json.object([&] {
    json.attribute("hash", toHex(artifact.hash));
    json.attribute("bytes", int64_t(artifact.fileBytes));
    json.attributeObject("model", [&] {
      json.attribute("name", model.name);
      json.attribute("layers", model.layers);
      json.attribute("hidden", model.hidden);
      json.attribute("vocab", model.vocab);
      json.attribute("max_position", model.maxPosition);
      json.attribute("routed_experts", model.routedExperts);
      json.attribute("routed_layers", int64_t(model.routedLayerNumbers.size()));
      json.attribute("top_k", model.topK);
    });
    json.attributeArray("variants", [&] {
      for (const Variant &variant : artifact.program.variants) {
        json.object([&] { describeVariant(json, variant); });
      }
    });
  });
  out << '\n';
  return text;
}
