//===- SimtRacesTest.cpp - emitted kernels lose each barrier in turn ------===//
//
// Every builder's kernel of every GPU target is silent under Simt as it is. Then each operation
// that synchronises (barriers, mbarriers and what is done with them, fences, ends of groups of
// copies or multiplications, waits for them) is deleted in turn on the IR: at least 95% of all
// deletions must be reported, whatever they do to the values.
//
//===----------------------------------------------------------------------===//
#include "test/Target/SimtFixture.h"

#include "lib/Codegen/KernelBuilder.h"
#include "lib/Codegen/LatentAttention.h"
#include "lib/Codegen/TileEmitter.h"

#include "mlir/AsmParser/AsmParser.h"

#include <random>

using namespace dsv2;
using namespace dsv2::test;
using namespace mlir;

namespace {

/// The GPU targets of this build.
std::vector<std::string> gpuTargets() {
  TargetRegistry registry;
  registerAllTargets(registry);
  std::vector<std::string> names;
  for (const std::string &name : registry.getNames()) {
    if (registry.lookup(name)->hasDeviceForm()) {
      names.push_back(name);
    }
  }
  return names;
}

bool synchronises(Operation *op) {
  return isa<gpu::BarrierOp, nvgpu::DeviceAsyncWaitOp, nvgpu::DeviceAsyncCreateGroupOp,
             NVVM::BarrierOp, NVVM::SyncWarpOp, NVVM::CpAsyncCommitGroupOp,
             NVVM::CpAsyncWaitGroupOp, NVVM::MBarrierInitOp, NVVM::FenceMbarrierInitOp,
             NVVM::MBarrierArriveOp, NVVM::MBarrierArriveExpectTxOp, NVVM::MBarrierTryWaitParityOp,
             NVVM::FenceProxyOp, NVVM::WgmmaFenceAlignedOp, NVVM::WgmmaGroupSyncAlignedOp,
             NVVM::WgmmaWaitGroupSyncOp>(op);
}

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t roundUp(int64_t a, int64_t b) { return ceilDiv(a, b) * b; }

class Races : public SimtCompileTest, public ::testing::WithParamInterface<std::string> {
protected:
  Races() {
    DialectRegistry dialects;
    registerKernelDialects(dialects);
    context.appendDialectRegistry(dialects);
    context.loadAllAvailableDialects();
    registerAllTargets(targets);
    registerAllKernelBuilders(builders);
    target = targets.lookup(GetParam());
    lanes = target->getCapabilities().lanes;
  }

  /// A slot with so many elements of 2 or 4 bytes, numbers in [-1, 1).
  void values(int64_t count, bool bf16, MemoryUse use = MemoryUse::Working) {
    std::vector<uint16_t> bits(static_cast<size_t>(bf16 ? count : 2 * count));
    std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      float value = uniform(random);
      uint32_t word = 0;
      std::memcpy(&word, &value, sizeof(word));
      if (bf16) {
        bits[i] = static_cast<uint16_t>(word >> 16);
      } else {
        std::memcpy(&bits[2 * i], &word, sizeof(word));
      }
    }
    Expected<std::unique_ptr<DeviceMemory>> made = driver->allocate(bits.size() * 2, use);
    ASSERT_TRUE(made);
    ASSERT_FALSE(driver->copyIn((*made)->address(), bits.data(), bits.size() * 2));
    slots.push_back((*made)->address());
    memory.push_back(std::move(*made));
  }
  /// A packed weight.
  void weight(int64_t matrices, int64_t n, int64_t k, bool bf16) {
    PackedLayout packing = target->getPacking(bf16 ? Type(BFloat16Type::get(&context))
                                                   : Type(Float32Type::get(&context)));
    values(matrices * roundUp(n, packing.panel) * roundUp(k, packing.pair), bf16,
           MemoryUse::Weights);
  }

  int64_t panelsOf(int64_t columns, bool bf16) {
    Type type = bf16 ? Type(BFloat16Type::get(&context)) : Type(Float32Type::get(&context));
    return ceilDiv(columns, target->getPacking(type).panel);
  }

