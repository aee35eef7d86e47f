//===- MetadataReader.cpp - Decodes a FlatBuffer into a program -----------===//
//
// After FlatBuffers' verifier, which accepts shared and misaligned vectors, absent optional tables
// and any number where an enum belongs. So vectors are copied as bytes, and what is copied out is
// charged against the buffer's length, which it cannot exceed unless something is shared.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/Metadata.h"

#include "lib/Artifact/Limits.h"
#include "lib/Artifact/schema/Program_generated.h"

#include <cstring>

namespace dsv2 {

namespace {

namespace fbs = flatbuffers;

/// Decodes into plain structs. The first failure is kept; afterwards results are meaningless.
class Decoder {
public:
  explicit Decoder(uint64_t bytes) : budget(bytes) {}
  std::optional<Error> failure;

  DecodedMetadata decode(const fb::Metadata &metadata);

private:
  template <typename... Parts> void fail(const Parts &...parts) {
    if (!failure) {
      failure = Error(ErrorKind::InvalidFile, "metadata ", parts...);
    }
  }
  /// Takes `bytes` and a vector's length field off the budget.
  bool charge(uint64_t bytes) {
    if (failure || bytes + sizeof(uint32_t) > budget) {
      fail("shares vectors or strings");
      return false;
    }
    budget -= bytes + sizeof(uint32_t);
    return true;
  }

  std::string text(const fbs::String *string);
  /// A vector of numbers or structs of the size of Out.
  template <typename Out, typename In> std::vector<Out> numbers(const fbs::Vector<In> *vector);
  template <typename Out, typename T, typename Function>
  std::vector<Out> all(const fbs::Vector<fbs::Offset<T>> *vector, Function one);

  Expr expr(const fb::Expr &in);
  Weight weight(const fb::Weight &in);
  Dispatch dispatch(const fb::Dispatch &in);
  Step step(const fb::Step &in);
  Entry entry(const fb::Entry &in);
  Buffer buffer(const fb::Buffer &in);
  Variant variant(const fb::Variant &in);
  ModelInfo model(const fb::Model &in);

