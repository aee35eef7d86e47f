//===- SimtHouse.h - kernels of GPU targets, run checked on this CPU ------===//
//
// Builds a kernel for a target's checked form and runs it on the driver `simt`: buffers are copied
// to its memory and back, and whatever the checks report fails the test.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TEST_CODEGEN_GPU_SIMTHOUSE_H
#define DSV2_TEST_CODEGEN_GPU_SIMTHOUSE_H

#include "lib/Runtime/drivers/simt/SimtDriver.h"
#include "test/Codegen/KernelFixture.h"
#include "test/Codegen/TensorMapsOf.h"

namespace dsv2::test {

/// A slot of a kernel: memory of the host that the device has a copy of, or a number.
struct SimtSlot {
  void *data = nullptr;
  size_t bytes = 0;
  uint64_t symbol = 0;

  static SimtSlot number(int64_t value) { return {nullptr, 0, uint64_t(value)}; }
  static SimtSlot of(const Elements &elements, bool bf16) {
    return {reinterpret_cast<void *>(elements.slot()), elements.size() * (bf16 ? 2 : 4), 0};
  }
  template <typename T> static SimtSlot of(const Buffer<T> &buffer) {
    return {buffer.data(), buffer.size() * sizeof(T), 0};
  }
};

class SimtHouse {
public:
  SimtHouse() {
    mlir::DialectRegistry dialects;
    registerKernelDialects(dialects);
    context.appendDialectRegistry(dialects);
    context.loadAllAvailableDialects();
    registerAllTargets(targets);
    registerAllKernelBuilders(builders);
    handler = std::make_unique<mlir::ScopedDiagnosticHandler>(
        &context, [this](mlir::Diagnostic &diagnostic) { message += diagnostic.str() + "\n"; });
    Expected<std::unique_ptr<Driver>> made = createSimtDriver({});
    if (made) {
      driver = std::move(*made);
    } else {
      message = made.error().message();
    }
  }

  /// Targets whose kernels run checked.
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const std::string &name : targets.getNames()) {
      if (targets.lookup(name)->getDriver() == "simt") {
        out.push_back(name);
      }
    }
    return out;
  }

  PackedLayout packing(const std::string &target, bool bf16) {
    mlir::Type type = bf16 ? mlir::Type(mlir::BFloat16Type::get(&context))
                           : mlir::Type(mlir::Float32Type::get(&context));
    return targets.lookup(target)->getPacking(type);
  }

  AttentionTile attentionTile(const std::string &target, bool bf16) {
    mlir::Type type = bf16 ? mlir::Type(mlir::BFloat16Type::get(&context))
                           : mlir::Type(mlir::Float32Type::get(&context));
    return targets.lookup(target)->getAttentionTile(type);
  }

  int64_t rowsOfItem(const std::string &target) const {
    return targets.lookup(target)->getCapabilities().rowsOfItem;
  }

  /// Runs every item; slots that are memory hold what the kernel left there. A report or an error
  /// fails the test.
  void run(const std::string &target, const std::string &builder, const std::string &spec,
           const std::vector<SimtSlot> &slots, int64_t items) {
    ASSERT_TRUE(driver) << message;
    DeviceCode *code = load(target, builder, spec);
    ASSERT_TRUE(code) << target << " " << builder << " " << spec << ": " << message;
    std::vector<std::unique_ptr<DeviceMemory>> memory;
    std::vector<uint64_t> values;
    for (const SimtSlot &slot : slots) {
      values.push_back(slot.symbol);
      if (slot.data) {
        auto made = driver->allocate(slot.bytes, MemoryUse::Working);
        ASSERT_TRUE(made) << made.error().message();
        memory.push_back(std::move(*made));
        values.back() = memory.back()->address();
        ASSERT_FALSE(driver->copyIn(values.back(), slot.data, slot.bytes));
      }
    }
    KernelCall call{0, values.data(), items, uint32_t(values.size())};
    std::optional<Error> error = driver->launch(*code, &call, 1);
    if (!error) {
      error = driver->synchronize();
    }
    ASSERT_FALSE(error) << target << " " << builder << " " << spec << ": " << error->message();
    for (size_t i = 0; i < slots.size(); ++i) {
      if (slots[i].data) {
        ASSERT_FALSE(driver->copyOut(slots[i].data, values[i], slots[i].bytes));
      }
    }
  }

  std::string message; ///< diagnostics so far

