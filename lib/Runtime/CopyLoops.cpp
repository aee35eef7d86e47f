//===- CopyLoops.cpp - Strided copies with a cast -------------------------===//
//
// A packed weight is a transpose of tiny units (one f32, two bf16), so the two
// dims that are innermost on either side are tiled: a few lines of the source
// are read whole, and its units go to a block that stays in the first level
// cache.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/CopyLoops.h"

#include "lib/Support/BFloat16.h"

#include <algorithm>
#include <cstring>

using namespace dsv2;

/// Of a row of the source in one tile: a few cache lines, so that 64 rows of it
/// fit the first level cache on the other side.
static constexpr int64_t kTileBytes = 256;

/// Offset of the last element along every dim, plus one; -1 past 2^62.
static int64_t boxEnd(int64_t offset, const std::vector<CopyDim> &dims, int64_t CopyDim::*stride) {
  int64_t last = offset;
  for (const CopyDim &dim : dims) {
    int64_t reach = 0;
    if (dim.extent < 1 || dim.*stride < 0 ||
        __builtin_mul_overflow(dim.extent - 1, dim.*stride, &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      return -1;
    }
  }
  return offset < 0 || last >= int64_t(1) << 62 ? -1 : last + 1;
}

int64_t dsv2::copySourceEnd(const WeightCopy &copy) {
  return boxEnd(copy.srcOffset, copy.dims, &CopyDim::srcStride);
}

int64_t dsv2::copyDestinationEnd(const WeightCopy &copy) {
  return boxEnd(copy.dstOffset, copy.dims, &CopyDim::dstStride);
}

StridedCopy::StridedCopy(const WeightCopy &copy, ElementType from, ElementType to)
    : from(from), to(to), sourceOffset(copy.srcOffset), destinationOffset(copy.dstOffset) {
  std::vector<CopyDim> sorted;
  for (const CopyDim &dim : copy.dims) {
    if (dim.extent != 1) {
      sorted.push_back(dim);
    }
  }
  std::sort(sorted.begin(), sorted.end(), [](const CopyDim &a, const CopyDim &b) {
    return std::make_pair(a.srcStride, a.dstStride) > std::make_pair(b.srcStride, b.dstStride);
  });
  for (const CopyDim &dim : sorted) {
    if (!dims.empty() && dims.back().srcStride == dim.extent * dim.srcStride &&
        dims.back().dstStride == dim.extent * dim.dstStride) {
      dims.back() = {dims.back().extent * dim.extent, dim.srcStride, dim.dstStride};
    } else {
      dims.push_back(dim);
    }
  }
  spans.assign(dims.size() + 1, 0);
  for (size_t level = dims.size(); level-- > 0;) {
    spans[level] = spans[level + 1] + (dims[level].extent - 1) * dims[level].srcStride;
  }
}

void StridedCopy::run(const void *source, int64_t begin, int64_t end, void *destination) const {
  Window window{static_cast<const char *>(source), static_cast<char *>(destination), begin, end};
  walk(window, 0, sourceOffset, destinationOffset);
}

/// a / b for b >= 1, rounded down and up.
static int64_t floorDivide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }
static int64_t ceilDivide(int64_t a, int64_t b) { return -floorDivide(-a, b); }

void StridedCopy::walk(const Window &window, size_t level, int64_t sourceAt,
                       int64_t destinationAt) const {
  int64_t last = sourceAt + spans[level];
  if (last < window.begin || sourceAt >= window.end) {
    return;
  }
  int64_t extent = level < dims.size() ? dims[level].extent : 1;
  if (sourceAt >= window.begin && last < window.end) {
    copyBox(window, level, extent, sourceAt, destinationAt);
    return;
  }
  // A box that is partly outside is more than one element, so a level is left.
  // Its steps along that level are outside, inside as one smaller box, or cut.
  const CopyDim &dim = dims[level];
  int64_t below = spans[level + 1], first = 0, end = extent, inside = extent, insideEnd = extent;
  if (dim.srcStride > 0) {
    first = std::max<int64_t>(0, ceilDivide(window.begin - below - sourceAt, dim.srcStride));
    end = std::min(extent, floorDivide(window.end - 1 - sourceAt, dim.srcStride) + 1);
    inside = std::max<int64_t>(0, ceilDivide(window.begin - sourceAt, dim.srcStride));
    insideEnd = std::min(extent, floorDivide(window.end - 1 - below - sourceAt, dim.srcStride) + 1);
  }
  for (int64_t i = first; i < end;) {
    int64_t from = sourceAt + i * dim.srcStride, to = destinationAt + i * dim.dstStride;
    if (i == inside && inside < insideEnd) {
      copyBox(window, level, insideEnd - inside, from, to);
      i = insideEnd;
    } else {
      walk(window, level + 1, from, to);
      ++i;
    }
  }
}

