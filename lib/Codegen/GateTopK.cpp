//===- GateTopK.cpp - experts and weights of each row ---------------------===//
//
// A row's logits are looked at in chunks (RowChunks.h). The groups that may be chosen from are
// copied to scratch as whole chunks, padded by -inf, in ascending order; then each choice is one
// pass that keeps, per element of a chunk, the first place of the largest value, and one fold of
// the chunk. What is compared are the logits themselves, or, with sigmoid, scratch that holds a
// row's sigmoids with the bias added.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/GateTopK.h"

#include "lib/Codegen/Generic/Passes.h"
#include "lib/Codegen/Gpu/DeviceForm.h"
#include "lib/Codegen/RowChunks.h"
#include "lib/Codegen/TileEmitter.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/MathExtras.h"

#include <limits>
#include <tuple>

using namespace mlir;

namespace dsv2 {
namespace {

constexpr int64_t kChunk = RowChunks::kWidth;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kNowhere = std::numeric_limits<int32_t>::max();

struct GateSpec {
  int64_t experts, topK, groups, keep, shared;
  bool sigmoid, normalize;
  double scale;

  int64_t slots() const { return topK + shared; }
  int64_t groupSize() const { return experts / groups; }
  int64_t groupChunks() const { return llvm::divideCeil(groupSize(), kChunk); }
};

class GateCode {
public:
  GateCode(const KernelRequest &request, const GateSpec &spec, ArrayRef<Type> slots,
           int64_t threads);
  BuiltKernel build();

private:
  Value chunk(Value at, int64_t width) {
    return c.load(compared, k.add(first, at), width, nothing);
  }
  Value larger(Value x, Value y);
  Value largest(Value chunk);
  Value sum(Value chunk);
  Value foldChunks(Value from, int64_t count, Value init,
                   function_ref<Value(Value sum, Value chunk)> step);
  Value firstOfLargest(Value memory, Value chunks);
  Value exponential(Value chunk);
  void row(Value t);
  void softmax();
  void sigmoids();
  Value sumOfTwoLargest(Value from);
  void scoreGroups();
  void keepGroups();
  Value collect();
  void choose(Value t, Value chunks);
  void replay(Value t);
  void take(Value t, Value slot, Value expert);
  void writeWeights(Value t);
  void writeShared(Value t);

  GateSpec spec;
  KernelCode k;
  RowChunks c;
  int64_t threads;
  Value logits, weights, ids, recorded, replaying, bias;
  Value candidates, firstIds, scores, kept, chosen; // scratch
  Value plain, corrected;                           // scratch of sigmoid: without and with bias
  Value nothing, zero;                              // -inf in every lane, index 0
  Value base, maximum, total; // of the row: its first logit, softmax's maximum and sum
  Value compared, first;      // what choices compare: its memory, where the row begins
};

} // namespace

GateCode::GateCode(const KernelRequest &request, const GateSpec &spec, ArrayRef<Type> slots,
                   int64_t threads)
    : spec(spec), k(request, slots), c(k, threads), threads(threads) {
  k.b.getContext()->loadDialect<math::MathDialect>();
  logits = k.slot(0), weights = k.slot(1), ids = k.slot(2), recorded = k.slot(3),
  replaying = k.slot(4);
  int64_t chunks = spec.keep * spec.groupChunks();
  candidates = c.scratch(k.f32, chunks * kChunk);
  firstIds = c.scalars(k.i32, chunks);
  scores = c.scratch(k.f32, llvm::alignTo(spec.groups, kChunk));
  kept = c.scalars(k.i32, spec.groups);
  chosen = c.scratch(k.f32, llvm::alignTo(spec.topK, kChunk));
  if (spec.sigmoid) {
    bias = k.slot(5);
    plain = c.scratch(k.f32, llvm::alignTo(spec.experts, kChunk));
    corrected = c.scratch(k.f32, llvm::alignTo(spec.experts, kChunk));
  }
  nothing = c.constant(k.f32, -kInfinity);
  zero = k.constant(0);
}

// A comparison and a choice is one instruction where arith.maximumf, which orders NaN, is several.
Value GateCode::larger(Value x, Value y) {
  Value first = arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OGT, x, y);
  return arith::SelectOp::create(k.b, k.loc, first, x, y);
}

Value GateCode::largest(Value chunk) {
  return c.fold(chunk, [&](Value low, Value high) { return larger(low, high); });
}

Value GateCode::sum(Value chunk) {
  return c.fold(chunk, [&](Value low, Value high) { return k.add(low, high); });
}

