//===- CompileTimeTest.cpp - what each kernel of a model takes to compile -===//
//
// Every kernel that builders make for DeepSeek-V2-Lite and DeepSeek-V2, in both element types, for
// every target with workgroups: the processor's time from the kernel's function to its object,
// without text for people, is bounded. The numbers are printed.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/KernelBuilder.h"
#include "lib/Codegen/TileEmitter.h"
#include "lib/Target/TargetBackend.h"

#include "mlir/AsmParser/AsmParser.h"

#include <algorithm>
#include <ctime>
#include <gtest/gtest.h>

using namespace mlir;

namespace dsv2 {
namespace {

/// Milliseconds of the processor that one kernel may take.
constexpr double kMostMilliseconds = 300.0;

struct Named {
  std::string builder, what, spec;
};

/// Sizes of a model; `queries` are columns of the second projection of queries, 0: there is one.
struct Sizes {
  std::string name;
  int64_t hidden, heads, queryRank, dense, experts, width, slots, vocabulary;
  std::string gate;
};

const Sizes kSizes[] = {
    {"V2-Lite", 2048, 16, 0, 10944, 64, 1408, 8, 102400,
     "{experts = 64, top_k = 6, groups = 1, keep = 1, shared = 2, scoring = \"softmax\", "
     "normalize = false, scale = 1.0}"},
    {"V2", 5120, 128, 1536, 12288, 160, 1536, 8, 102400,
     "{experts = 160, top_k = 6, groups = 8, keep = 3, shared = 2, scoring = \"softmax\", "
     "normalize = false, scale = 16.0}"}};

constexpr int64_t kLatent = 512, kRope = 64, kNope = 128;

std::string number(int64_t x) { return std::to_string(x); }

std::string matmul(const std::string &type, int64_t n, int64_t k, int64_t batch, bool add) {
  return "{n = " + number(n) + ", k = " + number(k) + ", batch = " + number(batch) +
         ", dtype = " + type + ", out_dtype = f32, a_row_stride = " + number(batch * k) +
         ", a_batch_stride = " + number(k) + ", out_row_stride = " + number(batch * n) +
         ", out_batch_stride = " + number(n) + ", add = " + (add ? "true" : "false") + "}";
}

std::string grouped(const std::string &type, int64_t n, int64_t k, bool swiglu) {
  return "{n = " + number(n) + ", k = " + number(k) + ", dtype = " + type +
         ", out_dtype = " + type + ", a_row_stride = " + number(k) +
         ", out_row_stride = " + number(n) + ", epilogue = \"" + (swiglu ? "swiglu" : "none") +
         "\", gather = " + (swiglu ? "true" : "false") + "}";
}

std::string attention(const std::string &type, int64_t heads, const std::string &mode) {
  return "{heads = " + number(heads) + ", latent = " + number(kLatent) +
         ", rope = " + number(kRope) + ", row_elements = " + number(kLatent + kRope) +
         ", page_tokens = 64, table_stride = 128, dtype = " + type + ", out_dtype = " + type +
         ", scale = 0.1147, q_row_stride = " + number(heads * kLatent) +
         ", q_head_stride = " + number(kLatent) + ", rope_row_stride = " + number(heads * kRope) +
         ", rope_head_stride = " + number(kRope) + ", out_row_stride = " + number(heads * kLatent) +
         ", out_head_stride = " + number(kLatent) + ", mode = \"" + mode + "\"}";
}

std::vector<Named> kernelsOf(const Sizes &s, const std::string &type) {
  std::vector<Named> out;
  auto product = [&](const std::string &what, int64_t n, int64_t k, int64_t batch, bool add) {
    out.push_back({"matmul", what, matmul(type, n, k, batch, add)});
  };
  int64_t queries = s.heads * (kNope + kRope);
  if (s.queryRank) {
    product("q_a", s.queryRank, s.hidden, 1, false);
  }
  product("q", queries, s.queryRank ? s.queryRank : s.hidden, 1, false);
  product("kv_a", kLatent + kRope, s.hidden, 1, false);
  product("to latents", kLatent, kNope, s.heads, false);
  product("from latents", kNope, kLatent, s.heads, false);
  product("o", s.hidden, s.heads * kNope, 1, true);
  product("down", s.hidden, s.dense, 1, true);
  product("gate", s.experts, s.hidden, 1, false);
  product("head", s.vocabulary, s.hidden, 1, false);
  out.push_back({"grouped_matmul", "gate and up", grouped(type, s.width, s.hidden, true)});
  out.push_back({"grouped_matmul", "down", grouped(type, s.hidden, s.width, false)});
  for (const char *mode : {"sequential", "split", "merge"}) {
    out.push_back({"latent_attention", mode, attention(type, s.heads, mode)});
  }
  out.push_back({"gate_topk", "", s.gate});
  out.push_back({"sort_experts", "",
                 "{experts = " + number(s.experts + 2) + ", slots = " + number(s.slots) + "}"});
  return out;
}

double milliseconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return 1e3 * double(time.tv_sec) + 1e-6 * double(time.tv_nsec);
}

TEST(CompileTimeTest, EveryKernelOfV2CompilesFast) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  DialectRegistry dialects;
  registerKernelDialects(dialects);
  context.appendDialectRegistry(dialects);
  context.loadAllAvailableDialects();
  TargetRegistry targets;
  registerAllTargets(targets);
  KernelBuilderRegistry builders;
  registerAllKernelBuilders(builders);
  bool any = false;
  for (const std::string &name : targets.getNames()) {
    const TargetBackend *target = targets.lookup(name);
    if (!target->hasDeviceForm()) {
      continue;
    }
    /// -1: does not compile.
    auto compile = [&](const Named &kernel) {
      auto spec = dyn_cast_or_null<DictionaryAttr>(parseAttribute(kernel.spec, &context));
      std::unique_ptr<TileEmitter> emitter = target->createEmitter(&context);
      FailureOr<BuiltKernel> built =
          builders.lookup(kernel.builder)({"kernel", spec, UnknownLoc::get(&context)}, *emitter);
      if (failed(built)) {
        return -1.0;
      }
      double before = milliseconds();
      bool done = succeeded(target->compileKernel(built->function, {}));
      return done ? milliseconds() - before : -1.0;
    };
    any = true;
    compile(kernelsOf(kSizes[0], "bf16").front()); // loads what the code generator needs
    double most = 0.0, sum = 0.0;
    int count = 0;
    for (const Sizes &sizes : kSizes) {
      for (const std::string type : {"bf16", "f32"}) {
        for (const Named &kernel : kernelsOf(sizes, type)) {
          double took = compile(kernel);
          // Another process may have emptied the caches: the second time counts.
          took = took > kMostMilliseconds ? std::min(took, compile(kernel)) : took;
          std::printf("%-8s %-7s %-4s %-16s %-12s %4.0f ms\n", name.c_str(), sizes.name.c_str(),
                      type.c_str(), kernel.builder.c_str(), kernel.what.c_str(), took);
          EXPECT_GE(took, 0.0) << name << " " << kernel.builder << " " << kernel.spec;
          EXPECT_LT(took, kMostMilliseconds) << name << " " << kernel.builder << " " << kernel.spec;
          most = std::max(most, took);
          sum += took;
          ++count;
        }
      }
    }
    std::printf("%s: %d kernels, %.0f ms each, %.0f ms at most\n", name.c_str(), count, sum / count,
                most);
  }
  if (!any) {
    GTEST_SKIP() << "no target of this build has workgroups";
  }
}

} // namespace
} // namespace dsv2
