//===- DeepseekModel.cpp - import of DeepSeek-V2's architecture ----------------===//
//
// Builds the step function of a DeepSeek-V2 or V3 model: a loop over its dense layers, a loop over
// its MoE layers, the final norm and the logits of the wanted rows. The text is as long for 60
// layers as for 6.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/DeepseekModel.h"

#include "dialects/DSV2/IR/DSV2.h"
#include "lib/Import/WeightFamilies.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::dsv2 {

using ::dsv2::Checkpoint;
using ::dsv2::DeepseekConfig;

namespace {

/// Every source gives the norms of the low-rank projections this eps, whatever rms_norm_eps says.
constexpr double kLowRankEps = 1e-6;

/// Layers of one shape: their numbers and the prefix of their families.
struct LayerGroup {
  std::string prefix;
  RangeAttr layers;
  bool moe;
};

/// Values that the layers of both kinds need.
struct StepValues {
  Value x;
  Value cache;
  Value batch;
};

class DeepseekImporter {
public:
  DeepseekImporter(MLIRContext &context, const Checkpoint &checkpoint, const DeepseekConfig &config,
                   uint64_t draftLayers)
      : context(context), checkpoint(checkpoint), config(config), draftLayers(draftLayers),
        builder(&context), moduleBuilder(&context), families(checkpoint, moduleBuilder) {}

  ::dsv2::Expected<OwningOpRef<ModuleOp>> run();

private:
  Location named(StringRef name) { return NameLoc::get(builder.getStringAttr(name)); }
  DictionaryAttr modelFacts();
  SmallVector<LayerGroup> layerGroups();

  void declareLayer(const LayerGroup &group);
  void declareExperts(const LayerGroup &group, StringRef mlp);
  void leaveOutDrafts();

  void buildStep();
  StepValues buildLayers(const LayerGroup &group, StepValues outer);
  Value buildAttention(const LayerGroup &group, Value layer, Value h, StepValues &values);
  Value buildQuery(const LayerGroup &group, Value layer, Value h);
  Value buildMoE(const LayerGroup &group, Value layer, Value h);

  Value weight(const LayerGroup &group, StringRef name, Value layer) {
    return families.use(builder, group.prefix + "." + name.str(), layer);
  }
  /// A projection by one family, named after it.
  Value linear(const LayerGroup &group, StringRef name, Value layer, Value x) {
    return LinearOp::create(builder, named(name), x, weight(group, name, layer));
  }

  RopeAttr ropeAttr();
  AttentionScaleAttr scaleAttr();
  Attribute gateMethod();

  MLIRContext &context;
  const Checkpoint &checkpoint;
  const DeepseekConfig &config;
  uint64_t draftLayers;
  OpBuilder builder;
  OpBuilder moduleBuilder;
  WeightFamilies families;
};

} // namespace

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

RopeAttr DeepseekImporter::ropeAttr() {
  YarnAttr yarn;
  if (config.rope.yarn) {
    const ::dsv2::YarnConfig &from = *config.rope.yarn;
    yarn = YarnAttr::get(&context, from.factor, from.originalMaxPositionEmbeddings, from.betaFast,
                         from.betaSlow, from.mscale, from.mscaleAllDim);
  }
  return RopeAttr::get(&context, config.qkRopeHeadDim, config.rope.theta,
                       RopeLayout::adjacent_pairs, yarn);
}

AttentionScaleAttr DeepseekImporter::scaleAttr() {
  double factor = config.rope.yarn ? config.rope.yarn->factor : 1.0;
  double mscaleAllDim = config.rope.yarn ? config.rope.yarn->mscaleAllDim : 0.0;
  return AttentionScaleAttr::get(&context, config.qkNopeHeadDim + config.qkRopeHeadDim, factor,
                                 mscaleAllDim);
}

Attribute DeepseekImporter::gateMethod() {
  switch (config.topkMethod) {
  case ::dsv2::TopkMethod::Greedy:
    return GreedyAttr::get(&context, config.topK);
  case ::dsv2::TopkMethod::GroupLimitedGreedy:
    return GroupLimitedAttr::get(&context, config.numGroups, config.topkGroups, config.topK);
  case ::dsv2::TopkMethod::NoauxTc:
    return NoauxTCAttr::get(&context, config.numGroups, config.topkGroups, config.topK);
  }
  llvm_unreachable("every method has an attribute");
}

