//===- GpuEmitter.cpp - the workgroup around a tile program ---------------===//
//
// Lanes and warps, workgroup memory, blocks of rows, and the pipelines that bring operands near.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/Gpu/GpuEmitter.h"

#include "lib/Codegen/Gpu/DeviceForm.h"
#include "lib/Codegen/Gpu/Fences.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace dsv2 {
namespace {

/// Of a place where rows' statistics meet: a row of banks.
constexpr int64_t kStatisticsAlignment = 128;

} // namespace

GpuEmitter::GpuEmitter(MLIRContext *context, GpuPlan plan)
    : TileEmitter(context), plan(plan), layout(fragmentLayout(plan.accumulator)) {
  for (int64_t value = 0; value < layout.values(); ++value) {
    int64_t row = layout.ofValue(value).row;
    auto found = llvm::find(rowSlots, row);
    slotOfValue.push_back(found - rowSlots.begin());
    if (found == rowSlots.end()) {
      rowSlots.push_back(row);
    }
  }
  while (run < layout.values() && layout.ofValue(run).column == run &&
         layout.ofValue(run).row == 0) {
    run *= 2;
  }
}

SmallVector<Value> GpuEmitter::begin(const KernelRequest &request,
                                     ArrayRef<KernelArgument> arguments) {
  SmallVector<Value> out = TileEmitter::begin(request, arguments);
  sharedTop = sharedMost = statisticsBytes = 0;
  statisticsPlaces[0].clear();
  statisticsPlaces[1].clear();
  fences.clear();
  owners.clear();
  auto workgroup =
      gpu::AddressSpaceAttr::get(b.getContext(), gpu::GPUDialect::getWorkgroupAddressSpace());
  dynamicShared = gpu::DynamicSharedMemoryOp::create(
      b, loc, MemRefType::get({ShapedType::kDynamic}, b.getI8Type(), AffineMap(), workgroup));
  thread = gpu::ThreadIdOp::create(b, loc, gpu::Dimension::x);
  team = plan.warps * plan.lanes;
  lane = rem(thread, plan.lanes);
  warp = div(thread, plan.lanes);
  laneRow = coordinate(layout.laneBits, /*row=*/true);
  laneColumn = coordinate(layout.laneBits, /*row=*/false);
  return out;
}

void GpuEmitter::items(const std::function<void(Value)> &program) {
  TileEmitter::items([&](Value item) { sharedScope([&] { program(item); }); });
}

BuiltKernel GpuEmitter::finish() {
  for (int64_t turn = 0; turn < 2; ++turn) {
    for (arith::ConstantOp place : statisticsPlaces[turn]) {
      place.setValueAttr(b.getIndexAttr(sharedMost + turn * statisticsBytes));
    }
  }
  sharedMost += 2 * statisticsBytes;
  BuiltKernel out = TileEmitter::finish();
  dropNeedlessFences(out.function, fences, owners);
  out.function->setAttr(kThreadsAttr, b.getI64IntegerAttr(plan.warps * plan.lanes));
  out.function->setAttr(kSharedBytesAttr, b.getI64IntegerAttr(sharedMost));
  return out;
}

/// Sum of the bases of the lane's set bits; runs of bits whose bases double are one shift.
Value GpuEmitter::coordinate(ArrayRef<FragmentPlace> bases, bool row) {
  auto baseOf = [&](size_t bit) { return row ? bases[bit].row : bases[bit].column; };
  Value sum = index(0);
  for (size_t bit = 0; bit < bases.size();) {
    int64_t base = baseOf(bit);
    size_t end = bit + 1;
    while (base != 0 && end < bases.size() && baseOf(end) == base << (end - bit)) {
      ++end;
    }
    if (base != 0) {
      Value bits = rem(div(lane, int64_t(1) << bit), int64_t(1) << (end - bit));
      sum = add(sum, mul(bits, base));
    }
    bit = end;
  }
  return sum;
}

