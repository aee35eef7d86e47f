//===- MemoryPlan.cpp - Where each buffer lies ----------------------------===//
//
// First fit, larger buffers first; then every pair that is alive together is
// checked to be apart, whatever the planner did.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/MemoryPlan.h"

#include "lib/Artifact/Expr.h"
#include "lib/Artifact/StepTables.h"
#include "lib/Support/CheckedMath.h"

#include <algorithm>

using namespace dsv2;

static constexpr uint64_t kAlignment = 64;
static constexpr uint64_t kMaxBytes = uint64_t(1) << 40;

static uint64_t aligned(uint64_t bytes) { return (bytes + kAlignment - 1) & ~(kAlignment - 1); }

static bool aliveTogether(const Buffer &a, const Buffer &b) {
  return a.liveBegin < b.liveEnd && b.liveBegin < a.liveEnd;
}

static bool overlap(const MemoryPlan::Range &a, const MemoryPlan::Range &b) {
  return a.offset < b.offset + aligned(b.bytes) && b.offset < a.offset + aligned(a.bytes);
}

/// Places the arena buffers of one entry from `base` on; returns the end.
static uint64_t placeEntry(const Variant &variant, const Entry &entry, uint64_t base,
                           MemoryPlan &plan) {
  std::vector<uint32_t> order = entry.buffers;
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    uint64_t aBytes = plan.buffers[a].bytes, bBytes = plan.buffers[b].bytes;
    return aBytes != bBytes ? aBytes > bBytes : a < b;
  });
  uint64_t end = base;
  std::vector<uint32_t> neighbours;
  for (size_t i = 0; i < order.size(); ++i) {
    uint32_t index = order[i];
    neighbours.clear();
    for (size_t j = 0; j < i; ++j) {
      if (aliveTogether(variant.buffers[index], variant.buffers[order[j]])) {
        neighbours.push_back(order[j]);
      }
    }
    std::sort(neighbours.begin(), neighbours.end(), [&](uint32_t a, uint32_t b) {
      return plan.buffers[a].offset < plan.buffers[b].offset;
    });
    MemoryPlan::Range &range = plan.buffers[index];
    range.offset = base;
    for (uint32_t other : neighbours) {
      if (overlap(range, plan.buffers[other])) {
        range.offset = plan.buffers[other].offset + aligned(plan.buffers[other].bytes);
      }
    }
    end = std::max(end, range.offset + aligned(range.bytes));
  }
  return end;
}

static std::optional<Error> checkEntry(const Variant &variant, const Entry &entry,
                                       const MemoryPlan &plan) {
  for (size_t i = 0; i < entry.buffers.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      uint32_t a = entry.buffers[i], b = entry.buffers[j];
      if (aliveTogether(variant.buffers[a], variant.buffers[b]) &&
          overlap(plan.buffers[a], plan.buffers[b])) {
        return Error(ErrorKind::Internal, "buffers ", quote(variant.buffers[a].name), " and ",
                     quote(variant.buffers[b].name), " of entry ", quote(entry.name),
                     " share memory while both are in use");
      }
    }
  }
  return std::nullopt;
}

Expected<MemoryPlan> dsv2::planMemory(const ModelInfo &model, const Variant &variant,
                                      const SymbolValues &caps) {
  MemoryPlan plan;
  plan.buffers.resize(variant.buffers.size());
  uint64_t total = 0;
  for (size_t i = 0; i < variant.buffers.size(); ++i) {
    const Buffer &buffer = variant.buffers[i];
    std::optional<int64_t> elements = evaluate(buffer.elements, caps);
    if (elements && buffer.kind != BufferKind::Arena) {
      // The runtime writes and reads tables by their shape, whatever the expression says.
      std::optional<int64_t> needed = stepTableElements(buffer.table, model, variant, caps);
      elements = needed ? std::optional<int64_t>(std::max(*elements, *needed)) : std::nullopt;
    }
    if (!elements || *elements < 0) {
      return Error(ErrorKind::InvalidFile, "buffer ", quote(buffer.name),
                   " has no size for steps of ", caps[0], " rows and ", caps[1], " sequences");
    }
    std::optional<uint64_t> bytes =
        checkedMul(static_cast<uint64_t>(*elements), elementBytes(buffer.type));
    // The sum bounds every offset below, so that none of them can wrap.
    if (!bytes || *bytes > kMaxBytes || (total += aligned(*bytes)) > kMaxBytes) {
      return Error(ErrorKind::Limit, "buffer ", quote(buffer.name), " of ", *elements,
                   " elements: buffers may take ", kMaxBytes, " bytes together");
    }
    plan.buffers[i].bytes = *bytes;
  }
  uint64_t own = 0;
  for (size_t i = 0; i < variant.buffers.size(); ++i) {
    if (variant.buffers[i].kind != BufferKind::Arena) {
      plan.buffers[i].offset = own;
      own += aligned(plan.buffers[i].bytes);
    }
  }
  plan.ownBytes = own;
  plan.bytes = own;
  for (const Entry &entry : variant.entries) {
    plan.bytes = std::max(plan.bytes, placeEntry(variant, entry, own, plan));
    if (std::optional<Error> failure = checkEntry(variant, entry, plan)) {
      return *failure;
    }
  }
  return plan;
}
