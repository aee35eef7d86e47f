//===- MetadataWriter.cpp - Encodes a program as a FlatBuffer -------------===//
//
// A plain walk. Every child is made in its own statement: arguments of a call are evaluated in an
// order that differs between compilers, and the bytes must not.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/Metadata.h"

#include "lib/Artifact/schema/Program_generated.h"

namespace dsv2 {

namespace {

namespace fbs = flatbuffers;
template <typename T> using Vectors = fbs::Offset<fbs::Vector<T>>;

class Encoder {
public:
  std::vector<uint8_t> encode(const Program &program, const std::vector<uint32_t> &images);

private:
  /// Encodes each item by `one` and makes a vector of the tables.
  template <typename T, typename Items, typename Function>
  Vectors<fbs::Offset<T>> all(const Items &items, Function one) {
    std::vector<fbs::Offset<T>> offsets;
    offsets.reserve(items.size());
    for (const auto &item : items) {
      offsets.push_back(one(item));
    }
    return builder.CreateVector(offsets);
  }

  fbs::Offset<fb::Expr> expr(const Expr &expr);
  fbs::Offset<fb::Weight> weight(const Weight &weight);
  fbs::Offset<fb::WeightSource> source(const WeightSource &source);
  fbs::Offset<fb::WeightCopy> copy(const WeightCopy &copy);
  fbs::Offset<fb::Buffer> buffer(const Buffer &buffer);
  fbs::Offset<fb::Cache> cache(const Cache &cache);
  fbs::Offset<fb::Kernel> kernel(const Kernel &kernel);
  fbs::Offset<fb::Dispatch> dispatch(const Dispatch &dispatch);
  fbs::Offset<fb::Step> step(const Step &step);
  fbs::Offset<fb::Entry> entry(const Entry &entry);
  fbs::Offset<fb::Variant> variant(const Variant &variant, uint32_t image);
  fbs::Offset<fb::Model> model(const ModelInfo &model);

