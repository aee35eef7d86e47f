//===- RowKernel.cpp - Compose a row-wise kernel --------------------------===//
//
// Every slot is a flat memref of one element type; every layout asked of it becomes one static
// strided view. Scalars are loaded at the top of the loop body, so that each row op may be moved
// onto the slice it is stored to; insert_slices are written only when the loop is closed, because
// bufferization copies a row that is read after it was inserted.
//
//===----------------------------------------------------------------------===//

#include "lib/Conversion/DSV2ToLinalg/RowKernel.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"

namespace mlir::dsv2 {

// The bare-pointer convention needs static shapes; nothing is sized by these numbers.
static constexpr int64_t kSlotElements = int64_t(1) << 40;
static constexpr int64_t kRows = 65536;
static constexpr int64_t kScratchAlignment = 64;

static bool sameLayout(const RowLayout &a, const RowLayout &b) {
  return a.element == b.element && a.width == b.width && a.stride == b.stride &&
         a.offset == b.offset && a.heads == b.heads && a.headStride == b.headStride;
}

static RowLayout normalized(RowLayout layout) {
  if (layout.heads > 0 && layout.headStride == 0) {
    layout.headStride = layout.width + layout.pad;
  }
  return layout;
}

RowKernel::RowKernel(MLIRContext *context, StringRef name)
    : context(context), location(NameLoc::get(StringAttr::get(context, name))),
      module(ModuleOp::create(location)), b(context) {
  context->loadDialect<arith::ArithDialect, bufferization::BufferizationDialect, func::FuncDialect,
                       linalg::LinalgDialect, memref::MemRefDialect, scf::SCFDialect,
                       tensor::TensorDialect>();
  b.setInsertionPointToStart(module->getBody());
  Type index = b.getIndexType();
  Type scratch = MemRefType::get({1}, b.getI8Type());
  function =
      func::FuncOp::create(b, location, name, b.getFunctionType({index, index, scratch}, {}));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  Value one = arith::ConstantIndexOp::create(b, location, 1);
  loop = scf::ForOp::create(b, location, entry->getArgument(0), entry->getArgument(1), one);
  func::ReturnOp::create(b, location);
  b.setInsertionPoint(loop.getBody()->getTerminator());
}

unsigned RowKernel::addSlot(StringRef name) {
  unsigned slot = slotNames.size();
  slotNames.push_back(name.str());
  Type unused = MemRefType::get({1}, b.getI8Type());
  NamedAttribute noAlias = b.getNamedAttr("llvm.noalias", b.getUnitAttr());
  (void)function.insertArgument(slot, unused, b.getDictionaryAttr(noAlias), location);
  return slot;
}

Value RowKernel::constant(TypedAttr value) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(loop);
  return arith::ConstantOp::create(b, location, value);
}

Value RowKernel::constantF32(double value) {
  return constant(b.getF32FloatAttr(static_cast<float>(value)));
}

RankedTensorType RowKernel::rowType(const RowLayout &layout) const {
  SmallVector<int64_t> shape;
  if (layout.heads > 0) {
    shape.push_back(layout.heads);
  }
  shape.push_back(layout.width);
  return RankedTensorType::get(shape, layout.element);
}

size_t RowKernel::view(unsigned slot, const RowLayout &wanted) {
  RowLayout layout = normalized(wanted);
  for (size_t i = 0; i < views.size(); ++i) {
    if (views[i].slot == slot && sameLayout(views[i].layout, layout)) {
      return i;
    }
  }
  Value argument = function.getArgument(slot);
  auto flat = MemRefType::get({kSlotElements}, layout.element);
  auto current = cast<MemRefType>(argument.getType());
  if (current.getDimSize(0) == 1) {
    argument.setType(flat);
  } else if (current != flat) {
    llvm::report_fatal_error(Twine("row kernel slot '") + slotNames[slot] +
                             "' is used with two element types");
  }

  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(loop);
  SmallVector<int64_t> shape{kRows}, strides{layout.stride};
  if (layout.heads > 0) {
    shape.push_back(layout.heads);
    strides.push_back(layout.headStride);
  }
  shape.push_back(layout.width);
  strides.push_back(1);
  auto type = MemRefType::get(shape, layout.element,
                              StridedLayoutAttr::get(context, layout.offset, strides));
  Value memory =
      memref::ReinterpretCastOp::create(b, location, type, argument, layout.offset, shape, strides);
  Value tensor = bufferization::ToTensorOp::create(
      b, location, RankedTensorType::get(shape, layout.element), memory, /*restrict=*/true,
      /*writable=*/false);
  views.push_back({layout, memory, tensor, slot});
  return views.size() - 1;
}

