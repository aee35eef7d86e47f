//===- SimtMemoryTest.cpp - Bounds, copies and matrices under Simt --------===//
//
// Accesses that no GPU would report, copies that are not waited for, and the
// values of matrix operations.
//
//===----------------------------------------------------------------------===//
#include "test/Runtime/SimtKernels.h"

#include <cmath>

using namespace dsv2;
using namespace dsv2::test;

namespace {

/// Thread i reads float i + `shift` of argument 0 and writes float i of 1.
template <int shift>
void copyFloats(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *) {
  Lane lane{self, slots};
  float value = lane.load(lane.global<float>(0) + lane.id() + shift, "load");
  lane.store(lane.global<float>(1) + lane.id(), value, "store");
}

template <int offset>
void sharedStore(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *) {
  Lane lane{self, slots};
  lane.store(lane.shared<float>(offset) + lane.id(), 1.0f, "store");
}

void sharedLoad(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *) {
  Lane lane{self, slots};
  lane.load(lane.shared<float>() + lane.id(), "load");
}

void badIndex(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *) {
  if (self->thread == 3) {
    self->calls->outOfRange(self, 17, 4, 20, 1, "index");
  }
}

/// A double buffer of `steps` blocks of 32 x 4 floats: copy, wait, use. One
/// mistake at a time.
enum class Mistake { None, NoWait, WeakWait, NoBarrier, NoCommit, NoLastBarrier, NotWaited };
template <Mistake mistake>
void pipeline(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *) {
  constexpr int kSteps = 6;
  Lane lane{self, slots};
  const float *in = lane.global<float>(0);
  float *out = lane.global<float>(1);
  auto issue = [&](int step) {
    lane.copyAsync(lane.shared<float>() + step % 2 * 128 + lane.id() * 4,
                   in + step * 128 + lane.id() * 4, 16, "copy");
    if (mistake != Mistake::NoCommit) {
      lane.commit();
    }
  };
  issue(0);
  float sum = 0;
  for (int step = 0; step < kSteps; ++step) {
    bool more = step + 1 < kSteps;
    if (more) {
      issue(step + 1);
    }
    if (mistake == Mistake::WeakWait) {
      lane.wait(2);
    } else if (mistake != Mistake::NoWait) {
      lane.wait(more ? 1 : 0);
    }
    if (mistake != Mistake::NoBarrier) {
      lane.barrier("barrier after the wait");
    }
    sum += lane.load(lane.shared<float>() + step % 2 * 128 + (lane.id() * 4 + 40) % 128, "use");
    if (mistake != Mistake::NoLastBarrier) {
      lane.barrier("barrier after the use");
    }
  }
  lane.store(out + lane.id(), sum, "out");
  if (mistake == Mistake::NotWaited) {
    issue(0);
  }
}

/// mma m16n8k16 on bf16, as NVIDIA's PTX manual lays its registers out.
constexpr SimtMatrixOp kMma = {
    16,
    8,
    16,
    32,
    SimtBF16,
    SimtF32,
    {3, 5, {{0, 1}, {8, 0}, {0, 8}}, {{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}}},
    {2, 5, {{1, 0}, {8, 0}}, {{2, 0}, {4, 0}, {0, 1}, {0, 2}, {0, 4}}},
    {2, 5, {{0, 1}, {8, 0}}, {{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}}}};

uint16_t toBf16(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  return static_cast<uint16_t>(bits >> 16);
}

float valueOfA(int row, int k) { return static_cast<float>((row * 3 + k * 5) % 17 - 8); }
float valueOfB(int k, int column) { return static_cast<float>((k * 7 + column) % 13 - 6); }

/// A (rows of 16) and B transposed (8 rows of 16) in workgroup memory, loaded by
/// matrixLoad, multiplied, stored to argument 0.
void matrices(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *) {
  Lane lane{self, slots};
  auto *a = lane.shared<uint16_t>();
  auto *b = lane.shared<uint16_t>(512);
  if (lane.id() < 16) {
    for (int k = 0; k < 16; ++k) {
      lane.store(a + lane.id() * 16 + k, toBf16(valueOfA(static_cast<int>(lane.id()), k)), "a");
    }
  } else if (lane.id() < 24) {
    for (int k = 0; k < 16; ++k) {
      int column = static_cast<int>(lane.id()) - 16;
      lane.store(b + column * 16 + k, toBf16(valueOfB(k, column)), "b");
    }
  }
  self->calls->warpBarrier(self, 32, "warp barrier");
  alignas(16) uint16_t fragmentA[8], fragmentB[4];
  float zero[4] = {}, sums[4];
  int64_t id = lane.id();
  self->calls->matrixLoad(self, a + id % 16 * 16 + id / 16 * 8, 4, 0, fragmentA, "load a");
  self->calls->matrixLoad(self, b + id % 8 * 16 + id / 8 % 2 * 8, 2, 0, fragmentB, "load b");
  self->calls->matrixMultiply(self, &kMma, fragmentA, fragmentB, zero, sums, "multiply");
  for (int e = 0; e < 4; ++e) {
    int64_t row = id / 4 + e / 2 * 8;
    lane.store(lane.global<float>(0) + row * 8 + id % 4 * 2 + e % 2, sums[e], "out");
  }
}

void mathFunctions(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *) {
  Lane lane{self, slots};
  float value = self->calls->math(self, static_cast<int32_t>(lane.id()), 0.5f);
  lane.store(lane.global<float>(0) + lane.id(), value, "out");
}

std::vector<float> ramp(size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(i);
  }
  return values;
}

