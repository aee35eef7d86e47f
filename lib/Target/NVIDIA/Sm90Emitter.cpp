//===- Sm90Emitter.cpp - one program, two roles ---------------------------===//
//
// The producer's text comes first: it says how large the ring is, and so where the consumers' own
// memory begins. Index arithmetic is in both texts, values of tiles only in the consumers'.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/NVIDIA/Sm90Emitter.h"

#include "lib/Codegen/Gpu/DeviceForm.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace dsv2 {
namespace {

constexpr int64_t kConsumerWarps = 8, kProducerWarps = 4, kLanes = 32;
/// Of a consumer's barrier; 0 is everybody's.
constexpr int64_t kConsumerBarrier = 1;
/// Registers of a thread of each role. A processor has 65,536 and the assembler gives each of the
/// 384 threads 168; a producer that computes addresses for all of its threads needs more.
struct RegisterShares {
  uint32_t producer, consumer;
};
constexpr RegisterShares kBoxShares = {40, 232}, kCopyShares = {88, 208};

GpuPlan groupPlan() {
  GpuPlan plan;
  plan.warps = kConsumerWarps;
  plan.fewRows = hopper::kGroupRows;
  plan.manyRows = Sm90Emitter::kRowsOfItem;
  plan.panelColumns = Sm90Emitter::kPanelColumns;
  plan.sharedAlignment = hopper::kAtomBytes;
  return plan;
}

} // namespace

Sm90Emitter::Sm90Emitter(MLIRContext *context, int64_t manyRows, int64_t sharedBytes)
    : Sm80Emitter(context, manyRows), otherRows(manyRows), sharedBytes(sharedBytes) {}

AttentionTile Sm90Emitter::attentionTile(Type element) const {
  return element.isBF16() ? AttentionTile{kHeads, kTokens} : AttentionTile{};
}

SmallVector<Value> Sm90Emitter::begin(const KernelRequest &request,
                                      ArrayRef<KernelArgument> arguments) {
  auto type = request.spec.getAs<TypeAttr>("dtype");
  bool groups = type && type.getValue().isBF16();
  role = groups ? Role::Consumer : Role::Everybody;
  stages = stageBytes = 0;
  boxesArrive = copiesArrive = everyThreadReleases = false;
  maps.clear();
  plan = GpuPlan();
  plan.manyRows = otherRows;
  if (!groups) {
    return Sm80Emitter::begin(request, arguments);
  }
  plan = groupPlan();
  SmallVector<Value> out = Sm80Emitter::begin(request, arguments);
  warp = hopper::uniform(b, loc, warp);
  sharedBase = memref::ExtractAlignedPointerAsIndexOp::create(b, loc, dynamicShared);
  filled = makePosition();
  landed = makePosition();
  used = makePosition();
  return out;
}

void Sm90Emitter::items(const std::function<void(Value)> &program) {
  if (ofEverybody()) {
    return Sm80Emitter::items(program);
  }
  start = index(0).getDefiningOp();
  Value producing =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::uge, warp, index(kConsumerWarps));
  auto split = scf::IfOp::create(b, loc, producing, /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(split.thenBlock());
    produceItems(program);
  }
  role = Role::Consumer;
  if (stages == 0) {
    // Nothing to bring near: consumers alone.
    split.erase();
    return Sm80Emitter::items(program);
  }
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(split.elseBlock());
  const RegisterShares &shares = copiesArrive ? kCopyShares : kBoxShares;
  fewer.setRegCount(shares.producer);
  NVVM::SetMaxRegisterOp::create(b, loc, shares.consumer, NVVM::SetMaxRegisterAction::increase);
  // Behind the ring and its barriers.
  sharedTop = llvm::alignTo(stages * stageBytes + 2 * stages * int64_t(sizeof(uint64_t)),
                            plan.sharedAlignment);
  sharedMost = std::max(sharedMost, sharedTop);
  Sm80Emitter::items([&](Value item) {
    // Asked again for each item: what follows from it is not kept in registers over the item's
    // loops, where results need them.
    Value always = warp;
    warp = hopper::uniform(b, loc, always);
    program(item);
    warp = always;
  });
  initBarriers();
}

void Sm90Emitter::produceItems(const std::function<void(Value)> &program) {
  role = Role::Producer;
  fewer = NVVM::SetMaxRegisterOp::create(b, loc, kBoxShares.producer,
                                         NVVM::SetMaxRegisterAction::decrease);
  Value first =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, warp, index(kConsumerWarps));
  Value one = NVVM::ElectSyncOp::create(b, loc, b.getI1Type(), Value());
  elected = arith::AndIOp::create(b, loc, first, one);
  Value consumers = thread;
  thread = sub(thread, index(kConsumerWarps * kLanes));
  team = kProducerWarps * kLanes;
  Sm80Emitter::items(program);
  thread = consumers;
  team = kConsumerWarps * kLanes;
}

