//===- Sm90Ring.cpp - panels on their way through the ring ----------------===//
//
// A stage is filled, used and empty again; two barriers of it say when. One thread of the producer
// sends boxes, whose bytes the full barrier counts. Rows that no box can bring (gathered ones,
// strides that are no multiple of 16 bytes) are copied by all threads of the producer, chunk by
// chunk, some steps ahead of the arrival that they make themselves.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/NVIDIA/Sm90Emitter.h"

#include "lib/Codegen/Gpu/Alignment.h"
#include "lib/Codegen/KernelForm.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dsv2 {
namespace {

constexpr int64_t kBarrierBytes = 8, kElementBytes = 2;
/// Elements of a chunk, and chunks of a line.
constexpr int64_t kChunk = 8, kLineChunks = hopper::kLineElements / kChunk;
constexpr int64_t kMostStages = 4;
/// Steps between the copies of chunks and their arrival.
constexpr int64_t kCopiesAhead = 2;
/// What a tensor map's rows are multiples of, in bytes.
constexpr int64_t kMapAlignment = 16;

bool isZero(Value value) { return divisorOf(value) == 0; }

} // namespace

Sm90Emitter::Position Sm90Emitter::makePosition() {
  auto type = MemRefType::get({}, b.getIndexType());
  Position out{memref::AllocaOp::create(b, loc, type), memref::AllocaOp::create(b, loc, type)};
  memref::StoreOp::create(b, loc, index(0), out.stage);
  memref::StoreOp::create(b, loc, index(0), out.phase);
  return out;
}

Sm90Emitter::Stage Sm90Emitter::take(const Position &position) {
  Value stage = memref::LoadOp::create(b, loc, position.stage);
  Value phase = memref::LoadOp::create(b, loc, position.phase);
  Value next = add(stage, 1);
  Value last = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, next, index(stages));
  Value other = arith::XOrIOp::create(b, loc, phase, index(1));
  memref::StoreOp::create(b, loc, arith::SelectOp::create(b, loc, last, index(0), next),
                          position.stage);
  memref::StoreOp::create(b, loc, arith::SelectOp::create(b, loc, last, other, phase),
                          position.phase);
  Value barriers = add(sharedBase, index(stages * stageBytes));
  Value full = add(barriers, mul(stage, kBarrierBytes));
  return {mul(stage, stageBytes), full, add(full, stages * kBarrierBytes), phase};
}

/// The first stream of a kernel says how large the stages are, and with what else the kernel keeps
/// in workgroup memory how many; the others need no more.
void Sm90Emitter::openRing(ArrayRef<Part> parts, int64_t others) {
  int64_t bytes = 0;
  for (const Part &part : parts) {
    bytes = std::max(bytes, part.offset + part.bytes());
  }
  if (stages == 0) {
    stageBytes = bytes;
    int64_t fit = (sharedBytes - others - plan.sharedAlignment) / bytes;
    stages = std::min(std::max(fit, int64_t(1)), kMostStages);
  }
  assert(bytes <= stageBytes && "a later stream has larger stages than the first");
}

Value Sm90Emitter::ringView() {
  return memref::ViewOp::create(b, loc,
                                sharedType(b.getBF16Type(), stages * stageBytes / kElementBytes),
                                dynamicShared, index(0), ValueRange{});
}

GpuEmitter::Place Sm90Emitter::swizzledPlace(Value first, int64_t rows) {
  return [this, first, rows](Value row, Value chunk) {
    Value block = div(chunk, kLineChunks), inLine = rem(chunk, kLineChunks);
    Value swizzled = arith::XOrIOp::create(b, loc, inLine, rem(row, hopper::kSwizzledRows));
    Value line = add(mul(block, rows), row);
    return add(add(first, mul(line, hopper::kLineElements)), mul(swizzled, kChunk));
  };
}