// Folds `count` compared values from `from` (counted in the row) chunk by chunk.
Value GateCode::foldChunks(Value from, int64_t count, Value init,
                           function_ref<Value(Value, Value)> step) {
  int64_t whole = count / kChunk * kChunk;
  Value sum = init;
  if (whole > 0) {
    sum = k.loop(zero, k.constant(whole), kChunk, {sum}, [&](Value at, ValueRange carried) {
      return KernelCode::Values{step(carried[0], chunk(k.add(from, at), kChunk))};
    })[0];
  }
  return whole < count ? step(sum, chunk(k.add(from, whole), count - whole)) : sum;
}

// The first place (i32) of the largest value in `chunks` chunks, which is then replaced by -inf.
// The place is inside memory even if all are NaN.
Value GateCode::firstOfLargest(Value memory, Value chunks) {
  Value none = c.constant(k.i32, kNowhere);
  KernelCode::Values best = k.loop(
      zero, k.mul(chunks, kChunk), kChunk, {nothing, none}, [&](Value at, ValueRange carried) {
        Value values = c.load(memory, at);
        Value places = k.add(c.splat(k.toI32(at)), c.numbers());
        Value better =
            arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OGT, values, carried[0]);
        return KernelCode::Values{arith::SelectOp::create(k.b, k.loc, better, values, carried[0]),
                                  arith::SelectOp::create(k.b, k.loc, better, places, carried[1])};
      });
  Value top = c.splat(largest(best[0]));
  Value equal = arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OEQ, best[0], top);
  Value places = arith::SelectOp::create(k.b, k.loc, equal, best[1], none);
  Value first = c.fold(places, [&](Value low, Value high) -> Value {
    return arith::MinSIOp::create(k.b, k.loc, low, high);
  });
  Value end = k.toI32(k.mul(chunks, kChunk));
  Value lastPlace = arith::SubIOp::create(k.b, k.loc, end, k.constant(k.i32, 1));
  first = arith::MinSIOp::create(k.b, k.loc, first, lastPlace);
  c.put(k.constant(k.f32, -kInfinity), memory, k.toIndex(first));
  return first;
}

Value GateCode::exponential(Value values) {
  Value shifted = arith::SubFOp::create(k.b, k.loc, values, c.splat(maximum));
  return math::ExpOp::create(k.b, k.loc, shifted);
}

// The sum of a group's two largest values: the two of each place in chunks, then of all places.
Value GateCode::sumOfTwoLargest(Value from) {
  // Of x >= below and one more value: the two largest.
  auto merge = [&](Value x, Value below, Value y) {
    Value isLarger = arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OGT, y, x);
    Value smaller = arith::SelectOp::create(k.b, k.loc, isLarger, x, y);
    return std::pair(Value(arith::SelectOp::create(k.b, k.loc, isLarger, y, x)),
                     larger(smaller, below));
  };
  Value best = nothing, second = nothing;
  for (int64_t at = 0; at < spec.groupSize(); at += kChunk) {
    int64_t width = std::min(kChunk, spec.groupSize() - at);
    std::tie(best, second) = merge(best, second, chunk(k.add(from, at), width));
  }
  RowChunks::Values two =
      c.fold({best, second}, [&](RowChunks::Values low, RowChunks::Values high) {
        auto [most, next] = merge(low[0], larger(low[1], high[1]), high[0]);
        return RowChunks::Values{most, next};
      });
  return k.add(two[0], two[1]);
}

// scores[g] = the group's maximum, or the sum of its two largest.
void GateCode::scoreGroups() {
  int64_t padded = llvm::alignTo(spec.groups, kChunk);
  c.store(nothing, scores, k.constant(padded - kChunk));
  k.loop(zero, k.constant(spec.groups), [&](Value group) {
    Value from = k.mul(group, spec.groupSize());
    if (spec.sigmoid) {
      c.put(sumOfTwoLargest(from), scores, group);
    } else {
      Value best = foldChunks(from, spec.groupSize(), nothing,
                              [&](Value sum, Value values) { return larger(values, sum); });
      c.put(largest(best), scores, group);
    }
    c.setScalar(k.constant(k.i32, 0), kept, group);
  });
}

void GateCode::keepGroups() {
  Value chunks = k.constant(llvm::divideCeil(spec.groups, kChunk));
  k.loop(zero, k.constant(spec.keep), [&](Value) {
    Value group = k.clampedIndex(firstOfLargest(scores, chunks), spec.groups);
    c.setScalar(k.constant(k.i32, 1), kept, group);
  });
}

