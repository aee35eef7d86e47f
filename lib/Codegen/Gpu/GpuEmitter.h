//===- GpuEmitter.h - tile programs on warps and workgroup memory ---------===//
//
// What every emitter for workgroups shares. A tile is spread over the warps as accumulator
// fragments of one layout (FragmentLayouts.h), so values, row statistics and stores are written
// once; operands lie in workgroup memory as chunks of 16 bytes:
//
//   [chunk of k][row][16 bytes]      a chunk's rows are neighbours, with one row of padding
//
// Eight rows of a chunk are 128 bytes in a row, which is what matrix loads want without conflicts;
// and a panel of packed weights has this order in memory already. Copies run some steps ahead of
// the contraction.
//
// This class alone is a whole emitter: it copies through registers and multiplies element by
// element. A target overrides the copy and `multiply` by what its machine has.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CODEGEN_GPU_GPUEMITTER_H
#define DSV2_LIB_CODEGEN_GPU_GPUEMITTER_H

#include "lib/Codegen/Gpu/FragmentLayouts.h"
#include "lib/Codegen/TileEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace dsv2 {

/// Numbers a target chooses. Programs never read them.
struct GpuPlan {
  int64_t lanes = 32;            ///< of a warp
  int64_t warps = 4;             ///< of a workgroup
  int64_t fewRows = 16;          ///< block of rows where no more are left at all
  int64_t manyRows = 128;        ///< block of rows else
  int64_t panelColumns = 64;     ///< of a packed panel
  int64_t stages = 3;            ///< copies of an operand in flight or in use
  int64_t stageChunks = 8;       ///< chunks of k in one stage
  int64_t columnUnit = 2;        ///< blocks of columns that a warp has a multiple of
  int64_t tokenChunks = 2048;    ///< chunks of cached tokens in one stage, at least a step's rows
  int64_t sharedBytes = 1 << 30; ///< workgroup memory to fit into where there is a choice
  int64_t sharedAlignment = 128; ///< of what is allocated in workgroup memory: a row of banks
  llvm::StringRef accumulator = "m16n8.d"; ///< layout of accumulator fragments
};

class GpuEmitter : public TileEmitter {
public:
  GpuEmitter(mlir::MLIRContext *context, GpuPlan plan);

  llvm::SmallVector<Value> begin(const KernelRequest &request,
                                 llvm::ArrayRef<KernelArgument> arguments) override;
  void items(const std::function<void(Value item)> &program) override;
  BuiltKernel finish() override;

  int64_t panelColumns() const override { return plan.panelColumns; }
  int64_t rowsOfItem() const override { return plan.manyRows; }
  int64_t threadsOfItem() const override { return plan.warps * plan.lanes; }
  int64_t threadsInStep() const override { return plan.lanes; }
  void forRows(Value begin, Value end, const std::function<void(RowBlock)> &program) override;
  Operand resident(const Panel &panel, TileKind kind) override;
  void pipeline(Value steps, const PanelMaker &panels, llvm::ArrayRef<TileShape> shapes,
                llvm::ArrayRef<RowVector> rows, const StepBody &body,
                const Finish &finish) override;

  Tile zeros(const TileShape &shape) override;
  RowVector fillRows(const RowBlock &rows, double value) override;
  Tile contract(Tile accumulator, const Operand &a, const Operand &b, Along along) override;
  Operand asOperand(Tile tile, mlir::Type element) override;
  Tile limitColumns(Tile tile, Value count) override;
  RowVector reduceRows(RowReduction reduction, const Tile &tile) override;
  Tile mapTiles(llvm::ArrayRef<Tile> tiles, llvm::ArrayRef<RowVector> rows,
                const Map &map) override;
  RowVector mapRows(llvm::ArrayRef<RowVector> rows, const Map &map) override;
  void store(const Tile &tile, const Matrix &out, Value column, int64_t columns,
             const Epilogue &epilogue) override;
  Value load(const Matrix &matrix, const Chunk &chunk) override;
  void save(const TileState &state, Value memory, Value offset) override;
  TileState restore(llvm::ArrayRef<TileShape> shapes, unsigned rowVectors, Value memory,
                    Value offset) override;
  Value exp2(Value x) override;

protected:
  using Fragments = llvm::SmallVector<Value>;