Value RowKernel::slice(const View &view, Value row) {
  SmallVector<OpFoldResult> offsets{row ? OpFoldResult(row) : OpFoldResult(this->row())};
  SmallVector<OpFoldResult> sizes{b.getIndexAttr(1)};
  if (view.layout.heads > 0) {
    offsets.push_back(b.getIndexAttr(0));
    sizes.push_back(b.getIndexAttr(view.layout.heads));
  }
  offsets.push_back(b.getIndexAttr(0));
  sizes.push_back(b.getIndexAttr(view.layout.width));
  SmallVector<OpFoldResult> strides(offsets.size(), b.getIndexAttr(1));
  return tensor::ExtractSliceOp::create(b, location, rowType(view.layout), view.tensor, offsets,
                                        sizes, strides);
}

Value RowKernel::load(unsigned slot, const RowLayout &layout, Value row) {
  return slice(views[view(slot, layout)], row);
}

Value RowKernel::loadVector(unsigned slot, Type element, int64_t width) {
  size_t index = view(slot, RowLayout{element, width, width});
  Value zero = constant(b.getIndexAttr(0));
  return slice(views[index], zero);
}

Value RowKernel::loadScalar(unsigned slot, Type element, int64_t perRow, int64_t column) {
  size_t index = view(slot, RowLayout{element, perRow, perRow});
  OpBuilder::InsertionGuard guard(b);
  Value at = constant(b.getIndexAttr(column));
  b.setInsertionPointToStart(loop.getBody());
  return tensor::ExtractOp::create(b, location, views[index].tensor, ValueRange{row(), at});
}

Value RowKernel::loadIndex(unsigned slot, Type element, int64_t perRow, int64_t column) {
  Value scalar = loadScalar(slot, element, perRow, column);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfterValue(scalar);
  return arith::IndexCastOp::create(b, location, b.getIndexType(), scalar);
}

Value RowKernel::emptyRow(ArrayRef<int64_t> shape, Type element) {
  return tensor::EmptyOp::create(b, location, shape, element);
}

// Converts a scalar inside a body: floats only, one rounding at most.
static Value convertFloat(OpBuilder &b, Location loc, Value value, Type to) {
  Type from = value.getType();
  if (from == to) {
    return value;
  }
  if (from.getIntOrFloatBitWidth() < to.getIntOrFloatBitWidth()) {
    return arith::ExtFOp::create(b, loc, to, value);
  }
  return arith::TruncFOp::create(b, loc, to, value);
}

static Value widened(OpBuilder &b, Location loc, Value value) {
  return value.getType().isBF16() ? convertFloat(b, loc, value, b.getF32Type()) : value;
}

Value RowKernel::map(ValueRange rows, Type element, Body body) {
  int64_t rank = 0;
  SmallVector<int64_t> shape;
  for (Value value : rows) {
    auto type = cast<RankedTensorType>(value.getType());
    if (type.getRank() > rank) {
      rank = type.getRank();
      shape.assign(type.getShape().begin(), type.getShape().end());
    }
  }
  AffineMap whole = AffineMap::getMultiDimIdentityMap(rank, context);
  AffineMap columns = AffineMap::get(rank, 0, getAffineDimExpr(rank - 1, context));
  SmallVector<AffineMap> maps;
  for (Value value : rows) {
    maps.push_back(cast<RankedTensorType>(value.getType()).getRank() == rank ? whole : columns);
  }
  maps.push_back(whole);
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
  auto generic =
      linalg::GenericOp::create(b, location, TypeRange{RankedTensorType::get(shape, element)}, rows,
                                ValueRange{emptyRow(shape, element)}, maps, iterators,
                                [&](OpBuilder &inner, Location loc, ValueRange arguments) {
                                  SmallVector<Value> scalars;
                                  for (Value argument : arguments.drop_back()) {
                                    scalars.push_back(widened(inner, loc, argument));
                                  }
                                  Value result =
                                      convertFloat(inner, loc, body(inner, loc, scalars), element);
                                  linalg::YieldOp::create(inner, loc, result);
                                });
  return generic.getResult(0);
}

