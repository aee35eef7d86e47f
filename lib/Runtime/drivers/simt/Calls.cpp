//===- Calls.cpp - The functions that kernels call ------------------------===//
//
// Plain functions in front of the workgroup's members, and the two tables.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/simt/Workgroup.h"

#include <cmath>

using namespace dsv2;
using namespace dsv2::simt;

static Thread &threadOf(SimtThread *self) { return *static_cast<Thread *>(self); }

static void access(SimtThread *self, const void *address, int32_t bytes, int32_t write,
                   const char *where) {
  Thread &thread = threadOf(self);
  thread.group->access(thread, address, static_cast<uint32_t>(bytes), write != 0, where);
}

static void maskedAccess(SimtThread *self, const void *address, int32_t elementBytes, int64_t mask,
                         int32_t write, const char *where) {
  Thread &thread = threadOf(self);
  for (int i = 0; i < 64; ++i) {
    if (static_cast<uint64_t>(mask) >> i & 1) {
      thread.group->access(thread, static_cast<const char *>(address) + i * elementBytes,
                           static_cast<uint32_t>(elementBytes), write != 0, where);
    }
  }
}

static void accessUnchecked(SimtThread *, const void *, int32_t, int32_t, const char *) {}

static void maskedAccessUnchecked(SimtThread *, const void *, int32_t, int64_t, int32_t,
                                  const char *) {}

static void outOfRange(SimtThread *self, int64_t index, int64_t length, int64_t extent,
                       int32_t dimension, const char *where) {
  Thread &thread = threadOf(self);
  thread.group->outOfRange(thread, index, length, extent, dimension, where);
}

static void barrier(SimtThread *self, int32_t id, int32_t threads, const char *where) {
  Thread &thread = threadOf(self);
  thread.group->barrier(thread, static_cast<uint32_t>(id), static_cast<uint32_t>(threads), where);
}

static void warpBarrier(SimtThread *self, int32_t lanes, const char *where) {
  Thread &thread = threadOf(self);
  thread.group->warpOperation(thread, Wait::WarpBarrier, static_cast<uint32_t>(lanes), where);
}

static int64_t shuffle(SimtThread *self, int32_t lanes, int32_t mode, int32_t value, int32_t offset,
                       int32_t width, const char *where) {
  Thread &thread = threadOf(self);
  int32_t *numbers = thread.operands.numbers;
  numbers[0] = mode;
  numbers[1] = value;
  numbers[2] = offset;
  numbers[3] = width;
  thread.group->warpOperation(thread, Wait::Shuffle, static_cast<uint32_t>(lanes), where);
  return thread.operands.result;
}

static void matrixMultiply(SimtThread *self, const SimtMatrixOp *op, const void *a, const void *b,
                           const void *c, void *d, const char *where) {
  Thread &thread = threadOf(self);
  thread.operands.matrix = op;
  thread.operands.in[0] = a;
  thread.operands.in[1] = b;
  thread.operands.in[2] = c;
  thread.operands.out = d;
  thread.group->warpOperation(thread, Wait::MatrixMultiply, op->lanes, where);
}

static void matrixLoad(SimtThread *self, const void *row, int32_t tiles, int32_t transpose,
                       void *result, const char *where) {
  Thread &thread = threadOf(self);
  thread.group->matrixLoad(thread, row, tiles, transpose != 0, result, where);
}

static void asyncCopy(SimtThread *self, void *to, const void *from, int32_t bytes,
                      int32_t sourceBytes, const char *where) {
  Thread &thread = threadOf(self);
  thread.group->asyncCopy(
      thread, {to, from, static_cast<uint32_t>(bytes), static_cast<uint32_t>(sourceBytes), where});
}

static void asyncCommit(SimtThread *self, const char *) {
  Thread &thread = threadOf(self);
  thread.group->asyncCommit(thread);
}

static void asyncWait(SimtThread *self, int32_t pending, const char *) {
  Thread &thread = threadOf(self);
  thread.group->asyncWait(thread, static_cast<uint32_t>(pending));
}

