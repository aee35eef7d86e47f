//===- BoundEntry.cpp - An entry with every address filled in -------------===//
//
// The reader has checked the tables; indices are looked at once more here,
// since a program can also be built in memory.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/BoundEntry.h"

#include "lib/Artifact/Expr.h"

using namespace dsv2;

/// More items than any driver may multiply by its number of workers.
static constexpr int64_t kMaxItems = int64_t(1) << 48;
static constexpr uint64_t kMaxCalls = 1u << 22;

Expected<BoundEntry> BoundEntry::bind(const Variant &variant, const Entry &entry,
                                      const BindAddresses &addresses) {
  BoundEntry bound;
  bound.variant = &variant;
  bound.source = &entry;
  for (const Step &step : entry.steps) {
    size_t first = bound.dispatches.size();
    if (!step.isRepeat) {
      bound.dispatches.push_back(&step.dispatch);
    }
    for (const Dispatch &dispatch : step.body) {
      bound.dispatches.push_back(&dispatch);
    }
    int64_t begin = step.isRepeat ? step.begin : 0;
    int64_t end = step.isRepeat ? step.end : 1;
    int64_t stride = step.isRepeat ? step.step : 1;
    if (stride < 1) {
      return Error(ErrorKind::InvalidFile, "entry ", quote(entry.name), ": a loop has the step ",
                   stride);
    }
    for (int64_t layer = begin; layer < end; layer += stride) {
      for (size_t d = first; d < bound.dispatches.size(); ++d) {
        if (bound.all.size() == kMaxCalls) {
          return Error(ErrorKind::Limit, "entry ", quote(entry.name), " has more than ", kMaxCalls,
                       " dispatches");
        }
        bound.all.push_back(
            {bound.dispatches[d]->kernel, static_cast<uint32_t>(d), bound.slots.size()});
        if (std::optional<Error> failure =
                bound.bindDispatch(*bound.dispatches[d], layer, addresses)) {
          return failure->within(concat("entry ", quote(entry.name), ", dispatch ", d));
        }
      }
    }
  }
  bound.items.resize(bound.dispatches.size());
  bound.active.reserve(bound.all.size());
  return bound;
}

std::optional<Error> BoundEntry::bindDispatch(const Dispatch &dispatch, int64_t layer,
                                              const BindAddresses &addresses) {
  auto missing = [](const char *what, int64_t number) {
    return Error(ErrorKind::InvalidFile, "there is no ", what, " ", number);
  };
  if (dispatch.kernel >= variant->kernels.size()) {
    return missing("kernel", dispatch.kernel);
  }
  for (const Arg &arg : dispatch.args) {
    int64_t at = 0;
    if (__builtin_mul_overflow(arg.layerScale, layer, &at) ||
        __builtin_add_overflow(at, arg.layerOffset, &at)) {
      return Error(ErrorKind::InvalidFile, "an argument of layer ", layer, " overflows");
    }
    switch (arg.kind) {
    case ArgKind::Buffer:
      if (arg.index >= variant->buffers.size() || at < 0) {
        return missing("buffer", arg.index);
      }
      slots.push_back(addresses.buffers[arg.index] +
                      static_cast<uint64_t>(at) * elementBytes(variant->buffers[arg.index].type));
      break;
    case ArgKind::Weight: {
      if (arg.index >= variant->weights.size()) {
        return missing("weight", arg.index);
      }
      const Weight &weight = variant->weights[arg.index];
      int64_t index = layerIndex(weight.layers, at);
      if (index < 0) {
        return Error(ErrorKind::InvalidFile, "weight ", quote(weight.name), " has no layer ", at);
      }
      const WeightLayout::Place &place = addresses.layout->places[arg.index];
      slots.push_back(addresses.weights + place.offset +
                      static_cast<uint64_t>(index) * place.layerStride);
      break;
    }
    case ArgKind::Cache: {
      if (arg.index >= variant->caches.size()) {
        return missing("cache", arg.index);
      }
      if (at < 0 || at >= variant->caches[arg.index].layers) {
        return missing("cache layer", at);
      }
      const BindAddresses::CachePlace &place = addresses.caches[arg.index];
      slots.push_back(place.address + static_cast<uint64_t>(at) * place.layerStride);
      break;
    }
    case ArgKind::Symbol:
      if (arg.index >= kSymbolCount) {
        return missing("launch symbol", arg.index);
      }
      patches.push_back({slots.size(), arg.index});
      slots.push_back(0);
      break;
    case ArgKind::Constant:
      slots.push_back(static_cast<uint64_t>(arg.value));
      break;
    default:
      return missing("kind of argument", static_cast<int64_t>(arg.kind));
    }
  }
  return std::nullopt;
}

bool BoundEntry::accepts(const SymbolValues &symbols) const {
  for (const Expr &expr : source->guard) {
    std::optional<int64_t> value = evaluate(expr, symbols);
    if (!value || *value < 0) {
      return false;
    }
  }
  return true;
}

std::optional<Error> BoundEntry::prepare(const SymbolValues &symbols) {
  for (size_t d = 0; d < dispatches.size(); ++d) {
    std::optional<int64_t> count = evaluate(dispatches[d]->items, symbols);
    if (!count || *count < 0 || *count > kMaxItems) {
      return Error(ErrorKind::InvalidFile, "entry ", quote(source->name), ", dispatch ", d,
                   ": no valid number of items for ", symbols[0], " rows");
    }
    items[d] = *count;
  }
  for (const Patch &patch : patches) {
    slots[patch.slot] = static_cast<uint64_t>(symbols[patch.symbol]);
  }
  active.clear();
  for (const Call &call : all) {
    if (items[call.dispatch] != 0) {
      active.push_back({call.kernel, slots.data() + call.firstSlot, items[call.dispatch],
                        static_cast<uint32_t>(dispatches[call.dispatch]->args.size())});
    }
  }
  return std::nullopt;
}