GpuEmitter::Spread GpuEmitter::spreadOf(const TileShape &shape) const {
  Spread out;
  int64_t blocks = shape.rows.height / layout.rows;
  out.rowWarps = std::min(plan.warps, blocks);
  out.columnWarps = plan.warps / out.rowWarps;
  out.rowBlocks = blocks / out.rowWarps;
  int64_t columns = (shape.columns + layout.columns - 1) / layout.columns;
  // Where matrix loads bring several fragments, a warp has a multiple of them.
  int64_t ofWarp = columnUnit(shape), unit = out.columnWarps * ofWarp;
  out.columnBlocks = (columns + unit - 1) / unit * ofWarp;
  return out;
}

Value GpuEmitter::warpRow(const Spread &spread) {
  return mul(rem(warp, spread.rowWarps), spread.rowBlocks * layout.rows);
}

Value GpuEmitter::warpColumn(const Spread &spread) {
  return mul(div(warp, spread.rowWarps), spread.columnBlocks * layout.columns);
}

int64_t GpuEmitter::chunkElements(Type element) const {
  return 128 / element.getIntOrFloatBitWidth();
}

Operation *GpuEmitter::makeBarrier() { return gpu::BarrierOp::create(b, loc); }

void GpuEmitter::barrier() { makeBarrier(); }

void GpuEmitter::fence() { fences.push_back(makeBarrier()); }

void GpuEmitter::finishCopies() {
  if (copiesOpen) {
    copiesOpen = false;
    waitForCopies(commitCopies(), 0);
  }
}

MemRefType GpuEmitter::sharedType(Type element, int64_t count) const {
  auto space =
      gpu::AddressSpaceAttr::get(element.getContext(), gpu::GPUDialect::getWorkgroupAddressSpace());
  return MemRefType::get({count}, element, AffineMap(), space);
}

Value GpuEmitter::shared(Type element, int64_t count) {
  int64_t bytes = count * element.getIntOrFloatBitWidth() / 8;
  Value memory = memref::ViewOp::create(b, loc, sharedType(element, count), dynamicShared,
                                        index(sharedTop), ValueRange{});
  sharedTop = llvm::alignTo(sharedTop + bytes, plan.sharedAlignment);
  sharedMost = std::max(sharedMost, sharedTop);
  return memory;
}

Value GpuEmitter::statistics(int64_t count) {
  auto place = arith::ConstantOp::create(b, loc, b.getIndexAttr(0));
  statisticsPlaces[statisticsTurn].push_back(place);
  statisticsTurn = !statisticsTurn;
  statisticsBytes =
      std::max(statisticsBytes, int64_t(llvm::alignTo(uint64_t(count) * 4, kStatisticsAlignment)));
  return memref::ViewOp::create(b, loc, sharedType(b.getF32Type(), count), dynamicShared, place,
                                ValueRange{});
}

Value GpuEmitter::loadVector(VectorType type, Value memory, Value at, bool aligned) {
  auto op = vector::LoadOp::create(b, loc, type, memory, ValueRange{at});
  if (aligned) {
    int64_t bytes = type.getNumElements() * type.getElementTypeBitWidth() / 8;
    op->setAttr("alignment", b.getI64IntegerAttr(bytes));
  }
  return op;
}

void GpuEmitter::storeVector(Value value, Value memory, Value at, bool aligned) {
  auto type = cast<VectorType>(value.getType());
  auto op = vector::StoreOp::create(b, loc, value, memory, ValueRange{at});
  if (aligned) {
    int64_t bytes = type.getNumElements() * type.getElementTypeBitWidth() / 8;
    op->setAttr("alignment", b.getI64IntegerAttr(bytes));
  }
}

void GpuEmitter::forRows(Value begin, Value end, const std::function<void(RowBlock)> &program) {
  auto blocks = [&](int64_t height) {
    loop(index(0), ceilDiv(sub(end, begin), height),
         [&](Value block) { program({add(begin, mul(block, height)), height, end}); });
  };
  // Few rows are one small block; more would read the weights again for each.
  ifTrue(
      less(index(plan.fewRows), sub(end, begin)), [&] { blocks(plan.manyRows); },
      [&] { blocks(plan.fewRows); });
}

