//===- ProgramBuilder.h - Fill a variant with buffers, kernels, dispatches ------------------------===//
//
// What lowering a step needs to say, without the details of the dsv2_exec ops: declare a buffer, a prepared
// weight or a kernel once and get its name, launch a kernel over a grid. Equal kernels and equal weights are
// declared once, whichever entry or layer asks first.
//
//===----------------------------------------------------------------------------------------------===//

#ifndef DSV2_CONVERSION_DSV2TOEXEC_PROGRAMBUILDER_H
#define DSV2_CONVERSION_DSV2TOEXEC_PROGRAMBUILDER_H

#include "dialects/DSV2/IR/DSV2.h"
#include "dialects/Exec/IR/Exec.h"
#include "lib/Conversion/DSV2ToLinalg/RowKernel.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace mlir::dsv2 {

/// Launch symbols in the order of every map and guard: `()[T, B, W, C, P, R]`.
enum class LaunchSymbol : unsigned { Rows, Sequences, Wanted, Context, Workers, Replay };
constexpr unsigned kLaunchSymbols = 6;

/// One slot of a dispatch.
struct Slot {
  enum class Kind { Buffer, Weight, Cache, Symbol } kind;
  std::string name;                         ///< of the buffer, weight or cache
  LaunchSymbol symbol = LaunchSymbol::Rows; ///< Symbol
  /// Weight, cache: the enclosing loop's layer is the index. Buffer: elements to add for each layer.
  int64_t scale = 0, offset = 0;

  static Slot buffer(StringRef name) { return {Kind::Buffer, name.str()}; }
  static Slot sym(LaunchSymbol symbol) { return {Kind::Symbol, "", symbol}; }
};

/// How a prepared weight lies in memory. A weight of rank r + 2 has r batch dimensions (heads, experts).
struct PreparedLayout {
  bool packed = false;        ///< the target's panels, for contractions; else row-major
  int64_t splitRows = 1;      ///< packed: rows [N] are this many parts of N / splitRows, each with its own panels
};

class ProgramBuilder {
public:
  /// `variant` must be empty or hold only what this class made.
  ProgramBuilder(dsv2_exec::VariantOp variant, ModuleOp model);

  MLIRContext *context() const { return variant->getContext(); }
  dsv2_exec::VariantOp getVariant() const { return variant; }
  /// Pair of the target's packed layout for this element type: a contraction's operand rows are padded with
  /// zeros to a multiple of it.
  int64_t pairOf(Type element) const;
  int64_t panelOf(Type element) const;

  /// Most tokens that a sequence may cache.
  int64_t maxContext() const;
  /// Most new tokens of a step.
  int64_t maxStepTokens() const;
  /// MoE layers of the model.
  int64_t routedLayers() const;

  /// Affine expressions over launch symbols.
  AffineExpr symbol(LaunchSymbol which) const;
  AffineMap sizes(ArrayRef<AffineExpr> minimumOf) const;

  /// A buffer of the entry under construction, at least `elements` long (some are added for vectors that
  /// read past the last row). `hint` begins its name.
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
  void beginEntry(StringRef name, IntegerSet guard);
  /// Dispatches until endRepeat go into a loop over these layers.
  void beginRepeat(RangeAttr layers);
  void endRepeat();
  void dispatch(Location loc, StringRef kernel, AffineMap items, ArrayRef<Slot> slots);

private:
  std::string unique(StringRef base);

  dsv2_exec::VariantOp variant;
  SymbolTable modelSymbols;
  OpBuilder declarations; ///< declarations come before all entries, in order of first use
  OpBuilder body;
  std::string entryName;
  Value layer; ///< of the open loop
  llvm::StringMap<std::string> kernelNames, weightNames;
  llvm::StringSet<> taken;
};

} // namespace mlir::dsv2

#endif // DSV2_CONVERSION_DSV2TOEXEC_PROGRAMBUILDER_H
