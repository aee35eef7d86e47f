//===- InterpreterTest.cpp - Small modules, run -----------------------------===//
//
// Modules of a few ops whose result is known from the plain semantics or from
// another module: grouped queries in chunks and in parts, biases, roundings that
// the IR states, scaled weights, layers with a period, and the block of multi-token
// prediction, whose rows are one token behind.
//
//===----------------------------------------------------------------------===//
#include "Values.h"

#include "dialects/DSV2/IR/DSV2.h"
#include "lib/Reference/Ops/Attention.h"
#include "lib/Reference/Ops/Linear.h"
#include "lib/Reference/Session.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

using namespace dsv2;

namespace {

/// Rows of one sequence, all steps one below the other.
struct Rows {
  std::vector<double> logits, hidden, mtp;
};

class InterpreterTest : public testing::Test {
protected:
  InterpreterTest() {
    context.loadDialect<mlir::dsv2::DSV2Dialect, mlir::func::FuncDialect,
                        mlir::tensor::TensorDialect, mlir::arith::ArithDialect>();
  }

  /// Feeds tokens 0, 1, ... of one sequence in steps of these sizes.
  Rows run(const std::string &text, const std::vector<int64_t> &steps = {4}, bool round = false) {
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    EXPECT_TRUE(module) << text;
    Rows rows;
    if (!module) {
      return rows;
    }
    mlir::func::FuncOp step = *findStepFunction(*module), block = *findMtpFunction(step);
    InterpreterOptions options;
    options.round = round;
    Interpreter model(step, weights, options), mtp(block, weights, options);
    Session session(model, block ? &mtp : nullptr, 1);
    int32_t token = 0;
    for (int64_t size : steps) {
      SequenceFeed feed;
      for (int64_t i = 0; i < size; ++i, ++token) {
        feed.tokens.push_back(token);
        feed.positions.push_back(3 * token + 4352);
      }
      mlir::FailureOr<StepResult> result = session.feed({feed}, {0});
      EXPECT_TRUE(succeeded(result));
      append(rows.logits, result->logits);
      append(rows.hidden, result->hidden);
      append(rows.mtp, session.mtpResult().logits);
    }
    return rows;
  }

  static void append(std::vector<double> &into, const TensorRef &tensor) {
    if (tensor) {
      into.insert(into.end(), tensor->values.begin(), tensor->values.end());
    }
  }

  Tensor weight(const std::string &name, std::vector<int64_t> shape) {
    return *weights.load(name, shape, DType::F32);
  }

  /// An 8 x 8 weight stored in few bits, as it is made up for these scales.
  Tensor scaledWeight(const std::string &name, const std::string &scales, StoredType stored,
                      ScaleBlocks blocks, DType scaleType) {
    return *weights.loadScaled(name, {8, 8}, {stored, blocks, scales, scaleType});
  }

  /// The embedding's first rows: what step functions below compute from.
  Tensor embedded(int64_t rows = 4) {
    Tensor table = weight("embed", {10, 8});
    return Tensor({rows, 8}, {table.row(0), table.row(0) + rows * 8});
  }