DictionaryAttr DeepseekImporter::modelFacts() {
  SmallVector<NamedAttribute> facts{
      builder.getNamedAttr("name", builder.getStringAttr(checkpoint.modelType())),
      builder.getNamedAttr("max_context", builder.getI64IntegerAttr(config.maxPositionEmbeddings)),
      builder.getNamedAttr("vocab", builder.getI64IntegerAttr(config.vocabSize))};
  if (std::optional<int64_t> bos = checkpoint.bosTokenId()) {
    facts.push_back(builder.getNamedAttr("bos", builder.getI64IntegerAttr(*bos)));
  }
  facts.push_back(builder.getNamedAttr("eos", builder.getI64ArrayAttr(checkpoint.eosTokenIds())));
  return builder.getDictionaryAttr(facts);
}

SmallVector<LayerGroup> DeepseekImporter::layerGroups() {
  int64_t layers = config.numLayers;
  int64_t dense =
      config.numRoutedExperts == 0 ? layers : std::min<int64_t>(config.firstDenseLayers, layers);
  SmallVector<LayerGroup> groups;
  if (dense > 0) {
    groups.push_back({"dense", RangeAttr::get(&context, 0, dense), false});
  }
  if (dense < layers) {
    groups.push_back({"moe", RangeAttr::get(&context, dense, layers), true});
  }
  return groups;
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

void DeepseekImporter::declareLayer(const LayerGroup &group) {
  std::string layer = "model.layers.{l}.";
  std::string attention = layer + "self_attn.";
  std::string mlp = layer + "mlp.";
  auto add = [&](StringRef name, const std::string &tensor, ArrayRef<uint64_t> shape) {
    families.add(group.prefix + "." + name.str(), tensor + ".weight", shape, group.layers);
  };
  uint64_t hidden = config.hiddenSize;
  uint64_t heads = config.numHeads;
  uint64_t queryWidth = heads * (config.qkNopeHeadDim + config.qkRopeHeadDim);
  uint64_t latent = config.kvLoraRank;

  add("input_norm", layer + "input_layernorm", {hidden});
  if (config.qLoraRank) {
    add("q_a", attention + "q_a_proj", {*config.qLoraRank, hidden});
    add("q_a_norm", attention + "q_a_layernorm", {*config.qLoraRank});
    add("q_b", attention + "q_b_proj", {queryWidth, *config.qLoraRank});
  } else {
    add("q", attention + "q_proj", {queryWidth, hidden});
  }
  add("kv_a", attention + "kv_a_proj_with_mqa", {latent + config.qkRopeHeadDim, hidden});
  add("kv_a_norm", attention + "kv_a_layernorm", {latent});
  add("kv_b", attention + "kv_b_proj", {heads * (config.qkNopeHeadDim + config.vHeadDim), latent});
  add("o", attention + "o_proj", {hidden, heads * config.vHeadDim});
  add("post_norm", layer + "post_attention_layernorm", {hidden});
  if (!group.moe) {
    add("mlp_gate", mlp + "gate_proj", {config.intermediateSize, hidden});
    add("mlp_up", mlp + "up_proj", {config.intermediateSize, hidden});
    add("mlp_down", mlp + "down_proj", {hidden, config.intermediateSize});
    return;
  }
  add("gate", mlp + "gate", {config.numRoutedExperts, hidden});
  if (config.topkMethod == ::dsv2::TopkMethod::NoauxTc) {
    families.addF32(group.prefix + ".gate_bias", mlp + "gate.e_score_correction_bias",
                    {config.numRoutedExperts}, group.layers);
  }
  declareExperts(group, mlp);
  if (config.numSharedExperts > 0) {
    uint64_t shared = config.numSharedExperts * config.moeIntermediateSize;
    add("shared_gate", mlp + "shared_experts.gate_proj", {shared, hidden});
    add("shared_up", mlp + "shared_experts.up_proj", {shared, hidden});
    add("shared_down", mlp + "shared_experts.down_proj", {hidden, shared});
  }
}

void DeepseekImporter::declareExperts(const LayerGroup &group, StringRef mlp) {
  uint64_t hidden = config.hiddenSize;
  uint64_t width = config.moeIntermediateSize;
  uint64_t experts = config.numRoutedExperts;
  std::string prefix = group.prefix + ".experts_";
  std::string tensor = mlp.str() + "experts.";
  // transformers 5 may store the experts of a layer as two stacked tensors.
  std::string first =
      "model.layers." + std::to_string(group.layers.getBegin()) + ".mlp.experts.gate_up_proj";
  if (checkpoint.find(first)) {
    int64_t e = experts;
    int64_t w = width;
    int64_t h = hidden;
    families.add(prefix + "gate_up", tensor + "gate_up_proj", {experts, 2 * width, hidden},
                 group.layers);
    families.add(prefix + "down", tensor + "down_proj", {experts, hidden, width}, group.layers);
    families.addSlice(prefix + "gate", prefix + "gate_up", {0, 0, 0}, {e, w, h});
    families.addSlice(prefix + "up", prefix + "gate_up", {0, w, 0}, {e, w, h});
    return;
  }
  RangeAttr range = RangeAttr::get(&context, 0, experts);
  families.add(prefix + "gate", tensor + "{e}.gate_proj.weight", {width, hidden}, group.layers,
               range);
  families.add(prefix + "up", tensor + "{e}.up_proj.weight", {width, hidden}, group.layers, range);
  families.add(prefix + "down", tensor + "{e}.down_proj.weight", {hidden, width}, group.layers,
               range);
}

/// What a checkpoint may hold beside the model: blocks of multi-token prediction.
void DeepseekImporter::leaveOutDrafts() {
  for (uint64_t i = 0; i < draftLayers; ++i) {
    std::string prefix = "model.layers." + std::to_string(config.numLayers + i);
    int64_t count = families.leaveOut(prefix + ".");
    emitRemark(named("config.json"))
        << checkpoint.configPath() << ": field 'num_nextn_predict_layers': multi-token prediction "
        << "is left out, " << prefix << " with " << count << " tensors";
  }
}

//===----------------------------------------------------------------------===//
// The step
//===----------------------------------------------------------------------===//

Value DeepseekImporter::buildQuery(const LayerGroup &group, Value layer, Value h) {
  if (!config.qLoraRank) {
    return linear(group, "q", layer, h);
  }
  Value compressed = linear(group, "q_a", layer, h);
  Value normed =
      RMSNormOp::create(builder, named("q_a_norm"), compressed, weight(group, "q_a_norm", layer),
                        builder.getF64FloatAttr(kLowRankEps));
  return linear(group, "q_b", layer, normed);
}

Value DeepseekImporter::buildAttention(const LayerGroup &group, Value layer, Value h,
                                       StepValues &values) {
  int64_t heads = config.numHeads;
  int64_t nope = config.qkNopeHeadDim;
  auto split =
      SplitHeadsOp::create(builder, named("q"), buildQuery(group, layer, h), heads,
                           ArrayRef<int64_t>{nope, static_cast<int64_t>(config.qkRopeHeadDim)});
  auto compressed = MLACompressOp::create(builder, named("kv"), h, weight(group, "kv_a", layer),
                                          weight(group, "kv_a_norm", layer),
                                          builder.getF64FloatAttr(kLowRankEps));
  RopeAttr rope = ropeAttr();
  Value qRope = RopeOp::create(builder, named("q_rope"), split.getParts()[1], values.batch, rope);
  Value kRope = RopeOp::create(builder, named("k_rope"), compressed.getKRope(), values.batch, rope);
  values.cache = CacheAppendOp::create(builder, named("cache"), values.cache, layer,
                                       ValueRange{compressed.getLatent(), kRope}, values.batch);
  auto keys = DecompressOp::create(builder, named("kv"), values.cache, layer,
                                   weight(group, "kv_b", layer), values.batch, heads,
                                   ArrayRef<int64_t>{nope, static_cast<int64_t>(config.vHeadDim)});
  auto out =
      AttentionOp::create(builder, named("attention"), split.getParts()[0], qRope, keys.getKNope(),
                          keys.getKRope(), keys.getV(), values.batch, scaleAttr(), TypeAttr());
  Value merged = MergeHeadsOp::create(builder, named("heads"), out.getResult());
  return linear(group, "o", layer, merged);
}

Value DeepseekImporter::buildMoE(const LayerGroup &group, Value layer, Value h) {
  auto method = cast<GateMethodInterface>(gateMethod());
  Value matrix = weight(group, "gate", layer);
  Value bias = method.correctsByBias() ? weight(group, "gate_bias", layer) : Value();
  auto gate = GateOp::create(builder, named("gate"), h, matrix, bias, method, config.normalizeTopk,
                             llvm::APFloat(config.routedScalingFactor));
  Value routed = RoutedExpertsOp::create(builder, named("routed"), h, gate.getWeights(),
                                         gate.getIds(), weight(group, "experts_gate", layer),
                                         weight(group, "experts_up", layer),
                                         weight(group, "experts_down", layer), TypeAttr());
  if (config.numSharedExperts == 0) {
    return routed;
  }
  Value shared = SharedExpertsOp::create(
      builder, named("shared"), h, weight(group, "shared_gate", layer),
      weight(group, "shared_up", layer), weight(group, "shared_down", layer), TypeAttr());
  return AddOp::create(builder, named("experts"), routed, shared);
}

StepValues DeepseekImporter::buildLayers(const LayerGroup &group, StepValues outer) {
  FloatAttr eps = builder.getF64FloatAttr(config.rmsNormEps);
  auto layers = LayersOp::create(builder, named(group.prefix), group.layers,
                                 ValueRange{outer.x, outer.cache});
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(layers.getBody());
  const char *names[] = {"l", "x", "cache"};
  for (auto [argument, name] : llvm::zip(layers.getBody()->getArguments(), names)) {
    argument.setLoc(named(name));
  }
  Value layer = layers.getLayer();
  StepValues values{layers.getCarried()[0], layers.getCarried()[1], outer.batch};

  Value h =
      RMSNormOp::create(builder, named("h"), values.x, weight(group, "input_norm", layer), eps);
  Value attention = buildAttention(group, layer, h, values);
  Value x = AddOp::create(builder, named("x"), values.x, attention);
  h = RMSNormOp::create(builder, named("h"), x, weight(group, "post_norm", layer), eps);
  Value mlp;
  if (group.moe) {
    mlp = buildMoE(group, layer, h);
  } else {
    mlp =
        MLPOp::create(builder, named("mlp"), h, weight(group, "mlp_gate", layer),
                      weight(group, "mlp_up", layer), weight(group, "mlp_down", layer), TypeAttr());
  }
  x = AddOp::create(builder, named("x"), x, mlp);
  YieldOp::create(builder, named(group.prefix), ValueRange{x, values.cache});
  return {layers.getResult(0), layers.getResult(1), outer.batch};
}

void DeepseekImporter::buildStep() {
  Type f32 = builder.getF32Type();
  auto rows = [&](uint64_t width) {
    return RankedTensorType::get({ShapedType::kDynamic, static_cast<int64_t>(width)}, f32);
  };
  auto tokens = RankedTensorType::get({ShapedType::kDynamic}, builder.getI32Type());
  int64_t widths[] = {static_cast<int64_t>(config.kvLoraRank),
                      static_cast<int64_t>(config.qkRopeHeadDim)};
  auto cache = CacheType::get(&context, config.numLayers, widths, f32);
  auto type = builder.getFunctionType({tokens, BatchType::get(&context), cache},
                                      {rows(config.vocabSize), rows(config.hiddenSize), cache});
  auto step = func::FuncOp::create(moduleBuilder, named("step"), "step", type);
  Block *body = step.addEntryBlock();
  const char *names[] = {"tokens", "batch", "cache"};
  for (auto [argument, name] : llvm::zip(body->getArguments(), names)) {
    argument.setLoc(named(name));
  }
  builder.setInsertionPointToStart(body);

  Value x =
      EmbedOp::create(builder, named("x"), body->getArgument(0), families.use(builder, "embed"));
  StepValues values{x, body->getArgument(2), body->getArgument(1)};
  for (const LayerGroup &group : layerGroups()) {
    values = buildLayers(group, values);
  }
  Value hidden =
      RMSNormOp::create(builder, named("hidden"), values.x, families.use(builder, "norm"),
                        builder.getF64FloatAttr(config.rmsNormEps));
  Value wanted = SelectRowsOp::create(builder, named("wanted"), hidden, values.batch);
  Value logits = LinearOp::create(builder, named("logits"), wanted, families.use(builder, "head"));
  func::ReturnOp::create(builder, named("step"), ValueRange{logits, hidden, values.cache});
}

::dsv2::Expected<OwningOpRef<ModuleOp>> DeepseekImporter::run() {
  OwningOpRef<ModuleOp> module = ModuleOp::create(named(checkpoint.modelType()));
  (*module)->setAttr(DSV2Dialect::kStageAttr, builder.getStringAttr("import"));
  (*module)->setAttr(DSV2Dialect::kModelAttr, modelFacts());
  moduleBuilder.setInsertionPointToEnd(module->getBody());
  families.add("embed", "model.embed_tokens.weight", {config.vocabSize, config.hiddenSize});
  for (const LayerGroup &group : layerGroups()) {
    declareLayer(group);
  }
  families.add("norm", "model.norm.weight", {config.hiddenSize});
  families.add("head", "lm_head.weight", {config.vocabSize, config.hiddenSize});
  leaveOutDrafts();
  if (std::optional<::dsv2::Error> error = families.finish()) {
    return *error;
  }
  buildStep();
  return module;
}

::dsv2::Expected<OwningOpRef<ModuleOp>> importDeepseekModel(MLIRContext &context,
                                                            const Checkpoint &checkpoint,
                                                            const DeepseekConfig &config,
                                                            uint64_t draftLayers) {
  return DeepseekImporter(context, checkpoint, config, draftLayers).run();
}

} // namespace mlir::dsv2
