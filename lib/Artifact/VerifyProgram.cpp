//===- VerifyProgram.cpp - The semantic pass over a program ---------------===//
//
// Walks the struct top down: model, variants, and in each its image and kernels, weights, memory,
// entries. Expressions are checked before they are evaluated, indices before they are used.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/VerifyProgram.h"

#include "lib/Artifact/Expr.h"
#include "lib/Artifact/Limits.h"
#include "lib/Artifact/StepTables.h"
#include "lib/Artifact/VerifierBase.h"
#include "lib/Artifact/VerifyEntry.h"
#include "lib/Artifact/VerifyWeights.h"
#include "lib/Support/CheckedMath.h"

#include <cmath>
#include <set>

namespace dsv2 {

namespace {

bool isElementType(ElementType type) {
  return elementBytes(type) != 0 && type != ElementType::F8E4M3;
}

class ProgramVerifier : public VerifierBase {
public:
  explicit ProgramVerifier(const Program &program) : program(program) {}
  bool verify();

private:
  bool model();
  bool variant(const Variant &variant);
  bool caps(const Variant &variant);
  bool names(const Variant &variant);
  bool image(const Variant &variant);
  bool kernel(const Variant &variant, const Kernel &kernel);
  bool binary(const Image &image, const Kernel &kernel);
  bool tensorMaps(const Kernel &kernel);
  bool weights(const Variant &variant);
  bool buffer(const Variant &variant, const Buffer &buffer);
  bool cache(const Cache &cache);
  bool entries(const Variant &variant);