  /// How a block of rows and columns is spread: warps over rows first, the rest over columns, each
  /// with rowBlocks x columnBlocks fragments.
  struct Spread {
    int64_t rowWarps = 1, columnWarps = 1, rowBlocks = 1, columnBlocks = 0;
  };
  struct FragmentTile : TargetData {
    TileShape shape;
    Spread spread;
    Fragments values; ///< [rowBlocks][columnBlocks] of vector<values x f32>
  };
  /// For each block of rows of the warp and each row that a lane has there, a value.
  struct LaneRows : TargetData {
    int64_t height = 0;
    Fragments values;
  };
  /// Chunks in workgroup memory; element (row, k) lies at base + k / chunk * chunkStride +
  /// row * chunk + k % chunk.
  struct StagedOperand : TargetData {
    Value memory, base;
    int64_t chunkStride = 0, chunks = 0;
    mlir::Type element;
  };
  /// Rows that are too many to stay: contract brings them near with each piece of the other
  /// operand.
  struct StreamedRows : TargetData {
    RowsPanel panel;
  };
  /// Cached tokens that contract brings near piece by piece.
  struct PagedOperand : TargetData {
    PagedPanel panel;
  };

  using StreamBody =
      std::function<Fragments(Value step, llvm::ArrayRef<Operand> staged, llvm::ArrayRef<Value>)>;
  /// Element of workgroup memory where a chunk of a row goes.
  using Place = std::function<Value(Value row, Value chunk)>;

  // --- What a target overrides.
  /// A barrier of the threads that work on tiles.
  virtual mlir::Operation *makeBarrier();
  /// Blocks of columns that a warp has a multiple of, in a tile of this shape.
  virtual int64_t columnUnit(const TileShape &shape) const { return plan.columnUnit; }
  /// Walks over the panels' depth, with what a step reads in workgroup memory, carrying values.
  virtual Fragments streamPanels(llvm::ArrayRef<Panel> panels, llvm::ArrayRef<Value> init,
                                 const StreamBody &body);
  /// Copies a chunk from global to workgroup memory; zeros where `valid` is set and false.
  virtual void copyChunk(Value from, Value fromAt, Value to, Value toAt, Value valid);
  /// Closes the copies issued so far; what waitForCopies takes.
  virtual Value commitCopies();
  /// Waits until at most `pending` of the groups committed are under way. `token` is any of them
  /// (null where commitCopies gives null).
  virtual void waitForCopies(Value token, int64_t pending);
  /// acc[r, c] += sum over `depth` k of a[r, k] b[c, k] (Along::Rows) or b[k, c] (Columns), k
  /// ascending; k starts at chunk `aChunk` of a, and at the first of b.
  virtual Fragments multiply(const FragmentTile &tile, llvm::ArrayRef<Value> values,
                             const StagedOperand &a, Value aChunk, const StagedOperand &b,
                             int64_t depth, Along along);

  // --- Lanes.
  Spread spreadOf(const TileShape &shape) const;
  Value warpRow(const Spread &spread);    ///< first row of the warp's part
  Value warpColumn(const Spread &spread); ///< first column of it
  int64_t chunkElements(mlir::Type element) const;
  int64_t laneRowCount() const { return int64_t(rowSlots.size()); }
  Value laneIndex() const { return lane; }
  void barrier();
  /// A barrier where memory is given to another use. `finish` takes it out again where nothing
  /// needs it (Fences.h).
  void fence();
  /// Waits for copies that `resident` began, which else the first step of a stream does.
  void finishCopies();

  // --- Workgroup memory: a stack. What a scope allocates is free after it.
  Value shared(mlir::Type element, int64_t count);
  /// The same for `count` f32 that rows' statistics meet in: two places in turn, above all else, so
  /// that they wait for nobody.
  Value statistics(int64_t count);
  template <typename Body> void sharedScope(const Body &body) {
    int64_t top = sharedTop;
    body();
    sharedTop = top;
  }
  mlir::MemRefType sharedType(mlir::Type element, int64_t count) const;
  Value loadVector(mlir::VectorType type, Value memory, Value at, bool aligned = true);
  void storeVector(Value value, Value memory, Value at, bool aligned = true);

