//===- GroupedMatmul.cpp - contraction of rows grouped by expert ----------===//
//
// The tile program of GroupedMatmul.h: an item is one panel of one entry of the work list, with its
// rows.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/GroupedMatmul.h"

#include "lib/Codegen/TileEmitter.h"

using namespace mlir;

namespace dsv2 {
namespace {

/// silu(gate) * up = gate / (1 + 2^(-gate log2 e)) * up.
Value swiglu(TileEmitter &e, Value gate, Value up) {
  Value one = e.constantLike(gate, 1.0);
  Value power = e.exp2(e.mulf(gate, e.constantLike(gate, -1.4426950408889634)));
  return e.mulf(e.divf(gate, e.addf(one, power)), up);
}

} // namespace

FailureOr<BuiltKernel> buildGroupedMatmul(const KernelRequest &request, TileEmitter &e) {
  SpecReader spec("grouped_matmul", request);
  int64_t n = spec.integer("n"), k = spec.integer("k");
  Type type = spec.element("dtype"), outType = spec.element("out_dtype");
  int64_t aRow = spec.integer("a_row_stride"), outRow = spec.integer("out_row_stride");
  bool gated = spec.choice("epilogue", {"none", "swiglu"}) == "swiglu",
       gather = spec.flag("gather");
  if (spec.failed()) {
    return failure();
  }
  Type word = IntegerType::get(type.getContext(), 32);
  SmallVector<KernelArgument> arguments = {{type}, {type}, {word}, {word}};
  if (gather) {
    arguments.push_back({word});
  }
  arguments.push_back({outType});
  SmallVector<Value> args = e.begin(request, arguments);
  Value weight = args[1], list = args[2], count = args[3];

  int64_t columns = e.panelColumns(), panels = (n + columns - 1) / columns,
          matrices = gated ? 2 : 1;
  e.items([&](Value item) {
    Value entry = e.div(item, panels), panel = e.rem(item, panels);
    e.ifTrue(e.less(entry, e.loadIndex(count, e.index(0))), [&] {
      Value at = e.mul(entry, 3);
      Value expert = e.loadIndex(list, at), begin = e.loadIndex(list, e.add(at, 1)),
            end = e.loadIndex(list, e.add(at, 2));
      Value block = e.add(e.mul(expert, matrices * panels), panel);
      Matrix a{args[0], e.index(0), aRow, type};
      if (gather) {
        a.rowIndex = [&](Value position) { return e.loadIndex(args[4], position); };
      }
      Matrix out{args.back(), e.index(0), outRow, outType};
      e.forRows(begin, end, [&](RowBlock rows) {
        TileShape shape{rows, columns};
        auto panelsOf = [&](Value) {
          SmallVector<Panel> staged = {RowsPanel{{{a, k}}, rows}};
          for (int64_t m = 0; m < matrices; ++m) {
            staged.push_back(PackedPanel{weight, e.add(block, m * panels), k, type});
          }
          return staged;
        };
        e.pipeline(
            Value(), panelsOf, SmallVector<TileShape>(matrices, shape), {},
            [&](Value, ArrayRef<Operand> staged, TileState state) {
              for (int64_t m = 0; m < matrices; ++m) {
                state.tiles[m] = e.contract(state.tiles[m], staged[0], staged[m + 1], Along::Rows);
              }
              return state;
            },
            [&](TileState state) {
              Tile result = state.tiles[0];
              if (gated) {
                result = e.mapTiles(state.tiles, {}, [&](ArrayRef<Value> tiles, ArrayRef<Value>) {
                  return swiglu(e, tiles[0], tiles[1]);
                });
              }
              e.store(result, out, e.mul(panel, columns), n,
                      [](const Chunk &chunk) { return chunk.value; });
            });
      });
    });
  });
  return e.finish();
}

} // namespace dsv2