GpuEmitter::Fragments
GpuEmitter::loopCarrying(Value begin, Value end, ArrayRef<Value> init,
                         const std::function<Fragments(Value, ArrayRef<Value>)> &body) {
  auto op = scf::ForOp::create(b, loc, begin, end, index(1), init,
                               [&](OpBuilder &inner, Location, Value iv, ValueRange carried) {
                                 OpBuilder::InsertionGuard guard(b);
                                 b.setInsertionPoint(inner.getInsertionBlock(),
                                                     inner.getInsertionPoint());
                                 SmallVector<Value> values(carried);
                                 scf::YieldOp::create(b, loc, body(iv, values));
                               });
  return Fragments(op.getResults());
}

GpuEmitter::Fragments GpuEmitter::stream(Value steps, ArrayRef<Source> sources,
                                         ArrayRef<Value> init, const StreamBody &body) {
  Fragments out;
  sharedScope([&] {
    // Others may still read what lay here.
    fence();
    SmallVector<Value> memory;
    SmallVector<int64_t> strides;
    for (const Source &source : sources) {
      strides.push_back((source.rows + 1) * chunkElements(source.element));
      memory.push_back(shared(source.element, plan.stages * source.chunks * strides.back()));
    }
    auto baseOf = [&](size_t i, Value stage) { return mul(stage, sources[i].chunks * strides[i]); };
    auto copy = [&](Value step, Value stage) {
      for (auto [i, source] : llvm::enumerate(sources)) {
        source.copy(step, memory[i], baseOf(i, stage));
      }
    };
    Value token;
    for (int64_t step = 0; step < plan.stages - 1; ++step) {
      ifTrue(less(index(step), steps), [&] { copy(index(step), index(step)); });
      token = commitCopies();
      copiesOpen = false; // they are part of the first group
    }
    SmallVector<Value> carried = {index(0)};
    llvm::append_range(carried, init);
    Fragments last = loopCarrying(index(0), steps, carried, [&](Value step, ArrayRef<Value> all) {
      Value stage = all.front();
      waitForCopies(token, plan.stages - 2);
      // Everybody's copies of this step are here, and nobody reads the stage before it any more:
      // that is where the next copies go.
      barrier();
      Value ahead = add(step, plan.stages - 1);
      Value isFirst = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, stage, index(0));
      Value before =
          arith::SelectOp::create(b, loc, isFirst, index(plan.stages - 1), sub(stage, index(1)));
      ifTrue(less(ahead, steps), [&] { copy(ahead, before); });
      commitCopies();
      SmallVector<Operand> staged;
      for (auto [i, source] : llvm::enumerate(sources)) {
        auto operand = std::make_shared<StagedOperand>();
        operand->memory = memory[i];
        operand->base = baseOf(i, stage);
        operand->chunkStride = strides[i];
        operand->chunks = source.chunks;
        operand->element = source.element;
        staged.push_back({operand});
      }
      Fragments next = body(step, staged, all.drop_front());
      Value following = add(stage, 1);
      Value isLast =
          arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, following, index(plan.stages));
      Fragments yielded = {arith::SelectOp::create(b, loc, isLast, index(0), following)};
      yielded.append(next);
      return yielded;
    });
    out.append(last.begin() + 1, last.end());
  });
  return out;
}

void GpuEmitter::pipeline(Value steps, const PanelMaker &panels, ArrayRef<TileShape> shapes,
                          ArrayRef<RowVector> rows, const StepBody &body, const Finish &finish) {
  if (steps) {
    pipelineSteps(steps, panels, shapes, rows, body, finish);
  } else {
    pipelineDepth(panels, shapes, body, finish);
  }
}