void Sm90Emitter::produce(Value steps, ArrayRef<Part> parts) {
  bool boxes = llvm::any_of(parts, [](const Part &part) { return bool(part.boxes); });
  bool copies = llvm::any_of(parts, [](const Part &part) { return bool(part.copies); });
  bool asynchronous = llvm::any_of(parts, [](const Part &part) { return part.asynchronous; });
  assert((boxesArrive || copiesArrive) == (boxesArrive == boxes && copiesArrive == copies) &&
         "all streams of a kernel arrive alike");
  boxesArrive = boxes;
  copiesArrive = copies;
  auto sendBoxes = [&](Value step, const Stage &stage) {
    Value bytes = index(0);
    for (const Part &part : parts) {
      bytes = part.boxes ? add(bytes, part.boxBytes()) : bytes;
    }
    hopper::arriveExpecting(b, loc, stage.full, bytes);
    for (const Part &part : parts) {
      if (part.boxes) {
        part.boxes(step, add(sharedBase, add(stage.offset, part.offset)), stage.full);
      }
    }
  };
  auto fill = [&](Value step) {
    Stage stage = take(filled);
    // Of a new ring every stage is empty: the phase before the first counts as complete.
    Value before = arith::XOrIOp::create(b, loc, stage.phase, index(1));
    hopper::waitFor(b, loc, stage.empty, before);
    if (boxes && copies) {
      ifTrue(elected, [&] { sendBoxes(step, stage); });
    } else if (boxes) {
      sendBoxes(step, stage);
    }
    Value memory = copies ? ringView() : Value();
    for (const Part &part : parts) {
      if (part.copies) {
        Value first = div(add(stage.offset, part.offset), kElementBytes);
        part.copies(step, memory, swizzledPlace(first, part.rows));
      }
    }
    return stage;
  };
  auto forSteps = [&](int64_t more, const std::function<void(Value)> &body) {
    if (steps || more > 0) {
      loop(index(0), add(steps ? steps : index(1), more), body);
    } else {
      body(index(0));
    }
  };
  if (!copies) {
    ifTrue(elected, [&] { forSteps(0, [&](Value step) { fill(step); }); });
    return;
  }
  if (!asynchronous) {
    forSteps(0, [&](Value step) {
      Stage stage = fill(step);
      hopper::fenceAsync(b, loc);
      hopper::arrive(b, loc, stage.full);
    });
    return;
  }
  int64_t ahead = steps ? std::min(kCopiesAhead, stages - 1) : 0;
  forSteps(ahead, [&](Value step) {
    if (ahead > 0) {
      ifTrue(less(step, steps), [&] { fill(step); });
    } else {
      fill(step);
    }
    Value token = commitCopies();
    auto arrive = [&] {
      waitForCopies(token, ahead);
      hopper::fenceAsync(b, loc);
      hopper::arrive(b, loc, take(landed).full);
    };
    if (ahead > 0) {
      ifTrue(less(index(ahead - 1), step), arrive);
    } else {
      arrive();
    }
  });
}

/// A warp is done with a stage when its multiplications are, and one of its lanes says so. Where
/// results were merged all do: a branch here would let the code generator put their last additions
/// behind it, with both products of each in registers until then.
void Sm90Emitter::release(const Stage &stage) {
  if (everyThreadReleases) {
    return hopper::arrive(b, loc, stage.empty);
  }
  Value first = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, lane, index(0));
  ifTrue(first, [&] { hopper::arrive(b, loc, stage.empty); });
}

Value Sm90Emitter::tensorMap(Value memory, int64_t columns, int64_t rowBytes, Value rows,
                             int64_t boxRows) {
  KernelTensorMap fields;
  fields.slot = cast<BlockArgument>(memory).getArgNumber();
  fields.columns = columns;
  fields.rowBytes = rowBytes;
  fields.rowsSlot = rows ? int64_t(cast<BlockArgument>(rows).getArgNumber()) : -1;
  fields.boxRows = boxRows;
  DictionaryAttr map = tensorMapAttr(b.getContext(), fields);
  for (const auto &[known, argument] : maps) {
    if (known == map) {
      return argument;
    }
  }
  auto attribute = b.getDictionaryAttr(b.getNamedAttr(kTensorMapAttr, map));
  Value argument = addArgument(LLVM::LLVMPointerType::get(b.getContext()), attribute);
  maps.push_back({map, argument});
  return argument;
}

