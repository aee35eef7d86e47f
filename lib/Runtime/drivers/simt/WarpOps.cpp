//===- WarpOps.cpp - What the lanes of a warp do together -----------------===//
//
// Shuffles and matrix operations exchange registers, which orders no memory;
// the warp barrier does. Every lane must be there, at the same operation.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/simt/Workgroup.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace dsv2;
using namespace dsv2::simt;

void Workgroup::warpOperation(Thread &thread, Wait kind, uint32_t lanes, const char *where) {
  bool isGroup = lanes == kWarpgroup;
  reportLanes = isGroup ? reportLanes : lanes;
  thread.lanes = lanes;
  thread.wait = kind;
  thread.where = where;
  uint32_t first = thread.index / lanes * lanes;
  uint32_t size = std::min(lanes, count - first);
  uint32_t &arrived = isGroup ? groupArrived[first] : warpArrived[first];
  if (++arrived < size) {
    block(thread, kind, where);
    return;
  }
  Thread *members[kWarpgroup];
  for (uint32_t i = 0; i < size; ++i) {
    members[i] = &threads[first + i];
    if (members[i]->wait != kind || members[i]->where != where) {
      // Others of the warp are elsewhere and stay there: a deadlock, unless they
      // wait for a barrier that this warp can still reach, which it cannot.
      block(thread, kind, where);
      return;
    }
  }
  arrived = 0;
  switch (kind) {
  case Wait::WarpBarrier:
    joinClocks(members, size);
    break;
  case Wait::Shuffle:
    shuffleWarp(members[0], size);
    break;
  case Wait::MatrixMultiply:
    multiplyMatrices(members[0], size);
    break;
  case Wait::MatrixLoad:
    loadMatrices(members[0], size);
    break;
  case Wait::Elect:
    for (uint32_t i = 0; i < size; ++i) {
      members[i]->operands.result = i == 0;
    }
    break;
  case Wait::SetRegisters:
    setRegisters(members[0], size);
    break;
  case Wait::GroupMultiply:
    beginMultiplication(members[0], size);
    break;
  case Wait::Mbarrier:
  case Wait::Barrier:
  case Wait::Nothing:
    break;
  }
  thread.wait = Wait::Nothing;
  for (uint32_t i = 0; i < size; ++i) {
    if (members[i] != &thread) {
      release(*members[i]);
    }
  }
}

/// numbers: mode, value, offset, width.
void Workgroup::shuffleWarp(Thread *firstLane, uint32_t size) {
  for (uint32_t lane = 0; lane < size; ++lane) {
    Thread &thread = threads[firstLane->index + lane];
    int64_t offset = thread.operands.numbers[2];
    int64_t width = thread.operands.numbers[3];
    int64_t segment = lane / width * width;
    int64_t source = lane;
    switch (thread.operands.numbers[0]) {
    case SimtShuffleXor:
      source = lane ^ offset;
      break;
    case SimtShuffleUp:
      source = lane - offset;
      break;
    case SimtShuffleDown:
      source = lane + offset;
      break;
    case SimtShuffleIndex:
      source = segment + offset;
      break;
    default:
      source = -1;
    }
    bool valid = source >= segment && source < segment + width && source < size;
    const Thread &other = threads[firstLane->index + (valid ? source : lane)];
    thread.operands.result =
        static_cast<uint32_t>(other.operands.numbers[1]) | (valid ? int64_t(1) << 32 : 0);
  }
}

static float halfToFloat(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  uint32_t exponent = half >> 10 & 0x1f;
  uint32_t fraction = half & 0x3ff;
  float value = 0;
  if (exponent == 0x1f) {
    value = fraction == 0 ? INFINITY : NAN;
  } else if (exponent == 0) {
    value = std::ldexp(static_cast<float>(fraction), -24);
  } else {
    value = std::ldexp(static_cast<float>(fraction | 0x400), static_cast<int>(exponent) - 25);
  }
  return sign != 0 ? -value : value;
}