  mlir::MLIRContext context;
  RandomWeights weights{3};
};

/// A step function whose body computes %y [?,8] from the embedding %x.
std::string stepModule(const std::string &families, const std::string &body) {
  return "!cache = !dsv2.cache<3 x [8, 8] x f32>\n"
         "#scale = #dsv2.attention_scale<head_width = 4, factor = 1.0, mscale_all_dim = 0.0>\n"
         "module attributes {dsv2.stage = \"model\"} {\n"
         "  dsv2.weights @embed : tensor<10x8xf32> = \"embed\"\n" +
         families +
         "  func.func @step(%tokens: tensor<?xi32>, %batch: !dsv2.batch, %cache: !cache)\n"
         "      -> (tensor<?x8xf32>, tensor<?x8xf32>, !cache) {\n"
         "    %e = dsv2.weight @embed : tensor<10x8xf32>\n"
         "    %x = dsv2.embed %tokens, %e : tensor<?xi32>, tensor<10x8xf32>\n" +
         body +
         "    %wanted = dsv2.select_rows %y of %batch : tensor<?x8xf32>\n"
         "    return %wanted, %y, %last : tensor<?x8xf32>, tensor<?x8xf32>, !cache\n"
         "  }\n"
         "}\n";
}

/// The same without a cache of its own.
std::string rowModule(const std::string &families, const std::string &body) {
  std::string text = stepModule(families, body);
  return text.replace(text.rfind("%last"), 5, "%cache");
}

const char *const groupedFamilies = "  dsv2.weights @q : tensor<16x8xf32> = \"q\"\n"
                                    "  dsv2.weights @k : tensor<8x8xf32> = \"k\"\n"
                                    "  dsv2.weights @v : tensor<8x8xf32> = \"v\"\n"
                                    "  dsv2.weights @o : tensor<8x16xf32> = \"o\"\n";

/// Four query heads of width 4 over two key heads, in layer 1; `attend` computes
/// %a from %qh, %ck and %cv.
std::string groupedModule(const std::string &attend) {
  return stepModule(groupedFamilies, R"(
    %l = arith.constant 1 : index
    %wq = dsv2.weight @q : tensor<16x8xf32>
    %wk = dsv2.weight @k : tensor<8x8xf32>
    %wv = dsv2.weight @v : tensor<8x8xf32>
    %wo = dsv2.weight @o : tensor<8x16xf32>
    %q = dsv2.linear %x, %wq : tensor<?x8xf32>, tensor<16x8xf32>
    %k = dsv2.linear %x, %wk : tensor<?x8xf32>, tensor<8x8xf32>
    %v = dsv2.linear %x, %wv : tensor<?x8xf32>, tensor<8x8xf32>
    %qh = dsv2.split_heads %q heads 4 widths [4] : tensor<?x16xf32>
    %last = dsv2.cache_append %cache[%l], %k, %v of %batch
        : !cache, tensor<?x8xf32>, tensor<?x8xf32>
    %ck, %cv = dsv2.cache_read %last[%l] of %batch heads 2 : !cache
)" + attend + R"(
    %m = dsv2.merge_heads %a : tensor<?x4x4xf32>
    %y = dsv2.linear %m, %wo : tensor<?x16xf32>, tensor<8x16xf32>
)");
}

const char *const wholeAttention = R"(
    %a = dsv2.attention (%qh), (%ck), %cv of %batch scale #scale
        : tensor<?x4x4xf32>, tensor<?x2x4xf32>, tensor<?x2x4xf32>
)";

TEST_F(InterpreterTest, GroupedQueriesInChunks) {
  Rows whole = run(groupedModule(wholeAttention), {7});
  ASSERT_EQ(whole.logits.size(), 7u * 8);
  EXPECT_EQ(run(groupedModule(wholeAttention), {3, 1, 3}).logits, whole.logits);
  // By the plain semantics.
  Tensor x = embedded(7);
  std::vector<Tensor> q = splitHeads(linear(x, weight("q", {16, 8})), 4, {4}),
                      k = splitHeads(linear(x, weight("k", {8, 8})), 2, {4}),
                      v = splitHeads(linear(x, weight("v", {8, 8})), 2, {4});
  Tensor a = attention(q[0], nullptr, k[0], nullptr, v[0], {0.5}, makeStep({7})).values;
  EXPECT_EQ(linear(mergeHeads(a), weight("o", {8, 16})).values, whole.logits);
}

TEST_F(InterpreterTest, PartsOfTheContextMerge) {
  std::string parts = groupedModule(R"(
    %o0, %s0 = dsv2.attention (%qh), (%ck), %cv of %batch scale #scale
        context <begin = 0, end = 3> returning lse
        : tensor<?x4x4xf32>, tensor<?x2x4xf32>, tensor<?x2x4xf32>
    %o1, %s1 = dsv2.attention (%qh), (%ck), %cv of %batch scale #scale
        context <begin = 3> returning lse
        : tensor<?x4x4xf32>, tensor<?x2x4xf32>, tensor<?x2x4xf32>
    %a = dsv2.merge_attention (%o0, %o1), (%s0, %s1) : tensor<?x4x4xf32>
)");
  expectNear(run(parts, {3, 1, 3}).logits, run(groupedModule(wholeAttention), {7}).logits, 1e-13);
}