/// Boxes need rows at constant distances, whose number a launch knows, and an offset that is a
/// column: then nothing of the neighbours may come into the last box of a row.
bool Sm90Emitter::canCopyBoxes(const RowsPanel &panel) const {
  const Matrix &matrix = panel.segments.front().matrix;
  bool known = panel.segments.size() == 1 && !matrix.rowIndex && matrix.columns > 0 &&
               isa_and_nonnull<BlockArgument>(matrix.rows) && isa<BlockArgument>(matrix.memory);
  if (!known || matrix.rowStride * kElementBytes % kMapAlignment != 0) {
    return false;
  }
  return isZero(matrix.offset) || (panel.segments.front().depth % hopper::kLineElements == 0 &&
                                   divisorOf(matrix.offset) % kChunk == 0);
}

bool Sm90Emitter::hasWholeChunks(const RowsPanel &panel) {
  return llvm::all_of(panel.segments, [&](const RowsPanel::Segment &segment) {
    return isAligned(segment.matrix, kChunk) &&
           (panel.segments.size() == 1 || segment.depth % kChunk == 0);
  });
}

Sm90Emitter::Part Sm90Emitter::rowsPart(const RowsPanel &panel) {
  Part out;
  out.rows = panel.rows.height;
  if (!canCopyBoxes(panel)) {
    out.asynchronous = hasWholeChunks(panel);
    out.copies = [this, panel](Value step, Value memory, const Place &place) {
      copyRows(panel, mul(step, kLineChunks), kLineChunks, memory, place);
    };
    return out;
  }
  out.boxBytes = [this, bytes = out.bytes()] { return index(bytes); };
  out.boxes = [this, panel](Value step, Value address, Value barrier) {
    const Matrix &matrix = panel.segments.front().matrix;
    Value map = tensorMap(matrix.memory, matrix.columns, matrix.rowStride * kElementBytes,
                          matrix.rows, hopper::kGroupRows);
    Value column = add(mul(step, hopper::kLineElements), matrix.offset);
    for (int64_t row = 0; row < panel.rows.height; row += hopper::kGroupRows) {
      hopper::copyBox(b, loc, add(address, row * hopper::kLineBytes), map,
                      add(panel.rows.first, row), column, barrier);
    }
  };
  return out;
}

Sm90Emitter::Part Sm90Emitter::packedPart(const PackedPanel &panel) {
  Part out;
  out.rows = plan.panelColumns;
  out.boxBytes = [this, bytes = out.bytes()] { return index(bytes); };
  out.boxes = [this, panel](Value step, Value address, Value barrier) {
    int64_t steps = (panel.depth + kPair - 1) / kPair;
    Value map = tensorMap(panel.memory, kPair, hopper::kLineBytes, Value(), plan.panelColumns);
    Value row = mul(add(mul(panel.index, steps), step), plan.panelColumns);
    hopper::copyBox(b, loc, address, map, row, index(0), barrier);
  };
  return out;
}