// Copies what may be chosen to `candidates`; how many chunks that is.
Value GateCode::collect() {
  auto copyGroup = [&](Value group, Value cursor) {
    Value firstId = k.mul(group, spec.groupSize());
    for (int64_t i = 0; i < spec.groupChunks(); ++i) {
      int64_t width = std::min(kChunk, spec.groupSize() - i * kChunk);
      Value to = k.add(cursor, i);
      c.store(chunk(k.add(firstId, i * kChunk), width), candidates, k.mul(to, kChunk));
      c.setScalar(k.toI32(k.add(firstId, i * kChunk)), firstIds, to);
    }
    return k.add(cursor, spec.groupChunks());
  };
  if (spec.groups == 1) {
    return copyGroup(zero, zero);
  }
  return k.loop(zero, k.constant(spec.groups), 1, {zero}, [&](Value group, ValueRange carried) {
    Value is = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::ne, c.getScalar(kept, group),
                                     k.constant(k.i32, 0));
    auto branch = scf::IfOp::create(k.b, k.loc, TypeRange{k.index}, is, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPointToStart(branch.thenBlock());
    scf::YieldOp::create(k.b, k.loc, copyGroup(group, carried[0]));
    k.b.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(k.b, k.loc, carried[0]);
    return KernelCode::Values{branch.getResult(0)};
  })[0];
}

void GateCode::take(Value t, Value slot, Value expert) {
  c.write(k.toI32(expert), ids, k.add(k.mul(t, spec.slots()), slot));
  Value score = spec.sigmoid ? k.load(plain, expert) : k.load(logits, k.add(base, expert));
  c.put(score, chosen, slot);
}

void GateCode::choose(Value t, Value chunks) {
  k.loop(zero, k.constant(spec.topK), [&](Value slot) {
    Value place = k.toIndex(firstOfLargest(candidates, chunks));
    Value width = k.constant(kChunk);
    Value inChunk = arith::RemUIOp::create(k.b, k.loc, place, width);
    Value firstId = c.getScalar(firstIds, arith::DivUIOp::create(k.b, k.loc, place, width));
    take(t, slot, k.clampedIndex(k.add(firstId, k.toI32(inChunk)), spec.experts));
  });
}

void GateCode::replay(Value t) {
  k.loop(zero, k.constant(spec.topK), [&](Value slot) {
    Value id = k.load(recorded, k.add(k.mul(t, spec.topK), slot));
    take(t, slot, k.clampedIndex(id, spec.experts));
  });
}

void GateCode::writeWeights(Value t) {
  Value to = k.mul(t, spec.slots());
  SmallVector<Value> parts;
  for (int64_t at = 0; at < spec.topK; at += kChunk) {
    Value score = c.load(chosen, k.constant(at));
    if (!spec.sigmoid) {
      score = arith::DivFOp::create(k.b, k.loc, exponential(score), c.splat(total));
    }
    parts.push_back(score);
  }
  bool normalize = spec.normalize && (spec.topK > 1 || spec.sigmoid);
  if (normalize) {
    // Lanes past top_k hold 0.
    Value all = c.constant(k.f32, 0.0);
    for (Value part : parts) {
      all = k.add(all, part);
    }
    Value below = c.splat(k.add(sum(all), k.constant(k.f32, 1e-20)));
    for (Value &part : parts) {
      part = arith::DivFOp::create(k.b, k.loc, part, below);
    }
  }
  if ((!normalize || spec.sigmoid) && spec.scale != 1.0) {
    for (Value &part : parts) {
      part = k.mul(part, c.constant(k.f32, spec.scale));
    }
  }
  for (auto [i, part] : llvm::enumerate(parts)) {
    int64_t at = i * kChunk, width = std::min(kChunk, spec.topK - at);
    c.writeChunk(part, weights, k.add(to, at), width);
  }
}

void GateCode::writeShared(Value t) {
  for (int64_t i = 0; i < spec.shared; ++i) {
    Value at = k.add(k.mul(t, spec.slots()), spec.topK + i);
    c.write(k.constant(k.f32, 1.0), weights, at);
    c.write(k.constant(k.i32, static_cast<double>(spec.experts + i)), ids, at);
  }
}

// The maximum of the row's logits, and the sum of their exponentials. After scoreGroups.
void GateCode::softmax() {
  if (spec.groups > 1) {
    Value best = nothing;
    for (int64_t at = 0; at < spec.groups; at += kChunk) {
      best = larger(c.load(scores, k.constant(at)), best);
    }
    maximum = largest(best);
  } else {
    maximum = largest(foldChunks(zero, spec.experts, nothing,
                                 [&](Value sum, Value values) { return larger(values, sum); }));
  }
  Value powers =
      foldChunks(zero, spec.experts, c.constant(k.f32, 0.0),
                 [&](Value before, Value values) { return k.add(before, exponential(values)); });
  total = sum(powers);
}

