//===- TensorMaps.cpp - matrices that a launch describes ------------------===//
//
// Numbers that no device could describe are bent to the nearest that it can: a
// matrix without rows has no items that read it.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/TensorMaps.h"

#include <algorithm>
#include <limits>
#include <tuple>

using namespace dsv2;

static constexpr int64_t kMostRows = std::numeric_limits<int32_t>::max();
static constexpr uint64_t kAlignment = 16;

bool BoxedMatrix::operator<(const BoxedMatrix &other) const {
  return std::tie(address, rows, columns, rowBytes, boxRows) <
         std::tie(other.address, other.rows, other.columns, other.rowBytes, other.boxRows);
}

Expected<BoxedMatrix> dsv2::boxedMatrix(const TensorMap &map, const KernelCall &call) {
  int64_t last = std::max(int64_t(map.slot), int64_t(map.rowsSlot));
  if (last >= int64_t(call.slotCount)) {
    return Error(ErrorKind::InvalidFile, "a tensor map of slot ", last, ", the call has ",
                 call.slotCount);
  }
  BoxedMatrix matrix;
  matrix.address = call.slots[map.slot];
  matrix.columns = map.columns;
  matrix.rowBytes = map.rowBytes;
  matrix.rows =
      map.rowsSlot < 0
          ? kMostRows
          : std::clamp<int64_t>(static_cast<int64_t>(call.slots[map.rowsSlot]), 1, kMostRows);
  matrix.boxRows = map.boxRows;
  if (matrix.address % kAlignment != 0) {
    return Error(ErrorKind::InvalidFile, "a tensor map of slot ", map.slot, ", whose address is ",
                 matrix.address % kAlignment, " bytes past a multiple of ", kAlignment);
  }
  return matrix;
}