/// One thread makes every stage's barriers, before anybody asks them.
void Sm90Emitter::initBarriers() {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfter(start);
  Value first = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, thread, index(0));
  ifTrue(first, [&] {
    int64_t arrivals = (boxesArrive ? 1 : 0) + (copiesArrive ? kProducerWarps * kLanes : 0);
    Value barriers = add(sharedBase, index(stages * stageBytes));
    for (int64_t stage = 0; stage < stages; ++stage) {
      Value full = add(barriers, index(stage * int64_t(sizeof(uint64_t))));
      hopper::initBarrier(b, loc, full, arrivals);
      hopper::initBarrier(b, loc, add(full, index(stages * int64_t(sizeof(uint64_t)))),
                          everyThreadReleases ? kConsumerWarps * kLanes : kConsumerWarps);
    }
    NVVM::FenceMbarrierInitOp::create(b, loc);
  });
  gpu::BarrierOp::create(b, loc);
}

BuiltKernel Sm90Emitter::finish() {
  BuiltKernel out = Sm80Emitter::finish();
  if (stages > 0) {
    out.function->setAttr(kThreadsAttr,
                          b.getI64IntegerAttr((kConsumerWarps + kProducerWarps) * kLanes));
  }
  return out;
}

Operation *Sm90Emitter::makeBarrier() {
  if (ofEverybody() || stages == 0) {
    return Sm80Emitter::makeBarrier();
  }
  return NVVM::BarrierOp::create(b, loc, Type(), hopper::i32(b, loc, kConsumerBarrier),
                                 hopper::i32(b, loc, kConsumerWarps * kLanes),
                                 NVVM::BarrierReductionAttr(), Value());
}

/// Warpgroups share the columns of results by whole lines of what they multiply.
int64_t Sm90Emitter::columnUnit(const TileShape &shape) const {
  return !ofEverybody() && shape.kind == TileKind::Accumulator
             ? hopper::kLineElements / layout.columns
             : Sm80Emitter::columnUnit(shape);
}

TileState Sm90Emitter::nothing(ArrayRef<TileShape> shapes, size_t rows) const {
  TileState out;
  out.tiles.resize(shapes.size());
  out.rows.resize(rows);
  return out;
}

void Sm90Emitter::pipeline(Value steps, const PanelMaker &panels, ArrayRef<TileShape> shapes,
                           ArrayRef<RowVector> rows, const StepBody &body, const Finish &finish) {
  if (!ofProducer()) {
    // What is carried to the next step is there.
    auto whole = [&](Value step, ArrayRef<Operand> staged, TileState state) {
      TileState out = body(step, staged, std::move(state));
      for (Tile &tile : out.tiles) {
        tile = settled(std::move(tile));
      }
      return out;
    };
    return Sm80Emitter::pipeline(steps, panels, shapes, rows, ofEverybody() ? body : whole, finish);
  }
  if (steps) {
    loop(index(0), steps, [&](Value step) {
      SmallVector<Operand> staged;
      for (const Panel &panel : panels(step)) {
        staged.push_back(resident(panel, TileKind::Scores));
      }
      body(step, staged, nothing(shapes, rows.size()));
    });
  } else {
    streamPanels(panels(index(0)), {}, {});
  }
  finish(nothing(shapes, rows.size()));
}

// What the producer does not do: values of tiles.

Tile Sm90Emitter::zeros(const TileShape &shape) {
  return ofProducer() ? Tile() : Sm80Emitter::zeros(shape);
}

RowVector Sm90Emitter::fillRows(const RowBlock &rows, double value) {
  return ofProducer() ? RowVector() : Sm80Emitter::fillRows(rows, value);
}

Tile Sm90Emitter::limitColumns(Tile tile, Value count) {
  return ofProducer() ? Tile() : Sm80Emitter::limitColumns(settled(std::move(tile)), count);
}

RowVector Sm90Emitter::reduceRows(RowReduction reduction, const Tile &tile) {
  return ofProducer() ? RowVector() : Sm80Emitter::reduceRows(reduction, settled(tile));
}

RowVector Sm90Emitter::mapRows(ArrayRef<RowVector> rows, const Map &map) {
  return ofProducer() ? RowVector() : Sm80Emitter::mapRows(rows, map);
}

void Sm90Emitter::store(const Tile &tile, const Matrix &out, Value column, int64_t columns,
                        const Epilogue &epilogue) {
  if (!ofProducer()) {
    Sm80Emitter::store(settled(tile), out, column, columns, epilogue);
  }
}

void Sm90Emitter::save(const TileState &state, Value memory, Value offset) {
  if (ofProducer()) {
    return;
  }
  TileState whole = state;
  for (Tile &tile : whole.tiles) {
    tile = settled(std::move(tile));
  }
  Sm80Emitter::save(whole, memory, offset);
}

TileState Sm90Emitter::restore(ArrayRef<TileShape> shapes, unsigned rowVectors, Value memory,
                               Value offset) {
  return ofProducer() ? nothing(shapes, rowVectors)
                      : Sm80Emitter::restore(shapes, rowVectors, memory, offset);
}

} // namespace dsv2
