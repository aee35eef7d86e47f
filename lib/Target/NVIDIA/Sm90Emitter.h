//===- Sm90Emitter.h - roles, tensor copies and multiplication by groups --===//
//
// The emitter of sm_90a. For bf16 the program is emitted twice: four warps (the producer) bring
// panels into a ring of stages, by copies of boxes through tensor maps where a panel's rows allow
// it; eight warps (the consumers) multiply what lies there, a warpgroup of four at a time, and do
// all the rest. Barriers in workgroup memory say which stages are full and which are empty; the
// ring runs on from stream to stream and from item to item. Kernels of another type are Sm80's.
//
// Operands lie swizzled: [block of 64 k][row][128 bytes] (Hopper.h). Accumulators are fragments as
// before: four warps hold 64 rows just as a warpgroup's multiplication gives them.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_TARGET_NVIDIA_SM90EMITTER_H
#define DSV2_LIB_TARGET_NVIDIA_SM90EMITTER_H

#include "lib/Target/NVIDIA/Hopper.h"
#include "lib/Target/NVIDIA/Sm80Emitter.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

namespace dsv2 {

class Sm90Emitter : public Sm80Emitter {
public:
  /// Rows of a matmul's item, columns of a packed panel and k that are neighbours there; heads and
  /// tokens of attention: of bf16.
  static constexpr int64_t kRowsOfItem = 128, kPanelColumns = 128, kPair = hopper::kLineElements,
                           kHeads = 64, kTokens = 64;

  /// `manyRows`: rows of a tile of other types; `sharedBytes`: what a workgroup may have.
  Sm90Emitter(mlir::MLIRContext *context, int64_t manyRows, int64_t sharedBytes);

  llvm::SmallVector<Value> begin(const KernelRequest &request,
                                 llvm::ArrayRef<KernelArgument> arguments) override;
  void items(const std::function<void(Value item)> &program) override;
  BuiltKernel finish() override;

  int64_t rowsOfItem() const override { return kRowsOfItem; }
  AttentionTile attentionTile(mlir::Type element) const override;
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
  void save(const TileState &state, Value memory, Value offset) override;
  TileState restore(llvm::ArrayRef<TileShape> shapes, unsigned rowVectors, Value memory,
                    Value offset) override;

protected:
  mlir::Operation *makeBarrier() override;
  int64_t columnUnit(const TileShape &shape) const override;
  Fragments streamPanels(llvm::ArrayRef<Panel> panels, llvm::ArrayRef<Value> init,
                         const StreamBody &body) override;

private:
  /// Who runs what is being emitted: every thread alike (types that are Sm80's), or one of two.
  enum class Role { Everybody, Producer, Consumer };

  /// A swizzled tile, so many bytes into workgroup memory.
  struct SwizzledOperand : TargetData {
    Value offset;
    int64_t rows = 0, blocks = 0;
  };
  /// A stage of the ring: bytes to it, addresses of its two barriers, the parity of its phase.
  struct Stage {
    Value offset, full, empty, phase;
  };
  /// Cached tokens in a stage: they serve scores, then results, and leave with the latter.
  struct CachedOperand : SwizzledOperand {
    Stage stage;
  };
  /// Results that nobody has multiplied yet: another tile is mapped with them a few columns at a
  /// time.
  struct PendingTile : FragmentTile {
    std::shared_ptr<SwizzledOperand> weights;
    std::shared_ptr<CachedOperand> cached;
  };
  /// A part of a stage: a tile, and how the producer gets it there: by boxes (one thread), or by
  /// copies of chunks (all of its threads).
  struct Part {
    int64_t offset = 0, rows = 0, blocks = 1;
    bool asynchronous = false; ///< copies of chunks are
    std::function<Value()> boxBytes;
    std::function<void(Value step, Value address, Value barrier)> boxes;
    std::function<void(Value step, Value memory, const Place &place)> copies;
    int64_t bytes() const { return rows * blocks * hopper::kLineBytes; }
  };
  /// The next stage of whoever walks round the ring, in two variables of a thread.
  struct Position {
    Value stage, phase;
  };

  // --- Roles (Sm90Emitter.cpp).
  bool ofProducer() const { return role == Role::Producer; }
  bool ofEverybody() const { return role == Role::Everybody; }
  void produceItems(const std::function<void(Value item)> &program);
  void initBarriers();
  TileState nothing(llvm::ArrayRef<TileShape> shapes, size_t rows) const;

  // --- The ring (Sm90Ring.cpp).
  Position makePosition();
  Stage take(const Position &position);
  void openRing(llvm::ArrayRef<Part> parts, int64_t others);
  void produce(Value steps, llvm::ArrayRef<Part> parts);
  void release(const Stage &stage);
  llvm::SmallVector<Part> depthParts(llvm::ArrayRef<Panel> panels);
  Part rowsPart(const RowsPanel &panel);
  Part packedPart(const PackedPanel &panel);
  Part tokensPart(const PagedPanel &panel);
  bool canCopyBoxes(const RowsPanel &panel) const;
  /// Whether copyRows moves 16 bytes at once, without waiting for them.
  static bool hasWholeChunks(const RowsPanel &panel);
  /// An argument that is the tensor map of a slot's matrix; boxes are 64 columns wide.
  Value tensorMap(Value memory, int64_t columns, int64_t rowBytes, Value rows, int64_t boxRows);
  /// Chunks of a swizzled tile, so many elements into a memory.
  Place swizzledPlace(Value first, int64_t rows);
  /// The ring as elements.
  Value ringView();

  // --- Multiplication (Sm90Contract.cpp).
  /// First row and column of the warpgroup's part of a tile.
  Value groupRow(const Spread &spread);
  Value groupColumn(const Spread &spread);
  hopper::Operands operandsOf(const Spread &spread, const SwizzledOperand &first,
                              const SwizzledOperand &second, int64_t column, int64_t columns);
  bool isWider(const PendingTile &tile) const;
  hopper::Operands resultsOf(const PendingTile &tile, int64_t column, int64_t columns);
  hopper::Accumulation accumulate(hopper::Operands operands, llvm::ArrayRef<Value> fragments);
  Fragments multiplied(llvm::MutableArrayRef<hopper::Accumulation> all);
  static std::shared_ptr<PendingTile> pending(const Tile &tile);
  Tile settled(Tile tile);
  Operand residentRows(const RowsPanel &panel);
  Operand cachedTokens(const PagedPanel &panel, const Part &part);
  void clearFrom(const CachedOperand &cached, Value count);

  int64_t otherRows = 0, sharedBytes = 0;
  Role role = Role::Everybody;
  Value sharedBase;              ///< address of workgroup memory
  Value elected;                 ///< true in the one thread that copies boxes
  Position filled, landed, used; ///< of the producer's copies, what arrived of them, the consumers
  mlir::Operation *start = nullptr; ///< where barriers are made ready
  mlir::NVVM::SetMaxRegisterOp fewer, more;
  int64_t stageBytes = 0, stages = 0;
  bool boxesArrive = false, copiesArrive = false, everyThreadReleases = false;
  llvm::SmallVector<std::pair<mlir::DictionaryAttr, Value>> maps;
};

} // namespace dsv2

#endif // DSV2_LIB_TARGET_NVIDIA_SM90EMITTER_H
