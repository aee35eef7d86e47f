//===- DeepseekModel.cpp - import of DeepSeek-V2's architecture ----------------===//
//
// Latent attention (MLA): queries and keys each of a part without rope and a part with it, K and V
// of every head from one latent. And V3's block of multi-token prediction, which is one layer more.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/DeepseekModel.h"

#include "lib/Import/ModelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::dsv2 {

using ::dsv2::Checkpoint;
using ::dsv2::DeepseekConfig;

namespace {

/// Every source gives the norms of the low-rank projections this eps, whatever rms_norm_eps says.
constexpr double kLowRankEps = 1e-6;

class DeepseekBuilder final : public ModelBuilder {
public:
  DeepseekBuilder(MLIRContext &context, const Checkpoint &checkpoint, const DeepseekConfig &config)
      : ModelBuilder(context, checkpoint, config), config(config) {}

protected:
  void declareAttention(const LayerGroup &group) override;
  Value buildAttention(const LayerGroup &group, LayerNumber layer, Value h,
                       StepValues &values) override;
  SmallVector<int64_t> cacheWidths() const override {
    return {static_cast<int64_t>(config.kvLoraRank), static_cast<int64_t>(config.qkRopeHeadDim)};
  }
  void declareDrafts() override;
  void buildDrafts() override;

private:
  Value buildQuery(const LayerGroup &group, Value layer, Value h);
  AttentionScaleAttr scaleAttr();

  const DeepseekConfig &config;
  /// The layer of multi-token prediction, if the checkpoint holds it.
  std::optional<LayerGroup> draft;
};

} // namespace

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