Sm90Emitter::Part Sm90Emitter::tokensPart(const PagedPanel &panel) {
  Part out;
  out.rows = kTokens;
  out.blocks = (panel.depth + hopper::kLineElements - 1) / hopper::kLineElements;
  const Matrix &cache = panel.cache;
  if (cache.rowStride * kElementBytes % kMapAlignment != 0 || !isZero(cache.offset) ||
      !isa<BlockArgument>(cache.memory)) {
    out.asynchronous = isAligned(cache, kChunk);
    out.copies = [this, panel, chunks = out.blocks * kLineChunks](Value, Value memory,
                                                                  const Place &place) {
      copyTokens(panel, index(0), kTokens, index(0), chunks, memory, place);
    };
    return out;
  }
  // Pages that hold no token do not exist.
  int64_t boxRows = std::min(panel.pageTokens, kTokens);
  auto present = [this, panel, boxRows] {
    return boxRows == kTokens ? index(1) : ceilDiv(panel.count, boxRows);
  };
  out.boxBytes = [this, present, bytes = boxRows * hopper::kLineBytes * out.blocks] {
    return mul(present(), bytes);
  };
  out.boxes = [this, panel, present, boxRows, blocks = out.blocks](Value, Value address,
                                                                   Value barrier) {
    Value map = tensorMap(panel.cache.memory, panel.depth, panel.cache.rowStride * kElementBytes,
                          Value(), boxRows);
    auto box = [&](Value number) {
      Value token = add(panel.first, mul(number, boxRows));
      Value page = loadIndex(panel.table, add(panel.tableOffset, div(token, panel.pageTokens)));
      Value row = add(mul(page, panel.pageTokens), rem(token, panel.pageTokens));
      Value to = add(address, mul(number, boxRows * hopper::kLineBytes));
      for (int64_t block = 0; block < blocks; ++block) {
        hopper::copyBox(b, loc, add(to, block * kTokens * hopper::kLineBytes), map, row,
                        index(block * hopper::kLineElements), barrier);
      }
    };
    if (boxRows == kTokens) {
      box(index(0));
    } else {
      loop(index(0), present(), box);
    }
  };
  return out;
}

SmallVector<Sm90Emitter::Part> Sm90Emitter::depthParts(ArrayRef<Panel> panels) {
  SmallVector<Part> out;
  int64_t offset = 0;
  for (const Panel &panel : panels) {
    const auto *rows = std::get_if<RowsPanel>(&panel);
    Part &part =
        out.emplace_back(rows ? rowsPart(*rows) : packedPart(std::get<PackedPanel>(panel)));
    part.offset = offset;
    // Few rows have the place of many: blocks of either kind share a ring.
    offset += rows ? kRowsOfItem * hopper::kLineBytes : part.bytes();
  }
  return out;
}

GpuEmitter::Fragments Sm90Emitter::streamPanels(ArrayRef<Panel> panels, ArrayRef<Value> init,
                                                const StreamBody &body) {
  if (ofEverybody()) {
    return Sm80Emitter::streamPanels(panels, init, body);
  }
  SmallVector<Part> parts = depthParts(panels);
  int64_t depth = 0;
  for (const Panel &panel : panels) {
    if (const auto *packed = std::get_if<PackedPanel>(&panel)) {
      depth = packed->depth;
    }
  }
  Value steps = index((depth + hopper::kLineElements - 1) / hopper::kLineElements);
  assert(!everyThreadReleases && "one kernel walks over a depth or over tokens");
  openRing(parts, 0);
  if (ofProducer()) {
    produce(steps, parts);
    return {};
  }
  return loopCarrying(index(0), steps, init, [&](Value step, ArrayRef<Value> values) {
    Stage stage = take(used);
    hopper::waitFor(b, loc, stage.full, stage.phase);
    SmallVector<Operand> staged;
    for (const Part &part : parts) {
      auto operand = std::make_shared<SwizzledOperand>();
      operand->offset = add(stage.offset, part.offset);
      operand->rows = part.rows;
      operand->blocks = 1;
      staged.push_back({operand});
    }
    Fragments out = body(step, staged, values);
    release(stage);
    return out;
  });
}

Operand Sm90Emitter::resident(const Panel &panel, TileKind kind) {
  if (ofEverybody()) {
    return Sm80Emitter::resident(panel, kind);
  }
  if (const auto *rows = std::get_if<RowsPanel>(&panel)) {
    return ofProducer() ? Operand() : residentRows(*rows);
  }
  const auto &tokens = std::get<PagedPanel>(panel);
  Part part = tokensPart(tokens);
  // Beside the ring lie as many rows of queries, their weights and the statistics.
  everyThreadReleases = true;
  openRing(part, part.bytes() + kHeads * kTokens * kElementBytes + plan.sharedAlignment);
  if (ofProducer()) {
    produce(Value(), part);
    return {};
  }
  return cachedTokens(tokens, part);
}

} // namespace dsv2