  /// Runs the kernel as it is, then without each synchronising operation.
  void check(const std::string &builderName, const std::string &spec, int64_t items) {
    auto attribute = llvm::dyn_cast_or_null<DictionaryAttr>(parseAttribute(spec, &context));
    KernelBuilder builder = builders.lookup(builderName);
    ASSERT_TRUE(attribute && builder);
    std::unique_ptr<TileEmitter> emitter = target->createEmitter(&context);
    KernelRequest request{"kernel", attribute, UnknownLoc::get(&context)};
    FailureOr<BuiltKernel> built = builder(request, *emitter);
    ASSERT_TRUE(succeeded(built));
    SmallVector<const TargetBackend *> entries = {nullptr};
    if (target->getDriver() == "cuda") { // the one vendor whose operations the second entry plays
      entries.push_back(target);
    }
    for (const TargetBackend *vendor : entries) {
      std::optional<SimtKernelImage> whole = compile(built->function, vendor);
      ASSERT_TRUE(whole) << diagnostics;
      ASSERT_EQ(launch(*whole, items), "")
          << builderName << " " << spec << (vendor ? " after the vendor's conversion" : "");
    }
    for (int skipped = 0;; ++skipped) {
      OwningOpRef<func::FuncOp> copy = built->function.clone();
      Operation *victim = nullptr;
      int number = 0;
      copy->walk([&](Operation *op) {
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
      for (const TargetBackend *vendor : entries) {
        std::optional<SimtKernelImage> kernel = compile(*copy, vendor);
        ASSERT_TRUE(kernel) << diagnostics;
        ++deleted;
        if (launch(*kernel, items).empty()) {
          std::printf("not reported: %s %s without %s number %d%s\n", GetParam().c_str(),
                      builderName.c_str(), name.c_str(), skipped,
                      vendor ? " after the vendor's conversion" : "");
        } else {
          ++reported;
        }
      }
    }
  }

  void TearDown() override {
    std::printf("%s: %d of %d deletions reported\n", GetParam().c_str(), reported, deleted);
    EXPECT_GE(reported * 100, deleted * 95);
  }

  TargetRegistry targets;
  KernelBuilderRegistry builders;
  const TargetBackend *target = nullptr;
  std::mt19937 random{1};
  int deleted = 0, reported = 0;
};

std::string typeName(bool bf16) { return bf16 ? "bf16" : "f32"; }

TEST_P(Races, Matmul) {
  for (bool bf16 : {false, true}) {
    // Rows of a large block and of a small one; steps enough to use every stage again; more items
    // than the driver has workgroups, so that an item follows another.
    constexpr int64_t kRows = 135, kColumns = 270, kDepth = 264;
    slots.clear();
    memory.clear();
    values(kRows * kDepth, bf16);
    weight(1, kColumns, kDepth, bf16);
    empty<float>(kRows * kColumns);
    number(kRows);
    int64_t rowsOfItem = target->getCapabilities().rowsOfItem;
    int64_t blocks = rowsOfItem == 0 ? 1 : ceilDiv(kRows, rowsOfItem);
    std::string depth = std::to_string(kDepth), columns = std::to_string(kColumns);
    check("matmul",
          "{n = " + columns + ", k = " + depth + ", batch = 1, dtype = " + typeName(bf16) +
              ", out_dtype = f32, a_row_stride = " + depth + ", a_batch_stride = 0" +
              ", out_row_stride = " + columns + ", out_batch_stride = 0, add = false}",
          panelsOf(kColumns, bf16) * blocks);
  }
}

TEST_P(Races, GroupedMatmul) {
  for (bool bf16 : {false, true}) {
    constexpr int64_t kTokens = 20, kPositions = 80, kColumns = 136, kDepth = 264, kExperts = 3;
    slots.clear();
    memory.clear();
    values(kTokens * kDepth, bf16);
    weight(2 * kExperts, kColumns, kDepth, bf16);
    // One row is a small block of every target, 79 are a large one.
    buffer<int32_t>({0, 0, 1, 2, 1, 80, 0, 0, 0});
    buffer<int32_t>({2});
    std::vector<int32_t> order;
    for (int32_t i = 0; i < kPositions; ++i) {
      order.push_back(i * 3 % kTokens);
    }
    buffer(order);
    empty<uint16_t>(kPositions * kColumns * (bf16 ? 1 : 2));
    std::string depth = std::to_string(kDepth), columns = std::to_string(kColumns);
    check("grouped_matmul",
          "{n = " + columns + ", k = " + depth + ", dtype = " + typeName(bf16) +
              ", out_dtype = " + typeName(bf16) + ", a_row_stride = " + depth +
              ", out_row_stride = " + columns + ", epilogue = \"swiglu\", gather = true}",
          kExperts * panelsOf(kColumns, bf16));
  }
}

TEST_P(Races, LatentAttention) {
  for (bool bf16 : {false, true}) {
    constexpr int64_t kHeads = 20, kLatent = 64, kRope = 16, kRow = 96, kPages = 12;
    // More than one block, few tokens, none: then nobody waits for what was begun for a block.
    const std::vector<int32_t> contexts = {300, 1, 70, 0};
    AttentionTile tile = target->getAttentionTile(bf16 ? Type(BFloat16Type::get(&context))
                                                       : Type(Float32Type::get(&context)));
    int64_t rows = static_cast<int64_t>(contexts.size()), groups = tile.groups(kHeads);
    auto spec = [&](const std::string &mode) {
      return "{heads = 20, latent = 64, rope = 16, row_elements = 96, page_tokens = 64, "
             "table_stride = 8, dtype = " +
             typeName(bf16) + ", out_dtype = " + typeName(bf16) +
             ", scale = 0.1, q_row_stride = 1280, q_head_stride = 64, rope_row_stride = 320, "
             "rope_head_stride = 16, out_row_stride = 1280, out_head_stride = 64, mode = \"" +
             mode + "\"}";
    };
    auto inputs = [&] {
      slots.clear();
      memory.clear();
      values(rows * kHeads * kLatent, bf16);
      values(rows * kHeads * kRope, bf16);
      values(kPages * 64 * kRow, bf16);
      std::vector<int32_t> table(rows * 8, 0);
      for (int32_t i = 0; i < 8; ++i) {
        table[i] = i;
        table[8 + i] = table[16 + i] = table[24 + i] = 8 + i % 4;
      }
      buffer(table);
      buffer(contexts);
      buffer<int32_t>({0, 1, 2, 3});
    };
    inputs();
    empty<uint16_t>(rows * kHeads * kLatent * (bf16 ? 1 : 2));
    check("latent_attention", spec("sequential"), rows * groups);
    inputs();
    int64_t blocks = tile.blocks(300);
    size_t partials = empty<float>(rows * groups * blocks * tile.record(kLatent));
    number(300);
    check("latent_attention", spec("split"), rows * groups * blocks);
    // The split that ran last left the partials, reported or not.
    std::vector<uint64_t> merge = {slots[partials], slots[4]};
    std::vector<std::unique_ptr<DeviceMemory>> kept;
    kept.swap(memory);
    slots = merge;
    memory.resize(2);
    empty<uint16_t>(rows * kHeads * kLatent * (bf16 ? 1 : 2));
    number(300);
    check("latent_attention", spec("merge"), rows * groups);
  }
}

TEST_P(Races, GateAndSort) {
  constexpr int64_t kRows = 9, kExperts = 24;
  values(kRows * kExperts, false);
  empty<float>(kRows * 5);
  empty<int32_t>(kRows * 5);
  buffer(std::vector<int32_t>(kRows * 4, 0));
  number(0);
  check("gate_topk",
        "{scoring = \"softmax\", experts = 24, top_k = 4, groups = 4, keep = 2, normalize = false, "
        "scale = 2.5, shared = 1}",
        kRows);
  slots.clear();
  memory.clear();
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < kRows * 5; ++i) {
    ids.push_back(i * 7 % 25);
  }
  buffer(ids);
  empty<int32_t>(25 * 3);
  empty<int32_t>(1);
  empty<int32_t>(kRows * 5);
  empty<int32_t>(kRows * 5);
  number(kRows);
  check("sort_experts", "{experts = 25, slots = 5}", 1);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Races);
INSTANTIATE_TEST_SUITE_P(Targets, Races, ::testing::ValuesIn(gpuTargets()),
                         [](const ::testing::TestParamInfo<std::string> &info) {
                           return info.param;
                         });

} // namespace