  fbs::FlatBufferBuilder builder;
};

} // namespace

fbs::Offset<fb::Expr> Encoder::expr(const Expr &expr) {
  std::vector<uint8_t> operators;
  std::vector<int64_t> numbers;
  for (const ExprNode &node : expr.code) {
    operators.push_back(static_cast<uint8_t>(node.op));
    numbers.push_back(node.value);
  }
  fb::ExprOp *data = nullptr;
  Vectors<fb::ExprOp> ops = builder.CreateUninitializedVector<fb::ExprOp>(operators.size(), &data);
  for (size_t i = 0; i < operators.size(); ++i) {
    data[i] = static_cast<fb::ExprOp>(operators[i]);
  }
  Vectors<int64_t> values = builder.CreateVector(numbers);
  return fb::CreateExpr(builder, ops, values);
}

fbs::Offset<fb::WeightSource> Encoder::source(const WeightSource &source) {
  fbs::Offset<fbs::String> name = builder.CreateString(source.name);
  Vectors<int64_t> shape = builder.CreateVector(source.shape);
  fbs::Offset<fbs::String> scales;
  if (!source.scales.empty()) {
    scales = builder.CreateString(source.scales);
  }
  return fb::CreateWeightSource(builder, name, static_cast<fb::ElementType>(source.type), shape,
                                scales, source.blockRows, source.blockColumns);
}

fbs::Offset<fb::WeightCopy> Encoder::copy(const WeightCopy &copy) {
  std::vector<fb::CopyDim> dims;
  for (const CopyDim &dim : copy.dims) {
    dims.emplace_back(dim.extent, dim.srcStride, dim.dstStride);
  }
  Vectors<const fb::CopyDim *> dimVector = builder.CreateVectorOfStructs(dims);
  return fb::CreateWeightCopy(builder, copy.source, copy.srcOffset, copy.dstOffset, dimVector,
                              copy.expertBegin, copy.expertCount, copy.expertDstStride);
}

fbs::Offset<fb::Weight> Encoder::weight(const Weight &weight) {
  fbs::Offset<fbs::String> name = builder.CreateString(weight.name);
  auto sources =
      all<fb::WeightSource>(weight.sources, [&](const WeightSource &each) { return source(each); });
  auto copies =
      all<fb::WeightCopy>(weight.copies, [&](const WeightCopy &each) { return copy(each); });
  return fb::CreateWeight(builder, name, static_cast<fb::ElementType>(weight.type),
                          weight.layers.begin, weight.layers.end, weight.layers.step,
                          weight.layers.global, weight.elements, sources, copies);
}

fbs::Offset<fb::Buffer> Encoder::buffer(const Buffer &buffer) {
  fbs::Offset<fbs::String> name = builder.CreateString(buffer.name);
  fbs::Offset<fbs::String> table = builder.CreateString(buffer.table);
  fbs::Offset<fb::Expr> elements = expr(buffer.elements);
  return fb::CreateBuffer(builder, name, table, static_cast<fb::BufferKind>(buffer.kind),
                          static_cast<fb::ElementType>(buffer.type), elements, buffer.liveBegin,
                          buffer.liveEnd);
}

fbs::Offset<fb::Cache> Encoder::cache(const Cache &cache) {
  fbs::Offset<fbs::String> name = builder.CreateString(cache.name);
  return fb::CreateCache(builder, name, static_cast<fb::ElementType>(cache.type), cache.layers,
                         cache.pageTokens, cache.rowElements);
}

fbs::Offset<fb::Kernel> Encoder::kernel(const Kernel &kernel) {
  fbs::Offset<fbs::String> name = builder.CreateString(kernel.name);
  fbs::Offset<fbs::String> maker = builder.CreateString(kernel.builder);
  Vectors<fbs::Offset<fb::TensorMap>> maps;
  if (!kernel.tensorMaps.empty()) {
    maps = all<fb::TensorMap>(kernel.tensorMaps, [&](const TensorMap &map) {
      return fb::CreateTensorMap(builder, map.slot, map.columns, map.rowBytes, map.rowsSlot,
                                 map.boxRows);
    });
  }
  return fb::CreateKernel(builder, name, maker, kernel.offset, kernel.size, kernel.scratchBytes,
                          kernel.threads, kernel.sharedBytes, maps, kernel.binaryOffset,
                          kernel.binarySize);
}

fbs::Offset<fb::Dispatch> Encoder::dispatch(const Dispatch &dispatch) {
  fbs::Offset<fb::Expr> items = expr(dispatch.items);
  auto args = all<fb::Arg>(dispatch.args, [&](const Arg &arg) {
    return fb::CreateArg(builder, static_cast<fb::ArgKind>(arg.kind), arg.index, arg.layerScale,
                         arg.layerOffset, arg.value);
  });
  return fb::CreateDispatch(builder, dispatch.kernel, items, args);
}

fbs::Offset<fb::Step> Encoder::step(const Step &step) {
  if (!step.isRepeat) {
    fbs::Offset<fb::Dispatch> only = dispatch(step.dispatch);
    return fb::CreateStep(builder, only, 0);
  }
  auto body = all<fb::Dispatch>(step.body, [&](const Dispatch &each) { return dispatch(each); });
  fbs::Offset<fb::Repeat> repeat = fb::CreateRepeat(builder, step.begin, step.end, step.step, body);
  return fb::CreateStep(builder, 0, repeat);
}

fbs::Offset<fb::Entry> Encoder::entry(const Entry &entry) {
  fbs::Offset<fbs::String> name = builder.CreateString(entry.name);
  auto guard = all<fb::Expr>(entry.guard, [&](const Expr &each) { return expr(each); });
  Vectors<uint32_t> buffers = builder.CreateVector(entry.buffers);
  auto steps = all<fb::Step>(entry.steps, [&](const Step &each) { return step(each); });
  return fb::CreateEntry(builder, name, guard, buffers, steps);
}

fbs::Offset<fb::Variant> Encoder::variant(const Variant &variant, uint32_t image) {
  fbs::Offset<fbs::String> name = builder.CreateString(variant.name);
  fbs::Offset<fbs::String> driver = builder.CreateString(variant.driver);
  fbs::Offset<fbs::String> tier = builder.CreateString(variant.tier);
  fbs::Offset<fbs::String> compute = builder.CreateString(variant.compute);
  Vectors<float> frequencies = builder.CreateVector(variant.ropeInverseFrequencies);
  auto weights = all<fb::Weight>(variant.weights, [&](const Weight &each) { return weight(each); });
  auto buffers = all<fb::Buffer>(variant.buffers, [&](const Buffer &each) { return buffer(each); });
  auto caches = all<fb::Cache>(variant.caches, [&](const Cache &each) { return cache(each); });
  auto kernels = all<fb::Kernel>(variant.kernels, [&](const Kernel &each) { return kernel(each); });
  auto entries = all<fb::Entry>(variant.entries, [&](const Entry &each) { return entry(each); });
  fb::VariantBuilder table(builder);
  table.add_name(name);
  table.add_driver(driver);
  table.add_tier(tier);
  table.add_compute(compute);
  table.add_max_context(variant.maxContext);
  table.add_max_batch(variant.maxBatch);
  table.add_max_step_tokens(variant.maxStepTokens);
  table.add_rope_inverse_frequencies(frequencies);
  table.add_rope_magnitude(variant.ropeMagnitude);
  table.add_weights(weights);
  table.add_buffers(buffers);
  table.add_caches(caches);
  table.add_kernels(kernels);
  table.add_entries(entries);
  table.add_image(image);
  table.add_text_bytes(variant.image.textBytes);
  table.add_image_format(static_cast<fb::ImageFormat>(variant.image.format));
  return table.Finish();
}

fbs::Offset<fb::Model> Encoder::model(const ModelInfo &model) {
  fbs::Offset<fbs::String> name = builder.CreateString(model.name);
  Vectors<int64_t> eos = builder.CreateVector(model.eos);
  Vectors<int64_t> routed = builder.CreateVector(model.routedLayerNumbers);
  return fb::CreateModel(builder, name, model.vocab, model.hidden, model.layers, model.maxPosition,
                         model.bos, eos, model.topK, routed, model.routedExperts);
}

std::vector<uint8_t> Encoder::encode(const Program &program, const std::vector<uint32_t> &images) {
  fbs::Offset<fb::Model> modelTable = model(program.model);
  std::vector<fbs::Offset<fb::Variant>> variants;
  for (size_t i = 0; i < program.variants.size(); ++i) {
    variants.push_back(variant(program.variants[i], images[i]));
  }
  auto variantVector = builder.CreateVector(variants);
  builder.Finish(fb::CreateMetadata(builder, modelTable, variantVector), fb::MetadataIdentifier());
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

std::vector<uint8_t> encodeMetadata(const Program &program, const std::vector<uint32_t> &images) {
  return Encoder().encode(program, images);
}

} // namespace dsv2
