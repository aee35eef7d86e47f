//===- RandomModule.h - Valid dsv2 modules, made at random ------*- C++ -*-===//
//
// For tests of passes: modules of every gate, attention form, element type and odd
// dimension that the dialect allows, small enough for the oracle. A module depends
// on its seed alone.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TEST_LIB_RANDOMMODULE_H
#define DSV2_TEST_LIB_RANDOMMODULE_H

#include "dialects/DSV2/IR/DSV2.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <optional>

namespace dsv2 {

/// What a random model is. Widths are small and mostly odd; every choice that has no
/// bearing on another is drawn on its own.
struct RandomModel {
  enum class Element { F32, BF16, Scaled };
  enum class Gate { None, Greedy, GroupLimited, NoauxTC };
  /// Latent attention over decompressed K and V or over the latents themselves (needs
  /// a latent cache), or grouped queries.
  enum class Attention { Decompressed, Latent, Grouped };

  int64_t vocab, hidden, intermediate, layers;
  int64_t heads, nope, rope, value; // of grouped queries: value is the head's width
  int64_t keyHeads;                 // grouped queries: divides heads
  int64_t latent;
  std::optional<int64_t> queryRank;
  Attention attention;
  /// Number of parts of the context that attention runs over, merged by their lse.
  int64_t contextParts;
  double theta;
  bool yarn, halves;
  double eps;

  Gate gate;
  int64_t experts, groups, keep, topK, sharedExperts, expertWidth;
  bool normalize;
  double scale;
  int64_t denseLayers; // before the first MoE layer
  int64_t period;      // 1: every later layer is MoE; 2: every second one

  Element element;
  mlir::dsv2::ScaledType scaled; // if Element::Scaled
  bool bf16Cache, bf16Operands;
  mlir::dsv2::ActivationAttr activation; // null: activations are not rounded
  bool attentionBias, mlpBias, fusedAdd, tiedEmbeddings, draft;

  static RandomModel draw(mlir::MLIRContext &context, uint64_t seed);
};

/// The module of a model, at stage "import": it verifies.
mlir::OwningOpRef<mlir::ModuleOp> makeModule(mlir::MLIRContext &context, const RandomModel &model);

/// Registers `--test-make-random-module="seed=N rounded=B"`, which replaces a module by a
/// random one (rounded=false: in which nothing is rounded, as importers make them), and
/// `--test-random-modules="seed=N count=N"`, which makes many and checks that they verify and
/// survive text and bytecode.
void registerRandomModulePasses();

} // namespace dsv2

#endif // DSV2_TEST_LIB_RANDOMMODULE_H
