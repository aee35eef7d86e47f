//===- SimtAsyncTest.cpp - Mbarriers and bulk copies under Simt -----------===//
//
// Kernels of a few threads, right and with one mistake each: what phases order,
// what a box copy writes and when, what asynchronous accesses see.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/simt/MatrixDescriptor.h"
#include "test/Runtime/SimtKernels.h"

#include <algorithm>
#include <cmath>

using namespace dsv2;
using namespace dsv2::test;

namespace {

constexpr size_t kBar = 2048; ///< where the mbarrier lies

/// Thread 0 makes the mbarrier; `arrivals` of it end a phase.
struct Phases : Lane {
  Phases(SimtThread *self, const uint64_t *slots) : Lane{self, slots} {}
  void *bar() const { return shared<uint8_t>(kBar); }
  void make(int32_t arrivals, bool fence = true, bool order = true) const {
    if (id() == 0) {
      self->calls->mbarrierInit(self, bar(), arrivals, "init");
      if (fence) {
        self->calls->mbarrierInitFence(self, "init fence");
      }
    }
    if (order) {
      barrier("barrier");
    }
  }
  void arrive(int32_t bytes = 0) const {
    self->calls->mbarrierArrive(self, bar(), bytes, "arrive");
  }
  void waitFor(int32_t parity) const { self->calls->mbarrierWait(self, bar(), parity, "wait"); }
  void copy(int32_t column, int32_t row) const {
    self->calls->boxCopy(self, shared<uint8_t>(), global<SimtTensorMap>(0), column, row, bar(),
                         "box");
  }
};

/// Everybody hands a number on through a phase, `rounds` times.
enum class Mistake { None, NoWait, NoOrder, NoInit, OneTooMany, OneTooFew };
template <Mistake mistake>
void handOn(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *) {
  Phases lane(self, slots);
  int32_t count = static_cast<int32_t>(self->threads);
  if (mistake == Mistake::NoInit) {
    lane.barrier("barrier");
  } else {
    lane.make(mistake == Mistake::OneTooMany  ? count - 1
              : mistake == Mistake::OneTooFew ? count + 1
                                              : count,
              true, mistake != Mistake::NoOrder);
  }
  for (int round = 0; round < 3; ++round) {
    float *numbers = lane.shared<float>() + round % 2 * 128;
    lane.store(numbers + lane.id(), static_cast<float>(lane.id() + round), "store");
    lane.arrive();
    if (mistake != Mistake::NoWait) {
      lane.waitFor(round % 2);
    }
    float value = lane.load(numbers + (lane.id() + 1) % self->threads, "load");
    lane.store(lane.global<float>(0) + lane.id(), value, "out");
  }
}

/// Thread 0 copies a box of 8 x 32 floats; all store what has come.
enum class Box { Right, NoFence, NoWait, PlainBefore, FencedBefore, ReadBefore, Again, Left };
template <Box kind>
void copyBox(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *) {
  Phases lane(self, slots);
  lane.make(1, kind != Box::NoFence);
  float *tile = lane.shared<float>();
  if (kind == Box::PlainBefore || kind == Box::FencedBefore || kind == Box::ReadBefore) {
    lane.store(tile + lane.id(), 1.0f, "store");
    if (kind != Box::PlainBefore) {
      self->calls->proxyFence(self, "fence");
    }
    lane.barrier("second barrier");
    if (kind == Box::ReadBefore) {
      lane.load(tile + lane.id(), "load"); // and nothing orders it before the copy
    }
  }
  if (lane.id() == 0) {
    lane.arrive(8 * 128);
    lane.copy(-1, 2);
  }
  if (kind == Box::Left) {
    return;
  }
  if (kind != Box::NoWait) {
    lane.waitFor(0);
  }
  for (int64_t i = lane.id(); i < 256; i += self->threads) {
    lane.store(lane.global<float>(1) + i, lane.load(tile + i, "read"), "out");
  }
}

/// m64n8k16 as the manual lays its sums out.
constexpr SimtGroupMatrixOp kMultiply = {
    8,
    1,
    0,
    {{0, 1}, {8, 0}, {0, 8}, {0, 16}, {0, 32}, {0, 64}, {0, 128}},
    {{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}, {16, 0}, {32, 0}}};

/// A is 64 rows of 16 ones (of 64 k), B 8 columns of twos: every sum is 32. One mistake at a time.
enum class Group {
  Right,
  NoRegisterFence,
  NoFence,
  NoBarrier,
  NoCommit,
  NotWaited,
  TwoGroups,
  Few
};
template <Group kind>
void multiplyOnes(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *) {
  Lane lane{self, slots};
  int64_t id = lane.id();
  for (int64_t i = 0; i < 64 && id < 72; ++i) {
    lane.store(lane.shared<uint16_t>() + id * 64 + i, uint16_t(id < 64 ? 0x3f80 : 0x4000), "store");
  }
  if (kind != Group::NoFence) {
    self->calls->proxyFence(self, "fence");
  }
  if (kind != Group::NoBarrier) {
    lane.barrier("barrier");
  }
  if (kind == Group::Few && id >= 96) {
    return;
  }
  alignas(16) float sums[4] = {};
  // Swizzled by 128 bytes; 1024 bytes from 8 rows to the next; B behind the 8 KiB of A.
  constexpr int64_t kBits = int64_t(1) << 62 | int64_t(64) << 32;
  auto multiply = [&] {
    self->calls->groupMultiply(self, &kMultiply, kBits, kBits | 8192 >> 4, sums, SimtFresh,
                               "multiply");
  };
  if (kind != Group::NoRegisterFence) {
    self->calls->groupFence(self, "register fence");
  }
  multiply();
  if (kind != Group::NoCommit) {
    self->calls->groupCommit(self, "commit");
  }
  if (kind == Group::NotWaited) {
    return;
  }
  self->calls->groupWait(self, 0, "wait");
  if (kind == Group::TwoGroups) {
    self->calls->groupFence(self, "register fence");
    multiply();
    self->calls->groupCommit(self, "commit");
    self->calls->groupWait(self, 1, "wait");
  }
  self->calls->groupResult(self, sums, "use");
  lane.store(lane.global<float>(0) + id, sums[3], "out");
}

template <int32_t registers>
void registersOfGroups(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *) {
  Lane lane{self, slots};
  self->calls->setRegisters(self, lane.id() < 128 ? registers : 256, "registers");
}

void registersOfSome(const uint64_t *, SimtThread *self, int64_t, int64_t, void *) {
  if (self->thread < 96) {
    self->calls->setRegisters(self, 128, "registers");
  }
}

void electLane(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *) {
  Lane lane{self, slots};
  float chosen = self->calls->elect(self, 32, "elect") != 0 ? 1.0f : 0.0f;
  lane.store(lane.global<float>(0) + lane.id(), chosen, "out");
}

class SimtAsyncTest : public SimtTest {
protected:
  /// Slot 0: a map of 6 x 40 floats, boxes of 8 x 32; slot 1: the result.
  void box() {
    slots.clear();
    memory.clear();
    std::vector<float> values(6 * 40);
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(i);
    }
    buffer(values.size(), values.data());
    map = {reinterpret_cast<const uint8_t *>(slots[0]), 40, 160, 6, 4, 32, 8, 128};
    slots[0] = reinterpret_cast<uintptr_t>(&map);
    buffer(256);
  }
  SimtTensorMap map = {};
};

