//===- KernelShop.cpp - kernels by builder and spec -----------------------===//
//
// Every kernel is compiled as the compiler does it, in a module of its own.
//
//===----------------------------------------------------------------------===//
#include "tools/gpu-pack/KernelShop.h"

#include "lib/Codegen/KernelForm.h"
#include "lib/Codegen/TileEmitter.h"
#include "lib/Support/BFloat16.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Builders.h"

#include <cstring>

namespace dsv2::pack {

KernelShop::KernelShop(Pack &pack)
    : pack(pack), handler(&context, [this](mlir::Diagnostic &diagnostic) {
        diagnostics += (diagnostics.empty() ? "" : "; ") + diagnostic.str();
      }) {
  mlir::DialectRegistry dialects;
  registerKernelDialects(dialects);
  context.appendDialectRegistry(dialects);
  context.loadAllAvailableDialects();
  registerAllTargets(targets);
  registerAllKernelBuilders(builders);
}

mlir::Type KernelShop::element(bool bf16) {
  mlir::Builder b(&context);
  return bf16 ? mlir::Type(b.getBF16Type()) : mlir::Type(b.getF32Type());
}

size_t KernelShop::kernel(const std::string &targetName, const std::string &builderName,
                          const Spec &spec) {
  std::string text = "{";
  for (const auto &[field, value] : spec) {
    text += (text.size() > 1 ? ", " : "") + field + " = " + value;
  }
  text += "}";
  std::string key = targetName + " " + builderName + " " + text;
  if (auto failed = failures.find(key); failed != failures.end()) {
    why = failed->second;
    return 0;
  }
  auto [found, isNew] = known.try_emplace(key, pack.modules.size());
  if (!isNew) {
    return found->second;
  }
  diagnostics.clear();
  std::string name = builderName + "_" + std::to_string(pack.modules.size());
  std::optional<Module> module = compile(targetName, builderName, text, name);
  if (!module) {
    known.erase(key);
    why = failures[key] = diagnostics.empty() ? "no such kernel: " + key : diagnostics;
    return 0;
  }
  pack.modules.push_back(std::move(*module));
  return pack.modules.size() - 1;
}

std::optional<Module> KernelShop::compile(const std::string &targetName,
                                          const std::string &builderName, const std::string &text,
                                          const std::string &name) {
  const TargetBackend *backend = targets.lookup(targetName);
  KernelBuilder builder = builders.lookup(builderName);
  auto attribute =
      llvm::dyn_cast_or_null<mlir::DictionaryAttr>(mlir::parseAttribute(text, &context));
  if (!backend || !builder || !attribute) {
    return std::nullopt;
  }
  std::unique_ptr<TileEmitter> emitter = backend->createEmitter(&context);
  mlir::Location loc = mlir::UnknownLoc::get(&context);
  mlir::FailureOr<BuiltKernel> built = builder({name, attribute, loc}, *emitter);
  if (mlir::failed(built)) {
    return std::nullopt;
  }
  CompileOptions options;
  options.binaries = true;
  mlir::FailureOr<CompiledKernel> compiled = backend->compileKernel(built->function, options);
  mlir::FailureOr<llvm::SmallVector<KernelTensorMap>> maps = tensorMapsOf(built->function);
  if (mlir::failed(compiled) || mlir::failed(maps)) {
    return std::nullopt;
  }
  mlir::FailureOr<KernelImage> image = backend->serialize({*compiled}, loc);
  if (mlir::failed(image)) {
    return std::nullopt;
  }
  const KernelSymbol &symbol = image->symbols.front();
  Module module;
  module.target = targetName;
  module.textBytes = image->textBytes;
  module.kernel.name = name;
  module.kernel.builder = builderName;
  module.kernel.threads = uint32_t(compiled->threads);
  module.kernel.sharedBytes = uint32_t(compiled->sharedBytes);
  module.kernel.scratchBytes = built->scratchBytes;
  for (const KernelTensorMap &map : *maps) {
    module.kernel.tensorMaps.push_back({uint32_t(map.slot), map.columns, map.rowBytes,
                                        int32_t(map.rowsSlot), uint32_t(map.boxRows)});
  }
  if (image->format == CodeFormat::Flat) {
    module.extension = "bin";
    module.code = image->bytes;
    module.kernel.offset = symbol.offset;
    module.kernel.size = symbol.size;
  } else {
    module.extension = codeFormatName(image->format).str();
    auto begin = image->bytes.begin();
    module.code.assign(begin + int64_t(symbol.offset),
                       begin + int64_t(symbol.offset + symbol.size));
    module.binary.assign(begin + int64_t(symbol.binaryOffset),
                         begin + int64_t(symbol.binaryOffset + symbol.binarySize));
  }
  return module;
}

void KernelShop::add(Case one) {
  if (!why.empty()) {
    one.why = std::move(why);
    one.buffers.clear();
    one.launches.clear();
  }
  why.clear();
  pack.cases.push_back(std::move(one));
}

Values Values::random(size_t count, bool bf16, unsigned seed) {
  Values out(count, bf16);
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  for (size_t i = 0; i < count; ++i) {
    out.set(i, uniform(random));
  }
  return out;
}

void Values::set(size_t at, float value) {
  numbers[at] = bf16 ? bfloat16ToFloat(floatToBFloat16(value)) : value;
}

BufferSpec Values::buffer() const {
  BufferSpec out;
  out.fill = Fill::Bytes;
  for (float value : numbers) {
    uint16_t half = floatToBFloat16(value);
    const auto *from =
        bf16 ? reinterpret_cast<const uint8_t *>(&half) : reinterpret_cast<const uint8_t *>(&value);
    out.data.insert(out.data.end(), from, from + (bf16 ? 2 : 4));
  }
  out.bytes = out.data.size();
  return out;
}

BufferSpec integers(const std::vector<int32_t> &values) {
  BufferSpec out;
  out.fill = Fill::Bytes;
  out.bytes = values.size() * sizeof(int32_t);
  out.data.resize(out.bytes);
  std::memcpy(out.data.data(), values.data(), out.bytes);
  return out;
}

int64_t packedElements(int64_t batch, int64_t n, int64_t k, PackedLayout layout) {
  return batch * ceilDiv(n, layout.panel) * ceilDiv(k, layout.pair) * layout.panel * layout.pair;
}

Values packWeight(const Values &plain, int64_t batch, int64_t n, int64_t k, PackedLayout layout) {
  Values out(size_t(packedElements(batch, n, k, layout)), plain.bf16);
  int64_t panels = ceilDiv(n, layout.panel), steps = ceilDiv(k, layout.pair);
  for (int64_t e = 0; e < batch; ++e) {
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t x = 0; x < k; ++x) {
        int64_t step = (e * panels + j / layout.panel) * steps + x / layout.pair;
        int64_t at = (step * layout.panel + j % layout.panel) * layout.pair + x % layout.pair;
        out.numbers[size_t(at)] = plain.numbers[size_t((e * n + j) * k + x)];
      }
    }
  }
  return out;
}

} // namespace dsv2::pack
