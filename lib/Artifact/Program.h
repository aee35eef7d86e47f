//===- Program.h - what an artifact says, as plain C++ --------------------===//
//
// One struct for every table of the schema. The reader fills it after all checks, the runtime executes
// it, the writer stores it, and the dsv2_exec dialect mirrors it op for op. Knows no MLIR.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_ARTIFACT_PROGRAM_H
#define DSV2_LIB_ARTIFACT_PROGRAM_H

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace dsv2 {

/// Element types of weights, buffers and caches.
enum class ElementType : uint8_t { F32 = 1, BF16 = 2, I32 = 3, I64 = 4 };
/// Size in bytes of one element.
uint64_t elementBytes(ElementType type);

/// Launch symbols: the only dynamic values that set grids and sizes. In this order everywhere.
enum class Symbol : uint8_t {
  Rows = 0,      ///< T: rows (new tokens) of the step
  Sequences = 1, ///< B: sequences of the step
  Wanted = 2,    ///< W: rows whose logits are wanted
  Context = 3,   ///< C: longest context after the step, in tokens
  Workers = 4,   ///< P: workers of the device
  Replay = 5,    ///< R: 1 when the routing is replayed, else 0
};
constexpr unsigned kSymbolCount = 6;
using SymbolValues = std::array<int64_t, kSymbolCount>;

/// An expression over launch symbols in postfix order, all arithmetic checked in int64.
enum class ExprOp : uint8_t { Constant = 1, Symbol = 2, Add = 3, Mul = 4, CeilDiv = 5, FloorDiv = 6, Mod = 7, Min = 8 };
struct ExprNode {
  ExprOp op;
  int64_t value; ///< Constant: the constant; Symbol: its number; else 0
};
struct Expr {
  std::vector<ExprNode> code;
};

/// Layers that a family covers: begin, begin + step, ... below end. A global weight: {0, 1, 1} and `global`.
struct LayerRange {
  int64_t begin = 0, end = 1, step = 1;
  bool global = true;
};

/// A checkpoint tensor (family): the name may hold {l} and {e}.
struct WeightSource {
  std::string name;
  ElementType type;
  std::vector<int64_t> shape;
};

/// dst[dstOffset + sum i_d * dstStride_d] = cast(src[srcOffset + sum i_d * srcStride_d]), in elements.
struct CopyDim {
  int64_t extent, srcStride, dstStride;
};
struct WeightCopy {
  uint32_t source;              ///< index into Weight::sources
  int64_t srcOffset, dstOffset; ///< elements
  std::vector<CopyDim> dims;    ///< at most 8
  /// The copy is repeated for e = expertBegin .. expertBegin + expertCount - 1 (count 1 and begin 0 when the
  /// name has no {e}); repetition j writes at dstOffset + j * expertDstStride.
  int64_t expertBegin, expertCount, expertDstStride;
};

/// A prepared weight: `elements` zeros of `type` per layer, then the copies.
struct Weight {
  std::string name;
  ElementType type;
  LayerRange layers;
  int64_t elements; ///< per layer
  std::vector<WeightSource> sources;
  std::vector<WeightCopy> copies;
};

/// What a buffer is for. Arena buffers share memory by live interval; tables are filled by the runtime
/// before a step, outputs are read by it after.
enum class BufferKind : uint8_t { Arena = 1, Table = 2, Output = 3 };
struct Buffer {
  std::string name; ///< tables and outputs: the well-known name ("tokens", "rope_cos", "logits", ...)
  BufferKind kind;
  ElementType type;
  Expr elements;              ///< monotone in the symbols
  int64_t liveBegin, liveEnd; ///< arena buffers of one entry: dispatch numbers, end excluded
};

/// The paged cache: [layers][pages][pageTokens][rowElements].
struct Cache {
  std::string name;
  ElementType type;
  int64_t layers, pageTokens, rowElements;
};

/// One kernel: where its code begins in the image. `builder` says how it was made, for reports.
struct Kernel {
  std::string name, builder;
  uint64_t offset, size, scratchBytes;
};

enum class ArgKind : uint8_t { Buffer = 1, Weight = 2, Cache = 3, Symbol = 4, Constant = 5 };
/// One 8-byte slot of a dispatch. Weight and Cache are indexed by layer = layerScale * %l + layerOffset of
/// the enclosing repeat (scale 0 outside one). Buffer: element offset = layerOffset + layerScale * %l.
struct Arg {
  ArgKind kind;
  uint32_t index; ///< of the buffer, weight, cache or symbol
  int64_t layerScale, layerOffset;
  int64_t value; ///< Constant
};
struct Dispatch {
  uint32_t kernel;
  Expr items;
  std::vector<Arg> args;
};
/// A program is a list of dispatches and loops over layers (loops do not nest).
struct Step {
  bool isRepeat;
  Dispatch dispatch;              ///< when !isRepeat
  int64_t begin, end, step;       ///< when isRepeat
  std::vector<Dispatch> body;     ///< when isRepeat
};
/// One conjunct of a guard: expr >= 0.
struct Entry {
  std::string name;
  std::vector<Expr> guard;
  std::vector<uint32_t> buffers; ///< arena buffers it uses
  std::vector<Step> steps;
};

struct Image {
  uint64_t textBytes;         ///< executable prefix, whole pages; the rest is constants
  std::vector<uint8_t> bytes; ///< whole pages
};

struct Variant {
  std::string name;    ///< "x86-64-v4-bf16" or "x86-64-v4-bf16:emulated"
  std::string driver;  ///< "cpu"
  std::string tier;    ///< instructions that the code needs: "x86-64-v3", ...
  std::string compute; ///< "f32" or "bf16"
  int64_t maxContext, maxBatch, maxStepTokens;
  std::vector<float> ropeInverseFrequencies; ///< [rope width / 2]
  float ropeMagnitude;
  std::vector<Weight> weights;
  std::vector<Buffer> buffers;
  std::vector<Cache> caches;
  std::vector<Kernel> kernels;
  std::vector<Entry> entries;
  Image image;
};

struct ModelInfo {
  std::string name; ///< model_type and shape in words, for --describe
  int64_t vocab, hidden, layers, maxPosition;
  int64_t routedLayers, topK; ///< for routing records: number of MoE layers and experts per token (0 if none)
  std::vector<int64_t> routedLayerNumbers;
};

struct Program {
  ModelInfo model;
  std::vector<Variant> variants;
};

} // namespace dsv2

#endif // DSV2_LIB_ARTIFACT_PROGRAM_H
