//===- LowerAttention.cpp - Compression, rope, the cache, latent attention --------------------===//
//
// The cache is one buffer of pages, updated in place: its linear type says that nothing reads the
// old one. Both schedules of attention merge the same blocks of context in the same order.
//
//===------------------------------------------------------------------------------------------===//

#include "lib/Codegen/LatentAttention.h"
#include "lib/Conversion/DSV2ToExec/StepLowering.h"
#include "lib/Conversion/DSV2ToLinalg/RowOps.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::dsv2;

// Rows of the cache are padded to whole cache lines of bf16, so that vectors may read past the rope
// part.
static constexpr int64_t kCacheRowMultiple = 32;
static constexpr int64_t kPageTokens = 64;

int64_t StepLowering::cacheRowElements(CacheType type) const {
  return llvm::alignTo(type.getRowWidth(), kCacheRowMultiple);
}

FailureOr<Slot> StepLowering::cacheSlot(CacheType type, Value layer) {
  return atLayer({Slot::Kind::Cache, program.useCache(type, kPageTokens, cacheRowElements(type))},
                 layer);
}

/// kv = kv_a x, then the norm of its first columns; the rope part stays where it is.
LogicalResult StepLowering::lowerCompress(MLACompressOp op) {
  Type f32 = Float32Type::get(program.context());
  FailureOr<Place> x = place(op.getX());
  FailureOr<Slot> norm = weightSlot(op.getNorm(), f32, {});
  if (failed(x) || failed(norm)) {
    return failure();
  }
  int64_t latent = cast<RankedTensorType>(op.getLatent().getType()).getDimSize(1);
  int64_t rope = cast<RankedTensorType>(op.getKRope().getType()).getDimSize(1);
  Place kv;
  kv.layout.element = f32;
  kv.layout.width = kv.layout.stride = latent + rope;
  kv.buffer = program.addBuffer("kv", f32, rowsOf(x->rows) * kv.layout.stride);
  if (failed(emitMatmul(op, *x, op.getKvA(), kv, {op.getBias(), std::nullopt}))) {
    return failure();
  }
  Place key = kv;
  key.layout.offset = latent;
  key.layout.width = rope;
  setPlace(op.getKRope(), key);

  RowKernel kernel(program.context(), "latent_norm");
  unsigned source = kernel.addSlot("kv"), scale = kernel.addSlot("weight");
  Place latentPart = kv;
  latentPart.layout.width = latent;
  Value row = buildRmsNorm(kernel, kernel.load(source, latentPart.layout),
                           kernel.loadVector(scale, f32, latent), op.getEps().convertToDouble());
  return storeForms(op, op.getLatent(), kernel, row, "latent", x->rows, {slotOf(kv), *norm});
}

LogicalResult StepLowering::lowerRope(RopeOp op) {
  Type f32 = Float32Type::get(program.context());
  FailureOr<Place> x = place(op.getX());
  if (failed(x)) {
    return failure();
  }
  int64_t pairs = op.getRope().getWidth() / 2;
  RowLayout angles;
  angles.element = f32;
  angles.width = angles.stride = pairs;
  RotationPairs order = op.getRope().getLayout() == RopeLayout::adjacent_pairs
                            ? RotationPairs::Adjacent
                            : RotationPairs::Halves;
  // A rotation is made in the form that is stored: one kernel for each wanted form (almost always
  // one).
  for (Type form : wantedForms(op.getResult())) {
    RowKernel kernel(program.context(), "rope");
    unsigned source = kernel.addSlot("x"), cos = kernel.addSlot("cos"), sin = kernel.addSlot("sin"),
             result = kernel.addSlot("out");
    Place out = allocate(op.getResult(), form, "rope", x->rows);
    Value row = buildRope(kernel, kernel.load(source, x->layout), kernel.load(cos, angles),
                          kernel.load(sin, angles), order, form);
    kernel.store(row, result, out.layout);
    dispatchRows(op, kernel, "rope", {result}, x->rows,
                 {slotOf(*x), tableSlot("rope_cos", f32, pairs, LaunchSymbol::Rows),
                  tableSlot("rope_sin", f32, pairs, LaunchSymbol::Rows), slotOf(out)});
    setPlace(op.getResult(), out);
  }
  return success();
}