TEST_F(InterpreterTest, BiasAndResidual) {
  Rows rows = run(rowModule("  dsv2.weights @w : tensor<8x8xf32> = \"w\"\n"
                            "  dsv2.weights @b : tensor<8xf32> = \"b\"\n",
                            R"(
    %w = dsv2.weight @w : tensor<8x8xf32>
    %b = dsv2.weight @b : tensor<8xf32>
    %y = dsv2.linear %x, %w bias %b add %x
        : tensor<?x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<?x8xf32>
)"));
  Tensor x = embedded(), bias = weight("b", {8});
  EXPECT_EQ(rows.logits, linear(x, weight("w", {8, 8}), {&bias, &x}).values);
}

TEST_F(InterpreterTest, ActivationsAreRoundedWhenAsked) {
  std::string text = rowModule("  dsv2.weights @w : tensor<8x8xf32> = \"w\"\n",
                               R"(
    %w = dsv2.weight @w : tensor<8x8xf32>
    %y = dsv2.linear %x, %w activation <f8E4M3FN, group = 4, scale = ue8m0>
        : tensor<?x8xf32>, tensor<8x8xf32>
)");
  Tensor x = embedded(), w = weight("w", {8, 8});
  EXPECT_EQ(run(text).logits, linear(x, w).values);
  ActivationRounding rounding{StoredType::F8E4M3FN, 4, true};
  std::vector<double> rounded = linear(x, w, {nullptr, nullptr, &rounding}).values;
  EXPECT_EQ(run(text, {4}, true).logits, rounded);
  EXPECT_NE(linear(x, w).values, rounded);
}

TEST_F(InterpreterTest, ScaledWeightsAreTheirProducts) {
  Rows rows = run(rowModule("  dsv2.weights @w layers 2 to 3\n"
                            "      : tensor<8x8x!dsv2.scaled<i8, [3, 0], f32>>\n"
                            "      = \"l.{l}.w\" scales \"l.{l}.s\"\n",
                            R"(
    %l = arith.constant 2 : index
    %w = dsv2.weight @w[%l] : tensor<8x8x!dsv2.scaled<i8, [3, 0], f32>>
    %y = dsv2.linear %x, %w : tensor<?x8xf32>, tensor<8x8x!dsv2.scaled<i8, [3, 0], f32>>
)"));
  Tensor w = scaledWeight("l.2.w", "l.2.s", StoredType::I8, {3, 0}, DType::F32);
  EXPECT_EQ(rows.logits, linear(embedded(), w).values);
}

TEST_F(InterpreterTest, ExpertsHaveScalesOfTheirOwn) {
  // A stack of two experts, each routed to with weight 1 by a gate of top 2.
  Rows rows = run(rowModule("  dsv2.weights @g : tensor<2x8xf32> = \"g\"\n"
                            "  dsv2.weights @w experts 0 to 2\n"
                            "      : tensor<8x8x!dsv2.scaled<f8E4M3FN, [0, 0], bf16>>\n"
                            "      = \"e.{e}.w\" scales \"e.{e}.s\"\n",
                            R"(
    %g = dsv2.weight @g : tensor<2x8xf32>
    %w = dsv2.weight @w : tensor<2x8x8x!dsv2.scaled<f8E4M3FN, [0, 0], bf16>>
    %weights, %ids = dsv2.gate %x, %g by #dsv2.greedy<top_k = 2> scale 1.0
        : tensor<?x8xf32>, tensor<2x8xf32>
    %y = dsv2.routed_experts %x, %weights, %ids, %w, %w, %w
        : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>,
          tensor<2x8x8x!dsv2.scaled<f8E4M3FN, [0, 0], bf16>>,
          tensor<2x8x8x!dsv2.scaled<f8E4M3FN, [0, 0], bf16>>,
          tensor<2x8x8x!dsv2.scaled<f8E4M3FN, [0, 0], bf16>>
)"));
  Tensor x = embedded(), scores = linear(x, weight("g", {2, 8}));
  std::vector<Tensor> parts;
  for (std::string name : {"e.0.", "e.1."}) {
    Tensor w = scaledWeight(name + "w", name + "s", StoredType::F8E4M3FN, {0, 0}, DType::BF16);
    Tensor inner = linear(x, w);
    for (double &value : inner.values) {
      value = value * value / (1 + std::exp(-value));
    }
    parts.push_back(linear(inner, w));
  }
  for (int64_t t = 0; t < 4; ++t) {
    softmax(scores.row(t), 2);
    for (int64_t i = 0; i < 8; ++i) {
      EXPECT_NEAR(rows.logits[t * 8 + i],
                  scores.row(t)[0] * parts[0].row(t)[i] + scores.row(t)[1] * parts[1].row(t)[i],
                  1e-13);
    }
  }
}

TEST_F(InterpreterTest, PrepareFunctionsDequantizeAndQuantize) {
  std::string text =
      rowModule("  dsv2.weights @s : tensor<8x8x!dsv2.scaled<f8E4M3FN, [4, 4], f32>>\n"
                "      = \"w\" scales \"s\"\n"
                "  dsv2.prepare @wide : tensor<8x8xbf16> {\n"
                "    %s = dsv2.weight @s : tensor<8x8x!dsv2.scaled<f8E4M3FN, [4, 4], f32>>\n"
                "    %w = dsv2.dequantize %s : tensor<8x8x!dsv2.scaled<f8E4M3FN, [4, 4], f32>>\n"
                "        to tensor<8x8xbf16>\n"
                "    dsv2.yield %w : tensor<8x8xbf16>\n"
                "  }\n"
                "  dsv2.weights @v : tensor<8x8xf32> = \"v\"\n"
                "  dsv2.prepare @narrow : tensor<8x8x!dsv2.scaled<i4, [1, 0], f16>> {\n"
                "    %v = dsv2.weight @v : tensor<8x8xf32>\n"
                "    %q = dsv2.quantize %v : tensor<8x8xf32>\n"
                "        to tensor<8x8x!dsv2.scaled<i4, [1, 0], f16>>\n"
                "    dsv2.yield %q : tensor<8x8x!dsv2.scaled<i4, [1, 0], f16>>\n"
                "  }\n",
                R"(
    %w = dsv2.weight @wide : tensor<8x8xbf16>
    %b = dsv2.linear %x, %w : tensor<?x8xf32>, tensor<8x8xbf16>
    %v = dsv2.weight @narrow : tensor<8x8x!dsv2.scaled<i4, [1, 0], f16>>
    %y = dsv2.linear %b, %v : tensor<?x8xf32>, tensor<8x8x!dsv2.scaled<i4, [1, 0], f16>>
)");
  Tensor w = scaledWeight("w", "s", StoredType::F8E4M3FN, {4, 4}, DType::F32);
  Tensor v = weight("v", {8, 8});
  EXPECT_EQ(run(text).logits, linear(linear(embedded(), w), v).values)
      << "what was not asked to round, rounded";
  roundInPlace(w.values, Rounding::BF16);
  v = quantize(v, StoredType::I4, {1, 0}, Rounding::F16);
  EXPECT_EQ(run(text, {4}, true).logits, linear(linear(embedded(), w), v).values);
}

TEST_F(InterpreterTest, LayersWithAPeriod) {
  Rows rows =
      run(rowModule("  dsv2.weights @even layers 0 to 4 step 2 : tensor<8x8xf32> = \"{l}\"\n"
                    "  dsv2.weights @odd layers 1 to 5 step 2 : tensor<8x8xf32> = \"{l}\"\n",
                    R"(
    %y = dsv2.layers %l = 0 to 4 step 2 carry(%in = %x) : tensor<?x8xf32> {
      %one = arith.constant 1 : index
      %next = arith.addi %l, %one : index
      %w0 = dsv2.weight @even[%l] : tensor<8x8xf32>
      %w1 = dsv2.weight @odd[%next] : tensor<8x8xf32>
      %a = dsv2.linear %in, %w0 : tensor<?x8xf32>, tensor<8x8xf32>
      %b = dsv2.linear %a, %w1 : tensor<?x8xf32>, tensor<8x8xf32>
      dsv2.yield %b : tensor<?x8xf32>
    }
)"));
  Tensor expected = embedded();
  for (std::string name : {"0", "1", "2", "3"}) {
    expected = linear(expected, weight(name, {8, 8}));
  }
  EXPECT_EQ(rows.logits, expected.values);
}

/// A block that adds a projection of [embedding ; hidden] to what its own cache
/// remembers of the tokens before.
std::string mtpModule() {
  std::string text = rowModule("  dsv2.weights @w : tensor<8x8xf32> = \"w\"\n"
                               "  dsv2.weights @eh layers 3 to 4 : tensor<8x16xf32> = \"{l}.eh\"\n",
                               R"(
    %w = dsv2.weight @w : tensor<8x8xf32>
    %y = dsv2.linear %x, %w : tensor<?x8xf32>, tensor<8x8xf32>
)");
  return text.replace(text.rfind('}'), 1, R"(
  func.func @mtp(%tokens: tensor<?xi32>, %hidden: tensor<?x8xf32>, %batch: !dsv2.batch,
                 %cache: !dsv2.cache<1 x [8, 8] x f32>)
      -> (tensor<?x8xf32>, tensor<?x8xf32>, !dsv2.cache<1 x [8, 8] x f32>) {
    %zero = arith.constant 0 : index
    %three = arith.constant 3 : index
    %e = dsv2.weight @embed : tensor<10x8xf32>
    %x = dsv2.embed %tokens, %e : tensor<?xi32>, tensor<10x8xf32>
    %both = tensor.concat dim(1) %x, %hidden
        : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x16xf32>
    %w = dsv2.weight @eh[%three] : tensor<8x16xf32>
    %h = dsv2.linear %both, %w : tensor<?x16xf32>, tensor<8x16xf32>
    %c = dsv2.cache_append %cache[%zero], %h, %h of %batch
        : !dsv2.cache<1 x [8, 8] x f32>, tensor<?x8xf32>, tensor<?x8xf32>
    %k, %v = dsv2.cache_read %c[%zero] of %batch heads 2 : !dsv2.cache<1 x [8, 8] x f32>
    %q = dsv2.split_heads %h heads 2 widths [4] : tensor<?x8xf32>
    %a = dsv2.attention (%q), (%k), %v of %batch scale #scale
        : tensor<?x2x4xf32>, tensor<?x2x4xf32>, tensor<?x2x4xf32>
    %y = dsv2.merge_heads %a : tensor<?x2x4xf32>
    %wanted = dsv2.select_rows %y of %batch : tensor<?x8xf32>
    return %wanted, %y, %c : tensor<?x8xf32>, tensor<?x8xf32>, !dsv2.cache<1 x [8, 8] x f32>
  }
}
)");
}

TEST_F(InterpreterTest, TheMtpBlockIsOneTokenBehind) {
  Rows rows = run(mtpModule(), {6});
  ASSERT_EQ(rows.mtp.size(), 5u * 8) << "a row for each token that has a next one";
  // Row 0: the token 1 and the model's state after token 0; it sees itself only.
  Tensor both({1, 16});
  std::copy_n(embedded().row(1), 8, both.row(0));
  std::copy_n(rows.hidden.begin(), 8, both.row(0) + 8);
  Tensor first = linear(both, weight("3.eh", {8, 16}));
  expectNear({rows.mtp.begin(), rows.mtp.begin() + 8}, first.values, 1e-13);
}

TEST_F(InterpreterTest, TheMtpBlockInChunks) {
  Rows whole = run(mtpModule(), {6});
  for (const std::vector<int64_t> &steps :
       {std::vector<int64_t>{1, 1, 1, 1, 1, 1}, {4, 2}, {1, 5}, {2, 1, 3}}) {
    Rows rows = run(mtpModule(), steps);
    EXPECT_EQ(rows.mtp, whole.mtp) << steps.size() << " steps, the first of " << steps[0];
    EXPECT_EQ(rows.logits, whole.logits);
  }
}

TEST_F(InterpreterTest, AModuleWithoutMtpHasNone) {
  auto module = mlir::parseSourceString<mlir::ModuleOp>(groupedModule(wholeAttention), &context);
  ASSERT_TRUE(module);
  EXPECT_FALSE(*findMtpFunction(*findStepFunction(*module)));
}

TEST_F(InterpreterTest, AnMtpFunctionOfAnotherTypeIsRefused) {
  std::string text = groupedModule(wholeAttention);
  text.replace(text.rfind('}'), 1,
               "  func.func @mtp(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {\n"
               "    return %x : tensor<?x8xf32>\n"
               "  }\n"
               "}\n");
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  ASSERT_TRUE(module);
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) {
    message = diagnostic.str();
    return mlir::success();
  });
  mlir::FailureOr<mlir::func::FuncOp> step = findStepFunction(*module);
  ASSERT_TRUE(succeeded(step)) << "the block beside it is no step function";
  EXPECT_TRUE(failed(findMtpFunction(*step)));
  EXPECT_NE(message.find("takes (tokens, hidden, !dsv2.batch, !dsv2.cache) and returns (logits, "
                         "hidden, cache), got '(tensor<?x8xf32>) -> tensor<?x8xf32>'"),
            std::string::npos)
      << message;
}

} // namespace
