//===- MoveRowsTest.cpp - Rope, cache append, slot sums and moved rows against f64 loops ---===//
//
// Strides, offsets and head counts that are odd on purpose: nothing may rely on an aligned row.
//
//===----------------------------------------------------------------------===//

#include "test/Conversion/DSV2ToLinalg/RowKernelTest.h"

using namespace mlir::dsv2;
using mlir::Value;

namespace dsv2::test {
namespace {

constexpr int64_t kRows = 3;

class MoveRowsTest : public RowKernelTest {
protected:
  void rope(RotationPairs pairs, int64_t heads, int64_t nope, int64_t width, bool narrow) {
    SCOPED_TRACE("heads " + std::to_string(heads) + " nope " + std::to_string(nope) + " rope " +
                 std::to_string(width));
    int64_t headStride = nope + width, stride = heads * headStride, pad = 2;
    int64_t outHead = width + pad, outStride = heads * outHead;
    std::vector<float> x0 = random(kRows * stride, 1), angles = random(kRows * width / 2, 2);
    Buffer<float> x(kRows * stride), cos(angles.size()), sin(angles.size()),
        wide(kRows * outStride);
    Buffer<uint16_t> half(kRows * outStride);
    mlir::Type element = narrow ? bf16 : f32;
    auto compose = [&](RowKernel &k) {
      unsigned xs = k.addSlot("x"), cs = k.addSlot("cos"), ss = k.addSlot("sin"),
               os = k.addSlot("out");
      Value row = k.load(xs, {f32, width, stride, nope, heads, headStride});
      Value y = buildRope(k, row, k.load(cs, {f32, width / 2, width / 2}),
                          k.load(ss, {f32, width / 2, width / 2}), pairs, element);
      k.store(y, os, RowLayout{element, width, outStride, 0, heads, outHead, pad});
    };
    auto slots = [&] {
      std::copy(x0.begin(), x0.end(), x.data());
      for (size_t i = 0; i < angles.size(); ++i) {
        cos[i] = std::cos(angles[i]);
        sin[i] = std::sin(angles[i]);
      }
      return std::vector<uint64_t>{x.slot(), cos.slot(), sin.slot(),
                                   narrow ? half.slot() : wide.slot()};
    };
    auto check = [&](const std::string &name) {
      for (int64_t row = 0; row < kRows; ++row) {
        for (int64_t h = 0; h < heads; ++h) {
          const float *in = &x0[row * stride + h * headStride + nope];
          for (int64_t j = 0; j < outHead; ++j) {
            int64_t at = row * outStride + h * outHead + j;
            float actual = narrow ? fromBf16(half[at]) : wide[at];
            double expected = 0;
            if (j < width) {
              bool adjacent = pairs == RotationPairs::Adjacent;
              int64_t pair = adjacent ? j / 2 : j % (width / 2);
              bool second = adjacent ? j % 2 == 1 : j >= width / 2;
              double a = in[adjacent ? 2 * pair : pair],
                     b = in[adjacent ? 2 * pair + 1 : pair + width / 2];
              double c = cos[row * width / 2 + pair], s = sin[row * width / 2 + pair];
              expected = second ? b * c + a * s : a * c - b * s;
            }
            ASSERT_NEAR(actual, expected, narrow ? 0.0041 * std::fabs(expected) + 1e-6 : 1e-6)
                << name << " row " << row << " head " << h << " column " << j;
          }
        }
      }
    };
    runEverywhere(compose, kRows, slots, check,
                  [&] { return narrow ? bytesOf(half) : bytesOf(wide); });
  }
};

TEST_F(MoveRowsTest, RopeOfAdjacentPairs) {
  rope(RotationPairs::Adjacent, 16, 128, 64, true);
  rope(RotationPairs::Adjacent, 16, 128, 64, false);
  rope(RotationPairs::Adjacent, 3, 37, 10, true);
  rope(RotationPairs::Adjacent, 1, 5, 6, false);
  rope(RotationPairs::Adjacent, 9, 0, 2, true);
}

TEST_F(MoveRowsTest, RopeOfHalves) {
  rope(RotationPairs::Halves, 3, 37, 10, true);
  rope(RotationPairs::Halves, 16, 0, 128, false);
}

// The norm of the latent, the rope of the shared key, rounding and padding in one kernel.
TEST_F(MoveRowsTest, CacheAppend) {
  struct Shape {
    int64_t latent, rope, rowElements;
  };
  for (Shape shape : {Shape{512, 64, 576}, Shape{41, 6, 64}, Shape{57, 10, 96}}) {
    for (bool narrow : {false, true}) {
      SCOPED_TRACE("latent " + std::to_string(shape.latent));
      constexpr int64_t kCacheRows = 7;
      int64_t stride = shape.latent + shape.rope;
      std::vector<float> x0 = random(kRows * stride, 3), w0 = random(shape.latent, 4);
      Buffer<float> x(kRows * stride), w(shape.latent), cos(kRows * shape.rope / 2),
          sin(kRows * shape.rope / 2);
      Buffer<float> wide(kCacheRows * shape.rowElements, 0x11);
      Buffer<uint16_t> half(kCacheRows * shape.rowElements, 0x11);
      Buffer<int64_t> slot(kRows);
      mlir::Type element = narrow ? bf16 : f32;
      auto compose = [&](RowKernel &k) {
        unsigned xs = k.addSlot("x"), ws = k.addSlot("weight"), cs = k.addSlot("cos"),
                 ss = k.addSlot("sin");
        unsigned table = k.addSlot("slot"), cache = k.addSlot("cache");
        Value latent = buildRmsNorm(k, k.load(xs, {f32, shape.latent, stride}),
                                    k.loadVector(ws, f32, shape.latent), 1e-6);
        Value key = buildRope(k, k.load(xs, {f32, shape.rope, stride, shape.latent}),
                              k.load(cs, {f32, shape.rope / 2, shape.rope / 2}),
                              k.load(ss, {f32, shape.rope / 2, shape.rope / 2}),
                              RotationPairs::Adjacent, element);
        buildCacheAppend(k, latent, key, cache, element, shape.rowElements, table);
      };
      auto slots = [&] {
        std::copy(x0.begin(), x0.end(), x.data());
        std::copy(w0.begin(), w0.end(), w.data());
        for (size_t i = 0; i < cos.size(); ++i) {
          cos[i] = std::cos(float(i));
          sin[i] = std::sin(float(i));
        }
        slot[0] = 5, slot[1] = 0, slot[2] = 3;
        std::memset(wide.data(), 0x11, wide.size() * 4);
        std::memset(half.data(), 0x11, half.size() * 2);
        return std::vector<uint64_t>{x.slot(),   w.slot(),    cos.slot(),
                                     sin.slot(), slot.slot(), narrow ? half.slot() : wide.slot()};
      };
      auto check = [&](const std::string &name) {
        std::vector<bool> written(kCacheRows, false);
        for (int64_t row = 0; row < kRows; ++row) {
          written[slot[row]] = true;
          const float *in = &x0[row * stride];
          double sum = 0;
          for (int64_t j = 0; j < shape.latent; ++j) {
            sum += double(in[j]) * in[j];
          }
          for (int64_t j = 0; j < shape.rowElements; ++j) {
            double expected = 0;
            if (j < shape.latent) {
              expected = in[j] / std::sqrt(sum / shape.latent + 1e-6) * w0[j];
            } else if (j < stride) {
              int64_t pair = (j - shape.latent) / 2, at = row * shape.rope / 2 + pair;
              double a = in[shape.latent + 2 * pair], b = in[shape.latent + 2 * pair + 1];
              expected =
                  (j - shape.latent) % 2 ? b * cos[at] + a * sin[at] : a * cos[at] - b * sin[at];
            }
            int64_t at = slot[row] * shape.rowElements + j;
            ASSERT_NEAR(narrow ? fromBf16(half[at]) : wide[at], expected,
                        (narrow ? 0.0041 : 1e-6) * std::fabs(expected) + 1e-6)
                << name << " row " << row << " column " << j;
          }
        }
        for (int64_t i = 0; i < kCacheRows * shape.rowElements; ++i) {
          if (!written[i / shape.rowElements]) {
            ASSERT_TRUE(narrow ? half[i] == 0x1111 : wide[i] == wide[shape.rowElements])
                << name << " element " << i;
          }
        }
      };
      runEverywhere(compose, kRows, slots, check,
                    [&] { return narrow ? bytesOf(half) : bytesOf(wide); });
    }
  }
}

// The combine of experts, plain and with the residual added last.
TEST_F(MoveRowsTest, SlotSum) {
  for (int64_t width : {20, 37, 100, 2048}) {
    for (int64_t count : {1, 3, 8}) {
      for (bool narrow : {false, true}) {
        SCOPED_TRACE("width " + std::to_string(width) + " slots " + std::to_string(count));
        int64_t assignments = kRows * count;
        std::vector<float> y0 = random(assignments * width, 5), w0 = random(assignments, 6),
                           x0 = random(kRows * width, 7);
        Buffer<float> y(assignments * width), w(assignments), x(kRows * width);
        Buffer<uint16_t> half(assignments * width);
        Buffer<int32_t> position(assignments);
        mlir::Type element = narrow ? bf16 : f32;
        auto compose = [&](RowKernel &k) {
          unsigned ys = k.addSlot("y"), ws = k.addSlot("weights"), ps = k.addSlot("position"),
                   xs = k.addSlot("x");
          Value sum = buildSlotSum(k, ys, {element, width, width}, ws, ps, count);
          k.store(buildAdd(k, k.load(xs, {f32, width, width}), sum), xs, {f32, width, width});
        };
        auto slots = [&] {
          for (int64_t i = 0; i < assignments; ++i) {
            position[i] = int32_t(assignments - 1 - i);
          }
          for (size_t i = 0; i < y0.size(); ++i) {
            half[i] = toBf16(y0[i]);
            y[i] = narrow ? fromBf16(half[i]) : y0[i];
          }
          std::copy(w0.begin(), w0.end(), w.data());
          std::copy(x0.begin(), x0.end(), x.data());
          return std::vector<uint64_t>{narrow ? half.slot() : y.slot(), w.slot(), position.slot(),
                                       x.slot()};
        };
        auto check = [&](const std::string &name) {
          for (int64_t i = 0; i < kRows * width; ++i) {
            double sum = x0[i], magnitude = std::fabs(sum);
            for (int64_t s = 0; s < count; ++s) {
              int64_t assignment = i / width * count + s;
              double term = double(w0[assignment]) * y[position[assignment] * width + i % width];
              sum += term;
              magnitude += std::fabs(term);
            }
            ASSERT_NEAR(x[i], sum, 1e-6 * magnitude) << name << " element " << i;
          }
        };
        runEverywhere(compose, kRows, slots, check, [&] { return bytesOf(x); });
      }
    }
  }
}

// Heads to padded bf16 operands, heads back to a row, and the rows whose logits are wanted.
TEST_F(MoveRowsTest, HeadsAndSelection) {
  struct Shape {
    int64_t heads, width;
  };
  for (Shape shape : {Shape{16, 128}, Shape{3, 37}, Shape{1, 5}, Shape{5, 20}}) {
    SCOPED_TRACE("heads " + std::to_string(shape.heads) + " width " + std::to_string(shape.width));
    int64_t rest = 9, headStride = shape.width + rest, stride = shape.heads * headStride;
    int64_t outHead = (shape.width + 1) / 2 * 2, pad = outHead - shape.width,
            merged = shape.heads * shape.width;
    std::vector<float> x0 = random(4 * stride, 8);
    Buffer<float> x(4 * stride), same(kRows * merged);
    Buffer<uint16_t> split(kRows * shape.heads * outHead);
    Buffer<int32_t> wanted(kRows);
    auto compose = [&](RowKernel &k) {
      unsigned xs = k.addSlot("x"), ws = k.addSlot("wanted"), ms = k.addSlot("merged"),
               ss = k.addSlot("split");
      Value row =
          buildSelectRows(k, xs, {f32, shape.width, stride, 0, shape.heads, headStride}, ws);
      k.store(row, ms, {f32, shape.width, merged, 0, shape.heads, shape.width});
      k.store(row, ss,
              RowLayout{bf16, shape.width, shape.heads * outHead, 0, shape.heads, outHead, pad});
    };
    auto slots = [&] {
      std::copy(x0.begin(), x0.end(), x.data());
      wanted[0] = 3, wanted[1] = 0, wanted[2] = 1;
      return std::vector<uint64_t>{x.slot(), wanted.slot(), same.slot(), split.slot()};
    };
    auto check = [&](const std::string &name) {
      for (int64_t i = 0; i < kRows * shape.heads * outHead; ++i) {
        int64_t row = i / (shape.heads * outHead), head = i / outHead % shape.heads,
                j = i % outHead;
        float expected = j < shape.width ? x0[wanted[row] * stride + head * headStride + j] : 0.0f;
        ASSERT_EQ(split[i], toBf16(expected)) << name << " element " << i;
        if (j < shape.width) {
          ASSERT_EQ(same[row * merged + head * shape.width + j], expected)
              << name << " element " << i;
        }
      }
    };
    runEverywhere(compose, kRows, slots, check, [&] { return bytesOf(split); });
  }
}

// A kept row that is stored has its memory there: both forms of it come from one computation.
TEST_F(MoveRowsTest, KeptRowLivesWhereItIsStored) {
  int64_t width = 100;
  std::vector<float> x0 = random(kRows * width, 11);
  Buffer<float> x(kRows * width), wide(kRows * width);
  Buffer<uint16_t> half(kRows * width);
  auto compose = [&](RowKernel &k) {
    unsigned xs = k.addSlot("x"), ws = k.addSlot("wide"), hs = k.addSlot("half");
    Value row = k.load(xs, {f32, width, width});
    Value twice = k.keep(buildAdd(k, row, row));
    k.store(twice, ws, {f32, width, width});
    k.store(twice, hs, {bf16, width, width});
  };
  auto slots = [&] {
    std::copy(x0.begin(), x0.end(), x.data());
    return std::vector<uint64_t>{x.slot(), wide.slot(), half.slot()};
  };
  auto check = [&](const std::string &name) {
    for (int64_t i = 0; i < kRows * width; ++i) {
      ASSERT_EQ(wide[i], 2 * x0[i]) << name << " element " << i;
      ASSERT_EQ(half[i], toBf16(2 * x0[i])) << name << " element " << i;
    }
  };
  runEverywhere(compose, kRows, slots, check, [&] { return bytesOf(half); });
}

// An intermediate row with two readers and no buffer is refused, and lives in scratch once it is
// kept.
TEST_F(MoveRowsTest, KeepGivesMemory) {
  int64_t width = 100;
  std::vector<float> x0 = random(kRows * width, 9), w0 = random(width, 10);
  Buffer<float> x(kRows * width), w(width), out(kRows * width);
  bool kept = true;
  auto compose = [&](RowKernel &k) {
    unsigned xs = k.addSlot("x"), ws = k.addSlot("weight"), os = k.addSlot("out");
    Value row = k.load(xs, {f32, width, width});
    Value twice = buildAdd(k, row, row);
    Value h = kept ? k.keep(twice) : twice;
    k.store(buildRmsNorm(k, h, k.loadVector(ws, f32, width), 1e-6), os, {f32, width, width});
  };
  auto slots = [&] {
    std::copy(x0.begin(), x0.end(), x.data());
    std::copy(w0.begin(), w0.end(), w.data());
    return std::vector<uint64_t>{x.slot(), w.slot(), out.slot()};
  };
  auto check = [&](const std::string &name) {
    for (int64_t row = 0; row < kRows; ++row) {
      double sum = 0;
      for (int64_t j = 0; j < width; ++j) {
        sum += 4.0 * x0[row * width + j] * x0[row * width + j];
      }
      for (int64_t j = 0; j < width; ++j) {
        double y = 2.0 * x0[row * width + j] / std::sqrt(sum / width + 1e-6) * w0[j];
        ASSERT_NEAR(out[row * width + j], y, 1e-6 * std::fabs(y) + 1e-7) << name << " column " << j;
      }
    }
  };
  runEverywhere(compose, kRows, slots, check, [&] { return bytesOf(out); });
  EXPECT_EQ(scratchBytes, 448);
  kept = false;
  EXPECT_TRUE(failed(compile(*targets.lookup("x86-64-v3"), compose)));
  EXPECT_NE(message.find("generic kernel 'k': 'memref.alloc"), std::string::npos) << message;
}

} // namespace
} // namespace dsv2::test
