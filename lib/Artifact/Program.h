//===- Program.h - what an artifact says, as plain C++ --------------------===//
//
// One struct for every table of the schema. The reader fills it after all checks, the runtime
// executes it, the writer stores it, and the dsv2_exec dialect mirrors it op for op. Knows no MLIR.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_ARTIFACT_PROGRAM_H
#define DSV2_LIB_ARTIFACT_PROGRAM_H

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace dsv2 {

/// Element types of weights, buffers and caches. F8E4M3 is a type of checkpoint tensors only.
enum class ElementType : uint8_t { F32 = 1, BF16 = 2, I32 = 3, I64 = 4, F8E4M3 = 5 };
/// Size in bytes of one element; 0 for a value that is no element type.
uint64_t elementBytes(ElementType type);
/// "f32", "bf16", "i32", "i64", "f8e4m3"; "?" for a value that is no element type.
const char *elementTypeName(ElementType type);

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
/// "T", "B", "W", "C", "P", "R" in that order.
const char *symbolName(Symbol symbol);

/// An expression over launch symbols in postfix order, all arithmetic checked in int64
/// (lib/Artifact/Expr.h). Min appears only after everything else: the value is the minimum of
/// min-free expressions.
enum class ExprOp : uint8_t {
  Constant = 1,
  Symbol = 2,
  Add = 3,
  Mul = 4,
  CeilDiv = 5,
  FloorDiv = 6,
  Mod = 7,
  Min = 8
};
struct ExprNode {
  ExprOp op = ExprOp::Constant;
  int64_t value = 0; ///< Constant: the constant; Symbol: its number; else 0
};
struct Expr {
  std::vector<ExprNode> code;
};

/// Layers that a family covers: begin, begin + step, ... below end. A global weight: {0, 1, 1} and
/// `global`.
struct LayerRange {
  int64_t begin = 0, end = 1, step = 1;
  bool global = true;
};

/// A checkpoint tensor (family): the name may hold {l} and {e}.
struct WeightSource {
  std::string name;
  ElementType type = ElementType::F32; ///< F32, BF16 or F8E4M3
  std::vector<int64_t> shape;
  /// F8E4M3: the f32 tensor [ceil(rows / blockRows), ceil(columns / blockColumns)] by which the
  /// matrix is multiplied, one number a block; name and {l}, {e} as above. Else empty, 0, 0.
  std::string scales = {};
  int64_t blockRows = 0, blockColumns = 0;
};

/// dst[dstOffset + sum i_d * dstStride_d] = cast(src[srcOffset + sum i_d * srcStride_d]), in
/// elements. A scaled source counts as f32: its elements times their scales.
struct CopyDim {
  int64_t extent = 1, srcStride = 0, dstStride = 0; ///< extent >= 1, strides >= 0
};
struct WeightCopy {
  uint32_t source = 0;                  ///< index into Weight::sources
  int64_t srcOffset = 0, dstOffset = 0; ///< elements
  std::vector<CopyDim> dims;            ///< at most 8, outermost first; none: one element
  /// The copy is repeated for e = expertBegin .. expertBegin + expertCount - 1 (begin 0, count 1,
  /// stride 0 when the name has no {e}); repetition j writes at dstOffset + j * expertDstStride.
  int64_t expertBegin = 0, expertCount = 1, expertDstStride = 0;
};

/// A prepared weight: `elements` zeros of `type` per layer, then the copies (together at most
/// `elements`).
struct Weight {
  std::string name;
  ElementType type = ElementType::F32; ///< F32 or BF16
  LayerRange layers;
  int64_t elements = 0; ///< per layer
  std::vector<WeightSource> sources;
  std::vector<WeightCopy> copies;
};

/// What a buffer is for. Arena buffers share memory by live interval; tables are filled by the
/// runtime before a step, outputs are read by it after.
enum class BufferKind : uint8_t { Arena = 1, Table = 2, Output = 3 };
struct Buffer {
  std::string name; ///< unique in the variant
  std::string
      table; ///< tables and outputs: the well-known name (lib/Artifact/StepTables.h); arena: empty
  BufferKind kind = BufferKind::Arena;
  ElementType type = ElementType::F32;
  Expr elements; ///< monotone in the symbols: constants, symbols, +, *, division by a constant, min
  /// Arena buffers, which belong to one entry: the dispatches that may touch it, end excluded.
  /// Dispatches are numbered in the order of the text, those in a loop's body once. Tables and
  /// outputs: 0, 0.
  int64_t liveBegin = 0, liveEnd = 0;
};

/// The paged cache: [layers][pages][pageTokens][rowElements].
struct Cache {
  std::string name;
  ElementType type = ElementType::F32;
  int64_t layers = 0, pageTokens = 0, rowElements = 0;
};

/// A matrix of bf16 of which a kernel copies boxes: `boxRows` rows of 64 columns, whose 128 bytes
/// lie in the 128-byte swizzle. The launch describes it to the device and hands the description to
/// the kernel after the slots. What lies past the last row or column is zero in a box.
struct TensorMap {
  uint32_t slot = 0;                 ///< of the matrix's address, a multiple of 16
  int64_t columns = 0, rowBytes = 0; ///< that exist; from a row to the next, a multiple of 16
  int32_t rowsSlot = -1;             ///< of the symbol that is the number of rows; -1: no bound
  uint32_t boxRows = 0;

  static constexpr uint32_t kBoxColumns = 64;
};

/// One kernel: where its code (flat images), or the module that holds it under its name, lies in
/// the image. `builder` says how it was made, for reports.
struct Kernel {
  std::string name, builder;
  uint64_t offset = 0, size = 0; ///< within the image's text, or the whole image if it has modules
  uint64_t scratchBytes = 0;     ///< for each worker
  uint32_t threads = 1;          ///< of a workgroup; 1 where the device has none
  uint32_t sharedBytes = 0;      ///< memory of a workgroup
  std::vector<TensorMap> tensorMaps = {};
  /// Images of text: the same module compiled for exactly the variant's tier; size 0: none.
  uint64_t binaryOffset = 0, binarySize = 0;
};

enum class ArgKind : uint8_t { Buffer = 1, Weight = 2, Cache = 3, Symbol = 4, Constant = 5 };
/// One 8-byte slot of a dispatch. Weight and Cache are indexed by layer = layerScale * %l +
/// layerOffset of the enclosing repeat (scale 0 outside one; a global weight has scale and offset
/// 0). Buffer: element offset = layerOffset + layerScale * %l.
struct Arg {
  ArgKind kind = ArgKind::Constant;
  uint32_t index = 0; ///< of the buffer, weight, cache or symbol
  int64_t layerScale = 0, layerOffset = 0;
  int64_t value = 0; ///< Constant
};
struct Dispatch {
  uint32_t kernel = 0;
  Expr items; ///< of the grid; nothing runs when the value is 0
  std::vector<Arg> args;
};
/// A program is a list of dispatches and loops over layers (loops do not nest).
struct Step {
  bool isRepeat = false;
  Dispatch dispatch;                    ///< when !isRepeat
  int64_t begin = 0, end = 0, step = 1; ///< when isRepeat
  std::vector<Dispatch> body;           ///< when isRepeat
};
/// One program. It may run a step when every guard expression is >= 0; the first entry that may is
/// taken.
struct Entry {
  std::string name;
  std::vector<Expr> guard;
  std::vector<uint32_t> buffers; ///< the arena buffers that its dispatches use, ascending
  std::vector<Step> steps;
};

/// What the bytes of an image are. Flat code is mapped and jumped to; the others are modules, one
/// for each kernel, that a device's library loads.
enum class ImageFormat : uint8_t { Flat = 1, Ptx = 2, Cubin = 3, Hsaco = 4 };
/// "flat", "ptx", "cubin", "hsaco"; "?" for a value that is no format.
const char *imageFormatName(ImageFormat format);

struct Image {
  ImageFormat format = ImageFormat::Flat;
  uint64_t textBytes = 0;     ///< flat: executable prefix, whole pages; the rest is constants
  std::vector<uint8_t> bytes; ///< whole pages
};

struct Variant {
  std::string name;    ///< "x86-64-v4-bf16" or "x86-64-v4-bf16:emulated"
  std::string driver;  ///< "cpu"
  std::string tier;    ///< instructions that the code needs: "x86-64-v3", ...
  std::string compute; ///< "f32" or "bf16"
  int64_t maxContext = 0, maxBatch = 0, maxStepTokens = 0;
  std::vector<float> ropeInverseFrequencies; ///< [rope width / 2]
  float ropeMagnitude = 1.0f;                ///< factor of cos and sin in the step tables
  std::vector<Weight> weights;
  std::vector<Buffer> buffers;
  std::vector<Cache> caches;
  std::vector<Kernel> kernels;
  std::vector<Entry> entries;
  Image image;
};

struct ModelInfo {
  std::string name; ///< model_type and shape in words, for --describe
  int64_t vocab = 0, hidden = 0, layers = 0;
  int64_t maxPosition = 0; ///< the config's max_position_embeddings
  int64_t bos = -1;        ///< -1: the config names none
  std::vector<int64_t> eos;
  int64_t routedExperts = 0; ///< routed experts of a MoE layer; 0 without MoE layers
  int64_t topK = 0;          ///< routed experts per token; 0 without MoE layers
  std::vector<int64_t>
      routedLayerNumbers; ///< the MoE layers, ascending: the tensors of a routing record
};

struct Program {
  ModelInfo model;
  std::vector<Variant> variants;
};

} // namespace dsv2

#endif // DSV2_LIB_ARTIFACT_PROGRAM_H
