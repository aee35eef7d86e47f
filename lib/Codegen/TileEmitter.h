//===- TileEmitter.h - what tile programs are written against -------------===//
//
// A builder describes one dispatch in tiles: blocks of rows by columns that belong to whoever works
// on the item (a worker, a workgroup). Tiles, row vectors and operands are opaque handles: whether
// they live in registers or memory, which lane holds which element, how wide a vector is and how a
// panel gets near are the target's. Programs combine whole chunks of a tile by arithmetic that
// works on any type.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CODEGEN_TILEEMITTER_H
#define DSV2_LIB_CODEGEN_TILEEMITTER_H

#include "lib/Codegen/AttentionTile.h"
#include "lib/Codegen/KernelBuilder.h"

#include "mlir/IR/Builders.h"

#include <functional>
#include <memory>
#include <variant>

namespace dsv2 {

using mlir::Value;

/// What a target keeps behind a handle.
class TargetData {
public:
  virtual ~TargetData();
};

/// Rows by columns of f32. Linear: an operation that takes a Tile uses it up and may work in its
/// place.
struct Tile {
  std::shared_ptr<TargetData> data;
};
/// One f32 for each row of a tile.
struct RowVector {
  std::shared_ptr<TargetData> data;
};
/// What contract reads: a staged or resident panel, or a tile used again.
struct Operand {
  std::shared_ptr<TargetData> data;
};

/// Scores are reduced along their columns and become an operand; accumulators are stored.
enum class TileKind { Accumulator, Scores };

/// A row-major matrix in flat memory: element (r, c) lies at offset + rowIndex(r) * rowStride + c.
struct Matrix {
  Value memory;
  Value offset;
  int64_t rowStride = 0;
  mlir::Type element;
  std::function<Value(Value row)> rowIndex = {}; ///< empty: the row itself
  /// For copies of whole boxes, where known: the launch symbol that is the number of rows, and the
  /// elements of a row that exist, those below the offset included.
  Value rows = {};
  int64_t columns = 0;
};

/// Rows [first, first + height) of a tile; where `limit` is set, rows from it on do not exist and
/// are not stored.
struct RowBlock {
  Value first;
  int64_t height = 0;
  Value limit = {};
};

/// Operand rows: k runs along a row, over each segment in turn. Rows past the block's limit may be
/// anything.
struct RowsPanel {
  struct Segment {
    Matrix matrix;
    int64_t depth = 0;
  };
  llvm::SmallVector<Segment, 2> segments;
  RowBlock rows;
};
/// One block [ceil(depth/pair)][panel][pair] of a packed weight; `index` counts blocks.
struct PackedPanel {
  Value memory;
  Value index;
  int64_t depth = 0;
  mlir::Type element;
};
/// `count` cached tokens from `first` on (a multiple of the page), as rows of `cache`, found
/// through the page table.
struct PagedPanel {
  Matrix cache;
  Value table;
  Value tableOffset;
  int64_t pageTokens = 0;
  Value first, count;
  int64_t depth = 0;
};
using Panel = std::variant<RowsPanel, PackedPanel, PagedPanel>;

struct TileShape {
  RowBlock rows;
  int64_t columns = 0;
  TileKind kind = TileKind::Accumulator;
};

/// What a pipeline carries from step to step.
struct TileState {
  llvm::SmallVector<Tile, 2> tiles;
  llvm::SmallVector<RowVector, 2> rows;
};

/// How contract reads its second operand.
enum class Along {
  Rows,   ///< acc[r, c] += sum_k a[r, k] * b[c, k]
  Columns ///< acc[r, c] += sum_k a[r, k] * b[k, c]
};

enum class RowReduction { Maximum, Sum };

/// A piece of a tile that is being stored: f32 values of neighbouring columns of one row.
struct Chunk {
  Value value;
  Value row, column;
  Value active = {}; ///< how many of its columns exist; null: all
};

/// Argument of a kernel: flat memory of an element type, or a launch symbol (`element` null).
struct KernelArgument {
  mlir::Type element;
  bool mayAlias = false; ///< may overlap another argument
};

class TileEmitter {
public:
  using Values = llvm::ArrayRef<Value>;
  using Map = std::function<Value(Values tiles, Values rows)>;
  using PanelMaker = std::function<llvm::SmallVector<Panel>(Value step)>;
  using StepBody =
      std::function<TileState(Value step, llvm::ArrayRef<Operand> staged, TileState state)>;
  using Finish = std::function<void(TileState state)>;

  explicit TileEmitter(mlir::MLIRContext *context);
  virtual ~TileEmitter();

  // --- The kernel around the program.
  /// Opens the function; returns its arguments in order.
  virtual llvm::SmallVector<Value> begin(const KernelRequest &request,
                                         llvm::ArrayRef<KernelArgument> arguments);
  /// Emits `program` for every item of [begin, end).
  virtual void items(const std::function<void(Value item)> &program);
  /// Closes the function.
  virtual BuiltKernel finish();