Value RowKernel::reduceSum(Value row, Body body) {
  Type f32 = b.getF32Type();
  Value start = linalg::FillOp::create(b, location, ValueRange{constantF32(0.0)},
                                       ValueRange{emptyRow({}, f32)})
                    .getResult(0);
  SmallVector<AffineMap> maps{AffineMap::getMultiDimIdentityMap(1, context),
                              AffineMap::get(1, 0, context)};
  SmallVector<utils::IteratorType> iterators{utils::IteratorType::reduction};
  auto generic = linalg::GenericOp::create(
      b, location, TypeRange{start.getType()}, ValueRange{row}, ValueRange{start}, maps, iterators,
      [&](OpBuilder &inner, Location loc, ValueRange arguments) {
        Value term = body(inner, loc, ValueRange{widened(inner, loc, arguments[0])});
        Value sum = arith::AddFOp::create(inner, loc, arguments[1], term);
        linalg::YieldOp::create(inner, loc, sum);
      });
  return tensor::ExtractOp::create(b, location, generic.getResult(0), ValueRange{});
}

Value RowKernel::convert(Value row, Type element) {
  if (cast<RankedTensorType>(row.getType()).getElementType() == element) {
    return row;
  }
  return map(ValueRange{row}, element,
             [](OpBuilder &, Location, ValueRange scalars) { return scalars[0]; });
}

// The operand that decides where the result of a row op lives, while that place is still open.
static OpOperand *openDestination(Value value) {
  Operation *producer = value.getDefiningOp();
  OpOperand *destination = nullptr;
  if (auto generic = dyn_cast_or_null<linalg::GenericOp>(producer)) {
    destination = &generic.getDpsInitsMutable()[cast<OpResult>(value).getResultNumber()];
  } else if (auto heads = dyn_cast_or_null<scf::ForOp>(producer)) {
    destination = heads.getTiedLoopInit(cast<OpResult>(value));
  }
  return destination && destination->get().getDefiningOp<tensor::EmptyOp>() ? destination : nullptr;
}

// An op that reads the very row it is stored to reads it through its output: two names for one row
// would look like a read after a write once the op is a loop.
static void readThroughOutput(linalg::GenericOp generic, tensor::ExtractSliceOp destination) {
  for (OpOperand *input : generic.getDpsInputOperands()) {
    auto load = input->get().getDefiningOp<tensor::ExtractSliceOp>();
    if (!load || load.getSource() != destination.getSource() ||
        load.getMixedOffsets() != destination.getMixedOffsets()) {
      continue;
    }
    Block *body = generic.getBody();
    body->getArgument(input->getOperandNumber())
        .replaceAllUsesWith(body->getArgument(generic.getNumDpsInputs()));
    body->eraseArgument(input->getOperandNumber());
    SmallVector<AffineMap> maps = generic.getIndexingMapsArray();
    maps.erase(maps.begin() + input->getOperandNumber());
    generic.setIndexingMapsAttr(Builder(generic.getContext()).getAffineMapArrayAttr(maps));
    generic.getInputsMutable().erase(input->getOperandNumber());
    return;
  }
}

void RowKernel::store(Value value, unsigned slot, const RowLayout &layout, Value row) {
  RowLayout place = normalized(layout);
  value = convert(value, place.element);
  OpOperand *destination = openDestination(value);
  if (!destination) { // a loaded row, or one that lives elsewhere already: copy it
    value = map(ValueRange{value}, place.element,
                [](OpBuilder &, Location, ValueRange scalars) { return scalars[0]; });
    destination = openDestination(value);
  }
  size_t index = view(slot, place);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(destination->getOwner());
    Operation *empty = destination->get().getDefiningOp();
    auto target = slice(views[index], row).getDefiningOp<tensor::ExtractSliceOp>();
    destination->set(target);
    if (empty->use_empty()) {
      empty->erase();
    }
    if (auto generic = dyn_cast<linalg::GenericOp>(destination->getOwner())) {
      readThroughOutput(generic, target);
    }
  }
  views[index].written = true;
  stores.push_back({value, index, row});
  if (place.pad > 0) {
    RowLayout rest = place;
    rest.offset += place.width;
    rest.width = place.pad;
    rest.pad = 0;
    storeZero(slot, rest, row);
  }
}

