//===- NormRowsTest.cpp - Norm, add, cast, SwiGLU and embedding against f64 loops ---===//
//
// Widths are those of real models and the odd ones that break tails.
//
//===----------------------------------------------------------------------===//

#include "test/Conversion/DSV2ToLinalg/RowKernelTest.h"

using namespace mlir::dsv2;
using mlir::Value;

namespace dsv2::test {
namespace {

constexpr int64_t kRows = 3;
const int64_t kWidths[] = {5, 16, 20, 37, 41, 57, 64, 100, 576, 1409, 2048};

int64_t even(int64_t width) { return (width + 1) / 2 * 2; }

class NormRowsTest : public RowKernelTest {};

// add in place, norm of the sum, rounding and zero padding: the group that every layer has twice.
TEST_F(NormRowsTest, AddNormCast) {
  for (int64_t width : kWidths) {
    SCOPED_TRACE("width " + std::to_string(width));
    int64_t stride = even(width);
    std::vector<float> x0 = random(kRows * width, 1), d0 = random(kRows * width, 2),
                       w0 = random(width, 3);
    Buffer<float> x(kRows * width), d(kRows * width), w(width);
    Buffer<uint16_t> out(kRows * stride);
    auto compose = [&](RowKernel &k) {
      unsigned xs = k.addSlot("x"), ds = k.addSlot("delta"), ws = k.addSlot("weight"),
               os = k.addSlot("out");
      Value h = buildAdd(k, k.load(xs, {f32, width, width}), k.load(ds, {f32, width, width}));
      k.store(h, xs, {f32, width, width});
      Value normal = buildRmsNorm(k, h, k.loadVector(ws, f32, width), 1e-6);
      k.store(normal, os, RowLayout{bf16, width, stride, 0, 0, 0, stride - width});
    };
    auto slots = [&] {
      std::copy(x0.begin(), x0.end(), x.data());
      std::copy(d0.begin(), d0.end(), d.data());
      std::copy(w0.begin(), w0.end(), w.data());
      std::memset(out.data(), 0xff, out.size() * 2);
      return std::vector<uint64_t>{x.slot(), d.slot(), w.slot(), out.slot()};
    };
    auto check = [&](const std::string &name) {
      for (int64_t row = 0; row < kRows; ++row) {
        double sum = 0;
        for (int64_t j = 0; j < width; ++j) {
          double h = double(x0[row * width + j]) + d0[row * width + j];
          sum += h * h;
          ASSERT_NEAR(x[row * width + j], h, 1e-6 * std::fabs(h) + 1e-7)
              << name << " row " << row << " column " << j;
        }
        double scale = 1.0 / std::sqrt(sum / width + 1e-6);
        for (int64_t j = 0; j < width; ++j) {
          double y = (double(x0[row * width + j]) + d0[row * width + j]) * scale * w0[j];
          ASSERT_NEAR(fromBf16(out[row * stride + j]), y, 0.0041 * std::fabs(y) + 1e-6)
              << name << " row " << row << " column " << j;
        }
        for (int64_t j = width; j < stride; ++j) {
          ASSERT_EQ(out[row * stride + j], 0) << name << " pad of row " << row;
        }
      }
    };
    runEverywhere(compose, kRows, slots, check, [&] {
      std::vector<char> bytes = bytesOf(x), more = bytesOf(out);
      bytes.insert(bytes.end(), more.begin(), more.end());
      return bytes;
    });
  }
}

// f32 in and out, a part of a wider row: the norm of a latent.
TEST_F(NormRowsTest, NormOfPart) {
  for (int64_t width : kWidths) {
    SCOPED_TRACE("width " + std::to_string(width));
    int64_t stride = width + 7, offset = 3;
    std::vector<float> x0 = random(kRows * stride, 4), w0 = random(width, 5);
    Buffer<float> x(kRows * stride), w(width), out(kRows * width);
    auto compose = [&](RowKernel &k) {
      unsigned xs = k.addSlot("x"), ws = k.addSlot("weight"), os = k.addSlot("out");
      Value row = k.load(xs, {f32, width, stride, offset});
      k.store(buildRmsNorm(k, row, k.loadVector(ws, f32, width), 1e-5), os, {f32, width, width});
    };
    auto slots = [&] {
      std::copy(x0.begin(), x0.end(), x.data());
      std::copy(w0.begin(), w0.end(), w.data());
      return std::vector<uint64_t>{x.slot(), w.slot(), out.slot()};
    };
    auto check = [&](const std::string &name) {
      for (int64_t row = 0; row < kRows; ++row) {
        const float *in = &x0[row * stride + offset];
        double sum = 0;
        for (int64_t j = 0; j < width; ++j) {
          sum += double(in[j]) * in[j];
        }
        for (int64_t j = 0; j < width; ++j) {
          double y = in[j] / std::sqrt(sum / width + 1e-5) * w0[j];
          ASSERT_NEAR(out[row * width + j], y, 1e-6 * std::fabs(y) + 1e-7)
              << name << " column " << j;
        }
      }
    };
    runEverywhere(compose, kRows, slots, check, [&] { return bytesOf(out); });
  }
}

// Gate and up are halves of one row; the result is an operand of a bf16 contraction.
TEST_F(NormRowsTest, SwiGLU) {
  for (int64_t width : kWidths) {
    SCOPED_TRACE("width " + std::to_string(width));
    int64_t stride = even(width);
    std::vector<float> x0 = random(kRows * 2 * width, 6);
    x0[0] = 90.0f;
    x0[1] = -100.0f;
    Buffer<float> x(kRows * 2 * width);
    Buffer<uint16_t> out(kRows * stride);
    auto compose = [&](RowKernel &k) {
      unsigned xs = k.addSlot("x"), os = k.addSlot("out");
      Value y = buildSwiGLU(k, k.load(xs, {f32, width, 2 * width}),
                            k.load(xs, {f32, width, 2 * width, width}));
      k.store(y, os, RowLayout{bf16, width, stride, 0, 0, 0, stride - width});
    };
    auto slots = [&] {
      std::copy(x0.begin(), x0.end(), x.data());
      return std::vector<uint64_t>{x.slot(), out.slot()};
    };
    auto check = [&](const std::string &name) {
      for (int64_t row = 0; row < kRows; ++row) {
        const float *in = &x0[row * 2 * width];
        for (int64_t j = 0; j < width; ++j) {
          double y = in[j] / (1 + std::exp(-double(in[j]))) * in[width + j];
          ASSERT_NEAR(fromBf16(out[row * stride + j]), y, 0.0041 * std::fabs(y) + 1e-6)
              << name << " column " << j;
        }
      }
    };
    runEverywhere(compose, kRows, slots, check, [&] { return bytesOf(out); });
  }
}

// f32 SwiGLU says how good the exponential is.
TEST_F(NormRowsTest, SwiGLUIsAccurate) {
  int64_t width = 1000;
  Buffer<float> gate(width), up(width), out(width);
  auto compose = [&](RowKernel &k) {
    unsigned gs = k.addSlot("gate"), us = k.addSlot("up"), os = k.addSlot("out");
    k.store(buildSwiGLU(k, k.load(gs, {f32, width, width}), k.load(us, {f32, width, width})), os,
            {f32, width, width});
  };
  auto slots = [&] {
    for (int64_t j = 0; j < width; ++j) {
      gate[j] = float(j - 500) * 0.17f;
      up[j] = 1.0f;
    }
    return std::vector<uint64_t>{gate.slot(), up.slot(), out.slot()};
  };
  auto check = [&](const std::string &name) {
    for (int64_t j = 0; j < width; ++j) {
      double y = gate[j] / (1 + std::exp(-double(gate[j])));
      ASSERT_NEAR(out[j], y, 1e-6 * std::fabs(y) + 1e-30) << name << " gate " << gate[j];
    }
  };
  runEverywhere(compose, 1, slots, check, [&] { return bytesOf(out); });
}

TEST_F(NormRowsTest, Embed) {
  for (int64_t width : kWidths) {
    for (bool narrow : {false, true}) {
      SCOPED_TRACE("width " + std::to_string(width));
      constexpr int64_t kVocab = 11;
      std::vector<float> t0 = random(kVocab * width, 7);
      Buffer<float> wide(kVocab * width), out(kRows * width);
      Buffer<uint16_t> half(kVocab * width);
      Buffer<int32_t> tokens(kRows);
      auto compose = [&](RowKernel &k) {
        unsigned ts = k.addSlot("tokens"), es = k.addSlot("table"), os = k.addSlot("out");
        k.store(buildEmbed(k, ts, es, narrow ? bf16 : f32, width), os, {f32, width, width});
      };
      auto slots = [&] {
        for (size_t i = 0; i < t0.size(); ++i) {
          half[i] = toBf16(t0[i]);
          wide[i] = t0[i];
        }
        tokens[0] = 10, tokens[1] = 0, tokens[2] = 7;
        return std::vector<uint64_t>{tokens.slot(), narrow ? half.slot() : wide.slot(), out.slot()};
      };
      auto check = [&](const std::string &name) {
        for (int64_t i = 0; i < kRows * width; ++i) {
          int64_t from = tokens[i / width] * width + i % width;
          ASSERT_EQ(out[i], narrow ? fromBf16(half[from]) : wide[from]) << name << " element " << i;
        }
      };
      runEverywhere(compose, kRows, slots, check, [&] { return bytesOf(out); });
    }
  }
}

} // namespace
} // namespace dsv2::test