TEST_F(SimtAsyncTest, PhasesOrder) {
  size_t out = buffer(128);
  EXPECT_EQ(launch(handOn<Mistake::None>, 128), "");
  EXPECT_EQ(read(out)[5], 8.0f);
  EXPECT_TRUE(says(launch(handOn<Mistake::NoWait>, 128), {"race", "load", "store"}));
}

TEST_F(SimtAsyncTest, TheWordIsMemory) {
  buffer(128);
  EXPECT_TRUE(says(launch(handOn<Mistake::NoOrder>, 128),
                   {"write-read race: read at arrive by thread 1", "init by thread 0",
                    "byte 2048 of workgroup memory", "no barrier between"}));
  EXPECT_TRUE(
      says(launch(handOn<Mistake::NoInit>, 128),
           {"no mbarrier was initialised at byte 2048 of workgroup memory, used at arrive"}));
}

TEST_F(SimtAsyncTest, WrongArrivals) {
  buffer(128);
  EXPECT_TRUE(says(launch(handOn<Mistake::OneTooFew>, 128),
                   {"deadlock: 128 threads wait at an mbarrier, wait", "mbarrier at byte 2048",
                    "phase 0: 1 of 129 arrivals and 0 bytes are missing"}));
  // The last to arrive does so in the next phase.
  EXPECT_TRUE(says(launch(handOn<Mistake::OneTooMany>, 128), {"race", "load", "store"}));
}

