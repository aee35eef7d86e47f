//===- Matmul.cpp - contraction with a packed weight ----------------------===//
//
// The tile program of Matmul.h: an item is one panel of one batch element, with every row or with
// as many as the target says.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/Matmul.h"

#include "lib/Codegen/TileEmitter.h"

using namespace mlir;

namespace dsv2 {

FailureOr<BuiltKernel> buildMatmul(const KernelRequest &request, TileEmitter &e) {
  SpecReader spec("matmul", request);
  int64_t n = spec.integer("n"), k = spec.integer("k");
  int64_t batch = spec.integer("batch");
  Type type = spec.element("dtype"), outType = spec.element("out_dtype");
  int64_t aRow = spec.integer("a_row_stride"), aBatch = spec.integer("a_batch_stride", 0);
  int64_t outRow = spec.integer("out_row_stride"), outBatch = spec.integer("out_batch_stride", 0);
  bool biased = spec.optionalFlag("bias"), residual = spec.flag("add");
  if (spec.failed()) {
    return failure();
  }
  Type f32 = Float32Type::get(type.getContext());
  SmallVector<KernelArgument> arguments = {{type}, {type}};
  if (biased) {
    arguments.push_back({f32});
  }
  if (residual) {
    arguments.push_back({f32, /*mayAlias=*/true});
  }
  arguments.append({{outType, residual}, {Type()}});
  SmallVector<Value> args = e.begin(request, arguments);
  Value rows = args.back(), outMemory = args[args.size() - 2];

  int64_t columns = e.panelColumns(), panels = (n + columns - 1) / columns;
  e.items([&](Value number) {
    Value item = number, first = e.index(0), last = rows;
    if (int64_t block = e.rowsOfItem()) {
      // Blocks of rows of a panel are neighbours: they read the same weights.
      Value blocks = e.ceilDiv(rows, block);
      item = e.div(number, blocks);
      first = e.mul(e.rem(number, blocks), block);
      last = e.minimum(e.add(first, block), rows);
    }
    Value element = batch > 1 ? e.div(item, panels) : e.index(0);
    Value column = e.mul(batch > 1 ? e.rem(item, panels) : item, columns);
    Matrix a{args[0], e.mul(element, aBatch), aRow, type};
    if (int64_t used = (batch - 1) * aBatch + k; used <= aRow) {
      a.rows = rows;
      a.columns = used;
    }
    Matrix out{outMemory, e.mul(element, outBatch), outRow, outType};
    // One row of biases for all rows of the result: its rows are 0 apart.
    Matrix biases{biased ? args[2] : Value(), e.mul(element, n), 0, f32};
    Matrix added{residual ? args[args.size() - 3] : Value(), out.offset, outRow, f32};
    e.forRows(first, last, [&](RowBlock block) {
      auto panelsOf = [&](Value) {
        return SmallVector<Panel>{RowsPanel{{{a, k}}, block}, PackedPanel{args[1], item, k, type}};
      };
      e.pipeline(
          Value(), panelsOf, TileShape{block, columns}, {},
          [&](Value, ArrayRef<Operand> staged, TileState state) {
            state.tiles[0] = e.contract(state.tiles[0], staged[0], staged[1], Along::Rows);
            return state;
          },
          [&](TileState state) {
            e.store(state.tiles[0], out, column, n, [&](const Chunk &chunk) {
              Value sum = biased ? e.addf(chunk.value, e.load(biases, chunk)) : chunk.value;
              return residual ? e.addf(sum, e.load(added, chunk)) : sum;
            });
          });
    });
  });
  return e.finish();
}

} // namespace dsv2
