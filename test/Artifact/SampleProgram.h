//===- SampleProgram.h - A small program that uses everything ---*- C++ -*-===//
//
// Two variants with one image, loops with steps, every kind of slot, tables, outputs, experts: the
// ground that the artifact's tests damage.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TEST_ARTIFACT_SAMPLEPROGRAM_H
#define DSV2_TEST_ARTIFACT_SAMPLEPROGRAM_H

#include "lib/Artifact/Program.h"

namespace dsv2 {

inline Expr constant(int64_t value) { return {{{ExprOp::Constant, value}}}; }
inline Expr symbol(Symbol symbol) { return {{{ExprOp::Symbol, static_cast<int64_t>(symbol)}}}; }
inline Expr binary(ExprOp op, Expr left, const Expr &right) {
  left.code.insert(left.code.end(), right.code.begin(), right.code.end());
  left.code.push_back({op, 0});
  return left;
}
inline Expr times(Symbol by, int64_t factor) {
  return binary(ExprOp::Mul, symbol(by), constant(factor));
}

inline Buffer tableBuffer(const char *name, BufferKind kind, ElementType type, Expr elements) {
  Buffer buffer;
  buffer.name = name;
  buffer.table = name;
  buffer.kind = kind;
  buffer.type = type;
  buffer.elements = std::move(elements);
  return buffer;
}

inline Arg slotOf(ArgKind kind, uint32_t index, int64_t scale = 0, int64_t offset = 0) {
  Arg arg;
  arg.kind = kind;
  arg.index = index;
  arg.layerScale = scale;
  arg.layerOffset = offset;
  return arg;
}

/// A model of 5 layers, the odd ones with 4 experts of which 2 are chosen.
inline Program sampleProgram() {
  Program program;
  program.model.name = "sample";
  program.model.vocab = 32;
  program.model.hidden = 8;
  program.model.layers = 5;
  program.model.maxPosition = 4096;
  program.model.bos = 0;
  program.model.eos = {1, 2};
  program.model.routedExperts = 4;
  program.model.topK = 2;
  program.model.routedLayerNumbers = {1, 3};

  Variant variant;
  variant.name = "x86-64-v3";
  variant.driver = "cpu";
  variant.tier = "x86-64-v3";
  variant.compute = "f32";
  variant.maxContext = 256;
  variant.maxBatch = 4;
  variant.maxStepTokens = 16;
  variant.ropeInverseFrequencies = {1.0f, 0.5f};
  variant.ropeMagnitude = 1.25f;

  Weight embed;
  embed.name = "embed";
  embed.type = ElementType::BF16;
  embed.elements = 32 * 8;
  embed.sources = {{"model.embed_tokens.weight", ElementType::BF16, {32, 8}}};
  embed.copies = {{0, 0, 0, {{256, 1, 1}}, 0, 1, 0}};

  Weight experts;
  experts.name = "experts";
  experts.type = ElementType::F32;
  experts.layers = {1, 5, 2, false};
  experts.elements = 4 * 6 * 8;
  experts.sources = {
      {"model.layers.{l}.mlp.experts.{e}.up_proj.weight", ElementType::BF16, {3, 8}},
      {"model.layers.{l}.mlp.experts.{e}.gate_proj.weight", ElementType::BF16, {3, 8}}};
  experts.copies = {{0, 0, 0, {{3, 8, 8}, {8, 1, 1}}, 0, 4, 48},
                    {1, 0, 24, {{3, 8, 8}, {8, 1, 1}}, 0, 4, 48}};

  // A scaled source whose last block of rows is ragged.
  Weight scaled;
  scaled.name = "scaled";
  scaled.type = ElementType::BF16;
  scaled.layers = {0, 5, 1, false};
  scaled.elements = 5 * 8;
  scaled.sources = {{"model.layers.{l}.kv_a.weight",
                     ElementType::F8E4M3,
                     {5, 8},
                     "model.layers.{l}.kv_a.weight_scale_inv",
                     2,
                     8}};
  scaled.copies = {{0, 0, 0, {{40, 1, 1}}, 0, 1, 0}};
  variant.weights = {embed, experts, scaled};

  Buffer x;
  x.name = "x";
  x.elements = times(Symbol::Rows, 8);
  x.liveBegin = 0;
  x.liveEnd = 3;
  variant.buffers = {
      x, tableBuffer("tokens", BufferKind::Table, ElementType::I32, symbol(Symbol::Rows)),
      tableBuffer("block_table", BufferKind::Table, ElementType::I32, times(Symbol::Sequences, 4)),
      tableBuffer("replay", BufferKind::Table, ElementType::I32, times(Symbol::Rows, 6)),
      tableBuffer("logits", BufferKind::Output, ElementType::F32, times(Symbol::Wanted, 32))};
  Cache cache;
  cache.name = "cache";
  cache.type = ElementType::BF16;
  cache.layers = 5;
  cache.pageTokens = 64;
  cache.rowElements = 24;
  variant.caches = {cache};

  Kernel embedKernel{"embed_0", "generic", 0, 100, 0};
  Kernel matmul{"matmul_0", "matmul", 128, 77, 4096};
  embedKernel.tensorMaps = {{1, 8, 16, 3, 32}, {2, 8, 32, -1, 256}};
  variant.kernels = {embedKernel, matmul};

  Entry entry;
  entry.name = "any";
  entry.guard = {binary(ExprOp::Add, symbol(Symbol::Rows), constant(-1))};
  entry.buffers = {0};
  Step first;
  first.dispatch.kernel = 0;
  first.dispatch.items = symbol(Symbol::Rows);
  first.dispatch.args = {slotOf(ArgKind::Buffer, 1), slotOf(ArgKind::Weight, 0),
                         slotOf(ArgKind::Buffer, 0),
                         slotOf(ArgKind::Symbol, static_cast<uint32_t>(Symbol::Rows))};
  Step loop;
  loop.isRepeat = true;
  loop.begin = 1;
  loop.end = 5;
  loop.step = 2;
  Dispatch inner;
  inner.kernel = 1;
  inner.items = binary(ExprOp::Min, binary(ExprOp::CeilDiv, times(Symbol::Rows, 3), constant(64)),
                       constant(66));
  inner.args = {slotOf(ArgKind::Buffer, 0), slotOf(ArgKind::Weight, 1, 1),
                slotOf(ArgKind::Cache, 0, 1), slotOf(ArgKind::Buffer, 3, 1, -1),
                slotOf(ArgKind::Buffer, 2)};
  inner.args.push_back({ArgKind::Constant, 0, 0, 0, -7});
  loop.body = {inner};
  Step last;
  last.dispatch = inner;
  last.dispatch.args = {slotOf(ArgKind::Buffer, 0), slotOf(ArgKind::Weight, 1, 0, 3),
                        slotOf(ArgKind::Buffer, 4)};
  entry.steps = {first, loop, last};
  variant.entries = {entry};

  variant.image.textBytes = 4096;
  variant.image.bytes.resize(8192);
  for (size_t i = 0; i < variant.image.bytes.size(); ++i) {
    variant.image.bytes[i] = static_cast<uint8_t>(i * 7 + i / 256);
  }
  program.variants = {variant, variant};
  program.variants[1].name = "x86-64-v3-other";
  return program;
}

} // namespace dsv2

#endif // DSV2_TEST_ARTIFACT_SAMPLEPROGRAM_H
