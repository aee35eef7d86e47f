//===- BoxCopies.cpp - Boxes of matrices, copied by themselves ------------===//
//
// From the issue on the destination holds NaN; the box comes when the phase of
// its mbarrier ends, zero where it leaves the matrix. Memory that nobody has
// written may be copied: what it was copied to then counts as not written.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/simt/Workgroup.h"

#include <cstring>

using namespace dsv2;
using namespace dsv2::simt;

static constexpr uint32_t kSwizzle = 128; ///< the one that is played: bytes of a row
static constexpr uint32_t kMostExtent = 256;
static constexpr uint64_t kChunk = 16; ///< bytes that stay together

BoxCopy::Part BoxCopy::part(uint32_t r) const {
  int64_t first = column, last = int64_t(column) + map->boxColumns, line = int64_t(row) + r;
  first = std::max<int64_t>(first, 0);
  last = std::min<int64_t>(last, static_cast<int64_t>(map->columns));
  if (line < 0 || line >= static_cast<int64_t>(map->rows) || first >= last) {
    return {};
  }
  uint64_t element = map->elementBytes;
  return {static_cast<uint64_t>(first - column) * element,
          static_cast<uint64_t>(last - column) * element,
          map->address + static_cast<uint64_t>(line) * map->rowBytes +
              static_cast<uint64_t>(first) * element};
}

uint8_t *BoxCopy::target(uint32_t r, uint64_t byte) const {
  uintptr_t address = reinterpret_cast<uintptr_t>(to) + r * rowBytes() + byte;
  return reinterpret_cast<uint8_t *>(map->swizzleBytes == 0 ? address : swizzled(address));
}

void Workgroup::land(const BoxCopy &copy) {
  uint64_t rowBytes = copy.rowBytes();
  uint8_t line[kMostExtent * 8];
  for (uint32_t r = 0; r < copy.map->boxRows; ++r) {
    BoxCopy::Part part = copy.part(r);
    std::memset(line, 0, rowBytes);
    if (part.source) {
      std::memcpy(line + part.begin, part.source, part.end - part.begin);
    }
    for (uint64_t at = 0; at < rowBytes; at += kChunk) {
      std::memcpy(copy.target(r, at), line + at, std::min(kChunk, rowBytes - at));
    }
  }
}

/// What a map or a destination does wrong; empty: nothing.
static std::string mistakeOf(const BoxCopy &copy) {
  const SimtTensorMap &map = *copy.map;
  if (reinterpret_cast<uintptr_t>(map.address) % 16 != 0 || map.rowBytes % 16 != 0) {
    return concat("the matrix begins at ", reinterpret_cast<uintptr_t>(map.address),
                  " with rows of ", map.rowBytes, " bytes, which must be multiples of 16");
  }
  if (map.elementBytes < 1 || map.elementBytes > 8 || map.boxRows < 1 ||
      map.boxRows > kMostExtent || map.boxColumns < 1 || map.boxColumns > kMostExtent ||
      copy.rowBytes() % kChunk != 0) {
    return concat("a box of ", map.boxRows, " x ", map.boxColumns, " elements of ",
                  map.elementBytes, " bytes: 1 to ", kMostExtent,
                  " are possible, in rows of whole 16 bytes");
  }
  if (map.swizzleBytes != 0 && (map.swizzleBytes != kSwizzle || copy.rowBytes() != kSwizzle)) {
    return concat("rows of ", copy.rowBytes(), " bytes swizzled by ", map.swizzleBytes,
                  " are not played: only rows of 128 bytes, swizzled by 128");
  }
  return {};
}

void Workgroup::boxCopy(Thread &thread, const BoxCopy &copy, void *object) {
  bool mistaken = false;
  if (std::string mistake = mistakeOf(copy); !mistake.empty()) {
    report(concat("bulk copy at ", copy.where, ": ", mistake));
    mistaken = true;
  }
  // An abandoned stack is never unwound: what owns memory must be gone by then.
  if (mistaken) {
    abandon(thread);
  }
  uint64_t offset = sharedOffset(thread, copy.to, copy.bytes(), "bulk copy", copy.where);
  uint64_t alignment = copy.map->swizzleBytes == 0 ? 128 : kSwizzlePeriod;
  if (offset % alignment != 0) {
    report(concat("bulk copy at ", copy.where, ": byte ", offset,
                  " of workgroup memory is not aligned to ", alignment, " bytes"));
    abandon(thread);
  }
  Mbarrier &mbarrier = mbarrierAt(thread, object, copy.where);
  if (check) {
    checkBoxCopy(thread, copy, mbarrier);
  }
  std::memset(copy.to, kPoison, copy.bytes());
  mbarrier.copies.push_back(copy);
  mbarrier.copiesEnd = mbarrier.ended + 1;
  mbarrier.copiedAt = copy.where;
  mbarrier.bytes -= static_cast<int64_t>(copy.bytes());
  endPhase(mbarrier);
}

void Workgroup::checkBoxCopy(Thread &thread, const BoxCopy &copy, const Mbarrier &mbarrier) {
  bool visible = seesThroughProxy(thread, mbarrier.maker, mbarrier.made) ||
                 (mbarrier.fenced != 0 && (mbarrier.maker == thread.index ||
                                           thread.base->of(mbarrier.maker) >= mbarrier.fenced));
  if (!visible && reports.isNew("made", copy.where, mbarrier.madeAt)) {
    report(concat("bulk copy at ", copy.where, " by ", whoIs(thread.index),
                  " uses the mbarrier made at ", mbarrier.madeAt, " by ", whoIs(mbarrier.maker),
                  ", byte ", mbarrier.offset,
                  " of workgroup memory [no fence makes it known to asynchronous accesses]"));
  }
  Access access{reinterpret_cast<uintptr_t>(copy.to),
                static_cast<uint32_t>(copy.bytes()),
                true,
                agents.bulkCopiesOf(mbarrier.number),
                mbarrier.ended + 1,
                copy.where,
                true};
  accessAs(thread, access);
  access.write = false;
  for (uint32_t r = 0; r < copy.map->boxRows; ++r) {
    BoxCopy::Part part = copy.part(r);
    if (!part.source) {
      continue;
    }
    access.address = reinterpret_cast<uintptr_t>(part.source);
    access.bytes = static_cast<uint32_t>(part.end - part.begin);
    // Whether it was written is asked where somebody reads the copy.
    uint64_t written = accessGlobal(thread, access, /*copied=*/true);
    for (uint64_t at = written; at < access.bytes; at += kCellBytes) {
      if (lastRange->firstUnwritten(access.address + at - lastRange->begin(), kCellBytes) == 0) {
        uint64_t cell =
            static_cast<uint64_t>(copy.target(r, part.begin + at) - shared) / kCellBytes;
        uint32_t number = cell % kBlockCells;
        visitCells(
            sharedBlock(cell - number), number, number + 1, readerSets, [](Cell &) {},
            [](Cell &only, uint32_t) { only.unwritten = true; });
      }
    }
  }
}