TEST_F(SimtTest, OutOfBoundsOfGlobalMemory) {
  buffer(64, ramp(64).data());
  buffer(64);
  EXPECT_EQ(launch(copyFloats<0>, 64), "");
  EXPECT_TRUE(says(launch(copyFloats<1>, 64),
                   {"out of bounds: read of 4 bytes at load by thread 63 (warp 1, lane 31)",
                    "byte 256 of argument 0", "0 bytes past the end of an allocation of 256"}));
  EXPECT_TRUE(says(launch(copyFloats<-100000>, 64), {"out of bounds", "load", "thread 0"}));
}

TEST_F(SimtTest, OutOfBoundsOfWorkgroupMemory) {
  EXPECT_EQ(launch(sharedStore<128>, 32, 1, 256), "");
  EXPECT_TRUE(says(launch(sharedStore<132>, 32, 1, 256),
                   {"out of bounds: write of 4 bytes at store by thread 31",
                    "byte 256 of 256 bytes of workgroup memory"}));
}

TEST_F(SimtTest, OutOfBoundsIndex) {
  EXPECT_TRUE(says(launch(badIndex, 32), {"index out of bounds at index by thread 3",
                                          "dimension 1 of 20 is indexed by 17 and the next 3"}));
}

TEST_F(SimtTest, UnwrittenReads) {
  buffer(64, ramp(64).data());
  buffer(64);
  EXPECT_TRUE(says(launch(sharedLoad, 32),
                   {"read of memory that nobody has written at load", "of workgroup memory"}));
  slots.clear();
  memory.clear();
  size_t in = buffer(64);
  buffer(64);
  std::vector<float> half = ramp(32);
  ASSERT_FALSE(driver->copyIn(slots[in], half.data(), 128));
  EXPECT_EQ(launch(copyFloats<0>, 32), "");
  EXPECT_TRUE(says(launch(copyFloats<0>, 64),
                   {"read of memory that nobody has written at load", "byte 128 of argument 0"}));
}

TEST_F(SimtTest, WeightsAreNotWritten) {
  buffer(64, ramp(64).data());
  buffer(64, ramp(64).data(), MemoryUse::Weights);
  EXPECT_TRUE(says(launch(copyFloats<0>, 64), {"write to a weight at store"}));
}

TEST_F(SimtTest, CopiesLeaveNoMemory) {
  size_t one = buffer(4);
  float values[8] = {};
  EXPECT_TRUE(driver->copyIn(slots[one], values, 32).has_value());
  EXPECT_TRUE(driver->copyOut(values, slots[one] + 8, 16).has_value());
  EXPECT_FALSE(driver->copyOut(values, slots[one] + 8, 8).has_value());
}

template <Mistake mistake> struct Pipeline {
  static constexpr SimtEntry entry = pipeline<mistake>;
};

TEST_F(SimtTest, AsyncCopies) {
  buffer(6 * 128, ramp(6 * 128).data());
  size_t out = buffer(32);
  EXPECT_EQ(launch(Pipeline<Mistake::None>::entry, 32), "");
  EXPECT_EQ(read(out)[1], 6 * 44.0f + 128 * 15);
}

TEST_F(SimtTest, AsyncCopiesThatAreNotWaitedFor) {
  buffer(6 * 128, ramp(6 * 128).data());
  size_t out = buffer(32);
  EXPECT_TRUE(says(
      launch(Pipeline<Mistake::NoWait>::entry, 32),
      {"race", "use", "copy", "the asynchronous copy of thread", "the copy is not waited for"}));
  EXPECT_TRUE(std::isnan(read(out)[0]));
  EXPECT_TRUE(says(launch(Pipeline<Mistake::WeakWait>::entry, 32), {"the copy is not waited for"}));
  EXPECT_TRUE(std::isnan(read(out)[0]));
  EXPECT_TRUE(says(launch(Pipeline<Mistake::NoCommit>::entry, 32), {"the copy is not waited for"}));
  EXPECT_TRUE(says(launch(Pipeline<Mistake::NotWaited>::entry, 32),
                   {"returned before its asynchronous copy at copy was waited for"}));
}

TEST_F(SimtTest, AsyncCopiesWithoutBarriers) {
  buffer(6 * 128, ramp(6 * 128).data());
  buffer(32);
  EXPECT_TRUE(says(launch(Pipeline<Mistake::NoBarrier>::entry, 32), {"race", "copy", "use"}));
  EXPECT_TRUE(says(launch(Pipeline<Mistake::NoLastBarrier>::entry, 32),
                   {"read-write race", "copy", "use", "no barrier between"}));
}

TEST_F(SimtTest, MatrixMultiplication) {
  size_t out = buffer(128);
  ASSERT_EQ(launch(matrices, 32), "");
  std::vector<float> result = read(out);
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      float sum = 0;
      for (int k = 0; k < 16; ++k) {
        sum += valueOfA(row, k) * valueOfB(k, column);
      }
      EXPECT_EQ(result[row * 8 + column], sum) << row << ", " << column;
    }
  }
}

TEST_F(SimtTest, Math) {
  size_t out = buffer(8);
  ASSERT_EQ(launch(mathFunctions, 8), "");
  std::vector<float> values = read(out);
  EXPECT_FLOAT_EQ(values[SimtExp], std::exp(0.5f));
  EXPECT_FLOAT_EQ(values[SimtExp2], std::exp2(0.5f));
  EXPECT_FLOAT_EQ(values[SimtLog2], -1.0f);
  EXPECT_FLOAT_EQ(values[SimtTanh], std::tanh(0.5f));
}

} // namespace