static float math(SimtThread *, int32_t function, float value) {
  switch (function) {
  case SimtExp:
    return std::exp(value);
  case SimtExp2:
    return std::exp2(value);
  case SimtLog:
    return std::log(value);
  case SimtLog2:
    return std::log2(value);
  case SimtSin:
    return std::sin(value);
  case SimtCos:
    return std::cos(value);
  case SimtTanh:
    return std::tanh(value);
  case SimtErf:
    return std::erf(value);
  default:
    return NAN;
  }
}

static void mbarrierInit(SimtThread *self, void *mbarrier, int32_t count, const char *where) {
  Thread &thread = threadOf(self);
  thread.group->mbarrierInit(thread, mbarrier, count, where);
}

static void mbarrierInitFence(SimtThread *self, const char *) {
  Thread &thread = threadOf(self);
  thread.group->mbarrierInitFence(thread);
}

static void mbarrierArrive(SimtThread *self, void *mbarrier, int32_t bytes, const char *where) {
  Thread &thread = threadOf(self);
  thread.group->mbarrierArrive(thread, mbarrier, bytes, where);
}

static void mbarrierWait(SimtThread *self, void *mbarrier, int32_t parity, const char *where) {
  Thread &thread = threadOf(self);
  thread.group->mbarrierWait(thread, mbarrier, parity, where);
}

static void boxCopy(SimtThread *self, void *to, const SimtTensorMap *map, int32_t column,
                    int32_t row, void *mbarrier, const char *where) {
  Thread &thread = threadOf(self);
  thread.group->boxCopy(thread, {static_cast<uint8_t *>(to), map, column, row, where}, mbarrier);
}

static void proxyFence(SimtThread *self, const char *) {
  Thread &thread = threadOf(self);
  thread.group->proxyFence(thread);
}

static int32_t elect(SimtThread *self, int32_t lanes, const char *where) {
  Thread &thread = threadOf(self);
  thread.group->warpOperation(thread, Wait::Elect, static_cast<uint32_t>(lanes), where);
  return static_cast<int32_t>(thread.operands.result);
}

static void setRegisters(SimtThread *self, int32_t count, const char *where) {
  Thread &thread = threadOf(self);
  thread.operands.numbers[0] = count;
  thread.group->warpOperation(thread, Wait::SetRegisters, kWarpgroup, where);
}

static void groupFence(SimtThread *self, const char *) {
  Thread &thread = threadOf(self);
  thread.group->groupFence(thread);
}

static void groupMultiply(SimtThread *self, const SimtGroupMatrixOp *op, int64_t a, int64_t b,
                          float *sums, int32_t accumulators, const char *where) {
  Thread &thread = threadOf(self);
  thread.group->groupMultiply(thread, op, a, b, sums, accumulators, where);
}

static void groupCommit(SimtThread *self, const char *) {
  Thread &thread = threadOf(self);
  thread.group->groupCommit(thread);
}

static void groupWait(SimtThread *self, int32_t pending, const char *) {
  Thread &thread = threadOf(self);
  thread.group->groupWait(thread, static_cast<uint32_t>(pending));
}

static void groupResult(SimtThread *self, const float *sums, const char *where) {
  Thread &thread = threadOf(self);
  thread.group->groupResult(thread, sums, where);
}

static void groupResultUnchecked(SimtThread *, const float *, const char *) {}

const SimtCalls dsv2::simt::kCalls = {
    access,         maskedAccess,      outOfRange,     barrier,       warpBarrier, shuffle,
    matrixMultiply, matrixLoad,        asyncCopy,      asyncCommit,   asyncWait,   math,
    mbarrierInit,   mbarrierInitFence, mbarrierArrive, mbarrierWait,  boxCopy,     proxyFence,
    elect,          setRegisters,      groupFence,     groupMultiply, groupCommit, groupWait,
    groupResult};

static SimtCalls uncheckedCalls() {
  SimtCalls calls = kCalls;
  calls.access = accessUnchecked;
  calls.maskedAccess = maskedAccessUnchecked;
  calls.groupResult = groupResultUnchecked;
  return calls;
}
const SimtCalls dsv2::simt::kUncheckedCalls = uncheckedCalls();