void RowKernel::storeZero(unsigned slot, const RowLayout &layout, Value row) {
  size_t index = view(slot, layout);
  Value zero = constant(cast<TypedAttr>(b.getZeroAttr(layout.element)));
  Value target = slice(views[index], row);
  Value filled =
      linalg::FillOp::create(b, location, ValueRange{zero}, ValueRange{target}).getResult(0);
  views[index].written = true;
  stores.push_back({filled, index, row});
}

Value RowKernel::keep(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  kept.push_back({value, scratchSize});
  int64_t bytes = type.getNumElements() * type.getElementTypeBitWidth() / 8;
  scratchSize += llvm::alignTo(bytes, kScratchAlignment);
  return value;
}

void RowKernel::placeInScratch(const Kept &kept) {
  OpOperand *destination = openDestination(kept.value);
  if (!destination) {
    return; // it was stored, and its readers share that place
  }
  auto type = cast<RankedTensorType>(kept.value.getType());
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(loop);
  RowLayout layout{type.getElementType(), type.getShape().back(), type.getNumElements()};
  layout.heads = type.getRank() == 2 ? type.getDimSize(0) : 0;
  layout = normalized(layout);
  SmallVector<int64_t> shape{1};
  llvm::append_range(shape, type.getShape());
  Value scratch = function.getArguments().back();
  Value shift = arith::ConstantIndexOp::create(b, location, kept.offset);
  Value memory = memref::ViewOp::create(b, location, MemRefType::get(shape, layout.element),
                                        scratch, shift, ValueRange{});
  Value tensor =
      bufferization::ToTensorOp::create(b, location, RankedTensorType::get(shape, layout.element),
                                        memory, /*restrict=*/true, /*writable=*/false);
  Value zero = constant(b.getIndexAttr(0));
  views.push_back({layout, memory, tensor, ~0u, /*written=*/true});
  b.setInsertionPoint(destination->getOwner());
  destination->set(slice(views.back(), zero));
  stores.push_back({kept.value, views.size() - 1, zero});
}

OwningOpRef<ModuleOp> RowKernel::finish() {
  for (const Kept &value : kept) {
    placeInScratch(value);
  }
  SmallVector<Value> carried;
  SmallVector<size_t> position(views.size(), 0);
  for (size_t i = 0; i < views.size(); ++i) {
    if (views[i].written) {
      auto toTensor = views[i].tensor.getDefiningOp<bufferization::ToTensorOp>();
      toTensor.setWritable(true);
      position[i] = carried.size();
      carried.push_back(views[i].tensor);
    }
  }
  IRRewriter rewriter(context);
  auto yields = [&](OpBuilder &inner, Location loc, ArrayRef<BlockArgument> arguments) {
    SmallVector<Value> results(arguments.begin(), arguments.end());
    for (const Store &store : stores) {
      const View &view = views[store.view];
      Value &into = results[position[store.view]];
      SmallVector<OpFoldResult> offsets{
          store.row ? OpFoldResult(store.row)
                    : OpFoldResult(arguments[0].getOwner()->getArgument(0))};
      SmallVector<OpFoldResult> sizes{inner.getIndexAttr(1)};
      for (int64_t extent : rowType(view.layout).getShape()) {
        offsets.push_back(inner.getIndexAttr(0));
        sizes.push_back(inner.getIndexAttr(extent));
      }
      SmallVector<OpFoldResult> strides(offsets.size(), inner.getIndexAttr(1));
      into = tensor::InsertSliceOp::create(inner, loc, store.value, into, offsets, sizes, strides);
    }
    return results;
  };
  auto closed = loop.replaceWithAdditionalYields(rewriter, carried,
                                                 /*replaceInitOperandUsesInLoop=*/true, yields);
  loop = cast<scf::ForOp>(closed->getOperation());
  b.setInsertionPointAfter(loop);
  for (size_t i = 0; i < views.size(); ++i) {
    if (views[i].written) {
      auto materialize = bufferization::MaterializeInDestinationOp::create(
          b, location, /*result=*/Type(), loop.getResult(position[i]), views[i].memory);
      materialize.setRestrict(true);
      materialize.setWritable(true);
    }
  }
  Block &entry = function.getBody().front();
  Type scratch = MemRefType::get({std::max<int64_t>(scratchSize, 1)}, b.getI8Type());
  entry.getArguments().back().setType(scratch);
  function.setFunctionType(b.getFunctionType(entry.getArgumentTypes(), {}));
  return std::move(module);
}

} // namespace mlir::dsv2
