//===- SimtSyncTest.cpp - Barriers, races, deadlocks under Simt -----------===//
//
// Each right kernel is silent and computes what it should; each kernel with one
// mistake gives a report that names the operations, the threads, the memory and
// what is missing.
//
//===----------------------------------------------------------------------===//
#include "test/Runtime/SimtKernels.h"

#include <numeric>

using namespace dsv2;
using namespace dsv2::test;

namespace {

/// Thread i hands its number to thread (i + 1) % n through workgroup memory.
template <bool withBarrier>
void handOn(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *) {
  Lane lane{self, slots};
  lane.store(lane.shared<float>() + lane.id(), static_cast<float>(lane.id()), "store");
  if (withBarrier) {
    lane.barrier("barrier");
  }
  float value = lane.load(lane.shared<float>() + (lane.id() + 1) % self->threads, "load");
  lane.store(lane.global<float>(0) + lane.id(), value, "out");
}

/// Two rounds through the same memory: the second needs a barrier before it.
template <bool withBarrier>
void handOnTwice(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *) {
  Lane lane{self, slots};
  for (int round = 0; round < 2; ++round) {
    lane.store(lane.shared<float>() + lane.id(), static_cast<float>(round), "store");
    lane.barrier("first barrier");
    lane.load(lane.shared<float>() + (lane.id() + 1) % self->threads, "load");
    if (withBarrier) {
      lane.barrier("second barrier");
    }
  }
}

/// All read one float that thread 0 then overwrites.
template <bool withBarrier>
void readThenWrite(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *) {
  Lane lane{self, slots};
  if (lane.id() == 0) {
    lane.store(lane.shared<float>(), 1.0f, "init");
  }
  lane.barrier("barrier");
  lane.load(lane.shared<float>(), "read");
  if (withBarrier) {
    lane.barrier("second barrier");
  }
  if (lane.id() == 100) {
    lane.store(lane.shared<float>(), 2.0f, "overwrite");
  }
}

void barrierInBranch(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *) {
  Lane lane{self, slots};
  if (lane.id() < 40) {
    lane.barrier("branch");
  }
}

/// Two halves wait at barriers of their own; `count` should be half the threads.
template <int count>
void namedBarriers(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *) {
  Lane lane{self, slots};
  int32_t half = static_cast<int32_t>(lane.id() / 64);
  int64_t partner = lane.id() ^ 32;
  lane.store(lane.shared<float>() + lane.id(), static_cast<float>(lane.id()), "store");
  lane.barrier("named barrier", 1 + half, count);
  float value = lane.load(lane.shared<float>() + partner, "load");
  lane.store(lane.global<float>(0) + lane.id(), value, "out");
}

void countsDiffer(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *) {
  Lane lane{self, slots};
  lane.barrier("barrier", 1, lane.id() < 32 ? 64 : 128);
}

template <int lanes>
void warpSum(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *) {
  Lane lane{self, slots};
  float sum = static_cast<float>(lane.id());
  if (lane.id() % 32 < lanes) {
    for (int offset = 16; offset > 0; offset /= 2) {
      sum += lane.shuffleXor(sum, offset, "shuffle");
    }
    lane.store(lane.global<float>(0) + lane.id(), sum, "out");
  }
}

/// Lanes exchange through memory: only the warp barrier orders that.
template <bool withBarrier>
void warpExchange(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *) {
  Lane lane{self, slots};
  lane.store(lane.shared<float>() + lane.id(), static_cast<float>(lane.id()), "store");
  if (withBarrier) {
    self->calls->warpBarrier(self, 32, "warp barrier");
  } else {
    lane.shuffleXor(0, 1, "shuffle");
  }
  lane.load(lane.shared<float>() + (lane.id() ^ 1), "load");
}

/// Workgroup g writes items [g n / G, (g + 1) n / G), or one too many.
template <int extra>
void writeItems(const uint64_t *slots, SimtThread *self, int64_t items, int64_t workgroups,
                void *) {
  Lane lane{self, slots};
  int64_t begin = self->workgroup * items / workgroups;
  int64_t end = (self->workgroup + 1) * items / workgroups;
  for (int64_t i = begin; i < std::min(items, end + extra); ++i) {
    if (lane.id() == i % self->threads) {
      lane.store(lane.global<float>(0) + i, static_cast<float>(i), "store");
    }
  }
}

void useScratch(const uint64_t *slots, SimtThread *self, int64_t, int64_t, void *scratch) {
  Lane lane{self, slots};
  float *mine = static_cast<float *>(scratch) + self->workgroup * 64;
  lane.store(mine + lane.id(), 1.0f, "store");
  lane.load(mine + lane.id(), "load");
}

TEST_F(SimtTest, BarrierHandsOn) {
  size_t out = buffer(128);
  EXPECT_EQ(launch(handOn<true>, 128), "");
  std::vector<float> values = read(out);
  for (int i = 0; i < 128; ++i) {
    EXPECT_EQ(values[i], static_cast<float>((i + 1) % 128));
  }
}

TEST_F(SimtTest, MissingBarrierIsARace) {
  buffer(128);
  EXPECT_TRUE(says(launch(handOn<false>, 128),
                   {"kernel 'kernel', workgroup 0", "race", "load", "store", "thread 127",
                    "of workgroup memory", "no barrier between"}));
}

TEST_F(SimtTest, MissingBarrierAfterReadsIsARace) {
  EXPECT_EQ(launch(handOnTwice<true>, 128), "");
  EXPECT_TRUE(says(launch(handOnTwice<false>, 128), {"read-write race", "store", "load"}));
}

TEST_F(SimtTest, OneWriterManyReaders) {
  EXPECT_EQ(launch(readThenWrite<true>, 256), "");
  EXPECT_TRUE(says(launch(readThenWrite<false>, 256), {"read-write race", "overwrite", "read"}));
}

TEST_F(SimtTest, BarrierInABranchIsADeadlock) {
  EXPECT_TRUE(says(launch(barrierInBranch, 64),
                   {"deadlock: 40 threads wait at a barrier, branch", "the first is thread 0",
                    "barrier 0 needs 64", "24 threads have returned (the first is thread 40)"}));
}

TEST_F(SimtTest, NamedBarriers) {
  size_t out = buffer(128);
  EXPECT_EQ(launch(namedBarriers<64>, 128), "");
  EXPECT_EQ(read(out)[5], 37.0f);
}

TEST_F(SimtTest, WrongBarrierCount) {
  buffer(128);
  EXPECT_TRUE(says(launch(namedBarriers<96>, 128), {"deadlock", "named barrier", "needs 96"}));
  EXPECT_TRUE(says(launch(namedBarriers<32>, 128), {"race", "no barrier between"}));
  EXPECT_TRUE(says(launch(namedBarriers<50>, 128),
                   {"barrier 1 of 50 threads at named barrier", "multiples of 32 threads"}));
  EXPECT_TRUE(says(launch(countsDiffer, 128), {"used with 64 threads", "and with 128"}));
}

TEST_F(SimtTest, ShuffleSums) {
  size_t out = buffer(64);
  EXPECT_EQ(launch(warpSum<32>, 64), "");
  EXPECT_EQ(read(out)[7], 31.0f * 32 / 2);
  EXPECT_EQ(read(out)[40], 31.0f * 32 / 2 + 32 * 32);
}

TEST_F(SimtTest, ShuffleWithoutALaneIsADeadlock) {
  buffer(64);
  EXPECT_TRUE(says(launch(warpSum<31>, 64), {"deadlock: 62 threads wait at a shuffle, shuffle",
                                             "lane 0; not all of its warp are there",
                                             "2 threads have returned (the first is thread 31)"}));
}

TEST_F(SimtTest, ShuffleOrdersNoMemory) {
  EXPECT_EQ(launch(warpExchange<true>, 64), "");
  EXPECT_TRUE(says(launch(warpExchange<false>, 64), {"write-read race", "load", "store"}));
}

TEST_F(SimtTest, WorkgroupsShareNothing) {
  size_t out = buffer(100);
  EXPECT_EQ(launch(writeItems<0>, 32, 100), "");
  EXPECT_EQ(read(out)[99], 99.0f);
  EXPECT_TRUE(says(launch(writeItems<1>, 32, 100),
                   {"race between workgroups", "store", "by workgroup 0", "byte 100 of argument 0",
                    "nothing orders workgroups"}));
  // The next launch comes after this one.
  EXPECT_EQ(launch(writeItems<0>, 32, 100), "");
}

TEST_F(SimtTest, ScratchIsTheWorkgroups) {
  EXPECT_EQ(launch(useScratch, 64, 4, 0, 256), "");
  // Half of what the kernel uses: the last workgroups leave the allocation.
  EXPECT_TRUE(says(launch(useScratch, 64, 4, 0, 128), {"out of bounds: write", "by thread 0"}));
}

TEST_F(SimtTest, ManyThreads) {
  size_t out = buffer(1024);
  EXPECT_EQ(launch(handOn<true>, 1024), "");
  EXPECT_EQ(read(out)[1023], 0.0f);
}

TEST_F(SimtTest, WithoutChecksTheSameValues) {
  open(false);
  size_t out = buffer(128);
  EXPECT_EQ(launch(handOn<true>, 128), "");
  EXPECT_EQ(read(out)[127], 0.0f);
  EXPECT_EQ(launch(handOn<false>, 128), "");
  // What cannot go on is still reported.
  EXPECT_TRUE(says(launch(barrierInBranch, 64), {"deadlock"}));
}

} // namespace