private:
  DeviceCode *load(const std::string &target, const std::string &builder, const std::string &spec) {
    std::unique_ptr<DeviceCode> &code = codes[target + " " + builder + " " + spec];
    if (code) {
      return code.get();
    }
    const TargetBackend *backend = targets.lookup(target);
    auto attribute =
        llvm::dyn_cast_or_null<mlir::DictionaryAttr>(mlir::parseAttribute(spec, &context));
    if (!backend || !attribute) {
      return nullptr;
    }
    std::unique_ptr<TileEmitter> emitter = backend->createEmitter(&context);
    mlir::Location loc = mlir::UnknownLoc::get(&context);
    mlir::FailureOr<BuiltKernel> built =
        builders.lookup(builder)({"kernel", attribute, loc}, *emitter);
    if (mlir::failed(built)) {
      return nullptr;
    }
    mlir::FailureOr<CompiledKernel> compiled = backend->compileKernel(built->function, {});
    if (mlir::failed(compiled)) {
      return nullptr;
    }
    mlir::FailureOr<KernelImage> flat = backend->serialize({*compiled}, loc);
    if (mlir::failed(flat)) {
      return nullptr;
    }
    Image image;
    image.textBytes = flat->textBytes;
    image.bytes = flat->bytes;
    Kernel kernel;
    kernel.name = "kernel";
    kernel.offset = flat->symbols.front().offset;
    kernel.size = flat->symbols.front().size;
    kernel.scratchBytes = built->scratchBytes;
    kernel.threads = uint32_t(compiled->threads);
    kernel.sharedBytes = uint32_t(compiled->sharedBytes);
    kernel.tensorMaps = tensorMapsForLaunch(built->function);
    auto loaded = driver->load(image, {kernel});
    if (!loaded) {
      message += loaded.error().message();
      return nullptr;
    }
    code = std::move(*loaded);
    return code.get();
  }

  mlir::MLIRContext context;
  TargetRegistry targets;
  KernelBuilderRegistry builders;
  std::unique_ptr<mlir::ScopedDiagnosticHandler> handler;
  std::unique_ptr<Driver> driver;
  std::map<std::string, std::unique_ptr<DeviceCode>> codes;
};

/// Packs [batch][n][k] as a target wants it, zero padded.
inline Elements packWeight(const Elements &plain, int64_t batch, int64_t n, int64_t k, bool bf16,
                           PackedLayout layout) {
  int64_t panels = ceilDiv(n, layout.panel), steps = ceilDiv(k, layout.pair);
  Elements out(batch * panels * steps * layout.panel * layout.pair, bf16);
  out.zero();
  for (int64_t e = 0; e < batch; ++e) {
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t x = 0; x < k; ++x) {
        int64_t block = (e * panels + j / layout.panel) * steps + x / layout.pair;
        int64_t at = (block * layout.panel + j % layout.panel) * layout.pair + x % layout.pair;
        out.set(at, plain.get((e * n + j) * k + x));
      }
    }
  }
  return out;
}

/// max|y - x| / max|x| of what a kernel gave against f64.
class Agreement {
public:
  void add(double got, double wanted) {
    bool finite = std::isfinite(got);
    difference = std::max(difference, finite ? std::abs(got - wanted) : 1e300);
    largest = std::max(largest, std::abs(wanted));
  }
  double value() const { return difference / largest; }

private:
  double difference = 0.0, largest = 1e-30;
};

/// Largest allowed: contractions with f32 results, and where the kernel itself rounds.
constexpr double kExactBound = 1e-3, kRoundedBound = 1e-2, kF32Bound = 1e-5;

} // namespace dsv2::test

#endif // DSV2_TEST_CODEGEN_GPU_SIMTHOUSE_H