GpuEmitter::Fragments GpuEmitter::streamPanels(ArrayRef<Panel> panels, ArrayRef<Value> init,
                                               const StreamBody &body) {
  SmallVector<Source> sources;
  int64_t depth = 0;
  for (const Panel &panel : panels) {
    if (const auto *rows = std::get_if<RowsPanel>(&panel)) {
      sources.push_back(rowsSource(*rows));
    } else {
      const auto &packed = std::get<PackedPanel>(panel);
      sources.push_back(packedSource(packed));
      depth = packed.depth;
    }
  }
  int64_t step = plan.stageChunks * chunkElements(sources.front().element);
  return stream(index((depth + step - 1) / step), sources, init, body);
}

void GpuEmitter::pipelineDepth(const PanelMaker &panels, ArrayRef<TileShape> shapes,
                               const StepBody &body, const Finish &finish) {
  Fragments init;
  SmallVector<Tile> tiles;
  for (const TileShape &shape : shapes) {
    tiles.push_back(zeros(shape));
    init.append(static_cast<const FragmentTile &>(*tiles.back().data).values);
  }
  auto unpack = [&](ArrayRef<Value> values) {
    TileState state;
    for (const TileShape &shape : shapes) {
      Spread spread = spreadOf(shape);
      size_t count = spread.rowBlocks * spread.columnBlocks;
      state.tiles.push_back(tileOf(shape, Fragments(values.take_front(count))));
      values = values.drop_front(count);
    }
    return state;
  };
  Fragments last = streamPanels(
      panels(index(0)), init, [&](Value number, ArrayRef<Operand> staged, ArrayRef<Value> values) {
        TileState state = body(number, staged, unpack(values));
        Fragments out;
        for (const Tile &tile : state.tiles) {
          out.append(static_cast<const FragmentTile &>(*tile.data).values);
        }
        return out;
      });
  finish(unpack(last));
}

void GpuEmitter::pipelineSteps(Value steps, const PanelMaker &panels, ArrayRef<TileShape> shapes,
                               ArrayRef<RowVector> rows, const StepBody &body,
                               const Finish &finish) {
  Fragments init;
  SmallVector<size_t> counts;
  for (const TileShape &shape : shapes) {
    Tile tile = zeros(shape);
    const Fragments &values = static_cast<const FragmentTile &>(*tile.data).values;
    counts.push_back(values.size());
    init.append(values);
  }
  for (const RowVector &row : rows) {
    init.append(static_cast<const LaneRows &>(*row.data).values);
  }
  auto unpack = [&](ArrayRef<Value> values) {
    TileState state;
    for (auto [shape, count] : llvm::zip(shapes, counts)) {
      state.tiles.push_back(tileOf(shape, Fragments(values.take_front(count))));
      values = values.drop_front(count);
    }
    for (const RowVector &row : rows) {
      const auto &like = static_cast<const LaneRows &>(*row.data);
      state.rows.push_back(rowsOf(like.height, Fragments(values.take_front(like.values.size()))));
      values = values.drop_front(like.values.size());
    }
    return state;
  };
  bool begun = copiesOpen;
  Fragments last = loopCarrying(index(0), steps, init, [&](Value step, ArrayRef<Value> carried) {
    Fragments out;
    sharedScope([&] {
      SmallVector<Operand> staged;
      for (const Panel &panel : panels(step)) {
        staged.push_back(resident(panel, TileKind::Scores));
      }
      TileState state = body(step, staged, unpack(carried));
      for (const Tile &tile : state.tiles) {
        out.append(static_cast<const FragmentTile &>(*tile.data).values);
      }
      for (const RowVector &row : state.rows) {
        out.append(static_cast<const LaneRows &>(*row.data).values);
      }
    });
    return out;
  });
  if (begun) {
    // Without a step nothing waited for what was begun before.
    copiesOpen = true;
    ifTrue(less(steps, index(1)), [&] { finishCopies(); });
  }
  finish(unpack(last));
}

} // namespace dsv2