namespace {

/// Copies `count` neighbouring elements. Run is that count if it is known when
/// compiling, else 0.
template <typename From, typename To, int Run> struct CopyRun {
  static To cast(From value) {
    if constexpr (std::is_same_v<From, To>) {
      return value;
    } else if constexpr (std::is_same_v<From, float>) {
      return floatToBFloat16(value);
    } else {
      return bfloat16ToFloat(value);
    }
  }
  static void apply(const char *source, char *destination, int64_t count) {
    const From *in = reinterpret_cast<const From *>(source);
    To *out = reinterpret_cast<To *>(destination);
    int64_t n = Run != 0 ? Run : count;
    if constexpr (std::is_same_v<From, To>) {
      std::memcpy(out, in, static_cast<size_t>(n) * sizeof(To));
    } else {
      for (int64_t i = 0; i < n; ++i) {
        out[i] = cast(in[i]);
      }
    }
  }
};

/// Two dims of runs, strides in bytes: `a` has the smaller source stride.
struct Plane {
  int64_t aExtent, aSource, aDestination;
  int64_t bExtent, bSource, bDestination;
  int64_t run;
  int64_t tile; ///< of `a`
};

template <typename Copy> void copyPlane(const Plane &plane, const char *source, char *destination) {
  for (int64_t a0 = 0; a0 < plane.aExtent; a0 += plane.tile) {
    int64_t a1 = std::min(plane.aExtent, a0 + plane.tile);
    for (int64_t b = 0; b < plane.bExtent; ++b) {
      const char *in = source + b * plane.bSource + a0 * plane.aSource;
      char *out = destination + b * plane.bDestination + a0 * plane.aDestination;
      for (int64_t a = a0; a < a1; ++a, in += plane.aSource, out += plane.aDestination) {
        Copy::apply(in, out, plane.run);
      }
    }
  }
}

using PlaneFunction = void (*)(const Plane &, const char *, char *);

template <typename From, typename To> PlaneFunction planeFunction(int64_t run) {
  switch (run) {
  case 1:
    return copyPlane<CopyRun<From, To, 1>>;
  case 2:
    return copyPlane<CopyRun<From, To, 2>>;
  default:
    return copyPlane<CopyRun<From, To, 0>>;
  }
}

PlaneFunction planeFunction(ElementType from, ElementType to, int64_t run) {
  if (from == ElementType::F32) {
    return to == ElementType::F32 ? planeFunction<float, float>(run)
                                  : planeFunction<float, uint16_t>(run);
  }
  return to == ElementType::F32 ? planeFunction<uint16_t, float>(run)
                                : planeFunction<uint16_t, uint16_t>(run);
}

} // namespace

void StridedCopy::copyBox(const Window &window, size_t level, int64_t extent, int64_t sourceAt,
                          int64_t destinationAt) const {
  int64_t fromBytes = from == ElementType::F32 ? 4 : 2;
  int64_t toBytes = to == ElementType::F32 ? 4 : 2;
  std::vector<CopyDim> outer(dims.begin() + static_cast<int64_t>(level), dims.end());
  if (!outer.empty()) {
    outer.front().extent = extent;
  }
  Plane plane{1, 0, 0, 1, 0, 0, 1, 1};
  if (!outer.empty() && outer.back().srcStride == 1 && outer.back().dstStride == 1) {
    plane.run = outer.back().extent;
    outer.pop_back();
  }
  if (!outer.empty()) {
    CopyDim a = outer.back();
    outer.pop_back();
    plane.aExtent = a.extent;
    plane.aSource = a.srcStride * fromBytes;
    plane.aDestination = a.dstStride * toBytes;
    plane.tile = a.extent;
    auto b = std::min_element(outer.begin(), outer.end(), [](const CopyDim &x, const CopyDim &y) {
      return x.dstStride < y.dstStride;
    });
    if (b != outer.end() && b->dstStride < a.dstStride) {
      plane.bExtent = b->extent;
      plane.bSource = b->srcStride * fromBytes;
      plane.bDestination = b->dstStride * toBytes;
      plane.tile = std::max<int64_t>(1, kTileBytes / std::max<int64_t>(1, plane.aSource));
      outer.erase(b);
    }
  }
  PlaneFunction function = planeFunction(from, to, plane.run);

  // An odometer over what is left.
  std::vector<int64_t> index(outer.size(), 0);
  const char *source = window.source + (sourceAt - window.begin) * fromBytes;
  char *destination = window.destination + destinationAt * toBytes;
  while (true) {
    function(plane, source, destination);
    size_t at = outer.size();
    while (at > 0) {
      --at;
      source += outer[at].srcStride * fromBytes;
      destination += outer[at].dstStride * toBytes;
      if (++index[at] < outer[at].extent) {
        break;
      }
      source -= outer[at].extent * outer[at].srcStride * fromBytes;
      destination -= outer[at].extent * outer[at].dstStride * toBytes;
      index[at] = 0;
      if (at == 0) {
        return;
      }
    }
    if (outer.empty()) {
      return;
    }
  }
}