  // --- Pieces of what a target replaces.
  Fragments loopCarrying(Value begin, Value end, llvm::ArrayRef<Value> init,
                         const std::function<Fragments(Value, llvm::ArrayRef<Value>)> &body);
  /// Whether places that are a multiple of `elements` into rows are aligned in memory too.
  static bool isAligned(const Matrix &matrix, int64_t elements);
  /// Copies `chunks` chunks of every row, from chunk `firstChunk` on, each to its place.
  void copyRows(const RowsPanel &panel, Value firstChunk, int64_t chunks, Value memory,
                const Place &place);
  void copyTokens(const PagedPanel &panel, Value firstToken, int64_t tokens, Value firstChunk,
                  int64_t chunks, Value memory, const Place &place);
  void eachOfWorkgroup(int64_t count, const std::function<void(Value)> &body);
  Tile tileOf(const TileShape &shape, Fragments values);
  Value splatRows(llvm::ArrayRef<Value> slots);
  Value tileRow(const Spread &spread, int64_t block, int64_t slot);
  Value tileColumn(const Spread &spread, int64_t block, int64_t value);
  Value valuesAt(Value fragment, int64_t first, int64_t count);

  GpuPlan plan;
  const FragmentLayout &layout;
  Value thread, lane, warp, dynamicShared;
  int64_t team = 0; ///< threads that share the work of eachOfWorkgroup, from `thread` 0 on
  int64_t sharedTop = 0, sharedMost = 0;
  /// Rows (columns) that the values of a lane lie in, and which of them each value has.
  llvm::SmallVector<int64_t> rowSlots, slotOfValue;
  int64_t run = 1; ///< neighbouring values that are neighbouring columns

private:
  /// One operand of a pipeline: how much a stage holds, and how step `step` gets there.
  struct Source {
    int64_t rows = 0, chunks = 0;
    mlir::Type element;
    std::function<void(Value step, Value memory, Value base)> copy;
  };

  /// Runs `steps` steps, each over what its sources have brought near, carrying values.
  Fragments stream(Value steps, llvm::ArrayRef<Source> sources, llvm::ArrayRef<Value> init,
                   const StreamBody &body);
  void pipelineDepth(const PanelMaker &panels, llvm::ArrayRef<TileShape> shapes,
                     const StepBody &body, const Finish &finish);
  void pipelineSteps(Value steps, const PanelMaker &panels, llvm::ArrayRef<TileShape> shapes,
                     llvm::ArrayRef<RowVector> rows, const StepBody &body, const Finish &finish);
  Source packedSource(const PackedPanel &panel);
  Source rowsSource(const RowsPanel &panel);
  /// Along::Rows: all of `tokens`, a piece of the depth each step; Columns: `tokens` a step.
  Source tokenSource(const PagedPanel &panel, int64_t tokens, int64_t chunks, Along along);
  /// Chunks of `rows` rows as StagedOperand has them.
  Place chunkPlace(Value base, int64_t rows, mlir::Type element);
  void copyElements(mlir::Type element, Value to, Value toAt,
                    const std::function<Value(int64_t)> &valueOf);
  Value rowPlace(const Matrix &matrix, const RowBlock &rows, Value row);
  Value zeroOf(mlir::Type element);
  Value loadOrZero(Value memory, Value at, Value valid);

  Operand stageRows(const RowsPanel &panel);
  Tile contractTokens(std::shared_ptr<FragmentTile> tile, const Operand &first,
                      const PagedPanel &panel);
  Tile contractColumns(std::shared_ptr<FragmentTile> tile, const StagedOperand &a,
                       const PagedPanel &panel);
  RowVector rowsOf(int64_t height, Fragments values);
  Value firstOfRow();
  void forRowsOfTile(const FragmentTile &tile,
                     const std::function<void(int64_t block, int64_t slot, Value row)> &body);
  Value coordinate(llvm::ArrayRef<FragmentPlace> bases, bool row);

  Value laneRow, laneColumn;
  int64_t statisticsBytes = 0;
  /// Where statistics lie is known at the end.
  llvm::SmallVector<mlir::arith::ConstantOp> statisticsPlaces[2];
  bool statisticsTurn = false;
  bool copiesOpen = false; ///< copies were issued and not committed
  llvm::SmallVector<mlir::Operation *> fences;
  llvm::DenseMap<mlir::Operation *, unsigned> owners; ///< of accesses (Fences.h)
  unsigned ownersUsed = 0;
};

} // namespace dsv2

#endif // DSV2_LIB_CODEGEN_GPU_GPUEMITTER_H