  const Program &program;
  /// Bytes of the images of all variants so far.
  uint64_t imageBytes = 0;
};

} // namespace

bool ProgramVerifier::model() {
  const ModelInfo &model = program.model;
  Place place(*this, "model");
  if (!name("name", model.name) || !inRange("vocab", model.vocab, 1, limits::kVocab) ||
      !inRange("hidden", model.hidden, 1, limits::kHidden) ||
      !inRange("layers", model.layers, 1, limits::kLayers) ||
      !inRange("max_position", model.maxPosition, 1, limits::kPosition) ||
      !inRange("bos", model.bos, -1, limits::kVocab - 1) ||
      !atMost("eos tokens", model.eos.size(), limits::kEndTokens) ||
      !inRange("routed_experts", model.routedExperts, 0, limits::kExperts) ||
      !inRange("top_k", model.topK, 0, model.routedExperts)) {
    return false;
  }
  for (int64_t token : model.eos) {
    if (!inRange("eos", token, 0, limits::kVocab - 1)) {
      return false;
    }
  }
  int64_t previous = -1;
  for (int64_t layer : model.routedLayerNumbers) {
    if (!inRange("routed layer", layer, previous + 1, model.layers - 1)) {
      return false;
    }
    previous = layer;
  }
  bool routed = !model.routedLayerNumbers.empty();
  if ((model.topK != 0) != routed || (model.routedExperts != 0) != routed) {
    return invalid("top_k is ", model.topK, " of ", model.routedExperts,
                   " experts but the model has ", model.routedLayerNumbers.size(),
                   " routed layers");
  }
  return true;
}

bool ProgramVerifier::caps(const Variant &variant) {
  if (!name("driver", variant.driver) || !name("tier", variant.tier) ||
      !inRange("max_context", variant.maxContext, 1, limits::kContext) ||
      !inRange("max_batch", variant.maxBatch, 1, limits::kBatch) ||
      !inRange("max_step_tokens", variant.maxStepTokens, 1, limits::kStepTokens)) {
    return false;
  }
  if (variant.compute != "f32" && variant.compute != "bf16") {
    return invalid("compute is ", quote(variant.compute), ", expected 'f32' or 'bf16'");
  }
  if (!atMost("rotary pairs", variant.ropeInverseFrequencies.size(), limits::kRotaryPairs)) {
    return false;
  }
  for (float frequency : variant.ropeInverseFrequencies) {
    if (!std::isfinite(frequency)) {
      return invalid("an inverse frequency is not finite");
    }
  }
  if (!std::isfinite(variant.ropeMagnitude)) {
    return invalid("rope_magnitude is not finite");
  }
  return true;
}

bool ProgramVerifier::names(const Variant &variant) {
  if (!atMost("weights", variant.weights.size(), limits::kWeights) ||
      !atMost("buffers", variant.buffers.size(), limits::kBuffers) ||
      !atMost("caches", variant.caches.size(), limits::kCaches) ||
      !atMost("kernels", variant.kernels.size(), limits::kKernels) ||
      !atMost("entries", variant.entries.size(), limits::kEntries)) {
    return false;
  }
  std::set<std::string_view> seen;
  auto unique = [&](const std::string &text) {
    return name("name", text) &&
           (seen.insert(text).second || invalid("the name ", quote(text), " appears twice"));
  };
  auto all = [&](const auto &items) {
    for (const auto &item : items) {
      if (!unique(item.name)) {
        return false;
      }
    }
    return true;
  };
  return all(variant.weights) && all(variant.buffers) && all(variant.caches) &&
         all(variant.kernels) && all(variant.entries);
}

bool ProgramVerifier::image(const Variant &variant) {
  const Image &image = variant.image;
  imageBytes += image.bytes.size();
  if (!atMost("bytes of images", imageBytes, limits::kImageBytes)) {
    return false;
  }
  if (image.bytes.size() % limits::kPageBytes != 0) {
    return invalid("image has ", image.bytes.size(), " bytes, expected whole pages");
  }
  if (imageFormatName(image.format)[0] == '?') {
    return invalid("image has the unknown format ", static_cast<int>(image.format));
  }
  if (image.format != ImageFormat::Flat && image.textBytes != 0) {
    return invalid("image of format ", imageFormatName(image.format), " has ", image.textBytes,
                   " bytes of text, expected 0");
  }
  if (image.textBytes % limits::kPageBytes != 0 || image.textBytes > image.bytes.size()) {
    return invalid("image has ", image.textBytes, " bytes of text of ", image.bytes.size(),
                   ", expected whole pages within it");
  }
  return true;
}

bool ProgramVerifier::kernel(const Variant &variant, const Kernel &kernel) {
  if (!name("builder", kernel.builder)) {
    return false;
  }
  if (kernel.offset % limits::kKernelAlignment != 0) {
    return invalid("offset ", kernel.offset, " is no multiple of ", limits::kKernelAlignment);
  }
  std::optional<uint64_t> end = checkedAdd(kernel.offset, kernel.size);
  bool flat = variant.image.format == ImageFormat::Flat;
  uint64_t room = flat ? variant.image.textBytes : variant.image.bytes.size();
  if (kernel.size == 0 || !end || *end > room) {
    return invalid("offset ", kernel.offset, " and size ", kernel.size, " do not lie in the ", room,
                   flat ? " bytes of text" : " bytes of the image");
  }
  if (!binary(variant.image, kernel)) {
    return false;
  }
  if (kernel.threads < 1 || kernel.threads > limits::kThreads) {
    return invalid("a workgroup of ", kernel.threads, " threads, expected 1 to ", limits::kThreads);
  }
  if (!atMost("bytes of workgroup memory", kernel.sharedBytes, limits::kSharedBytes)) {
    return false;
  }
  return atMost("bytes of scratch", kernel.scratchBytes, limits::kScratchBytes) &&
         tensorMaps(kernel);
}

bool ProgramVerifier::binary(const Image &image, const Kernel &kernel) {
  if (kernel.binarySize == 0 && kernel.binaryOffset == 0) {
    return true;
  }
  if (image.format != ImageFormat::Ptx) {
    return invalid("has a binary beside a module of format ", imageFormatName(image.format),
                   ", expected text");
  }
  std::optional<uint64_t> end = checkedAdd(kernel.binaryOffset, kernel.binarySize);
  if (kernel.binaryOffset % limits::kKernelAlignment != 0 || kernel.binarySize == 0 || !end ||
      *end > image.bytes.size()) {
    return invalid("binary at ", kernel.binaryOffset, " of ", kernel.binarySize,
                   " bytes, expected a multiple of ", limits::kKernelAlignment,
                   " and bytes within the ", image.bytes.size(), " of the image");
  }
  return true;
}

/// What its slots are is a matter of each dispatch (VerifyEntry.cpp).
bool ProgramVerifier::tensorMaps(const Kernel &kernel) {
  if (!atMost("tensor maps", kernel.tensorMaps.size(), limits::kTensorMaps)) {
    return false;
  }
  for (size_t i = 0; i < kernel.tensorMaps.size(); ++i) {
    const TensorMap &map = kernel.tensorMaps[i];
    Place place(*this, concat("tensor map ", i));
    if (!inRange("slot", map.slot, 0, int64_t(limits::kArgs) - 1) ||
        !inRange("rows_slot", map.rowsSlot, -1, int64_t(limits::kArgs) - 1) ||
        !inRange("columns", map.columns, 1, limits::kMapColumns) ||
        !inRange("row_bytes", map.rowBytes, 1, limits::kMapRowBytes) ||
        !inRange("box_rows", map.boxRows, 1, limits::kBoxRows)) {
      return false;
    }
    if (map.rowBytes % limits::kMapRowAlignment != 0 ||
        map.rowBytes / int64_t(elementBytes(ElementType::BF16)) < map.columns) {
      return invalid("row_bytes is ", map.rowBytes, ", expected a multiple of ",
                     limits::kMapRowAlignment, " that holds ", map.columns, " columns of bf16");
    }
  }
  return true;
}

bool ProgramVerifier::weights(const Variant &variant) {
  uint64_t tensors = 0, bytes = 0;
  for (const Weight &weight : variant.weights) {
    Place place(*this, "weight " + quote(weight.name));
    WeightVerifier verifier;
    if (!verifier.verify(weight, tensors)) {
      return fail(*verifier.failure);
    }
    if (!atMost("checkpoint tensors", tensors, limits::kTensors)) {
      return false;
    }
    // At most 2^40 elements of 4 bytes in 4096 layers, so only the sum could wrap.
    const LayerRange &layers = weight.layers;
    bytes += static_cast<uint64_t>(weight.elements) * elementBytes(weight.type) *
             static_cast<uint64_t>((layers.end - layers.begin - 1) / layers.step + 1);
    if (!atMost("bytes of prepared weights", bytes, limits::kWeightBytes)) {
      return false;
    }
  }
  return true;
}

bool ProgramVerifier::buffer(const Variant &variant, const Buffer &buffer) {
  if (!isElementType(buffer.type)) {
    return invalid("type is ", static_cast<unsigned>(buffer.type));
  }
  if (std::optional<Error> error = checkExpr(buffer.elements)) {
    return fail(*error);
  }
  if (!isMonotone(buffer.elements)) {
    return invalid("size ", printExpr(buffer.elements), " may fall as a symbol grows");
  }
  std::optional<int64_t> elements = evaluate(buffer.elements, symbolCaps(variant));
  if (!elements) {
    return invalid("size ", printExpr(buffer.elements), " overflows at the caps");
  }
  if (!inRange("size at the caps", *elements, 0, limits::kBufferElements)) {
    return false;
  }
  if (buffer.kind == BufferKind::Arena) {
    if (!buffer.table.empty()) {
      return invalid("an arena buffer names table ", quote(buffer.table));
    }
    return inRange("live begin", buffer.liveBegin, 0, limits::kDispatches - 1) &&
           inRange("live end", buffer.liveEnd, buffer.liveBegin + 1, limits::kDispatches);
  }
  if (buffer.liveBegin != 0 || buffer.liveEnd != 0) {
    return invalid("a table or output is live ", buffer.liveBegin, " to ", buffer.liveEnd,
                   ", expected 0 to 0");
  }
  const StepTable *table = findStepTable(buffer.table);
  if (!table || table->kind != buffer.kind) {
    return invalid("kind ", static_cast<unsigned>(buffer.kind), " with table ", quote(buffer.table),
                   ", which is no table or output of that name");
  }
  if (table->type != buffer.type) {
    return invalid("table ", quote(buffer.table), " has type ", elementTypeName(buffer.type),
                   ", expected ", elementTypeName(table->type));
  }
  std::optional<int64_t> needed =
      stepTableElements(buffer.table, program.model, variant, symbolCaps(variant));
  if (!needed || *elements < *needed) {
    return invalid("table ", quote(buffer.table), " has ", *elements,
                   " elements at the caps, expected at least ", needed.value_or(-1));
  }
  return true;
}

bool ProgramVerifier::cache(const Cache &cache) {
  if (cache.type != ElementType::F32 && cache.type != ElementType::BF16) {
    return invalid("type is ", static_cast<unsigned>(cache.type), ", expected f32 or bf16");
  }
  return inRange("layers", cache.layers, 1, limits::kLayers) &&
         inRange("page_tokens", cache.pageTokens, 1, limits::kPageTokens) &&
         inRange("row_elements", cache.rowElements, 1, limits::kRowElements);
}

bool ProgramVerifier::entries(const Variant &variant) {
  if (variant.entries.empty()) {
    return invalid("has no entry");
  }
  // An arena buffer has one live interval, so it belongs to one entry.
  std::vector<const Entry *> owners(variant.buffers.size(), nullptr);
  std::vector<int64_t> bufferSizes;
  for (const Buffer &buffer : variant.buffers) {
    bufferSizes.push_back(*evaluate(buffer.elements, symbolCaps(variant)));
  }
  for (const Entry &entry : variant.entries) {
    Place place(*this, "entry " + quote(entry.name));
    EntryVerifier verifier(variant, bufferSizes, entry);
    if (!verifier.verify()) {
      return fail(*verifier.failure);
    }
    for (uint32_t index : entry.buffers) {
      if (owners[index]) {
        return invalid("uses arena buffer ", quote(variant.buffers[index].name), " of entry ",
                       quote(owners[index]->name));
      }
      owners[index] = &entry;
    }
  }
  return true;
}

bool ProgramVerifier::variant(const Variant &variant) {
  if (!caps(variant) || !names(variant) || !image(variant)) {
    return false;
  }
  for (const Kernel &each : variant.kernels) {
    Place place(*this, "kernel " + quote(each.name));
    if (!kernel(variant, each)) {
      return false;
    }
  }
  if (!weights(variant)) {
    return false;
  }
  for (const Cache &each : variant.caches) {
    Place place(*this, "cache " + quote(each.name));
    if (!cache(each)) {
      return false;
    }
  }
  for (const Buffer &each : variant.buffers) {
    Place place(*this, "buffer " + quote(each.name));
    if (!buffer(variant, each)) {
      return false;
    }
  }
  return entries(variant);
}

bool ProgramVerifier::verify() {
  if (!model() || !atMost("variants", program.variants.size(), limits::kVariants)) {
    return false;
  }
  if (program.variants.empty()) {
    return invalid("the program has no variant");
  }
  std::set<std::string_view> seen;
  for (const Variant &each : program.variants) {
    Place place(*this, "variant " + quote(each.name));
    if (!name("name", each.name)) {
      return false;
    }
    if (!seen.insert(each.name).second) {
      return invalid("the name appears twice");
    }
    if (!variant(each)) {
      return false;
    }
  }
  return true;
}

std::optional<Error> verifyProgram(const Program &program) {
  ProgramVerifier verifier(program);
  verifier.verify();
  return verifier.failure;
}

} // namespace dsv2