/// Element `number` of a lane's registers.
static inline float readElement(const void *registers, uint32_t number, uint8_t type) {
  if (type == SimtF32) {
    float value = 0;
    std::memcpy(&value, static_cast<const float *>(registers) + number, sizeof(value));
    return value;
  }
  uint16_t bits = 0;
  std::memcpy(&bits, static_cast<const uint16_t *>(registers) + number, sizeof(bits));
  if (type == SimtF16) {
    return halfToFloat(bits);
  }
  uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value = 0;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

static void findPlaces(const uint8_t (*bases)[2], uint32_t bits, MatrixTables::Place *places) {
  for (uint32_t number = 0; number < 1u << bits; ++number) {
    MatrixTables::Place place = {0, 0};
    for (uint32_t bit = 0; bit < bits; ++bit) {
      if (number >> bit & 1) {
        place.row ^= bases[bit][0];
        place.column ^= bases[bit][1];
      }
    }
    places[number] = place;
  }
}

void Workgroup::multiplyMatrices(Thread *firstLane, uint32_t size) {
  const SimtMatrixOp &op = *firstLane->operands.matrix;
  const SimtFragment *fragments[] = {&op.a, &op.b, &op.c};
  if (matrixTables.op != &op) {
    matrixTables.op = &op;
    for (unsigned which : {0u, 1u, 2u}) {
      const SimtFragment &fragment = *fragments[which];
      findPlaces(fragment.lane, fragment.laneBits, matrixTables.lane[which]);
      findPlaces(fragment.element, fragment.elementBits, matrixTables.element[which]);
    }
  }
  constexpr uint32_t kMost = 64;
  static thread_local float a[kMost][kMost], b[kMost][kMost], sums[kMost][kMost];
  auto eachElement = [&](unsigned which, auto visit) {
    for (uint32_t lane = 0; lane < size; ++lane) {
      const Operands &operands = threads[firstLane->index + lane].operands;
      MatrixTables::Place first = matrixTables.lane[which][lane];
      for (uint32_t e = 0; e < 1u << fragments[which]->elementBits; ++e) {
        MatrixTables::Place place = matrixTables.element[which][e];
        visit(operands, e, first.row ^ place.row, first.column ^ place.column);
      }
    }
  };
  auto gather = [&](auto read) {
    eachElement(0, [&](const Operands &operands, uint32_t e, uint32_t row, uint32_t column) {
      a[row][column] = read(operands.in[0], e);
    });
    eachElement(1, [&](const Operands &operands, uint32_t e, uint32_t row, uint32_t column) {
      b[row][column] = read(operands.in[1], e);
    });
  };
  if (op.factorType == SimtBF16) { // what there is most of
    gather([](const void *from, uint32_t e) { return readElement(from, e, SimtBF16); });
  } else {
    gather([&](const void *from, uint32_t e) { return readElement(from, e, op.factorType); });
  }
  eachElement(2, [&](const Operands &operands, uint32_t e, uint32_t row, uint32_t column) {
    sums[row][column] = readElement(operands.in[2], e, op.sumType);
  });
  // Eight columns at a time stay in registers; those behind the last are nobody's.
  constexpr uint32_t kStep = 8;
  for (uint32_t row = 0; row < op.rows; ++row) {
    for (uint32_t first = 0; first < op.columns; first += kStep) {
      float part[kStep];
      std::copy_n(&sums[row][first], kStep, part);
      for (uint32_t k = 0; k < op.depth; ++k) {
        for (uint32_t i = 0; i < kStep; ++i) {
          part[i] += a[row][k] * b[k][first + i];
        }
      }
      std::copy_n(part, kStep, &sums[row][first]);
    }
  }
  eachElement(2, [&](const Operands &operands, uint32_t e, uint32_t row, uint32_t column) {
    std::memcpy(static_cast<float *>(operands.out) + e, &sums[row][column], sizeof(float));
  });
}

/// numbers: tiles, transpose. Who gets an element has read it, whoever named its row: so a lane
/// that wrote the row itself is not enough.
void Workgroup::loadMatrices(Thread *firstLane, uint32_t size) {
  for (uint32_t lane = 0; lane < size; ++lane) {
    Thread &reader = threads[firstLane->index + lane];
    const Operands &operands = reader.operands;
    for (int32_t tile = 0; tile < operands.numbers[0]; ++tile) {
      auto load = [&](uint32_t row, uint32_t column, uint32_t first, uint32_t elements) {
        const void *rowStart =
            threads[firstLane->index + static_cast<uint32_t>(tile) * 8 + row].operands.in[0];
        const uint16_t *source = static_cast<const uint16_t *>(rowStart) + column;
        uint32_t bytes = elements * sizeof(uint16_t);
        if (check) {
          access(reader, source, bytes, false, reader.where);
        }
        std::memcpy(static_cast<uint16_t *>(operands.out) + tile * 2 + first, source, bytes);
      };
      if (operands.numbers[1] == 0) {
        load(lane / 4, lane % 4 * 2, 0, 2);
      } else {
        load(lane % 4 * 2, lane / 4, 0, 1);
        load(lane % 4 * 2 + 1, lane / 4, 1, 1);
      }
    }
  }
}

void Workgroup::matrixLoad(Thread &thread, const void *row, int32_t tiles, bool transpose,
                           void *result, const char *where) {
  constexpr uint32_t kRowBytes = 16;
  uint32_t lane = thread.index % 32;
  if (check && lane < static_cast<uint32_t>(tiles) * 8) {
    if (reinterpret_cast<uintptr_t>(row) % kRowBytes != 0 && reports.isNew("aligned", where)) {
      report(
          concat("the row of lane ", lane, " is not aligned to ", kRowBytes, " bytes at ", where));
    }
  }
  thread.operands.in[0] = row;
  thread.operands.out = result;
  thread.operands.numbers[0] = tiles;
  thread.operands.numbers[1] = transpose;
  warpOperation(thread, Wait::MatrixLoad, 32, where);
}
