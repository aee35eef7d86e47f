//===- GroupedQueryModel.cpp - import of models with grouped queries -----------===//
//
// Rope turns the halves of whole heads; the cache keeps K and V of the key heads.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/GroupedQueryModel.h"

namespace mlir::dsv2 {

using ::dsv2::Checkpoint;
using ::dsv2::GroupedQueryConfig;

namespace {

class GroupedQueryBuilder final : public ModelBuilder {
public:
  GroupedQueryBuilder(MLIRContext &context, const Checkpoint &checkpoint,
                      const GroupedQueryConfig &config, ExpertNames expertNames)
      : ModelBuilder(context, checkpoint, config, expertNames), config(config) {}

protected:
  void declareAttention(const LayerGroup &group) override;
  Value buildAttention(const LayerGroup &group, LayerNumber layer, Value h,
                       StepValues &values) override;
  SmallVector<int64_t> cacheWidths() const override {
    int64_t width = config.numKeyValueHeads * config.headDim;
    return {width, width};
  }

private:
  /// A projection, split into heads.
  Value buildHeads(const LayerGroup &group, StringRef name, Value layer, Value h, uint64_t heads);

  const GroupedQueryConfig &config;
};

} // namespace

void GroupedQueryBuilder::declareAttention(const LayerGroup &group) {
  uint64_t hidden = config.hiddenSize;
  uint64_t queries = config.numHeads * config.headDim;
  uint64_t keys = config.numKeyValueHeads * config.headDim;
  // Without a bias of o, it is the model type that gives the others theirs.
  StringRef outputBias = config.outputBias ? "attention_bias" : "";
  StringRef inputBias = !config.queryKeyValueBias ? ""
                        : config.outputBias       ? outputBias
                                                  : "model_type";
  addProjection(group, "q", "self_attn.q_proj", {queries, hidden}, inputBias);
  addProjection(group, "k", "self_attn.k_proj", {keys, hidden}, inputBias);
  addProjection(group, "v", "self_attn.v_proj", {keys, hidden}, inputBias);
  addProjection(group, "o", "self_attn.o_proj", {hidden, queries}, outputBias);
}

Value GroupedQueryBuilder::buildHeads(const LayerGroup &group, StringRef name, Value layer, Value h,
                                      uint64_t heads) {
  auto split =
      SplitHeadsOp::create(builder, locatePart(group, (name + "_heads").str(), "self_attn"),
                           linear(group, name, layer, h), static_cast<int64_t>(heads),
                           ArrayRef<int64_t>{static_cast<int64_t>(config.headDim)});
  return split.getParts()[0];
}

Value GroupedQueryBuilder::buildAttention(const LayerGroup &group, LayerNumber layer, Value h,
                                          StepValues &values) {
  auto at = [&](StringRef result) { return locatePart(group, result, "self_attn"); };
  Value q = buildHeads(group, "q", layer.weights, h, config.numHeads);
  Value k = buildHeads(group, "k", layer.weights, h, config.numKeyValueHeads);
  Value v = linear(group, "v", layer.weights, h);
  RopeAttr rope = ropeAttr(config.headDim, RopeLayout::halves);
  q = RopeOp::create(builder, at("q_rope"), q, values.batch, rope);
  k = RopeOp::create(builder, at("k_rope"), k, values.batch, rope);
  Value keys = MergeHeadsOp::create(builder, at("k_rows"), k);
  values.cache = CacheAppendOp::create(builder, at("cache"), values.cache, layer.cache,
                                       ValueRange{keys, v}, values.batch);
  auto cached = CacheReadOp::create(builder, at("cached"), values.cache, layer.cache, values.batch,
                                    static_cast<int64_t>(config.numKeyValueHeads));
  // YaRN's factors are on cosine and sine alone here; only latent attention scales scores by them.
  auto scale = AttentionScaleAttr::get(&context, config.headDim, 1.0, 0.0);
  auto out = AttentionOp::create(builder, at("attention"), q, Value(), cached.getParts()[0],
                                 Value(), cached.getParts()[1], values.batch, scale, TypeAttr());
  Value merged = MergeHeadsOp::create(builder, at("heads"), out.getResult());
  return linear(group, "o", layer.weights, merged);
}

::dsv2::Expected<OwningOpRef<ModuleOp>> importGroupedQueryModel(MLIRContext &context,
                                                                const Checkpoint &checkpoint,
                                                                const GroupedQueryConfig &config,
                                                                ExpertNames expertNames) {
  return GroupedQueryBuilder(context, checkpoint, config, expertNames).run();
}

} // namespace mlir::dsv2