TEST_F(SimtAsyncTest, BoxesAreSwizzledAndZeroOutside) {
  box();
  ASSERT_EQ(launch(copyBox<Box::Right>, 32), "");
  std::vector<float> values = read(1);
  for (int row = 0; row < 8; ++row) {
    for (int column = 0; column < 32; ++column) {
      bool inside = column >= 1 && row + 2 < 6;
      float expected = inside ? static_cast<float>((row + 2) * 40 + column - 1) : 0.0f;
      int place = row * 32 + ((column / 4) ^ row) * 4 + column % 4;
      EXPECT_EQ(values[place], expected) << row << ", " << column;
    }
  }
}

TEST_F(SimtAsyncTest, BoxesComeWhenThePhaseEnds) {
  box();
  EXPECT_TRUE(says(launch(copyBox<Box::NoWait>, 32), {"write-read race: read at read by thread",
                                                      "box by the bulk copy to the mbarrier",
                                                      "the mbarrier's phase is not waited for"}));
  box();
  EXPECT_TRUE(
      says(launch(copyBox<Box::Left>, 32),
           {"all threads returned before one of them had waited for the bulk copy at box"}));
}

TEST_F(SimtAsyncTest, AsynchronousAccessesSeeThroughFences) {
  box();
  EXPECT_TRUE(says(launch(copyBox<Box::NoFence>, 32),
                   {"bulk copy at box by thread 0", "uses the mbarrier made at init by thread 0",
                    "no fence makes it known to asynchronous accesses"}));
  box();
  EXPECT_TRUE(says(launch(copyBox<Box::PlainBefore>, 32),
                   {"write-write race: write at box", "store by thread",
                    "no fence between plain and asynchronous accesses"}));
  box();
  EXPECT_EQ(launch(copyBox<Box::FencedBefore>, 32), "");
  box();
  EXPECT_TRUE(says(launch(copyBox<Box::ReadBefore>, 32),
                   {"read-write race", "load", "box", "no barrier between"}));
}

TEST_F(SimtAsyncTest, WrongMaps) {
  box();
  map.rowBytes = 152;
  EXPECT_TRUE(says(launch(copyBox<Box::Right>, 32), {"bulk copy at box", "multiples of 16"}));
  box();
  map.boxColumns = 16;
  EXPECT_TRUE(says(launch(copyBox<Box::Right>, 32), {"only rows of 128 bytes"}));
  box();
  map.rows = 100; // more than there is memory for
  EXPECT_TRUE(says(launch(copyBox<Box::Right>, 32), {"out of bounds: read of 124 bytes at box"}));
}

TEST_F(SimtAsyncTest, WarpgroupsMultiply) {
  size_t out = buffer(128);
  constexpr uint64_t kShared = 9216;
  EXPECT_EQ(launch(multiplyOnes<Group::Right>, 128, 1, kShared), "");
  EXPECT_EQ(read(out)[77], 32.0f);
  EXPECT_TRUE(says(launch(multiplyOnes<Group::NoRegisterFence>, 128, 1, kShared),
                   {"the accumulators of the multiplication at multiply by thread 0", "no fence"}));
  EXPECT_TRUE(says(launch(multiplyOnes<Group::NoFence>, 128, 1, kShared),
                   {"write-read race: read at multiply by a multiplication of warpgroup 0",
                    "store by thread 0", "no fence between plain and asynchronous accesses"}));
  EXPECT_TRUE(says(launch(multiplyOnes<Group::NoBarrier>, 128, 1, kShared),
                   {"race", "multiply", "store by thread"}));
  EXPECT_TRUE(says(launch(multiplyOnes<Group::Right>, 128, 1, kShared - 1024),
                   {"out of bounds", "8192 bytes of workgroup memory"}));
  EXPECT_TRUE(says(launch(multiplyOnes<Group::Few>, 128, 1, kShared),
                   {"deadlock: 96 threads wait at a multiplication of a warpgroup, multiply",
                    "not all of its warpgroup are there"}));
}

