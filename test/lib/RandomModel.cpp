//===- RandomModel.cpp - What a random model is ---------------------------===//
//
// Only choices that the dialect must accept together are tied to each other.
//
//===----------------------------------------------------------------------===//
#include "RandomModule.h"

#include "lib/Reference/WeightProvider.h"

namespace dsv2 {

using namespace mlir;
namespace ir = mlir::dsv2;

namespace {

class Draw {
public:
  explicit Draw(uint64_t seed) : bits(seed * 0x2545f4914f6cdd1du + 11) {}
  int64_t from(int64_t low, int64_t high) {
    return low + int64_t(bits.next() % uint64_t(high - low + 1));
  }
  bool oneIn(int64_t n) { return from(1, n) == 1; }
  template <typename T> T any(std::initializer_list<T> values) {
    return values.begin()[from(0, int64_t(values.size()) - 1)];
  }

private:
  RandomBits bits;
};

void drawElement(Draw &draw, MLIRContext &context, RandomModel &model) {
  using Element = RandomModel::Element;
  Builder builder(&context);
  model.element = draw.any({Element::F32, Element::BF16, Element::Scaled});
  Type stored = draw.any<Type>(
      {Float8E4M3FNType::get(&context), builder.getI8Type(), builder.getIntegerType(4)});
  int64_t rows = draw.any({0, 1, 1, 3, 128});
  int64_t columns = draw.any({0, 4, 5, 32, 128});
  Type scale = draw.any<Type>({builder.getF32Type(), builder.getBF16Type(), builder.getF16Type()});
  model.scaled = ir::ScaledType::get(&context, stored, {rows, columns}, scale);
  if (draw.oneIn(4)) {
    Type rounded = draw.any<Type>({Float8E4M3FNType::get(&context), builder.getI8Type()});
    model.activation =
        ir::ActivationAttr::get(&context, rounded, draw.any({0, 3, 128}),
                                draw.any({ir::ScaleRule::amax, ir::ScaleRule::ue8m0}));
  }
}

void drawExperts(Draw &draw, RandomModel &model) {
  using Gate = RandomModel::Gate;
  model.gate = draw.any(
      {Gate::None, Gate::Greedy, Gate::GroupLimited, Gate::NoauxTC, Gate::Greedy, Gate::NoauxTC});
  int64_t size = draw.from(model.gate == Gate::NoauxTC ? 2 : 1, 4); // of a group
  model.groups = model.gate == Gate::Greedy ? 1 : draw.from(1, 4);
  model.experts = model.gate == Gate::Greedy ? draw.from(1, 9) : model.groups * size;
  model.keep = draw.from(1, model.groups);
  model.topK = draw.from(1, std::min<int64_t>(model.keep * (model.experts / model.groups), 5));
  model.sharedExperts = draw.from(0, 2);
  model.expertWidth = draw.from(1, 7);
  model.normalize = draw.oneIn(2);
  model.scale = draw.any({1.0, 2.5, 16.0, 0.125});
  model.denseLayers = draw.from(0, 2);
  model.period = draw.from(1, 2);
}

} // namespace

RandomModel RandomModel::draw(MLIRContext &context, uint64_t seed) {
  Draw draw(seed);
  RandomModel model;
  model.vocab = draw.from(5, 40);
  model.hidden = draw.from(3, 19);
  model.intermediate = draw.from(1, 13);
  model.layers = draw.from(1, 6);
  model.keyHeads = draw.from(1, 3);
  model.heads = model.keyHeads * draw.from(1, 3);
  model.attention = draw.any({Attention::Decompressed, Attention::Latent, Attention::Grouped});
  model.nope = draw.from(1, 7);
  model.rope = 2 * draw.from(1, 4);
  model.value = model.attention == Attention::Grouped ? 2 * draw.from(1, 4) : draw.from(1, 7);
  model.latent = draw.from(1, 9);
  if (draw.oneIn(2)) {
    model.queryRank = draw.from(1, 9);
  }
  model.contextParts = draw.oneIn(3) ? draw.from(2, 3) : 1;
  model.theta = draw.any({10000.0, 500000.0, 1000000.0});
  model.yarn = draw.oneIn(2);
  model.halves = model.attention == Attention::Grouped ? !draw.oneIn(8) : draw.oneIn(4);
  model.eps = draw.any({1e-6, 1e-5});
  drawExperts(draw, model);
  drawElement(draw, context, model);
  model.bf16Cache = draw.oneIn(3);
  model.bf16Operands = draw.oneIn(4);
  model.attentionBias = draw.oneIn(3);
  model.mlpBias = draw.oneIn(3);
  model.fusedAdd = draw.oneIn(3);
  model.tiedEmbeddings = draw.oneIn(4);
  model.draft = draw.oneIn(3);
  return model;
}

} // namespace dsv2
