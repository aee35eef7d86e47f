//===- VerifyTest.cpp - Rules and limits of a program ---------------------===//
//
// Each rule of docs/artifact.md broken once on the sample, with a piece of the error that must name
// it. LimitsTest.cpp has the limits.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/VerifyProgram.h"

#include "SampleProgram.h"
#include "lib/Artifact/Artifact.h"
#include "lib/Artifact/Expr.h"
#include "lib/Artifact/Limits.h"
#include "lib/Artifact/StepTables.h"

#include <functional>
#include <gtest/gtest.h>

namespace dsv2 {
namespace {

using Change = std::function<void(Program &)>;

/// The error after a change to the sample, "" if it passes.
std::string errorAfter(const Change &change) {
  Program program = sampleProgram();
  change(program);
  std::optional<Error> error = verifyProgram(program);
  return error ? error->message() : "";
}

#define REFUSES(piece, ...)                                                                        \
  {                                                                                                \
    std::string error = errorAfter([](Program &p) {                                                \
      Variant &v = p.variants[0];                                                                  \
      (void)v;                                                                                     \
      __VA_ARGS__;                                                                                 \
    });                                                                                            \
    EXPECT_NE(error.find(piece), std::string::npos) << #__VA_ARGS__ << " gave: " << error;         \
  }

TEST(Verify, SampleIsValid) {
  EXPECT_EQ(errorAfter([](Program &) {}), "");
}

TEST(Verify, Model) {
  REFUSES("name is empty", p.model.name = "");
  REFUSES("vocab is 0", p.model.vocab = 0);
  REFUSES("routed layer is 1", p.model.routedLayerNumbers = {1, 1});
  REFUSES("routed layer is 5", p.model.routedLayerNumbers = {5});
  REFUSES("top_k is 0", p.model.topK = 0);
  REFUSES("no variant", p.variants.clear());
  REFUSES("routed_experts is 4097", p.model.routedExperts = 4097);
  REFUSES("top_k is 5", p.model.topK = 5);
  REFUSES("bos is -2", p.model.bos = -2);
}

TEST(Verify, Variant) {
  REFUSES("appears twice", p.variants[1].name = v.name);
  REFUSES("compute is 'f16'", v.compute = "f16");
  REFUSES("max_context is 0", v.maxContext = 0);
  REFUSES("not finite", v.ropeMagnitude = 1.0f / 0.0f);
  REFUSES("not UTF-8", v.weights[0].name = "a\xff");
  REFUSES("control characters", v.weights[0].name = std::string("a\0b", 3));
  REFUSES("the name 'cache' appears twice", v.weights[0].name = "cache");
  REFUSES("has no entry", v.entries.clear());
}

TEST(Verify, ImageAndKernels) {
  REFUSES("whole pages", v.image.bytes.pop_back());
  REFUSES("whole pages within", v.image.textBytes = 12288);
  REFUSES("whole pages within", v.image.textBytes = 4095);
  REFUSES("no multiple of 64", v.kernels[1].offset = 32);
  REFUSES("do not lie in", v.kernels[1].size = 4096);
  REFUSES("do not lie in", v.kernels[1].size = ~0ull);
  REFUSES("do not lie in", v.kernels[1].offset = ~0ull - 63);
  REFUSES("do not lie in", v.kernels[0].size = 0);
}

TEST(Verify, ImagesOfModules) {
  REFUSES("unknown format 9", v.image.format = ImageFormat(9));
  REFUSES("of format cubin has 4096 bytes of text", v.image.format = ImageFormat::Cubin);
  REFUSES("bytes of the image", {
    v.image.format = ImageFormat::Ptx;
    v.image.textBytes = 0;
    v.kernels[1].size = v.image.bytes.size();
  });
  REFUSES("0 threads", v.kernels[0].threads = 0);
  REFUSES("1025 threads", v.kernels[0].threads = 1025);
  REFUSES("bytes of workgroup memory", v.kernels[0].sharedBytes = (1u << 20) + 1);
}

TEST(Verify, Binaries) {
  REFUSES("a binary beside a module of format flat", v.kernels[0].binarySize = 64);
  auto text = [](Program &p) -> Kernel & {
    p.variants[0].image.format = ImageFormat::Ptx;
    p.variants[0].image.textBytes = 0;
    p.variants[0].kernels[0].binaryOffset = 4096;
    p.variants[0].kernels[0].binarySize = 4096;
    return p.variants[0].kernels[0];
  };
  EXPECT_EQ(errorAfter([&](Program &p) { text(p); }), "");
  for (auto [offset, size] : {std::pair<uint64_t, uint64_t>{4064, 64},
                              {4096, 4097},
                              {8192, 64},
                              {64, 0},
                              {~0ull - 63, 64},
                              {64, ~0ull}}) {
    EXPECT_NE(errorAfter([&, at = offset, bytes = size](Program &p) {
                Kernel &kernel = text(p);
                kernel.binaryOffset = at;
                kernel.binarySize = bytes;
              }).find("within the 8192 of the image"),
              std::string::npos)
        << offset << " " << size;
  }
}

TEST(Verify, TensorMaps) {
  REFUSES("17 tensor maps", v.kernels[0].tensorMaps.resize(17, v.kernels[0].tensorMaps[0]));
  REFUSES("slot is 64, expected 0 to 63", v.kernels[0].tensorMaps[0].slot = 64);
  REFUSES("rows_slot is -2", v.kernels[0].tensorMaps[0].rowsSlot = -2);
  REFUSES("rows_slot is 64", v.kernels[0].tensorMaps[0].rowsSlot = 64);
  REFUSES("columns is 0", v.kernels[0].tensorMaps[0].columns = 0);
  REFUSES("row_bytes is 0", v.kernels[0].tensorMaps[0].rowBytes = 0);
  REFUSES("row_bytes is 24, expected a multiple of 16", v.kernels[0].tensorMaps[0].rowBytes = 24);
  REFUSES("that holds 9 columns", v.kernels[0].tensorMaps[0].columns = 9);
  REFUSES("box_rows is 0", v.kernels[0].tensorMaps[0].boxRows = 0);
  REFUSES("box_rows is 257", v.kernels[0].tensorMaps[0].boxRows = 257);
  REFUSES("dispatch 0: tensor map 0 of kernel 'embed_0': slot 3 is no memory",
          v.kernels[0].tensorMaps[0].slot = 3);
  REFUSES("tensor map 1 of kernel 'embed_0': slot 4 is no memory",
          v.kernels[0].tensorMaps[1].slot = 4);
  REFUSES("slot 2, the number of rows, is no launch symbol",
          v.kernels[0].tensorMaps[0].rowsSlot = 2);
  REFUSES("slot 4, the number of rows, is no launch symbol",
          v.kernels[0].tensorMaps[0].rowsSlot = 4);
}

TEST(Verify, WeightsAndCopies) {
  REFUSES("type is 3", v.weights[0].type = ElementType::I32);
  REFUSES("type is 9", v.weights[0].type = ElementType(9));
  REFUSES("global weight has layers", v.weights[0].layers.end = 2);
  REFUSES("layer end is 1", v.weights[1].layers.end = 1);
  REFUSES("layer step is 0", v.weights[1].layers.step = 0);
  REFUSES("neither {l} nor {e}", v.weights[0].sources[0].name = "a{x}");
  REFUSES("neither {l} nor {e}", v.weights[0].sources[0].name = "a}");
  REFUSES("the weight is global", v.weights[0].sources[0].name = "a{l}");
  REFUSES("dimension is 0", v.weights[0].sources[0].shape = {0});
  REFUSES("elements", v.weights[0].sources[0].shape = std::vector<int64_t>(3, int64_t(1) << 30));
  REFUSES("source is 1", v.weights[0].copies[0].source = 1);
  REFUSES("reads past the source: element 256 of 256", v.weights[0].copies[0].srcOffset = 1);
  REFUSES("writes past the weight: element 256 of 256", v.weights[0].copies[0].dstOffset = 1);
  REFUSES("source stride is -1", v.weights[0].copies[0].dims[0].srcStride = -1);
  REFUSES("extent is 0", v.weights[0].copies[0].dims[0].extent = 0);
  REFUSES("for a source without {e}", v.weights[0].copies[0].expertCount = 2);
  REFUSES("writes past the weight", v.weights[1].copies[1].expertDstStride = 49);
  REFUSES("together write", v.weights[0].copies.push_back(v.weights[0].copies[0]));
  REFUSES("together write", {
    // Strides of zero would make unbounded work within bounds.
    v.weights[0].copies[0].dims = {{int64_t(1) << 40, 0, 0}};
  });
  REFUSES("reads past",
          { v.weights[0].copies[0].dims = {{int64_t(1) << 40, int64_t(1) << 40, 0}}; });
}

TEST(Verify, Scales) {
  REFUSES("name of scales is empty", v.weights[2].sources[0].scales = "");
  REFUSES("neither {l} nor {e}", v.weights[2].sources[0].scales = "a{l}{x}");
  REFUSES("has {l}", v.weights[2].sources[0].scales = "a");
  REFUSES("has {e}", v.weights[2].sources[0].scales = "a{l}{e}");
  REFUSES("has rank 3, expected 2", v.weights[2].sources[0].shape = {1, 5, 8});
  REFUSES("rows of a block is 0, expected 1 to 5", v.weights[2].sources[0].blockRows = 0);
  REFUSES("rows of a block is 6, expected 1 to 5", v.weights[2].sources[0].blockRows = 6);
  REFUSES("columns of a block is -1", v.weights[2].sources[0].blockColumns = -1);
  REFUSES("columns of a block is 9", v.weights[2].sources[0].blockColumns = 9);
  REFUSES("of type bf16 has scales", v.weights[2].sources[0].type = ElementType::BF16);
  REFUSES("of type bf16 has scales '' in blocks of 1 x 0", v.weights[0].sources[0].blockRows = 1);
  REFUSES("type is 5, expected f32 or bf16", v.weights[2].type = ElementType::F8E4M3);
  REFUSES("type is 5", v.buffers[0].type = ElementType::F8E4M3);
  REFUSES("type is 5", v.caches[0].type = ElementType::F8E4M3);
}

TEST(Verify, Memory) {
  REFUSES("may fall", v.buffers[0].elements = constant(-1));
  REFUSES("may fall",
          v.buffers[0].elements = binary(ExprOp::Mod, symbol(Symbol::Rows), constant(2)));
  REFUSES("may fall",
          v.buffers[0].elements = binary(ExprOp::CeilDiv, constant(2), symbol(Symbol::Rows)));
  REFUSES("overflows at the caps", {
    Expr huge = times(Symbol::Context, int64_t(1) << 62);
    v.buffers[0].elements = huge;
  });
  REFUSES("live end is 0", v.buffers[0].liveEnd = 0);
  REFUSES("arena buffer names table", v.buffers[0].table = "tokens");
  REFUSES("no table or output", v.buffers[1].table = "nonsense");
  REFUSES("no table or output", v.buffers[1].kind = BufferKind::Output);
  REFUSES("no table or output", v.buffers[1].kind = BufferKind(7));
  REFUSES("expected i32", v.buffers[1].type = ElementType::F32);
  REFUSES("expected at least 16", v.buffers[1].elements = constant(15));
  REFUSES("a table or output is live", v.buffers[1].liveEnd = 1);
  REFUSES("type is 4", v.caches[0].type = ElementType::I64);
  REFUSES("page_tokens is 0", v.caches[0].pageTokens = 0);
}

TEST(Verify, Entries) {
  REFUSES("guard", v.entries[0].guard[0].code.clear());
  REFUSES("has no step", v.entries[0].steps.clear());
  REFUSES("body is empty", v.entries[0].steps[1].body.clear());
  REFUSES("end is 1", v.entries[0].steps[1].end = 1);
  REFUSES("step is 0", v.entries[0].steps[1].step = 0);
  REFUSES("kernel 2 of 2", v.entries[0].steps[0].dispatch.kernel = 2);
  REFUSES("buffer 5 of 5", v.entries[0].steps[0].dispatch.args[0].index = 5);
  REFUSES("weight 3 of 3", v.entries[0].steps[0].dispatch.args[1].index = 3);
  REFUSES("cache 1 of 1", v.entries[0].steps[1].body[0].args[2].index = 1);
  REFUSES("symbol 6 of 6", v.entries[0].steps[0].dispatch.args[3].index = 6);
  REFUSES("kind is 9", v.entries[0].steps[0].dispatch.args[3].kind = ArgKind(9));
  REFUSES("layer scale is 1", v.entries[0].steps[2].dispatch.args[1].layerScale = 1);
  REFUSES("layers 2 to 2 of weight", v.entries[0].steps[2].dispatch.args[1].layerOffset = 2);
  REFUSES("layers 2 to 4 of weight", v.entries[0].steps[1].body[0].args[1].layerOffset = 1);
  REFUSES("layers 1 to 4 of weight", v.entries[0].steps[1].step = 1);
  REFUSES("layers 3 to 5 of cache", v.entries[0].steps[1].body[0].args[2].layerOffset = 2);
  REFUSES("overflows", v.entries[0].steps[1].body[0].args[2].layerScale = INT64_MAX);
  REFUSES("offsets -2 to 0", v.entries[0].steps[1].body[0].args[3].layerOffset = -3);
  REFUSES("expected 0 for this kind", v.entries[0].steps[0].dispatch.args[3].value = 1);
  REFUSES("is live 1 to 3", v.buffers[0].liveBegin = 1);
  REFUSES("live up to dispatch 4 of 3", v.buffers[0].liveEnd = 4);
  REFUSES("arena buffers that are not", v.entries[0].buffers.clear());
  REFUSES("uses arena buffer 'x' of entry 'any'", {
    v.entries.push_back(v.entries[0]);
    v.entries[1].name = "second";
  });
}

TEST(Expr, ChecksTheStack) {
  auto message = [](const Expr &expr) {
    std::optional<Error> error = checkExpr(expr);
    return error ? error->message() : "";
  };
  EXPECT_NE(message({}).find("empty"), std::string::npos);
  EXPECT_NE(message({{{ExprOp::Add, 0}}}).find("lacks an operand"), std::string::npos);
  EXPECT_NE(message({{{ExprOp::Constant, 1}, {ExprOp::Constant, 1}}}).find("leaves 2"),
            std::string::npos);
  EXPECT_NE(message({{{ExprOp::Symbol, 6}}}).find("symbol 6"), std::string::npos);
  EXPECT_NE(message({{{ExprOp(0), 0}}}).find("unknown operator 0"), std::string::npos);
  EXPECT_NE(message({{{ExprOp(9), 0}}}).find("unknown operator 9"), std::string::npos);
  Expr valued = times(Symbol::Rows, 2);
  valued.code.back().value = 1;
  EXPECT_NE(message(valued).find("value 1"), std::string::npos);
  Expr nested = binary(ExprOp::Add, binary(ExprOp::Min, constant(1), constant(2)), constant(3));
  EXPECT_NE(message(nested).find("minimum"), std::string::npos);
  for (size_t depth : {limits::kExprDepth, limits::kExprDepth + 1}) {
    Expr expr;
    expr.code.assign(depth, {ExprOp::Constant, 1});
    expr.code.insert(expr.code.end(), depth - 1, {ExprOp::Add, 0});
    EXPECT_EQ(message(expr).empty(), depth == limits::kExprDepth);
  }
  for (size_t nodes : {limits::kExprNodes - 1, limits::kExprNodes + 1}) {
    Expr expr = constant(1);
    while (expr.code.size() < nodes) {
      expr = binary(ExprOp::Add, expr, constant(1));
    }
    EXPECT_EQ(message(expr).empty(), nodes < limits::kExprNodes);
  }
}

TEST(Expr, Evaluates) {
  SymbolValues symbols = {7, 2, 3, 100, 4, 0};
  auto div = [&](ExprOp op, int64_t a, int64_t b) {
    return evaluate(binary(op, constant(a), constant(b)), symbols);
  };
  EXPECT_EQ(evaluate(times(Symbol::Rows, 8), symbols), 56);
  EXPECT_EQ(div(ExprOp::CeilDiv, 7, 2), 4);
  EXPECT_EQ(div(ExprOp::CeilDiv, -7, 2), -3);
  EXPECT_EQ(div(ExprOp::FloorDiv, -7, 2), -4);
  EXPECT_EQ(div(ExprOp::Mod, -7, 2), 1);
  EXPECT_EQ(div(ExprOp::Mod, 7, 0), std::nullopt);
  EXPECT_EQ(div(ExprOp::FloorDiv, INT64_MIN, -1), std::nullopt);
  EXPECT_EQ(div(ExprOp::FloorDiv, INT64_MIN, 1), INT64_MIN);
  EXPECT_EQ(div(ExprOp::Mul, INT64_MAX, 2), std::nullopt);
  EXPECT_EQ(div(ExprOp::Add, INT64_MAX, 1), std::nullopt);
  EXPECT_EQ(div(ExprOp::Min, 3, -2), -2);
  EXPECT_EQ(evaluate({}, symbols), std::nullopt);
  EXPECT_EQ(printExpr(binary(ExprOp::Min, times(Symbol::Rows, 8), constant(66))), "min(T * 8, 66)");
  Expr minusRows = times(Symbol::Rows, -1);
  EXPECT_EQ(printExpr(minusRows), "-T");
  EXPECT_EQ(printExpr(binary(ExprOp::Add, symbol(Symbol::Sequences), minusRows)), "B - T");
  EXPECT_EQ(printExpr(binary(ExprOp::Add, minusRows, constant(7))), "7 - T");
  EXPECT_EQ(
      printExpr(binary(ExprOp::Mul, binary(ExprOp::Add, minusRows, constant(-7)), constant(2))),
      "(-T - 7) * 2");
}

TEST(StepTables, Sizes) {
  Program program = sampleProgram();
  const Variant &variant = program.variants[0];
  SymbolValues symbols = {5, 3, 2, 100, 1, 0};
  auto size = [&](const char *name) {
    return stepTableElements(name, program.model, variant, symbols).value_or(-1);
  };
  EXPECT_EQ(size("tokens"), 5);
  EXPECT_EQ(size("rope_cos"), 10);
  EXPECT_EQ(size("block_table"), 12);
  EXPECT_EQ(size("wanted"), 2);
  EXPECT_EQ(size("replay"), 30); // layer 2 lies between
  EXPECT_EQ(size("logits"), 64);
  EXPECT_EQ(size("hidden"), 40);
  EXPECT_EQ(size("nonsense"), -1);
  EXPECT_EQ(findStepTable("slot")->type, ElementType::I64);
}

} // namespace
} // namespace dsv2