  // --- What the target decides.
  /// Columns of a packed panel, and so of a tile over it.
  virtual int64_t panelColumns() const = 0;
  /// Rows that one item of a matmul covers; 0: all of them, since a panel is read once for all.
  virtual int64_t rowsOfItem() const { return 0; }
  /// Threads that work on an item together; 1: whoever works on it is alone.
  virtual int64_t threadsOfItem() const { return 1; }
  /// How attention over a cache of this element type is cut.
  virtual AttentionTile attentionTile(mlir::Type element) const;
  /// Threads that may exchange values without memory; 1: there are none.
  virtual int64_t threadsInStep() const { return 1; }
  /// Emits `program` for blocks of rows that cover [begin, end).
  virtual void forRows(Value begin, Value end, const std::function<void(RowBlock)> &program) = 0;
  /// Loads a panel once, as the first operand of contractions into tiles of this kind.
  virtual Operand resident(const Panel &panel, TileKind kind) = 0;
  /// Carries tiles of `shapes`, zero at first, and `rows` through the steps; stages the panels of a
  /// step ahead of its body. Without `steps` there is as many as the target cuts the panels' depth
  /// into. What follows belongs into `finish`: a target may emit it elsewhere, or once for each
  /// slice of the tiles' columns.
  virtual void pipeline(Value steps, const PanelMaker &panels, llvm::ArrayRef<TileShape> shapes,
                        llvm::ArrayRef<RowVector> rows, const StepBody &body,
                        const Finish &finish) = 0;

  // --- Values.
  virtual Tile zeros(const TileShape &shape) = 0;
  virtual RowVector fillRows(const RowBlock &rows, double value) = 0;
  virtual Tile contract(Tile accumulator, const Operand &a, const Operand &b, Along along) = 0;
  /// Rounds to the element type of a contraction, to be its first operand.
  virtual Operand asOperand(Tile tile, mlir::Type element) = 0;
  /// Scores from column `count` on do not exist.
  virtual Tile limitColumns(Tile tile, Value count) = 0;
  virtual RowVector reduceRows(RowReduction reduction, const Tile &tile) = 0;
  /// Elementwise over tiles of one shape and row values spread along the rows; the first tile is
  /// used up.
  virtual Tile mapTiles(llvm::ArrayRef<Tile> tiles, llvm::ArrayRef<RowVector> rows,
                        const Map &map) = 0;
  virtual RowVector mapRows(llvm::ArrayRef<RowVector> rows, const Map &map) = 0;

  // --- Memory.
  using Epilogue = std::function<Value(const Chunk &)>;
  /// Writes the columns below `columns` of a tile whose first column is `column`, through the
  /// epilogue, rounded.
  virtual void store(const Tile &tile, const Matrix &out, Value column, int64_t columns,
                     const Epilogue &epilogue) = 0;
  /// The elements of `matrix` at the chunk's place, as f32; for epilogues.
  virtual Value load(const Matrix &matrix, const Chunk &chunk) = 0;
  /// Writes and reads a state in the target's own order, at an offset of f32 memory.
  virtual void save(const TileState &state, Value memory, Value offset) = 0;
  virtual TileState restore(llvm::ArrayRef<TileShape> shapes, unsigned rowVectors, Value memory,
                            Value offset) = 0;

  // --- Arithmetic on chunks, row values and scalars of f32.
  /// 2^x, for x below -126 or above 127 that of the bound.
  virtual Value exp2(Value x) = 0;
  Value constantLike(Value like, double value);
  Value addf(Value a, Value b);
  Value subf(Value a, Value b);
  Value mulf(Value a, Value b);
  Value divf(Value a, Value b);
  Value maxf(Value a, Value b);                           ///< b where either is not a number
  Value whereGreater(Value a, Value b, Value x, Value y); ///< a > b ? x : y

  // --- Index arithmetic.
  Value index(int64_t value);
  Value add(Value a, Value b);
  Value add(Value a, int64_t b) { return add(a, index(b)); }
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value mul(Value a, int64_t b) { return mul(a, index(b)); }
  Value div(Value a, int64_t b);
  Value rem(Value a, int64_t b);
  Value div(Value a, Value b);
  Value rem(Value a, Value b);
  Value ceilDiv(Value a, int64_t b);
  Value minimum(Value a, Value b);
  Value less(Value a, Value b);
  /// An i32 of flat memory, as an index.
  Value loadIndex(Value memory, Value at);
  void loop(Value begin, Value end, const std::function<void(Value)> &body);
  void ifTrue(Value condition, const std::function<void()> &then,
              const std::function<void()> &otherwise = {});

  mlir::OpBuilder &builder() { return b; }
  mlir::Location location() const { return loc; }

protected:
  /// Adds an argument of the function after its slots.
  Value addArgument(mlir::Type type, mlir::DictionaryAttr attributes);
  /// A part of the worker's scratch, 64-byte aligned, as flat memory.
  Value scratch(mlir::Type element, int64_t count);

  mlir::OpBuilder b;
  mlir::Location loc;

private:
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp function;
  Value scratchArgument, scratchStart;
  int64_t scratchBytes = 0;
};

/// Type of an argument that is flat memory: the size is a bound that no index reaches.
mlir::MemRefType flatMemory(mlir::Type element);

} // namespace dsv2

#endif // DSV2_LIB_CODEGEN_TILEEMITTER_H
