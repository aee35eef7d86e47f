//===- LatentAttention.cpp - attention in latent width over a paged cache -===//
//
// The tile program of LatentAttention.h, in three schedules that share their steps: attend to a
// block, merge a block into what came before, write the result.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/LatentAttention.h"

#include "lib/Codegen/TileEmitter.h"

using namespace mlir;

namespace dsv2 {
namespace {

using Values = TileEmitter::Values;

struct Spec {
  int64_t heads, latent, rope, rowElements, pageTokens, tableStride;
  Type type, outType;
  double scale;
  int64_t qRow, qHead, ropeRow, ropeHead, outRow, outHead;
  std::string mode;
  AttentionTile tile;

  static FailureOr<Spec> read(const KernelRequest &request, const TileEmitter &emitter);
  int64_t groups() const { return tile.groups(heads); }
};

FailureOr<Spec> Spec::read(const KernelRequest &request, const TileEmitter &emitter) {
  SpecReader reader("latent_attention", request);
  Spec s;
  s.heads = reader.integer("heads");
  s.latent = reader.integer("latent");
  s.rope = reader.integer("rope");
  s.rowElements = reader.integer("row_elements", (s.latent + s.rope + 1) / 2 * 2);
  s.pageTokens = reader.integer("page_tokens", 16);
  s.tableStride = reader.integer("table_stride");
  s.type = reader.element("dtype");
  s.outType = reader.element("out_dtype");
  s.scale = reader.real("scale");
  s.qRow = reader.integer("q_row_stride");
  s.qHead = reader.integer("q_head_stride");
  s.ropeRow = reader.integer("rope_row_stride");
  s.ropeHead = reader.integer("rope_head_stride");
  s.outRow = reader.integer("out_row_stride");
  s.outHead = reader.integer("out_head_stride");
  s.mode = reader.choice("mode", {"sequential", "split", "merge"});
  s.tile = emitter.attentionTile(s.type);
  if (s.pageTokens % 16 != 0 || s.tile.tokens % s.pageTokens != 0) {
    reader.fail("page_tokens", "is " + llvm::Twine(s.pageTokens) +
                                   ", expected a multiple of 16 that divides " +
                                   llvm::Twine(s.tile.tokens));
  }
  if (s.rowElements < (s.latent + 15) / 16 * 16) {
    reader.fail("row_elements", "is " + llvm::Twine(s.rowElements) + ", expected at least " +
                                    llvm::Twine((s.latent + 15) / 16 * 16));
  }
  if (!(s.scale > 0.0)) {
    reader.fail("scale", "expected a positive number");
  }
  if (reader.failed()) {
    return failure();
  }
  return s;
}

/// Emits the parts of the program. A state is {tiles: result; rows: maximum, sum}, the result not
/// yet divided.
class Attention {
public:
  Attention(TileEmitter &e, const Spec &s) : e(e), s(s) {}

  void sequential(ArrayRef<Value> args);
  void split(ArrayRef<Value> args);
  void merge(ArrayRef<Value> args);

private:
  /// The item's row of the step and its heads.
  struct Place {
    Value row;
    RowBlock heads;
  };
  Place place(Value item);
  TileShape resultShape(const RowBlock &heads) { return {heads, s.latent, TileKind::Accumulator}; }
  Operand queries(ArrayRef<Value> args, const Place &at);
  PagedPanel cachedTokens(ArrayRef<Value> args, Value row, Value block, Value context);
  TileState attend(const Operand &q, const Operand &cache, const RowBlock &heads, Value count);
  TileState mergeStates(TileState before, TileState block);
  void write(TileState state, Value out, const Place &at);
  SmallVector<RowVector> emptyRows(const RowBlock &heads) {
    // Below every score, yet far from overflow when another is subtracted.
    return {e.fillRows(heads, -1.0e30), e.fillRows(heads, 0.0)};
  }