  uint64_t budget;
};

} // namespace

std::string Decoder::text(const fbs::String *string) {
  if (!charge(string->size())) {
    return {};
  }
  return string->str();
}

template <typename Out, typename In>
std::vector<Out> Decoder::numbers(const fbs::Vector<In> *vector) {
  uint64_t bytes = uint64_t(vector->size()) * sizeof(Out);
  if (!charge(bytes)) {
    return {};
  }
  std::vector<Out> out(vector->size());
  if (bytes != 0) {
    std::memcpy(out.data(), vector->Data(), bytes);
  }
  return out;
}

template <typename Out, typename T, typename Function>
std::vector<Out> Decoder::all(const fbs::Vector<fbs::Offset<T>> *vector, Function one) {
  std::vector<Out> out;
  if (!charge(uint64_t(vector->size()) * sizeof(uint32_t))) {
    return out;
  }
  out.reserve(vector->size());
  for (fbs::uoffset_t i = 0; i < vector->size() && !failure; ++i) {
    out.push_back(one(*vector->Get(i)));
  }
  return out;
}

Expr Decoder::expr(const fb::Expr &in) {
  std::vector<uint8_t> ops = numbers<uint8_t>(in.ops());
  std::vector<int64_t> values = numbers<int64_t>(in.values());
  if (ops.size() != values.size()) {
    fail("has an expression with ", ops.size(), " operators and ", values.size(), " values");
    return {};
  }
  Expr out;
  out.code.resize(ops.size());
  for (size_t i = 0; i < ops.size(); ++i) {
    out.code[i] = {static_cast<ExprOp>(ops[i]), values[i]};
  }
  return out;
}

Weight Decoder::weight(const fb::Weight &in) {
  Weight out;
  out.name = text(in.name());
  out.type = static_cast<ElementType>(in.type());
  out.layers = {in.layer_begin(), in.layer_end(), in.layer_step(), in.is_global()};
  out.elements = in.elements();
  out.sources = all<WeightSource>(in.sources(), [&](const fb::WeightSource &source) {
    WeightSource result;
    result.name = text(source.name());
    result.type = static_cast<ElementType>(source.type());
    result.shape = numbers<int64_t>(source.shape());
    if (source.scales()) {
      result.scales = text(source.scales());
    }
    result.blockRows = source.block_rows();
    result.blockColumns = source.block_columns();
    return result;
  });
  static_assert(sizeof(CopyDim) == sizeof(fb::CopyDim) && sizeof(CopyDim) == 24,
                "decoded by memcpy");
  out.copies = all<WeightCopy>(in.copies(), [&](const fb::WeightCopy &copy) {
    WeightCopy result;
    result.source = copy.source();
    result.srcOffset = copy.src_offset();
    result.dstOffset = copy.dst_offset();
    result.dims = numbers<CopyDim>(copy.dims());
    result.expertBegin = copy.expert_begin();
    result.expertCount = copy.expert_count();
    result.expertDstStride = copy.expert_dst_stride();
    return result;
  });
  return out;
}

Dispatch Decoder::dispatch(const fb::Dispatch &in) {
  Dispatch out;
  out.kernel = in.kernel();
  out.items = expr(*in.items());
  out.args = all<Arg>(in.args(), [&](const fb::Arg &arg) {
    Arg result;
    result.kind = static_cast<ArgKind>(arg.kind());
    result.index = arg.index();
    result.layerScale = arg.layer_scale();
    result.layerOffset = arg.layer_offset();
    result.value = arg.value();
    return result;
  });
  return out;
}

Step Decoder::step(const fb::Step &in) {
  Step out;
  if ((in.dispatch() == nullptr) == (in.repeat() == nullptr)) {
    fail("has a step that is not exactly one of dispatch and repeat");
    return out;
  }
  out.isRepeat = in.repeat() != nullptr;
  if (!out.isRepeat) {
    out.dispatch = dispatch(*in.dispatch());
    return out;
  }
  out.begin = in.repeat()->begin();
  out.end = in.repeat()->end();
  out.step = in.repeat()->step();
  out.body =
      all<Dispatch>(in.repeat()->body(), [&](const fb::Dispatch &each) { return dispatch(each); });
  return out;
}

Entry Decoder::entry(const fb::Entry &in) {
  Entry out;
  out.name = text(in.name());
  out.guard = all<Expr>(in.guard(), [&](const fb::Expr &each) { return expr(each); });
  out.buffers = numbers<uint32_t>(in.buffers());
  out.steps = all<Step>(in.steps(), [&](const fb::Step &each) { return step(each); });
  return out;
}

Buffer Decoder::buffer(const fb::Buffer &in) {
  Buffer out;
  out.name = text(in.name());
  out.table = text(in.table());
  out.kind = static_cast<BufferKind>(in.kind());
  out.type = static_cast<ElementType>(in.type());
  out.elements = expr(*in.elements());
  out.liveBegin = in.live_begin();
  out.liveEnd = in.live_end();
  return out;
}

Variant Decoder::variant(const fb::Variant &in) {
  Variant out;
  out.name = text(in.name());
  out.driver = text(in.driver());
  out.tier = text(in.tier());
  out.compute = text(in.compute());
  out.maxContext = in.max_context();
  out.maxBatch = in.max_batch();
  out.maxStepTokens = in.max_step_tokens();
  out.ropeInverseFrequencies = numbers<float>(in.rope_inverse_frequencies());
  out.ropeMagnitude = in.rope_magnitude();
  out.weights = all<Weight>(in.weights(), [&](const fb::Weight &each) { return weight(each); });
  out.buffers = all<Buffer>(in.buffers(), [&](const fb::Buffer &each) { return buffer(each); });
  out.caches = all<Cache>(in.caches(), [&](const fb::Cache &cache) {
    Cache result;
    result.name = text(cache.name());
    result.type = static_cast<ElementType>(cache.type());
    result.layers = cache.layers();
    result.pageTokens = cache.page_tokens();
    result.rowElements = cache.row_elements();
    return result;
  });
  out.kernels = all<Kernel>(in.kernels(), [&](const fb::Kernel &kernel) {
    Kernel result;
    result.name = text(kernel.name());
    result.builder = text(kernel.builder());
    result.offset = kernel.offset();
    result.size = kernel.size();
    result.scratchBytes = kernel.scratch_bytes();
    result.threads = kernel.threads();
    result.sharedBytes = kernel.shared_bytes();
    result.binaryOffset = kernel.binary_offset();
    result.binarySize = kernel.binary_size();
    if (kernel.tensor_maps()) {
      result.tensorMaps = all<TensorMap>(kernel.tensor_maps(), [](const fb::TensorMap &map) {
        return TensorMap{map.slot(), map.columns(), map.row_bytes(), map.rows_slot(),
                         map.box_rows()};
      });
    }
    return result;
  });
  out.entries = all<Entry>(in.entries(), [&](const fb::Entry &each) { return entry(each); });
  out.image.textBytes = in.text_bytes();
  out.image.format = static_cast<ImageFormat>(in.image_format());
  return out;
}

ModelInfo Decoder::model(const fb::Model &in) {
  ModelInfo out;
  out.name = text(in.name());
  out.vocab = in.vocab();
  out.hidden = in.hidden();
  out.layers = in.layers();
  out.maxPosition = in.max_position();
  out.bos = in.bos();
  out.eos = numbers<int64_t>(in.eos());
  out.routedExperts = in.routed_experts();
  out.topK = in.top_k();
  out.routedLayerNumbers = numbers<int64_t>(in.routed_layers());
  return out;
}

DecodedMetadata Decoder::decode(const fb::Metadata &metadata) {
  DecodedMetadata out;
  out.program.model = model(*metadata.model());
  out.program.variants = all<Variant>(metadata.variants(), [&](const fb::Variant &each) {
    out.images.push_back(each.image());
    return variant(each);
  });
  return out;
}

Expected<DecodedMetadata> decodeMetadata(const std::vector<uint8_t> &bytes) {
  // FlatBuffers' verifier trusts the base address; operator new gives 16 bytes.
  if (bytes.size() < 8 || bytes.size() > limits::kMetadataBytes ||
      reinterpret_cast<uintptr_t>(bytes.data()) % 16 != 0) {
    return Error(ErrorKind::InvalidFile, "metadata has ", bytes.size(), " bytes, expected 8 to ",
                 limits::kMetadataBytes);
  }
  fbs::Verifier verifier(bytes.data(), bytes.size(), /*max_depth=*/16, /*max_tables=*/4000000);
  if (!fb::VerifyMetadataBuffer(verifier)) {
    return Error(ErrorKind::InvalidFile, "metadata is no FlatBuffer of this schema");
  }
  Decoder decoder(bytes.size());
  DecodedMetadata decoded = decoder.decode(*fb::GetMetadata(bytes.data()));
  if (decoder.failure) {
    return *decoder.failure;
  }
  return decoded;
}

} // namespace dsv2