AttentionScaleAttr DeepseekBuilder::scaleAttr() {
  double factor = config.rope.yarn ? config.rope.yarn->factor : 1.0;
  double mscaleAllDim = config.rope.yarn ? config.rope.yarn->mscaleAllDim : 0.0;
  return AttentionScaleAttr::get(&context, config.qkNopeHeadDim + config.qkRopeHeadDim, factor,
                                 mscaleAllDim);
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

void DeepseekBuilder::declareAttention(const LayerGroup &group) {
  uint64_t hidden = config.hiddenSize;
  uint64_t heads = config.numHeads;
  uint64_t queryWidth = heads * (config.qkNopeHeadDim + config.qkRopeHeadDim);
  uint64_t latent = config.kvLoraRank;
  StringRef bias = config.attentionBias ? "attention_bias" : "";
  if (config.qLoraRank) {
    addProjection(group, "q_a", "self_attn.q_a_proj", {*config.qLoraRank, hidden}, bias);
    addNorm(group, "q_a_norm", "self_attn.q_a_layernorm", *config.qLoraRank);
    addProjection(group, "q_b", "self_attn.q_b_proj", {queryWidth, *config.qLoraRank});
  } else {
    addProjection(group, "q", "self_attn.q_proj", {queryWidth, hidden});
  }
  addProjection(group, "kv_a", "self_attn.kv_a_proj_with_mqa",
                {latent + config.qkRopeHeadDim, hidden}, bias);
  addNorm(group, "kv_a_norm", "self_attn.kv_a_layernorm", latent);
  addProjection(group, "kv_b", "self_attn.kv_b_proj",
                {heads * (config.qkNopeHeadDim + config.vHeadDim), latent});
  addProjection(group, "o", "self_attn.o_proj", {hidden, heads * config.vHeadDim}, bias);
}

Value DeepseekBuilder::buildQuery(const LayerGroup &group, Value layer, Value h) {
  if (!config.qLoraRank) {
    return linear(group, "q", layer, h);
  }
  Value compressed = linear(group, "q_a", layer, h);
  Value normed = norm(group, "q_a_norm", "q_a_norm", layer, compressed, kLowRankEps);
  return linear(group, "q_b", layer, normed);
}

Value DeepseekBuilder::buildAttention(const LayerGroup &group, LayerNumber layer, Value h,
                                      StepValues &values) {
  int64_t heads = config.numHeads;
  int64_t nope = config.qkNopeHeadDim;
  int64_t ropeWidth = config.qkRopeHeadDim;
  auto at = [&](StringRef result) { return locatePart(group, result, "self_attn"); };
  auto split = SplitHeadsOp::create(builder, at("q"), buildQuery(group, layer.weights, h), heads,
                                    ArrayRef<int64_t>{nope, ropeWidth});
  Value kvA = weight(group, "kv_a", layer.weights);
  Value kvNorm = weight(group, "kv_a_norm", layer.weights);
  Value kvBias = bias(group, "kv_a", layer.weights);
  auto compressed = MLACompressOp::create(builder, locate(group, "kv", "kv_a"), h, kvA, kvNorm,
                                          kvBias, real(kLowRankEps), ActivationAttr());
  RopeAttr rope = ropeAttr(config.qkRopeHeadDim,
                           config.ropeHalves ? RopeLayout::halves : RopeLayout::adjacent_pairs);
  Value qRope = RopeOp::create(builder, at("q_rope"), split.getParts()[1], values.batch, rope);
  Value kRope = RopeOp::create(builder, at("k_rope"), compressed.getKRope(), values.batch, rope);
  values.cache = CacheAppendOp::create(builder, at("cache"), values.cache, layer.cache,
                                       ValueRange{compressed.getLatent(), kRope}, values.batch);
  auto keys = DecompressOp::create(builder, locate(group, "kv", "kv_b"), values.cache, layer.cache,
                                   weight(group, "kv_b", layer.weights), values.batch, heads,
                                   ArrayRef<int64_t>{nope, static_cast<int64_t>(config.vHeadDim)});
  auto out =
      AttentionOp::create(builder, at("attention"), split.getParts()[0], qRope, keys.getKNope(),
                          keys.getKRope(), keys.getV(), values.batch, scaleAttr(), TypeAttr());
  Value merged = MergeHeadsOp::create(builder, at("heads"), out.getResult());
  return linear(group, "o", layer.weights, merged);
}

//===----------------------------------------------------------------------===//
// Multi-token prediction
//===----------------------------------------------------------------------===//

void DeepseekBuilder::declareDrafts() {
  if (config.numDraftLayers == 0 || families.failed()) {
    return;
  }
  int64_t number = config.numLayers;
  std::string layer = "model.layers." + std::to_string(number);
  if (families.countTensors(layer + ".") == 0) {
    emitRemark(builder.getUnknownLoc())
        << checkpoint.configPath() << ": field 'num_nextn_predict_layers' is "
        << config.numDraftLayers << ", but there is no tensor of " << layer
        << ": multi-token prediction is left out";
    return;
  }
  draft = {"mtp", RangeAttr::get(&context, number, number + 1), config.isMoeLayer(number)};
  uint64_t hidden = config.hiddenSize;
  addWeight(*draft, "embed", "embed_tokens", {config.vocabSize, hidden}, Storage::Float);
  addNorm(*draft, "embed_norm", "enorm", hidden);
  addNorm(*draft, "hidden_norm", "hnorm", hidden);
  addProjection(*draft, "join", "eh_proj", {hidden, 2 * hidden});
  declareLayer(*draft);
  addNorm(*draft, "norm", "shared_head.norm", hidden);
  addWeight(*draft, "head", "shared_head.head", {config.vocabSize, hidden}, Storage::Float);
}

/// Row t stands at token t's position and holds the main model's state after that token, and the
/// token that follows it.
void DeepseekBuilder::buildDrafts() {
  if (!draft) {
    return;
  }
  auto tokens = RankedTensorType::get({ShapedType::kDynamic}, builder.getI32Type());
  RankedTensorType rows = rowsType(config.hiddenSize);
  CacheType cache = cacheType(1);
  auto type = builder.getFunctionType({tokens, rows, BatchType::get(&context), cache},
                                      {rowsType(config.vocabSize), rows, cache});
  Block *body = startFunction("mtp", type, {"tokens", "hidden", "batch", "cache"});
  auto at = [&](StringRef result) { return locatePart(*draft, result, "eh_proj"); };
  Value number = arith::ConstantIndexOp::create(builder, at("l"), config.numLayers);
  Value zero = arith::ConstantIndexOp::create(builder, at("first"), 0);

  Value embedded = EmbedOp::create(builder, locate(*draft, "embedded", "embed"),
                                   body->getArgument(0), weight(*draft, "embed", number));
  double eps = config.rmsNormEps;
  Value next = norm(*draft, "embed_norm", "next", number, embedded, eps);
  Value state = norm(*draft, "hidden_norm", "state", number, body->getArgument(1), eps);
  Value joined = tensor::ConcatOp::create(builder, at("joined"), 1, ValueRange{next, state});
  StepValues values{linear(*draft, "join", number, joined), body->getArgument(3),
                    body->getArgument(2)};
  buildLayer(*draft, {number, zero}, values);
  Value hidden = norm(*draft, "norm", "hidden", number, values.x, eps);
  Value wanted =
      SelectRowsOp::create(builder, locate(*draft, "wanted", "head"), hidden, values.batch);
  Value logits = linear(*draft, "head", number, wanted);
  func::ReturnOp::create(builder, at("mtp"), ValueRange{logits, hidden, values.cache});
}

::dsv2::Expected<OwningOpRef<ModuleOp>> importDeepseekModel(MLIRContext &context,
                                                            const Checkpoint &checkpoint,
                                                            const DeepseekConfig &config) {
  return DeepseekBuilder(context, checkpoint, config).run();
}

} // namespace mlir::dsv2