LogicalResult StepLowering::lowerCacheAppend(CacheAppendOp op) {
  // Two parts, as checkKernelCoverage() made sure.
  FailureOr<Place> latent = place(op.getParts()[0]), key = place(op.getParts()[1]);
  auto type = cast<CacheType>(op.getCache().getType());
  FailureOr<Slot> rows = cacheSlot(type, op.getLayer());
  if (failed(latent) || failed(key) || failed(rows)) {
    return failure();
  }
  RowKernel kernel(program.context(), "cache_append");
  unsigned first = kernel.addSlot("latent"), second = kernel.addSlot("k_rope"),
           cache = kernel.addSlot("cache"), table = kernel.addSlot("slot");
  buildCacheAppend(kernel, kernel.load(first, latent->layout), kernel.load(second, key->layout),
                   cache, type.getElementType(), cacheRowElements(type), table);
  dispatchRows(op, kernel, "cache_append", {cache}, latent->rows,
               {slotOf(*latent), slotOf(*key), *rows,
                tableSlot("slot", IntegerType::get(program.context(), 64), 1, LaunchSymbol::Rows)});
  return success();
}

LogicalResult StepLowering::lowerLatentAttention(LatentAttentionOp op) {
  FailureOr<Place> query = place(op.getQLatent()), rotated = place(op.getQRope());
  auto type = cast<CacheType>(op.getCache().getType());
  FailureOr<Slot> cached = cacheSlot(type, op.getLayer());
  if (failed(query) || failed(rotated) || failed(cached)) {
    return failure();
  }
  if (query->layout.element != type.getElementType() ||
      rotated->layout.element != type.getElementType()) {
    return op.emitOpError() << "queries and cache must have one element type to be compiled, got "
                            << query->layout.element << ", " << rotated->layout.element << " and "
                            << type.getElementType();
  }
  MLIRContext *context = program.context();
  Builder b(context);
  auto shape = cast<RankedTensorType>(op.getResult().getType()).getShape();
  int64_t heads = shape[1], latent = shape[2];
  int64_t pages = llvm::divideCeil(program.maxContext(), kPageTokens);
  Place out =
      allocate(op.getResult(), wantedForms(op.getResult()).front(), "attention", query->rows);
  auto number = [&](StringRef name, int64_t value) {
    return b.getNamedAttr(name, b.getI64IntegerAttr(value));
  };
  auto spec = [&](StringRef mode) {
    return b.getDictionaryAttr({
        number("heads", heads),
        number("latent", latent),
        number("rope", rotated->layout.width),
        number("row_elements", cacheRowElements(type)),
        number("page_tokens", kPageTokens),
        number("table_stride", pages),
        b.getNamedAttr("dtype", TypeAttr::get(type.getElementType())),
        b.getNamedAttr("out_dtype", TypeAttr::get(out.layout.element)),
        b.getNamedAttr("scale", b.getF64FloatAttr(op.getScale().getValue())),
        number("q_row_stride", query->layout.stride),
        number("q_head_stride", query->layout.headStride),
        number("rope_row_stride", rotated->layout.stride),
        number("rope_head_stride", rotated->layout.headStride),
        number("out_row_stride", out.layout.stride),
        number("out_head_stride", out.layout.headStride),
        b.getNamedAttr("mode", b.getStringAttr(mode)),
    });
  };
  Type i32 = b.getI32Type();
  ::dsv2::AttentionTile tile = program.attentionTile(type.getElementType());
  AffineExpr groups = b.getAffineConstantExpr(tile.groups(heads));
  AffineExpr rows = rowsOf(query->rows);
  AffineExpr blocks = program.symbol(LaunchSymbol::Context).ceilDiv(tile.tokens);
  Slot contextTable = tableSlot("context", i32, 1, LaunchSymbol::Rows);
  SmallVector<Slot> inputs = {
      firstElement(*query),
      firstElement(*rotated),
      *cached,
      Slot::buffer(
          program.useTable("block_table", i32, program.symbol(LaunchSymbol::Sequences) * pages)),
      contextTable,
      tableSlot("sequence", i32, 1, LaunchSymbol::Rows)};
  if (!schedule.splitAttention) {
    inputs.push_back(firstElement(out));
    program.dispatch(op.getLoc(), program.useKernel("latent_attention", spec("sequential"), {6}),
                     program.sizes({rows * groups}), inputs);
  } else {
    Type f32 = b.getF32Type();
    AffineExpr parts = rows * groups * blocks;
    Slot partials = Slot::buffer(program.addBuffer("partials", f32, parts * tile.record(latent)));
    Slot longest = Slot::sym(LaunchSymbol::Context);
    inputs.append({partials, longest});
    program.dispatch(op.getLoc(), program.useKernel("latent_attention", spec("split"), {6}),
                     program.sizes({parts}), inputs);
    program.dispatch(op.getLoc(), program.useKernel("latent_attention", spec("merge"), {2}),
                     program.sizes({rows * groups}),
                     {partials, contextTable, firstElement(out), longest});
  }
  finishForms(op, op.getResult(), out, "attention");
  return success();
}
