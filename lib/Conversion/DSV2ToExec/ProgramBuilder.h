//===- ProgramBuilder.h - Fill a variant with buffers, kernels, dispatches --------------------===//
//
// What lowering a step needs to say, without the details of the dsv2_exec ops: declare a buffer, a
// prepared weight or a kernel once and get its name, launch a kernel over a grid. Equal kernels and
// equal weights are declared once, whichever entry or layer asks first.
//
//===------------------------------------------------------------------------------------------===//

#ifndef DSV2_CONVERSION_DSV2TOEXEC_PROGRAMBUILDER_H
#define DSV2_CONVERSION_DSV2TOEXEC_PROGRAMBUILDER_H

#include "dialects/DSV2/IR/DSV2.h"
#include "dialects/Exec/IR/Exec.h"
#include "lib/Codegen/AttentionTile.h"
#include "lib/Conversion/DSV2ToLinalg/RowKernel.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

namespace mlir::dsv2 {

using dsv2_exec::LaunchSymbol;

/// One slot of a dispatch.
struct Slot {
  enum class Kind { Buffer, Weight, Cache, Symbol } kind;
  std::string name;                         ///< of the buffer, weight or cache
  LaunchSymbol symbol = LaunchSymbol::Rows; ///< Symbol
  /// Weight, cache: the enclosing loop's layer is the index. Buffer: elements to add for each
  /// layer.
  int64_t scale = 0, offset = 0;

  static Slot buffer(StringRef name) { return {Kind::Buffer, name.str()}; }
  static Slot sym(LaunchSymbol symbol) { return {Kind::Symbol, "", symbol}; }
};

/// How a prepared weight lies in memory. A weight of rank r + 2 has r batch dimensions (heads,
/// experts).
struct PreparedLayout {
  bool packed = false;   ///< the target's panels, for contractions; else row-major
  int64_t splitRows = 1; ///< packed: rows [N] are this many equal parts, each with its own panels
};

/// The first and last MoE layer of a model.
struct RoutedLayers {
  int64_t first = 0, last = -1;
  int64_t size() const { return last - first + 1; }
};

/// Attribute of a variant: what its target says of packed weights, `{f32 = [panel, pair], bf16 =
/// ...}`, where an item of a matmul has a number of rows, `rows = 128`, and, where attention is cut
/// in another way than usual, `bf16_attention = [heads, tokens]`.
constexpr llvm::StringLiteral kPackingAttr = "packing";
/// Attribute of a kernel before codegen: the slots that it writes.
constexpr llvm::StringLiteral kWritesAttr = "writes";

class ProgramBuilder {
public:
  /// `variant` must be empty or hold only what this class made.
  ProgramBuilder(dsv2_exec::VariantOp variant, ModuleOp model, RoutedLayers routedLayers);

  MLIRContext *context() const { return variant->getContext(); }
  /// Pair of the target's packed layout for this element type: a contraction's operand rows are
  /// padded with zeros to a multiple of it.
  int64_t pairOf(Type element) const;
  int64_t panelOf(Type element) const;
  /// Rows that an item of a matmul covers on this target; 0: all of them.
  int64_t rowsOfItem() const;
  /// How attention over a cache of this element type is cut on this target.
  ::dsv2::AttentionTile attentionTile(Type element) const;

  /// Most tokens that a sequence may cache.
  int64_t maxContext() { return variant.getMaxContext(); }
  /// Most new tokens of a step.
  int64_t maxStepTokens() { return variant.getMaxStepTokens(); }
  const RoutedLayers &routedLayers() const { return routed; }

  /// Affine expressions over launch symbols.
  AffineExpr symbol(LaunchSymbol which) const { return dsv2_exec::getLaunchExpr(context(), which); }
  AffineMap sizes(ArrayRef<AffineExpr> minimumOf) const {
    return dsv2_exec::getLaunchMap(context(), minimumOf);
  }

  /// A buffer of the entry under construction, at least `elements` long (some are added for vectors
  /// that read past the last row). `hint` begins its name.
  std::string addBuffer(StringRef hint, Type element, AffineExpr elements);
  /// A step table or output that the runtime knows by this name.
  std::string useTable(StringRef table, Type element, AffineExpr elements, bool output = false);
  std::string useCache(CacheType type, int64_t pageTokens, int64_t rowElements);
  /// The prepared form of a weight family; fails with a diagnostic at `use`.
  FailureOr<std::string> useWeight(WeightOp use, Type element, const PreparedLayout &layout);
  /// A kernel of a builder. `writes` are the slots that it writes.
  std::string useKernel(StringRef builder, DictionaryAttr spec, ArrayRef<int64_t> writes);
  /// A generic kernel; equal ones share a name.
  std::string useKernel(RowKernel &kernel, StringRef hint, ArrayRef<int64_t> writes);

  /// Begins the next entry; dispatches go there until the next one.
  void beginEntry(Location loc, StringRef name, ArrayRef<AffineExpr> nonNegative);
  /// Dispatches until endRepeat go into a loop over these layers.
  void beginRepeat(Location loc, RangeAttr layers);
  void endRepeat();
  void dispatch(Location loc, StringRef kernel, AffineMap items, ArrayRef<Slot> slots);

  unsigned numDispatches = 0, numKernels = 0;

private:
  int64_t packing(Type element, unsigned which) const;
  /// A name that nothing has yet: `base` with a number.
  std::string unique(StringRef base);
  /// `name` itself if nothing has it yet, else with a number.
  std::string claim(StringRef name);

  dsv2_exec::VariantOp variant;
  SymbolTable modelSymbols;
  RoutedLayers routed;
  OpBuilder declarations; ///< before all entries, in order of first use
  OpBuilder body;
  dsv2_exec::EntryOp entry;
  llvm::StringMap<std::string> kernelNames, weightNames, tableNames;
  std::string cacheName;
  llvm::StringMap<unsigned> taken;
};

} // namespace mlir::dsv2

#endif // DSV2_CONVERSION_DSV2TOEXEC_PROGRAMBUILDER_H
