//===- SimtWarpgroupTest.cpp - roles, bulk copies, warpgroups under Simt --===//
//
// Two kernels run silently and compute what f64 does, before and after the vendor's conversion.
// Then each operation that synchronises is deleted in turn, and wrong counts, parities and
// addresses are put in: all must be reported.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/TileEmitter.h"
#include "test/Target/SimtFixture.h"
#include "test/Target/SimtWarpgroupTexts.h"

#include <random>

using namespace dsv2;
using namespace dsv2::test;
using namespace mlir;

namespace {

bool synchronises(Operation *op) {
  return isa<gpu::BarrierOp, NVVM::BarrierOp, NVVM::MBarrierInitOp, NVVM::FenceMbarrierInitOp,
             NVVM::MBarrierArriveOp, NVVM::MBarrierArriveExpectTxOp, NVVM::MBarrierTryWaitParityOp,
             NVVM::FenceProxyOp, NVVM::WgmmaFenceAlignedOp, NVVM::WgmmaGroupSyncAlignedOp,
             NVVM::WgmmaWaitGroupSyncOp>(op);
}

float fromBits(uint16_t bits) {
  uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value = 0;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

class SimtWarpgroupTest : public SimtCompileTest {
protected:
  SimtWarpgroupTest() {
    registerAllTargets(targets);
    DialectRegistry dialects;
    registerKernelDialects(dialects);
    context.appendDialectRegistry(dialects);
    context.loadAllAvailableDialects();
  }

  std::vector<uint16_t> noise(size_t count) {
    std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
    std::vector<uint16_t> values(count);
    for (uint16_t &value : values) {
      float number = uniform(random);
      uint32_t bits = 0;
      std::memcpy(&bits, &number, sizeof(bits));
      value = static_cast<uint16_t>(bits >> 16);
    }
    return values;
  }

  /// The entries: as emitted, and after the conversion of the vendor whose operations these are.
  SmallVector<const TargetBackend *> entries() {
    SmallVector<const TargetBackend *> list = {nullptr};
    for (const std::string &name : targets.getNames()) {
      const TargetBackend *target = targets.lookup(name);
      if (name == "sm_90a" && target->hasDeviceForm()) {
        list.push_back(target);
      }
    }
    return list;
  }

  std::string runText(const std::string &text, int64_t items, const TargetBackend *vendor) {
    OwningOpRef<ModuleOp> module = parse(text);
    std::optional<SimtKernelImage> kernel =
        compile(*module->getOps<func::FuncOp>().begin(), vendor);
    return kernel ? launch(*kernel, items) : "does not compile: " + diagnostics;
  }

  /// Both entries report, and say each of `parts`.
  void reports(const std::string &text, int64_t items, const std::vector<std::string> &parts) {
    for (const TargetBackend *vendor : entries()) {
      std::string report = runText(text, items, vendor);
      for (const std::string &part : parts) {
        EXPECT_NE(report.find(part), std::string::npos)
            << "'" << part << "' is not in: " << report << (vendor ? " (after conversion)" : "");
      }
    }
  }

  void deleteEach(const std::string &text, int64_t items, int expected) {
    for (const TargetBackend *vendor : entries()) {
      int count = 0;
      for (;; ++count) {
        OwningOpRef<ModuleOp> module = parse(text);
        int number = 0;
        Operation *victim = nullptr;
        module->walk([&](Operation *op) {
          if (synchronises(op) && number++ == count) {
            victim = op;
          }
        });
        if (!victim) {
          break;
        }
        std::string name = victim->getName().getStringRef().str();
        victim->erase();
        std::optional<SimtKernelImage> kernel =
            compile(*module->getOps<func::FuncOp>().begin(), vendor);
        ASSERT_TRUE(kernel) << diagnostics;
        EXPECT_NE(launch(*kernel, items), "")
            << "without " << name << " number " << count << (vendor ? " after conversion" : "");
      }
      EXPECT_EQ(count, expected);
    }
  }

  /// Inputs of the ring: A of `rows` rows, B of 64, of which `columns` elements exist in rows of
  /// 64 `steps`; the text of the kernel.
  std::string ring(int64_t rows, int64_t columns, int64_t steps, int64_t items) {
    int64_t stride = steps * 64;
    slots.clear();
    memory.clear();
    a = noise(static_cast<size_t>(rows * stride));
    second = noise(static_cast<size_t>(64 * stride));
    buffer(a);
    buffer(second);
    out = empty<float>(static_cast<size_t>(items) * 64 * 64);
    number(steps);
    number(rows);
    return ringText(columns, stride * 2);
  }

  static std::string replaced(std::string text, const std::string &what, const std::string &by) {
    size_t at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return at == std::string::npos ? text : text.replace(at, what.size(), by);
  }

  TargetRegistry targets;
  std::mt19937 random{7};
  std::vector<uint16_t> a, second;
  size_t out = 0;
};

TEST_F(SimtWarpgroupTest, RingOfStages) {
  // The last item's box leaves the matrix below, and the last step's to the right.
  constexpr int64_t kRows = 370, kDepth = 296, kItems = 6, kSteps = 5;
  for (const TargetBackend *vendor : entries()) {
    ASSERT_EQ(runText(ring(kRows, kDepth, kSteps, kItems), kItems, vendor), "");
    std::vector<float> values = read<float>(out);
    double largest = 0, worst = 0;
    for (int64_t row = 0; row < kItems * 64; ++row) {
      for (int64_t column = 0; column < 64; ++column) {
        double sum = 0;
        for (int64_t k = 0; row < kRows && k < kDepth; ++k) {
          sum += double(fromBits(a[row * kSteps * 64 + k])) *
                 double(fromBits(second[column * kSteps * 64 + k]));
        }
        largest = std::max(largest, std::abs(sum));
        double difference = std::abs(values[row * 64 + column] - sum);
        ASSERT_FALSE(std::isnan(difference));
        worst = std::max(worst, difference);
        if (row >= kRows) {
          ASSERT_EQ(values[row * 64 + column], 0.0f);
        }
      }
    }
    EXPECT_LE(worst / largest, 1e-6);
  }
}

TEST_F(SimtWarpgroupTest, ColumnsAreNeighbours) {
  constexpr int64_t kItems = 2;
  a = noise(kItems * 64 * 64);
  second = noise(64 * 128);
  buffer(a);
  buffer(second);
  out = empty<float>(kItems * 64 * 128);
  for (const TargetBackend *vendor : entries()) {
    ASSERT_EQ(runText(stagedText(), kItems, vendor), "");
    std::vector<float> values = read<float>(out);
    for (size_t row = 0; row < kItems * 64; ++row) {
      for (size_t column = 0; column < 128; ++column) {
        double sum = 0;
        for (size_t k = 0; k < 64; ++k) {
          sum += double(fromBits(a[row * 64 + k])) * double(fromBits(second[k * 128 + column]));
        }
        ASSERT_NEAR(values[row * 128 + column], sum, 1e-5) << row << ", " << column;
      }
    }
  }
}

TEST_F(SimtWarpgroupTest, RingDeletions) {
  // So few steps of an item that the stages' mbarriers do not order its epilogue before the next.
  std::string text = ring(64 * 16, 64 * 2, 2, 16);
  // 4 initialisations, their fence, the barrier; wait, fence, commit, wait, arrival; two named
  // barriers; the producer's wait and arrival.
  deleteEach(text, 16, 15);
}

TEST_F(SimtWarpgroupTest, StagedDeletions) {
  a = noise(4 * 64 * 64);
  second = noise(64 * 128);
  buffer(a);
  buffer(second);
  empty<float>(4 * 64 * 128);
  deleteEach(stagedText(), 4, 5);
}

TEST_F(SimtWarpgroupTest, WrongTransactionCounts) {
  std::string text = ring(64, 64 * 5, 5, 1);
  reports(replaced(text, "%box = arith.constant 16384", "%box = arith.constant 16400"), 1,
          {"deadlock", "threads wait at an mbarrier", "mbarrier at byte 32768 of workgroup memory",
           "phase 0: 0 of 1 arrivals and 16 bytes are missing"});
  reports(replaced(text, "%box = arith.constant 16384", "%box = arith.constant 16368"), 1,
          {"deadlock", "0 of 1 arrivals and -16 bytes are missing"});
  // The second box comes in the next phase.
  reports(replaced(text, "%box = arith.constant 16384", "%box = arith.constant 8192"), 1,
          {"write-read race", "the bulk copy to the mbarrier at byte 32768 of workgroup memory",
           "the mbarrier's phase is not waited for"});
}

TEST_F(SimtWarpgroupTest, WrongParities) {
  std::string text = ring(64, 64 * 5, 5, 1);
  // The consumer's: it takes the phase before for the one it needs.
  reports(replaced(text, "try_wait.parity %full, %parity", "try_wait.parity %full, %i1"), 1,
          {"read of memory that nobody has written at ring nvvm.wgmma.mma_async",
           "a multiplication of warpgroup 0"});
  // The producer's: it waits for the end of a phase that nobody begins.
  reports(replaced(text, "try_wait.parity %empty, %parity", "try_wait.parity %empty, %i0"), 1,
          {"deadlock", "1 threads wait at an mbarrier", "128 of 128 arrivals"});
}

TEST_F(SimtWarpgroupTest, WrongBarrierCount) {
  std::string text = ring(128, 64 * 5, 5, 2);
  std::string counts = replaced(text, "%i128 = arith.constant 128 : i32",
                                "%i128 = arith.constant 128 : i32\n  %few = arith.constant 96 : "
                                "i32\n  %many = arith.constant 160 : i32");
  reports(replaced(counts, "number_of_threads = %i128", "number_of_threads = %many"), 1,
          {"deadlock", "barrier 1 needs 160"});
  reports(replaced(counts, "number_of_threads = %i128", "number_of_threads = %few"), 1,
          {"race", "no barrier between"});
}

TEST_F(SimtWarpgroupTest, WaitTooWeak) {
  std::string text = ring(64, 64 * 5, 5, 1);
  reports(replaced(text, "wgmma.wait.group.sync.aligned 0", "wgmma.wait.group.sync.aligned 1"), 1,
          {"the accumulators of the multiplication at", "its group is not waited for"});
}

TEST_F(SimtWarpgroupTest, UnalignedBox) {
  std::string text = ring(64, 64 * 5, 5, 1);
  reports(replaced(text, "%toB = llvm.inttoptr %tileB",
                   "%some = arith.constant 128 : i64\n%shifted = arith.addi %tileB, %some : i64\n"
                   "%toB = llvm.inttoptr %shifted"),
          1, {"bulk copy at", "byte 8320 of workgroup memory is not aligned to 1024 bytes"});
}

TEST_F(SimtWarpgroupTest, UnwrittenMemoryMayBeCopiedButNotRead) {
  std::string text = ring(64, 64 * 5, 5, 1);
  // Nobody has written the last step's columns of A.
  slots[0] = slots[empty<uint16_t>(64 * 320)];
  for (size_t i = 0; i < 64; ++i) {
    ASSERT_FALSE(driver->copyIn(slots[0] + i * 640, a.data(), 512));
  }
  slots.pop_back();
  reports(text, 1, {"read of memory that nobody has written", "a multiplication of warpgroup 0"});
  std::string report = runText(text, 1, nullptr);
  EXPECT_EQ(report.find("bulk"), std::string::npos) << report;
}

TEST_F(SimtWarpgroupTest, DescriptorsAreTheWarpgroups) {
  std::string text = ring(64, 64 * 5, 5, 1);
  reports(replaced(text, "%descA = arith.ori %partA, %flags : i64",
                   "%t64 = arith.index_cast %t : index to i64\n%own = arith.muli %t64, %l8 : i64\n"
                   "%part = arith.addi %partA, %own : i64\n"
                   "%descA = arith.ori %part, %flags : i64"),
          1, {"the matrix descriptors of thread 0", "differ at"});
}

TEST_F(SimtWarpgroupTest, OperandsAreNotOverwritten) {
  a = noise(4 * 64 * 64);
  second = noise(64 * 128);
  buffer(a);
  buffer(second);
  empty<float>(4 * 64 * 128);
  std::string store = R"(
    nvvm.wgmma.commit.group.sync.aligned
    %zero8 = arith.constant dense<0.0> : vector<8xbf16>
    vector.store %zero8, %as[%row, %c0] : memref<64x64xbf16, #shared>, vector<8xbf16>
)";
  reports(replaced(stagedText(), "    nvvm.wgmma.commit.group.sync.aligned\n", store), 1,
          {"read-write race", "vector.store", "the multiplication is not waited for"});
}

TEST_F(SimtWarpgroupTest, AccumulatorsAreNotTouchedAfterTheFence) {
  std::string text = ring(64, 64 * 5, 5, 1);
  std::string touched = R"(
        nvvm.wgmma.fence.aligned
        %e = llvm.extractvalue %acc[3] : SUMS
        %e2 = arith.addf %e, %e : f32
        %acc2 = llvm.insertvalue %e2, %acc[3] : SUMS
)";
  for (size_t at = touched.find("SUMS"); at != std::string::npos; at = touched.find("SUMS")) {
    touched.replace(at, 4, sumsType(64));
  }
  text = replaced(text, "        nvvm.wgmma.fence.aligned\n", touched);
  reports(replaced(text, "%b0, %acc,", "%b0, %acc2,"), 1,
          {"the accumulators of the multiplication at", "touched after the warpgroup fence"});
}

} // namespace
