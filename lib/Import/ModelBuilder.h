//===- ModelBuilder.h - what the importers of all model types share ------------===//
//
// Builds `@step` of a decoder: embedding, loops over layers, final norm, logits of the wanted rows.
// What differs between architectures is the attention, which a derived class declares and builds,
// and the names of the experts' tensors.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_IMPORT_MODELBUILDER_H
#define DSV2_LIB_IMPORT_MODELBUILDER_H

#include "lib/Checkpoint/ModelConfig.h"
#include "lib/Import/Importer.h"
#include "lib/Import/LayerPlan.h"
#include "lib/Import/WeightFamilies.h"

namespace mlir::dsv2 {

/// Where a layer's experts are, below "model.layers.{l}.".
struct ExpertNames {
  StringRef block = "mlp";
  StringRef gate = "gate_proj";
  StringRef up = "up_proj";
  StringRef down = "down_proj";
};

/// The numbers of a layer: in the families of its weights, and in the cache.
struct LayerNumber {
  Value weights;
  Value cache;
};

/// Values that a layer changes, and the batch.
struct StepValues {
  Value x;
  Value cache;
  Value batch;
};

class ModelBuilder {
public:
  ModelBuilder(MLIRContext &context, const ::dsv2::Checkpoint &checkpoint,
               const ::dsv2::ModelConfig &config, ExpertNames expertNames = {});
  virtual ~ModelBuilder();

  /// The module, or the first thing that config and checkpoint do not agree on.
  ::dsv2::Expected<OwningOpRef<ModuleOp>> run();

protected:
  /// The attention's families of one group of layers.
  virtual void declareAttention(const LayerGroup &group) = 0;
  /// Output of the attention of normed rows `h`, before the residual; appends to the cache.
  virtual Value buildAttention(const LayerGroup &group, LayerNumber layer, Value h,
                               StepValues &values) = 0;
  /// Widths of the cache's parts.
  virtual SmallVector<int64_t> cacheWidths() const = 0;
  /// What a checkpoint may hold behind the layers.
  virtual void declareDrafts() {}
  virtual void buildDrafts() {}

  /// Declares `PREFIX.name` for "model.layers.{l}.TENSOR.weight".
  void addWeight(const LayerGroup &group, StringRef name, StringRef tensor,
                 ArrayRef<uint64_t> shape, Storage storage = Storage::Contraction);
  /// The same, with `PREFIX.name_bias` for its bias [first dimension] if a field of the config
  /// gives it one.
  void addProjection(const LayerGroup &group, StringRef name, StringRef tensor,
                     ArrayRef<uint64_t> shape, StringRef biasField = {});
  void addNorm(const LayerGroup &group, StringRef name, StringRef tensor, uint64_t width) {
    addWeight(group, name, tensor, {width}, Storage::Float);
  }
  /// A whole layer: norms, attention, MLP or experts.
  void declareLayer(const LayerGroup &group);

  Value weight(const LayerGroup &group, StringRef name, Value layer) {
    return families.use(builder, group.prefix + "." + name.str(), layer);
  }
  /// The bias of a projection; null if it has none.
  Value bias(const LayerGroup &group, StringRef name, Value layer);
  /// A projection by one family, named after it.
  Value linear(const LayerGroup &group, StringRef name, Value layer, Value x);
  Value norm(const LayerGroup &group, StringRef name, StringRef result, Value layer, Value x,
             double eps);
  void buildLayer(const LayerGroup &group, LayerNumber layer, StepValues &values);

  /// The location of an op that uses one family of a group, or a part of its layers.
  Location locate(const LayerGroup &group, StringRef result, StringRef name) {
    return families.locate(result, families.lookup(group.prefix + "." + name.str()));
  }
  Location locatePart(const LayerGroup &group, StringRef result, StringRef part) {
    return families.locate(result, ("model.layers.{l}." + part).str(), group.layers);
  }

  /// A function whose arguments have these names; the builder then stands in its body.
  Block *startFunction(StringRef name, FunctionType type, ArrayRef<StringRef> arguments);
  RankedTensorType rowsType(uint64_t width);
  CacheType cacheType(int64_t layers);
  /// The config's rope for a width.
  RopeAttr ropeAttr(uint64_t width, RopeLayout layout);
  FloatAttr real(double value) { return builder.getF64FloatAttr(value); }

  MLIRContext &context;
  const ::dsv2::Checkpoint &checkpoint;
  OpBuilder builder;
  OpBuilder moduleBuilder; // at the end of the module
  WeightFamilies families;

private:
  DictionaryAttr modelFacts();
  void declareExperts(const LayerGroup &group);
  void declareRoutedExperts(const LayerGroup &group);
  void declareMLP(const LayerGroup &group, StringRef name, StringRef block, uint64_t width);
  void declareHead();
  void buildStep();
  StepValues buildLoop(const LayerLoop &loop, StepValues outer);
  Value buildMLP(const LayerGroup &group, Value layer, Value h);
  Value buildExperts(const LayerGroup &group, Value layer, Value h);
  Attribute gateMethod();

  const ::dsv2::ModelConfig &model;
  ExpertNames expertNames;
  LayerPlan plan;
};

} // namespace mlir::dsv2

#endif // DSV2_LIB_IMPORT_MODELBUILDER_H