TEST_F(SimtAsyncTest, GroupsAreWaitedFor) {
  size_t out = buffer(128);
  constexpr uint64_t kShared = 9216;
  EXPECT_TRUE(says(launch(multiplyOnes<Group::NotWaited>, 128, 1, kShared),
                   {"returned before its multiplication at multiply was waited for"}));
  for (SimtEntry entry : {multiplyOnes<Group::NoCommit>, multiplyOnes<Group::TwoGroups>}) {
    EXPECT_TRUE(
        says(launch(entry, 128, 1, kShared),
             {"the accumulators of the multiplication at multiply are used at use by thread",
              "its group is not waited for"}));
    EXPECT_TRUE(std::isnan(read(out)[0]));
  }
}

TEST_F(SimtAsyncTest, WithoutChecksTheSameValues) {
  open(false);
  size_t out = buffer(128);
  EXPECT_EQ(launch(multiplyOnes<Group::NoFence>, 128, 1, 9216), "");
  EXPECT_EQ(read(out)[77], 32.0f);
  EXPECT_EQ(launch(handOn<Mistake::None>, 128), "");
  EXPECT_EQ(read(out)[5], 8.0f);
  box();
  EXPECT_EQ(launch(copyBox<Box::Right>, 32), "");
  EXPECT_EQ(read(1)[1], 80.0f);
}

TEST_F(SimtAsyncTest, Registers) {
  EXPECT_EQ(launch(registersOfGroups<232>, 256), "");
  EXPECT_TRUE(says(launch(registersOfGroups<20>, 256), {"20 registers a thread at registers"}));
  EXPECT_TRUE(says(launch(registersOfGroups<256>, 384),
                   {"the warpgroups ask for 98304 registers", "there are 65536"}));
  EXPECT_TRUE(
      says(launch(registersOfSome, 128), {"deadlock: 96 threads wait at a change of registers",
                                          "not all of its warpgroup are there"}));
}

TEST_F(SimtAsyncTest, OneLaneIsElected) {
  size_t out = buffer(64);
  ASSERT_EQ(launch(electLane, 64), "");
  std::vector<float> chosen = read(out);
  EXPECT_EQ(std::count(chosen.begin(), chosen.begin() + 32, 1.0f), 1);
  EXPECT_EQ(std::count(chosen.begin() + 32, chosen.end(), 1.0f), 1);
}

/// Places that CuTe's Layout_K_SW128 (256 x 64) and Layout_MN_SW128 (128 x 64, and 256 x 64 with k
/// inside) give elements of their descriptors (docs/rationale/simt.md).
TEST(MatrixDescriptorTest, PlacesAreCuTes) {
  struct Point {
    uint64_t start, leading, stride;
    bool outside;
    uint32_t i, k;
    uint64_t at;
  };
  const Point points[] = {
      {0, 16, 1024, false, 121, 4, 15512},       {0, 16, 1024, false, 189, 15, 24270},
      {0, 16, 1024, false, 33, 0, 4240},         {0, 16, 1024, false, 240, 8, 30736},
      {96, 16, 1024, false, 119, 6, 15260},      {96, 16, 1024, false, 240, 15, 30846},
      {96, 16, 1024, false, 203, 4, 26072},      {96, 16, 1024, false, 118, 4, 15112},
      {0, 1024, 2048, true, 99, 0, 1094},        {0, 1024, 2048, true, 16, 5, 752},
      {0, 1024, 2048, true, 10, 9, 2180},        {0, 1024, 2048, true, 7, 8, 2062},
      {12288, 1024, 2048, true, 121, 12, 15922}, {12288, 1024, 2048, true, 109, 12, 15898},
      {12288, 1024, 2048, true, 113, 4, 13858},  {12288, 1024, 2048, true, 93, 3, 13706},
      {0, 8192, 1024, true, 18, 4, 612},         {0, 8192, 1024, true, 253, 6, 25370},
      {0, 8192, 1024, true, 132, 13, 18136},     {0, 8192, 1024, true, 154, 13, 18148},
      {6144, 8192, 1024, true, 197, 11, 32186},  {6144, 8192, 1024, true, 208, 7, 31696},
      {6144, 8192, 1024, true, 172, 0, 22616},   {6144, 8192, 1024, true, 143, 5, 23246}};
  for (const Point &point : points) {
    uint64_t bits =
        uint64_t(1) << 62 | point.stride >> 4 << 32 | point.leading >> 4 << 16 | point.start >> 4;
    simt::MatrixDescriptor descriptor(bits, point.outside);
    EXPECT_EQ(descriptor.at(point.i, point.k), point.at) << point.i << ", " << point.k;
  }
}

} // namespace
