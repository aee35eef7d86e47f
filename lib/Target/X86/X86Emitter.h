//===- X86Emitter.h - tiles on x86 vectors --------------------------------===//
//
// Two ways to hold a tile. Accumulators of a contraction with a packed weight live in registers:
// columns in lanes, as many rows and vectors as registers allow; wider tiles are worked off in
// slices of columns, taller ones in blocks of rows. Scores and results of attention live in memory:
// kHeads rows in lanes for scores, columns in lanes for results.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_TARGET_X86_X86EMITTER_H
#define DSV2_LIB_TARGET_X86_X86EMITTER_H

#include "lib/Codegen/TileEmitter.h"
#include "lib/Target/Common/X86Tier.h"

namespace dsv2 {

/// How a contraction multiplies.
enum class Arithmetic {
  F32,    ///< f32 operands, one k at a time
  Pair,   ///< bf16 operands, two k by a dot product of pairs
  Widened ///< bf16 weights widened to f32 on the way in; same order and result as Pair
};

/// Rows of a tile that is held in memory.
constexpr int64_t kHeads = 16;

class X86Emitter final : public TileEmitter {
public:
  X86Emitter(mlir::MLIRContext *context, const X86Tier &tier) : TileEmitter(context), tier(tier) {}

  int64_t panelColumns() const override { return 64; }
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

private:
  struct RegisterTile;
  struct MemoryTile;
  struct Lanes;
  struct RowsOperand;
  struct LanesOperand;
  struct PackedOperand;
  struct PagedOperand;
  using Accumulators = llvm::SmallVector<Value>;

  // --- Vectors (X86Vectors.cpp).
  Arithmetic arithmetic(mlir::Type element) const;
  int64_t pairOf(Arithmetic kind) const { return kind == Arithmetic::F32 ? 1 : 2; }
  mlir::VectorType floats() const;
  mlir::VectorType words() const;
  mlir::VectorType pairs() const;
  Value splatWord(int64_t value);
  Value zeroVector() { return constantVector(0.0); }
  Value constantVector(double value);
  Value loadVector(mlir::VectorType type, Value memory, Value at);
  void storeVector(Value vector, Value memory, Value at);
  Value bitcast(mlir::Type type, Value vector);
  Value fma(Value a, Value c, Value accumulator);
  /// Lanes [at, at + lanes) of f32 or bf16 memory, as f32.
  Value loadWide(mlir::Type element, Value memory, Value at);
  /// Rounds f32 lanes to the element type.
  Value narrow(Value vector, mlir::Type element);
  /// Nearest bf16, ties to even, in the upper half of each word; the lower half is not cleared.
  Value roundedWords(Value vector);
  /// One f32, or one pair of bf16 in 32 bits, in every lane.
  Value spreadFloat(Value memory, Value at);
  Value spreadPair(Value memory, Value at);
  /// Neighbouring pairs, one a lane. Scratch holds them as 16-bit integers: moving bf16 values by
  /// ones or twos is a library call where the CPU has no bf16 arithmetic.
  Value loadPairs(Value memory, Value at);
  /// The odd or even element of each pair, as f32.
  Value half(Value pairVector, bool odd);
  Value dotPairs(Value accumulator, Value a, Value c);
  void prefetch(Value memory, Value at);
  /// A loop from 0 to end that carries values.
  Accumulators loopCarrying(Value end, llvm::ArrayRef<Value> init,
                            const std::function<Accumulators(Value, llvm::ArrayRef<Value>)> &body);

  // --- Register tiles (X86RegisterTiles.cpp).
  int64_t fullRows() const;
  /// Whether a widened contraction of so few rows goes vector by vector of weights.
  static bool byVector(int64_t height) { return height <= 2; }
  int64_t sliceVectors(int64_t height, Arithmetic kind) const;
  using WeightLoad = std::function<Value(int64_t vector)>;
  using RowSpread = std::function<Value(int64_t row, bool odd)>;
  void multiplyWidened(Accumulators &acc, int64_t height, const WeightLoad &weight,
                       const RowSpread &spread);
  void park(RegisterTile &tile);
  void mapParked(llvm::ArrayRef<const RegisterTile *> tiles, const Map &map);
  void pipelineSlices(const PanelMaker &panels, llvm::ArrayRef<TileShape> shapes,
                      const StepBody &body, const Finish &finish);
  Operand stageRows(const RowsPanel &panel);
  Operand stagePacked(const PackedPanel &panel);
  Tile contractRegisters(const RegisterTile &tile, const RowsOperand &a, const PackedOperand &w);
  void storeRegisters(const RegisterTile &tile, const Matrix &out, Value column, int64_t columns,
                      const Epilogue &epilogue);
  void storeChunk(const Matrix &out, const Chunk &chunk, const Epilogue &epilogue);

  // --- Memory tiles (X86MemoryTiles.cpp, X86Paged.cpp).
  Operand packLanes(const RowsPanel &panel);
  void packSegment(const RowsPanel::Segment &segment, const RowBlock &rows, const LanesOperand &to,
                   int64_t firstK);
  void pipelineSteps(Value steps, const PanelMaker &panels, llvm::ArrayRef<TileShape> shapes,
                     llvm::ArrayRef<RowVector> rows, const StepBody &body, const Finish &finish);
  std::shared_ptr<MemoryTile> allocateTile(const TileShape &shape);
  Tile contractScores(std::shared_ptr<MemoryTile> tile, const LanesOperand &q,
                      const PagedOperand &cache);
  Tile contractColumns(std::shared_ptr<MemoryTile> tile, const LanesOperand &p,
                       const PagedOperand &cache);
  Accumulators accumulatePage(llvm::ArrayRef<Value> accumulators, const LanesOperand &p,
                              const PagedOperand &cache, Value page, Value column, Value head);
  Value interleave(Value even, Value odd);
  /// Vectors that hold kHeads row values, and tokens whose scores are computed together.
  int64_t rowVectors() const { return kHeads / tier.lanes; }
  int64_t blockTokens() const { return tier.lanes == 8 ? 4 : 16; }
  Value pageRow(const PagedOperand &cache, Value token);
  void storeMemory(const MemoryTile &tile, const Matrix &out, Value column, int64_t columns,
                   const Epilogue &epilogue);
  void mapMemory(llvm::ArrayRef<const MemoryTile *> tiles, llvm::ArrayRef<RowVector> rows,
                 const Map &map);
  RowVector makeRows(Accumulators values);
  void fillTile(const MemoryTile &tile);
  /// Row values in memory, so that one of them can be spread over lanes.
  llvm::SmallVector<Value> rowMemory(llvm::ArrayRef<RowVector> rows);

  X86Tier tier;
  Value slice;                ///< first column of the slice that is being emitted
  size_t tilesOfSlice = 0;    ///< tiles that the pipeline carries
  int64_t vectorsOfSlice = 0; ///< vectors of each row of a register tile; 0: tiles are in memory
  Value rowBlockNumber,
      rowBlockCount; ///< for spreading the prefetch of the next panel over the blocks
  Value stagedRows;  ///< scratch for widened rows, shared by the bodies of forRows
  Value edgeTile;    ///< scratch of stores at a matrix's edge
  int64_t stagedDepth = 0;
};

} // namespace dsv2

#endif // DSV2_LIB_TARGET_X86_X86EMITTER_H
