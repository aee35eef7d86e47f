//===- SimtCompileTest.cpp - kernels compiled for Simt --------------------===//
//
// Kernels in the emitters' form run silently and compute what they should. Then each operation that
// synchronises is deleted in turn: that must be reported. Wrong addresses and operations that the
// driver does not play are refused by name.
//
//===----------------------------------------------------------------------===//
#include "test/Target/SimtFixture.h"
#include "test/Target/SimtKernelTexts.h"

#include <cmath>

using namespace dsv2;
using namespace dsv2::test;
using namespace mlir;

namespace {

std::vector<float> noise(size_t count, uint32_t seed) {
  std::vector<float> values(count);
  for (float &value : values) {
    seed = seed * 1664525 + 1013904223;
    value = static_cast<float>(seed >> 8) / (1 << 23) - 1;
  }
  return values;
}

std::vector<uint16_t> toBf16(const std::vector<float> &values) {
  std::vector<uint16_t> out;
  for (float value : values) {
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    out.push_back(static_cast<uint16_t>(bits >> 16));
  }
  return out;
}

float fromBf16(uint16_t value) {
  uint32_t bits = static_cast<uint32_t>(value) << 16;
  float out = 0;
  std::memcpy(&out, &bits, sizeof(out));
  return out;
}

TEST_F(SimtCompileTest, Elementwise) {
  std::vector<float> in = noise(640, 1);
  buffer(in);
  size_t out = empty<float>(640);
  ASSERT_EQ(run(kElementwise, 10), "");
  std::vector<float> values = read<float>(out);
  for (size_t i = 0; i < in.size(); ++i) {
    EXPECT_FLOAT_EQ(values[i], std::exp2(in[i]));
  }
}

TEST_F(SimtCompileTest, LeavesTheAllocation) {
  buffer(noise(640, 1));
  empty<float>(640);
  std::string text = run(kElementwise, 11);
  EXPECT_NE(text.find("out of bounds: read of 4 bytes at elementwise memref.load #"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("kernel.mlir:"), std::string::npos) << text;
}

TEST_F(SimtCompileTest, Tiled) {
  std::vector<float> a = noise(80 * 48, 2), second = noise(48 * 16, 3);
  buffer(a);
  buffer(second);
  size_t out = empty<float>(80 * 16);
  ASSERT_EQ(run(kTiled, 5), "");
  std::vector<float> values = read<float>(out);
  for (size_t row = 0; row < 80; ++row) {
    for (size_t column = 0; column < 16; ++column) {
      float sum = 0;
      for (size_t k = 0; k < 48; ++k) {
        sum += a[row * 48 + k] * second[k * 16 + column];
      }
      EXPECT_NEAR(values[row * 16 + column], sum, 1e-4);
    }
  }
}

TEST_F(SimtCompileTest, Pipelined) {
  std::vector<float> in = noise(3 * 5 * 128, 4);
  buffer(in);
  size_t out = empty<float>(3);
  number(5);
  ASSERT_EQ(run(kPipelined, 3), "");
  for (size_t item = 0; item < 3; ++item) {
    double sum = 0;
    for (size_t i = 0; i < 640; ++i) {
      sum += in[item * 640 + i];
    }
    EXPECT_NEAR(read<float>(out)[item], sum, 1e-3);
  }
}

TEST_F(SimtCompileTest, Matrix) {
  std::vector<uint16_t> a = toBf16(noise(3 * 256, 5)), second = toBf16(noise(3 * 128, 6));
  buffer(a);
  buffer(second);
  size_t out = empty<float>(3 * 128);
  ASSERT_EQ(run(kMatrix, 3), "");
  std::vector<float> values = read<float>(out);
  for (size_t item = 0; item < 3; ++item) {
    for (size_t row = 0; row < 16; ++row) {
      for (size_t column = 0; column < 8; ++column) {
        float sum = 0;
        for (size_t k = 0; k < 16; ++k) {
          sum += fromBf16(a[item * 256 + row * 16 + k]) *
                 fromBf16(second[item * 128 + column * 16 + k]);
        }
        EXPECT_NEAR(values[item * 128 + row * 8 + column], sum, 1e-5);
      }
    }
  }
}

/// Operations whose absence is a race.
bool synchronises(Operation *op) {
  return isa<gpu::BarrierOp, nvgpu::DeviceAsyncWaitOp, nvgpu::DeviceAsyncCreateGroupOp>(op);
}

class Deletions : public SimtCompileTest {
protected:
  /// Deletes each synchronising operation in turn; the launch must report each time.
  void deleteEach(llvm::StringRef text, int64_t items) {
    int count = 0;
    for (int skipped = 0;; ++skipped) {
      OwningOpRef<ModuleOp> module = parse(text);
      int number = 0;
      Operation *victim = nullptr;
      module->walk([&](Operation *op) {
        if (synchronises(op) && number++ == skipped) {
          victim = op;
        }
      });
      if (!victim) {
        break;
      }
      std::string name = victim->getName().getStringRef().str();
      OpBuilder b(victim);
      for (Value result : victim->getResults()) {
        result.replaceAllUsesWith(
            UnrealizedConversionCastOp::create(b, victim->getLoc(), result.getType(), ValueRange{})
                .getResult(0));
      }
      victim->erase();
      std::optional<SimtKernelImage> kernel = compile(*module->getOps<func::FuncOp>().begin());
      ASSERT_TRUE(kernel) << diagnostics;
      std::string report = launch(*kernel, items);
      EXPECT_NE(report, "") << "without " << name << " number " << skipped;
      ++count;
    }
    EXPECT_GE(count, 2);
  }
};

TEST_F(Deletions, Tiled) {
  buffer(noise(80 * 48, 2));
  buffer(noise(48 * 16, 3));
  empty<float>(80 * 16);
  deleteEach(kTiled, 5);
}

TEST_F(Deletions, Pipelined) {
  buffer(noise(3 * 5 * 128, 4));
  empty<float>(3);
  number(5);
  deleteEach(kPipelined, 3);
}

TEST_F(Deletions, Matrix) {
  buffer(toBf16(noise(8 * 256, 5)));
  buffer(toBf16(noise(8 * 128, 6)));
  empty<float>(8 * 128);
  deleteEach(kMatrix, 8);
}

TEST_F(SimtCompileTest, IndexOutsideItsTile) {
  buffer(noise(80 * 48, 2));
  buffer(noise(48 * 16, 3));
  empty<float>(80 * 16);
  std::string text = kTiled;
  // The address is still one of workgroup memory: of the other tile.
  size_t at = text.find("%va, %as[%row, %column]");
  text.replace(at, 23, "%va, %as[%ka, %column] ");
  std::string report = run(text, 1);
  EXPECT_NE(report.find("index out of bounds at tiled memref.store #"), std::string::npos)
      << report;
  EXPECT_NE(report.find("dimension 0 of 16 is indexed by "), std::string::npos) << report;
}

TEST_F(SimtCompileTest, RefusesWhatIsNotModelled) {
  std::string text = kElementwise;
  text.replace(text.find("%y = math.exp2 %x : f32"), 23,
               "%y = gpu.subgroup_reduce add %x : (f32) -> f32");
  std::string report = run(text, 1);
  EXPECT_NE(report.find("'gpu.subgroup_reduce' is not modelled by Simt"), std::string::npos)
      << report;
}

} // namespace
