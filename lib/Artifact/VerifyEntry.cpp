//===- VerifyEntry.cpp - Rules of an entry's program ----------------------===//
//
// Layer numbers are affine in the loop's layer, so the first and the last iteration bound them all;
// a weight's step is met by each iteration when the first one meets it and the distance is a
// multiple.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/VerifyEntry.h"

#include "lib/Artifact/Expr.h"
#include "lib/Artifact/Limits.h"
#include "lib/Artifact/StepTables.h"

#include <algorithm>

namespace dsv2 {

namespace {

/// scale * layer + offset, or nothing on overflow.
std::optional<int64_t> affine(const Arg &arg, int64_t layer) {
  int64_t value = 0;
  if (__builtin_mul_overflow(arg.layerScale, layer, &value) ||
      __builtin_add_overflow(value, arg.layerOffset, &value)) {
    return std::nullopt;
  }
  return value;
}

} // namespace

bool EntryVerifier::guards() {
  if (!atMost("guards", entry.guard.size(), limits::kGuards)) {
    return false;
  }
  for (const Expr &guard : entry.guard) {
    Place place(*this, "guard");
    if (std::optional<Error> error = checkExpr(guard)) {
      return fail(*error);
    }
    if (!evaluate(guard, symbolCaps(variant))) {
      return invalid(printExpr(guard), " overflows at the caps");
    }
  }
  return true;
}

bool EntryVerifier::unused(const char *field, int64_t value) {
  return value == 0 || invalid(field, " is ", value, ", expected 0 for this kind of slot");
}

bool EntryVerifier::bufferArg(const Arg &arg, int64_t first, int64_t last) {
  if (arg.index >= variant.buffers.size()) {
    return invalid("buffer ", arg.index, " of ", variant.buffers.size());
  }
  const Buffer &buffer = variant.buffers[arg.index];
  int64_t elements = bufferSizes[arg.index];
  if (std::min(first, last) < 0 || std::max(first, last) >= std::max<int64_t>(elements, 1)) {
    return invalid("offsets ", first, " to ", last, " leave buffer ", quote(buffer.name), " of ",
                   elements, " elements at the caps");
  }
  if (buffer.kind == BufferKind::Arena) {
    if (number < buffer.liveBegin || number >= buffer.liveEnd) {
      return invalid("buffer ", quote(buffer.name), " is live ", buffer.liveBegin, " to ",
                     buffer.liveEnd);
    }
    arena.insert(arg.index);
  }
  return true;
}

bool EntryVerifier::weightArg(const Arg &arg, const Loop &loop, int64_t first, int64_t last) {
  if (arg.index >= variant.weights.size()) {
    return invalid("weight ", arg.index, " of ", variant.weights.size());
  }
  const Weight &weight = variant.weights[arg.index];
  const LayerRange &layers = weight.layers;
  int64_t scaledStep = 0;
  if (__builtin_mul_overflow(arg.layerScale, loop.step, &scaledStep)) {
    return invalid("layer scale ", arg.layerScale, " overflows");
  }
  bool inside = std::min(first, last) >= layers.begin && std::max(first, last) < layers.end;
  bool onStep = inside && (first - layers.begin) % layers.step == 0 &&
                (loop.first == loop.last || scaledStep % layers.step == 0);
  if (!onStep || (layers.global && (arg.layerScale != 0 || arg.layerOffset != 0))) {
    return invalid("layers ", first, " to ", last, " of weight ", quote(weight.name),
                   ", which covers ", layers.begin, " to ", layers.end, " step ", layers.step);
  }
  return true;
}

bool EntryVerifier::arg(const Arg &arg, const Loop &loop) {
  if (arg.kind != ArgKind::Constant && !unused("value", arg.value)) {
    return false;
  }
  if (arg.kind == ArgKind::Symbol || arg.kind == ArgKind::Constant) {
    if (!unused("layer scale", arg.layerScale) || !unused("layer offset", arg.layerOffset)) {
      return false;
    }
    if (arg.kind == ArgKind::Constant) {
      return unused("index", arg.index);
    }
    return arg.index < kSymbolCount || invalid("symbol ", arg.index, " of ", kSymbolCount);
  }
  if (!loop.inside && !unused("layer scale", arg.layerScale)) {
    return false;
  }
  std::optional<int64_t> first = affine(arg, loop.first);
  std::optional<int64_t> last = affine(arg, loop.last);
  if (!first || !last) {
    return invalid("layer ", arg.layerScale, " * l + ", arg.layerOffset, " overflows");
  }
  switch (arg.kind) {
  case ArgKind::Buffer:
    return bufferArg(arg, *first, *last);
  case ArgKind::Weight:
    return weightArg(arg, loop, *first, *last);
  case ArgKind::Cache:
    if (arg.index >= variant.caches.size()) {
      return invalid("cache ", arg.index, " of ", variant.caches.size());
    }
    if (std::min(*first, *last) < 0 ||
        std::max(*first, *last) >= variant.caches[arg.index].layers) {
      return invalid("layers ", *first, " to ", *last, " of cache ",
                     quote(variant.caches[arg.index].name), ", which has ",
                     variant.caches[arg.index].layers);
    }
    return true;
  case ArgKind::Symbol:
  case ArgKind::Constant:
    break;
  }
  return invalid("kind is ", static_cast<unsigned>(arg.kind));
}

bool EntryVerifier::tensorMaps(const Kernel &kernel, const std::vector<Arg> &args) {
  for (size_t i = 0; i < kernel.tensorMaps.size(); ++i) {
    const TensorMap &map = kernel.tensorMaps[i];
    Place place(*this, concat("tensor map ", i, " of kernel ", quote(kernel.name)));
    bool address = map.slot < args.size() && args[map.slot].kind != ArgKind::Symbol &&
                   args[map.slot].kind != ArgKind::Constant;
    if (!address) {
      return invalid("slot ", map.slot, " is no memory");
    }
    bool rows = map.rowsSlot < 0 || (size_t(map.rowsSlot) < args.size() &&
                                     args[size_t(map.rowsSlot)].kind == ArgKind::Symbol);
    if (!rows) {
      return invalid("slot ", map.rowsSlot, ", the number of rows, is no launch symbol");
    }
  }
  return true;
}

bool EntryVerifier::dispatch(const Dispatch &dispatch, const Loop &loop) {
  Place place(*this, concat("dispatch ", number));
  if (dispatch.kernel >= variant.kernels.size()) {
    return invalid("kernel ", dispatch.kernel, " of ", variant.kernels.size());
  }
  if (std::optional<Error> error = checkExpr(dispatch.items)) {
    return fail(*error);
  }
  if (!evaluate(dispatch.items, symbolCaps(variant))) {
    return invalid("items ", printExpr(dispatch.items), " overflow at the caps");
  }
  if (!atMost("slots", dispatch.args.size(), limits::kArgs)) {
    return false;
  }
  for (size_t i = 0; i < dispatch.args.size(); ++i) {
    Place slot(*this, concat("slot ", i));
    if (!arg(dispatch.args[i], loop)) {
      return false;
    }
  }
  if (!tensorMaps(variant.kernels[dispatch.kernel], dispatch.args)) {
    return false;
  }
  ++number;
  return atMost("dispatches", static_cast<uint64_t>(number), limits::kDispatches);
}

bool EntryVerifier::step(const Step &step) {
  if (!step.isRepeat) {
    return dispatch(step.dispatch, Loop());
  }
  Place place(*this, "repeat");
  if (!inRange("begin", step.begin, 0, limits::kLayers - 1) ||
      !inRange("end", step.end, step.begin + 1, limits::kLayers) ||
      !inRange("step", step.step, 1, limits::kLayers)) {
    return false;
  }
  if (step.body.empty()) {
    return invalid("the body is empty");
  }
  Loop loop;
  loop.inside = true;
  loop.first = step.begin;
  loop.last = step.begin + (step.end - 1 - step.begin) / step.step * step.step;
  loop.step = step.step;
  for (const Dispatch &each : step.body) {
    if (!dispatch(each, loop)) {
      return false;
    }
  }
  return true;
}

bool EntryVerifier::usedBuffers() {
  if (!std::equal(arena.begin(), arena.end(), entry.buffers.begin(), entry.buffers.end())) {
    return invalid("lists ", entry.buffers.size(),
                   " arena buffers that are not, in ascending order, the ", arena.size(),
                   " that its dispatches use");
  }
  for (uint32_t index : arena) {
    const Buffer &buffer = variant.buffers[index];
    if (buffer.liveEnd > number) {
      return invalid("buffer ", quote(buffer.name), " is live up to dispatch ", buffer.liveEnd,
                     " of ", number);
    }
  }
  return true;
}

bool EntryVerifier::verify() {
  if (!guards()) {
    return false;
  }
  if (entry.steps.empty()) {
    return invalid("has no step");
  }
  for (const Step &each : entry.steps) {
    if (!step(each)) {
      return false;
    }
  }
  return usedBuffers();
}

} // namespace dsv2