// plain and corrected, in whole chunks: lanes past the experts are 0 and -inf.
void GateCode::sigmoids() {
  Value one = c.constant(k.f32, 1.0);
  auto step = [&](Value at, int64_t width) {
    Value negative =
        arith::NegFOp::create(k.b, k.loc, c.load(logits, k.add(base, at), width, nothing));
    Value below = k.add(one, Value(math::ExpOp::create(k.b, k.loc, negative)));
    Value score = arith::DivFOp::create(k.b, k.loc, one, below);
    c.store(score, plain, at);
    c.store(k.add(score, c.load(bias, at, width, nothing)), corrected, at);
  };
  int64_t whole = spec.experts / kChunk * kChunk;
  if (whole > 0) {
    k.loop(zero, k.constant(whole), kChunk, {}, [&](Value at, ValueRange) {
      step(at, kChunk);
      return KernelCode::Values{};
    });
  }
  if (whole < spec.experts) {
    step(k.constant(whole), spec.experts - whole);
  }
}

void GateCode::row(Value t) {
  base = k.mul(t, spec.experts);
  compared = spec.sigmoid ? corrected : logits;
  first = spec.sigmoid ? zero : base;
  if (spec.sigmoid) {
    // Any lane may look up any expert.
    c.synchronize();
    sigmoids();
    c.synchronize();
  }
  if (spec.groups > 1) {
    scoreGroups();
  }
  if (!spec.sigmoid) {
    softmax();
  }

  Value recordedIds = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::ne, replaying, zero);
  auto branch = scf::IfOp::create(k.b, k.loc, recordedIds, /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPointToStart(branch.thenBlock());
    replay(t);
    k.b.setInsertionPointToStart(branch.elseBlock());
    if (spec.groups > 1) {
      keepGroups();
    }
    choose(t, collect());
  }
  writeWeights(t);
  writeShared(t);
}

BuiltKernel GateCode::build() {
  // The lanes past top_k become weights of 0.
  Value rest = spec.sigmoid ? c.constant(k.f32, 0.0) : nothing;
  for (int64_t at = 0; at < spec.topK; at += kChunk) {
    c.store(rest, chosen, k.constant(at));
  }
  c.forRows(k.begin(), k.end(), [&](Value t) { row(t); });
  BuiltKernel out = k.finish();
  if (threads > 1) {
    out.function->setAttr(kThreadsAttr, k.b.getI64IntegerAttr(threads));
  }
  return out;
}

FailureOr<BuiltKernel> buildGateTopK(const KernelRequest &request, TileEmitter &e) {
  SpecReader reader("gate_topk", request);
  GateSpec spec;
  spec.experts = reader.integer("experts");
  spec.topK = reader.integer("top_k");
  spec.groups = reader.integer("groups");
  spec.keep = reader.integer("keep");
  spec.shared = reader.integer("shared", 0);
  spec.sigmoid = reader.choice("scoring", {"softmax", "sigmoid"}) == "sigmoid";
  spec.normalize = reader.flag("normalize");
  spec.scale = reader.real("scale");
  if (reader.failed()) {
    return failure();
  }
  if (spec.experts % spec.groups != 0) {
    reader.fail("groups", "is " + Twine(spec.groups) +
                              ", expected a divisor of experts = " + Twine(spec.experts));
  } else if (spec.keep > spec.groups) {
    reader.fail("keep",
                "is " + Twine(spec.keep) + ", expected at most groups = " + Twine(spec.groups));
  } else if (spec.topK > spec.keep * spec.groupSize()) {
    reader.fail("top_k", "is " + Twine(spec.topK) + ", expected at most the " +
                             Twine(spec.keep * spec.groupSize()) + " experts of the kept groups");
  }
  if (!reader.failed() && spec.sigmoid && spec.groupSize() < 2) {
    reader.fail("groups", "is " + Twine(spec.groups) +
                              ", expected at most half of experts = " + Twine(spec.experts));
  }
  if (reader.failed()) {
    return failure();
  }
  Builder types(request.loc.getContext());
  Type f32 = types.getF32Type(), i32 = types.getI32Type();
  SmallVector<Type> slots = {f32, f32, i32, i32, types.getIndexType()};
  if (spec.sigmoid) {
    slots.push_back(f32);
  }
  GateCode code(request, spec, slots, e.threadsInStep());
  BuiltKernel kernel = code.build();
  PassManager passes(kernel.module->getContext());
  passes.addNestedPass<func::FuncOp>(mlir::dsv2::createGenericTreePass());
  if (failed(passes.run(*kernel.module))) {
    return failure();
  }
  return std::move(kernel);
}

} // namespace dsv2