  TileEmitter &e;
  const Spec &s;
};

Attention::Place Attention::place(Value item) {
  Value first = e.mul(e.rem(item, s.groups()), s.tile.heads);
  return {e.div(item, s.groups()), {first, s.tile.heads, e.index(s.heads)}};
}

Operand Attention::queries(ArrayRef<Value> args, const Place &at) {
  Matrix latent{args[0], e.mul(at.row, s.qRow), s.qHead, s.type};
  Matrix rope{args[1], e.mul(at.row, s.ropeRow), s.ropeHead, s.type};
  return e.resident(RowsPanel{{{latent, s.latent}, {rope, s.rope}}, at.heads}, TileKind::Scores);
}

PagedPanel Attention::cachedTokens(ArrayRef<Value> args, Value row, Value block, Value context) {
  PagedPanel panel;
  panel.cache = {args[2], e.index(0), s.rowElements, s.type};
  panel.table = args[3];
  panel.tableOffset = e.mul(e.loadIndex(args[5], row), s.tableStride);
  panel.pageTokens = s.pageTokens;
  panel.first = e.mul(block, s.tile.tokens);
  panel.count = e.minimum(e.sub(context, panel.first), e.index(s.tile.tokens));
  panel.depth = s.latent + s.rope;
  return panel;
}

TileState Attention::attend(const Operand &q, const Operand &cache, const RowBlock &heads,
                            Value count) {
  // 2^(c x) = e^(scale x)
  double c = s.scale * 1.4426950408889634;
  Tile scores =
      e.contract(e.zeros({heads, s.tile.tokens, TileKind::Scores}), q, cache, Along::Rows);
  scores = e.limitColumns(scores, count);
  RowVector maximum =
      e.mapRows({e.reduceRows(RowReduction::Maximum, scores)},
                [&](Values, Values rows) { return e.mulf(rows[0], e.constantLike(rows[0], c)); });
  Tile powers = e.mapTiles({scores}, {maximum}, [&](Values tiles, Values rows) {
    return e.exp2(e.subf(e.mulf(tiles[0], e.constantLike(tiles[0], c)), rows[0]));
  });
  RowVector sum = e.reduceRows(RowReduction::Sum, powers);
  Tile result =
      e.contract(e.zeros(resultShape(heads)), e.asOperand(powers, s.type), cache, Along::Columns);
  return {{result}, {maximum, sum}};
}

TileState Attention::mergeStates(TileState before, TileState block) {
  RowVector maximum = e.mapRows({before.rows[0], block.rows[0]},
                                [&](Values, Values rows) { return e.maxf(rows[0], rows[1]); });
  auto weight = [&](Values, Values rows) { return e.exp2(e.subf(rows[0], rows[1])); };
  RowVector mine = e.mapRows({before.rows[0], maximum}, weight),
            theirs = e.mapRows({block.rows[0], maximum}, weight);
  auto mix = [&](Value a, Value wa, Value c, Value wc) {
    return e.addf(e.mulf(a, wa), e.mulf(c, wc));
  };
  RowVector sum =
      e.mapRows({before.rows[1], mine, block.rows[1], theirs},
                [&](Values, Values rows) { return mix(rows[0], rows[1], rows[2], rows[3]); });
  Tile result =
      e.mapTiles({before.tiles[0], block.tiles[0]}, {mine, theirs}, [&](Values tiles, Values rows) {
        return mix(tiles[0], rows[0], tiles[1], rows[1]);
      });
  return {{result}, {maximum, sum}};
}

void Attention::write(TileState state, Value out, const Place &at) {
  RowVector inverse = e.mapRows({state.rows[1]}, [&](Values, Values rows) {
    Value zero = e.constantLike(rows[0], 0.0);
    return e.whereGreater(rows[0], zero, e.divf(e.constantLike(rows[0], 1.0), rows[0]), zero);
  });
  Tile result = e.mapTiles({state.tiles[0]}, {inverse},
                           [&](Values tiles, Values rows) { return e.mulf(tiles[0], rows[0]); });
  Matrix matrix{out, e.mul(at.row, s.outRow), s.outHead, s.outType};
  e.store(result, matrix, e.index(0), s.latent, [](const Chunk &chunk) { return chunk.value; });
}

void Attention::sequential(ArrayRef<Value> args) {
  e.items([&](Value item) {
    Place at = place(item);
    Value context = e.loadIndex(args[4], at.row);
    Operand q = queries(args, at);
    e.pipeline(
        e.ceilDiv(context, s.tile.tokens),
        [&](Value block) { return SmallVector<Panel>{cachedTokens(args, at.row, block, context)}; },
        resultShape(at.heads), emptyRows(at.heads),
        [&](Value block, ArrayRef<Operand> staged, TileState state) {
          Value count =
              e.minimum(e.sub(context, e.mul(block, s.tile.tokens)), e.index(s.tile.tokens));
          return mergeStates(std::move(state), attend(q, staged[0], at.heads, count));
        },
        [&](TileState state) { write(std::move(state), args[6], at); });
  });
}

void Attention::split(ArrayRef<Value> args) {
  Value blocks = e.ceilDiv(args[7], s.tile.tokens);
  e.items([&](Value item) {
    Place at = place(e.div(item, blocks));
    Value block = e.rem(item, blocks), context = e.loadIndex(args[4], at.row);
    e.ifTrue(e.less(e.mul(block, s.tile.tokens), context), [&] {
      Operand q = queries(args, at);
      PagedPanel cache = cachedTokens(args, at.row, block, context);
      TileState state = attend(q, e.resident(cache, TileKind::Scores), at.heads, cache.count);
      e.save(state, args[6], e.mul(item, s.tile.record(s.latent)));
    });
  });
}

void Attention::merge(ArrayRef<Value> args) {
  Value blocks = e.ceilDiv(args[3], s.tile.tokens);
  e.items([&](Value item) {
    Place at = place(item);
    Value context = e.loadIndex(args[1], at.row);
    e.pipeline(
        e.ceilDiv(context, s.tile.tokens), [](Value) { return SmallVector<Panel>(); },
        resultShape(at.heads), emptyRows(at.heads),
        [&](Value block, ArrayRef<Operand>, TileState state) {
          Value record = e.mul(e.add(e.mul(item, blocks), block), s.tile.record(s.latent));
          return mergeStates(std::move(state),
                             e.restore(resultShape(at.heads), 2, args[0], record));
        },
        [&](TileState state) { write(std::move(state), args[2], at); });
  });
}

} // namespace

FailureOr<BuiltKernel> buildLatentAttention(const KernelRequest &request, TileEmitter &e) {
  FailureOr<Spec> s = Spec::read(request, e);
  if (failed(s)) {
    return failure();
  }
  MLIRContext *context = request.spec.getContext();
  Type word = IntegerType::get(context, 32), real = Float32Type::get(context);
  KernelArgument symbol{Type()};
  Attention program(e, *s);
  if (s->mode == "merge") {
    program.merge(e.begin(request, {{real}, {word}, {s->outType}, symbol}));
  } else if (s->mode == "split") {
    program.split(e.begin(
        request, {{s->type}, {s->type}, {s->type}, {word}, {word}, {word}, {real}, symbol}));
  } else {
    program.sequential(
        e.begin(request, {{s->type}, {s->type}, {s->type}, {word}, {word}, {word}, {s->outType}}));
  }
  return e.finish();
}

} // namespace dsv2
