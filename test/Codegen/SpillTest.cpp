//===- SpillTest.cpp - inner loops stay in registers ----------------------===//
//
// Reads the assembly of each contraction kernel on each tier: an innermost loop that multiplies and
// spreads values from memory may not touch the stack.
//
//===----------------------------------------------------------------------===//
#include "test/Codegen/KernelFixture.h"

#include <regex>
#include <sstream>

namespace dsv2::test {
namespace {

struct LoopCount {
  int loops = 0, spills = 0;
  std::string first; ///< the first line that touches the stack
};

bool isMultiply(const std::string &line) {
  return line.find("vfmadd") != std::string::npos || line.find("vdpbf16ps") != std::string::npos;
}

/// A loop that spreads scalars is a contraction; others (exponentials) may keep constants on the
/// stack.
bool isSpread(const std::string &line) {
  bool constant = line.find("(%rip)") != std::string::npos;
  return !constant &&
         (line.find("broadcast") != std::string::npos || line.find("{1to16}") != std::string::npos);
}

/// Innermost loops: from a label to a jump back to it with no label between.
LoopCount countStackAccesses(const std::string &assembly) {
  std::vector<std::string> lines;
  std::istringstream stream(assembly);
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  LoopCount out;
  std::string label;
  size_t start = 0;
  std::regex jump("^\\s+j\\w+\\s+(\\.LBB\\w+)");
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].rfind(".LBB", 0) == 0) {
      label = lines[i].substr(0, lines[i].find(':'));
      start = i;
    }
    std::smatch match;
    if (!std::regex_search(lines[i], match, jump) || match[1] != label) {
      continue;
    }
    auto begin = lines.begin() + long(start), end = lines.begin() + long(i);
    if (std::none_of(begin, end, isMultiply) || std::none_of(begin, end, isSpread)) {
      continue;
    }
    ++out.loops;
    for (auto line = begin; line != end; ++line) {
      if (line->find("%rsp") != std::string::npos) {
        out.first = out.spills++ == 0 ? *line : out.first;
      }
    }
  }
  return out;
}

TEST(SpillTest, CountsWhatItShould) {
  LoopCount count = countStackAccesses(
      ".LBB0_1:\n\tvbroadcastss 8(%rax), %ymm1\n\tvfmadd231ps %ymm1, %ymm2, %ymm3\n"
      "\tvmovups %ymm3, 32(%rsp)\n\tjne .LBB0_1\n"
      ".LBB0_2:\n\tvmovups %ymm3, 32(%rsp)\n\tjne\t.LBB0_2\n");
  EXPECT_EQ(count.loops, 1);
  EXPECT_EQ(count.spills, 1);
}

TEST(SpillTest, InnerLoopsDoNotTouchTheStack) {
  for (const std::string &target : {"x86-64-v3", "x86-64-v4", "x86-64-v4-bf16"}) {
    for (const std::string type : {"f32", "bf16"}) {
      const std::pair<std::string, std::string> kernels[] = {
          {"matmul",
           "{n = 3072, k = 2048, batch = 1, dtype = " + type +
               ", out_dtype = f32, a_row_stride = 2048, "
               "a_batch_stride = 0, out_row_stride = 3072, out_batch_stride = 0, add = true}"},
          {"grouped_matmul", "{n = 1408, k = 2048, dtype = " + type + ", out_dtype = " + type +
                                 ", a_row_stride = 2048, out_row_stride = 1408, epilogue = "
                                 "\"swiglu\", gather = true}"},
          {"latent_attention",
           "{heads = 16, latent = 512, rope = 64, row_elements = 576, page_tokens = 64, "
           "table_stride = 128, dtype = " +
               type + ", out_dtype = " + type +
               ", scale = 0.1147, q_row_stride = 8192, q_head_stride = 512, rope_row_stride = "
               "1024, rope_head_stride = "
               "64, out_row_stride = 8192, out_head_stride = 512, mode = \"sequential\"}"}};
      for (const auto &[builder, spec] : kernels) {
        std::string assembly = KernelHouse::get().assembly(target, builder, spec);
        ASSERT_FALSE(assembly.empty()) << KernelHouse::get().message;
        LoopCount count = countStackAccesses(assembly);
        EXPECT_GE(count.loops, builder == "latent_attention" ? 2 : 5)
            << target << " " << builder << " " << type;
        EXPECT_EQ(count.spills, 0)
            << target << " " << builder << " " << type << ": " << count.first;
      }
    }
  }
}

TEST(SpillTest, SpecialInstructionsAreUsedWhereTheTierHasThem) {
  std::string spec = "{n = 64, k = 64, batch = 1, dtype = bf16, out_dtype = bf16, a_row_stride = "
                     "64, a_batch_stride = "
                     "0, out_row_stride = 64, out_batch_stride = 0, add = false}";
  KernelHouse &house = KernelHouse::get();
  EXPECT_NE(house.assembly("x86-64-v4-bf16", "matmul", spec).find("vdpbf16ps"), std::string::npos);
  EXPECT_NE(house.assembly("x86-64-v4-bf16", "matmul", spec).find("vcvtneps2bf16"),
            std::string::npos);
  EXPECT_EQ(house.assembly("x86-64-v4", "matmul", spec).find("bf16ps"), std::string::npos);
  std::string emulated = house.assembly("x86-64-v4-bf16:emulated", "matmul", spec);
  EXPECT_NE(emulated.find("vfmadd"), std::string::npos);
  EXPECT_EQ(emulated.find("zmm"), std::string::npos);
}

} // namespace
} // namespace dsv2::test
