//===- GenerateCode.cpp - compile every kernel, attach the code -------------------------------===//
//
// Kernels of all variants are compiled by the context's thread pool, each on a module of its own;
// what is written back, and its order, does not depend on the threads.
//
//===------------------------------------------------------------------------------------------===//

#include "lib/Pipelines/Passes.h"

#include "dialects/DSV2/IR/DSV2.h"
#include "dialects/Exec/IR/Exec.h"
#include "lib/Codegen/Generic/GenericPipeline.h"
#include "lib/Codegen/Gpu/DistributeRows.h"
#include "lib/Codegen/KernelBuilder.h"
#include "lib/Codegen/KernelForm.h"
#include "lib/Codegen/TileEmitter.h"
#include "lib/Support/AtomicFile.h"
#include "lib/Target/TargetBackend.h"

#include "mlir/IR/Threading.h"
#include "mlir/Pass/PassManager.h"

namespace mlir::dsv2 {
#define GEN_PASS_DEF_GENERATECODEPASS
#include "lib/Pipelines/Passes.h.inc"
} // namespace mlir::dsv2

using namespace mlir;
using namespace mlir::dsv2;

namespace {

/// One kernel on its way to code.
struct Job {
  dsv2_exec::KernelOp kernel;
  const ::dsv2::TargetBackend *target = nullptr;
  ::dsv2::CompiledKernel compiled;
  uint64_t scratchBytes = 0;
  SmallVector<::dsv2::KernelTensorMap> tensorMaps;
};

bool isGeneric(dsv2_exec::KernelOp kernel) { return !kernel.getBody()->empty(); }

LogicalResult compileGeneric(Job &job, const ::dsv2::CompileOptions &compileOptions) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(job.kernel.getLoc());
  Operation *copy = job.kernel.getBody()->front().clone();
  module->push_back(copy);
  cast<func::FuncOp>(copy).setName(job.kernel.getSymName());
  MLIRContext *context = job.kernel.getContext();
  PassManager pm(context, ModuleOp::getOperationName());
  ::dsv2::TargetCapabilities target = job.target->getCapabilities();
  GenericOptions options;
  options.tile = target.genericTile;
  options.lanes = target.genericLanes;
  options.keepBF16 = target.roundsToBf16;
  // Pieces that go round threads stay loops.
  options.unroll = target.genericThreads > 1 ? 1 : options.unroll;
  buildGenericKernelPipeline(pm, options);
  if (failed(pm.run(*module))) {
    return failure();
  }
  func::FuncOp kernel = *module->getOps<func::FuncOp>().begin();
  if (target.genericThreads > 1) {
    // What cannot be distributed is one thread's, and right all the same.
    (void)::dsv2::distributeRows(kernel, target.genericThreads);
  }
  FailureOr<::dsv2::CompiledKernel> compiled = job.target->compileKernel(kernel, compileOptions);
  if (failed(compiled)) {
    return failure();
  }
  job.compiled = std::move(*compiled);
  return success();
}

LogicalResult compileBuilt(Job &job, const ::dsv2::KernelBuilderRegistry &builders,
                           const ::dsv2::CompileOptions &options) {
  StringRef name = job.kernel.getKernelBuilder();
  ::dsv2::KernelBuilder builder = builders.lookup(name);
  if (!builder) {
    return job.kernel.emitOpError() << "names an unknown builder '" << name << "'";
  }
  if (!job.kernel.getSpecAttr()) {
    return job.kernel.emitOpError("has neither a spec nor a body");
  }
  std::unique_ptr<::dsv2::TileEmitter> emitter = job.target->createEmitter(job.kernel.getContext());
  ::dsv2::KernelRequest request{job.kernel.getSymName(), job.kernel.getSpecAttr(),
                                job.kernel.getLoc()};
  FailureOr<::dsv2::BuiltKernel> built = builder(request, *emitter);
  if (failed(built)) {
    return failure();
  }
  job.scratchBytes = built->scratchBytes;
  FailureOr<SmallVector<::dsv2::KernelTensorMap>> maps = ::dsv2::tensorMapsOf(built->function);
  if (failed(maps)) {
    return failure();
  }
  job.tensorMaps = std::move(*maps);
  FailureOr<::dsv2::CompiledKernel> compiled = job.target->compileKernel(built->function, options);
  if (failed(compiled)) {
    return failure();
  }
  job.compiled = std::move(*compiled);
  return success();
}

struct GenerateCodePass : public mlir::dsv2::impl::GenerateCodePassBase<GenerateCodePass> {
  using GenerateCodePassBase::GenerateCodePassBase;

  void getDependentDialects(DialectRegistry &registry) const override {
    ::dsv2::registerKernelDialects(registry);
    registerGenericKernelDialects(registry);
  }

  void runOnOperation() override {
    ::dsv2::TargetRegistry targets;
    ::dsv2::registerAllTargets(targets);
    ::dsv2::KernelBuilderRegistry builders;
    ::dsv2::registerAllKernelBuilders(builders);

    std::vector<Job> jobs;
    if (getOperation().getOps<dsv2_exec::VariantOp>().empty()) {
      getOperation().emitError("expected a variant (dsv2-create-variants)");
      return signalPassFailure();
    }
    for (auto variant : getOperation().getOps<dsv2_exec::VariantOp>()) {
      const ::dsv2::TargetBackend *target = targets.lookup(variant.getSymName());
      if (!target) {
        variant.emitOpError("is for a target that this compiler does not have");
        return signalPassFailure();
      }
      for (auto kernel : variant.getOps<dsv2_exec::KernelOp>()) {
        if (kernel.getOffset()) {
          kernel.emitOpError("has code already");
          return signalPassFailure();
        }
        jobs.push_back({kernel, target, {}, 0, {}});
      }
    }
    ::dsv2::CompileOptions compileOptions;
    compileOptions.resources = !report.empty();
    if (binaries != "auto" && binaries != "off") {
      getOperation().emitError() << "option binaries is '" << binaries << "', expected auto or off";
      return signalPassFailure();
    }
    compileOptions.binaries = binaries == "auto";
    if (failed(failableParallelForEach(&getContext(), jobs, [&](Job &job) {
          return isGeneric(job.kernel) ? compileGeneric(job, compileOptions)
                                       : compileBuilt(job, builders, compileOptions);
        }))) {
      return signalPassFailure();
    }
    for (auto variant : getOperation().getOps<dsv2_exec::VariantOp>()) {
      if (failed(attach(variant, jobs))) {
        return signalPassFailure();
      }
    }
    if (!report.empty() && failed(writeReport(jobs))) {
      return signalPassFailure();
    }
  }

  /// A line for each kernel (builder, bytes of code, scratch; on devices with workgroups also
  /// threads, bytes they share, and where the assembler is installed registers, bytes spilled and
  /// workgroups that fit a processor, else -1), then one for each dispatch (kernel, source of the
  /// op). Fields are separated by tabs.
  LogicalResult writeReport(ArrayRef<Job> jobs) {
    std::string text;
    llvm::raw_string_ostream out(text);
    for (auto variant : getOperation().getOps<dsv2_exec::VariantOp>()) {
      for (auto kernel : variant.getOps<dsv2_exec::KernelOp>()) {
        out << variant.getSymName() << "\tkernel\t" << kernel.getSymName() << "\t"
            << kernel.getKernelBuilder() << "\t" << kernel.getSize().value_or(0) << "\t"
            << kernel.getScratch();
        if (kernel.getThreads()) {
          const auto *job = llvm::find_if(jobs, [&](const Job &j) { return j.kernel == kernel; });
          const ::dsv2::KernelResources &takes = job->compiled.resources;
          out << "\t" << *kernel.getThreads() << "\t" << kernel.getShared().value_or(0) << "\t"
              << takes.registers << "\t" << takes.spillBytes << "\t" << takes.workgroups;
        }
        out << "\n";
      }
      variant.walk([&](dsv2_exec::DispatchOp dispatch) {
        out << variant.getSymName() << "\tdispatch\t"
            << dispatch->getParentOfType<dsv2_exec::EntryOp>().getSymName() << "\t"
            << dispatch.getKernel() << "\t" << dispatch.getLoc() << "\n";
      });
    }
    if (std::optional<::dsv2::Error> error = ::dsv2::writeFileAtomically(report, text)) {
      return getOperation().emitError() << "report: " << error->message();
    }
    return success();
  }

  ArrayAttr tensorMapsAttr(ArrayRef<::dsv2::KernelTensorMap> maps) {
    Builder b(&getContext());
    SmallVector<Attribute> out;
    for (const ::dsv2::KernelTensorMap &map : maps) {
      out.push_back(dsv2_exec::TensorMapAttr::get(&getContext(), map.slot, map.columns,
                                                  map.rowBytes, map.boxRows, map.rowsSlot));
    }
    return b.getArrayAttr(out);
  }

  /// Joins a variant's kernels to its image and says where each lies.
  LogicalResult attach(dsv2_exec::VariantOp variant, std::vector<Job> &jobs) {
    std::vector<::dsv2::CompiledKernel> kernels;
    const ::dsv2::TargetBackend *target = nullptr;
    for (Job &job : jobs) {
      if (job.kernel->getParentOp() == variant) {
        target = job.target;
        kernels.push_back(std::move(job.compiled));
      }
    }
    if (!target) {
      return variant.emitOpError("has no kernels");
    }
    FailureOr<::dsv2::KernelImage> image = target->serialize(kernels, variant.getLoc());
    if (failed(image)) {
      return failure();
    }
    llvm::StringMap<::dsv2::KernelSymbol> symbols;
    for (const ::dsv2::KernelSymbol &symbol : image->symbols) {
      symbols[symbol.name] = symbol;
    }
    for (Job &job : jobs) {
      if (job.kernel->getParentOp() != variant) {
        continue;
      }
      const ::dsv2::KernelSymbol &symbol = symbols[job.kernel.getSymName()];
      ++numKernels;
      job.kernel.setOffset(symbol.offset);
      job.kernel.setSize(symbol.size);
      if (symbol.binarySize != 0) {
        job.kernel.setBinaryOffset(symbol.binaryOffset);
        job.kernel.setBinarySize(symbol.binarySize);
      }
      if (!isGeneric(job.kernel)) {
        job.kernel.setScratch(job.scratchBytes);
      }
      if (image->format != ::dsv2::CodeFormat::Flat || job.compiled.threads > 1) {
        job.kernel.setThreads(job.compiled.threads);
        job.kernel.setShared(job.compiled.sharedBytes);
      }
      if (!job.tensorMaps.empty()) {
        job.kernel.setTensorMapsAttr(tensorMapsAttr(job.tensorMaps));
      }
      // What is left is what the artifact says.
      job.kernel.getBody()->clear();
      job.kernel.removeSpecAttr();
      job.kernel->removeAttr("writes");
    }
    variant->removeAttr("packing");
    OpBuilder b(*variant.getOps<dsv2_exec::KernelOp>().begin());
    numBytes += image->bytes.size();
    dsv2_exec::ImageOp::create(b, variant.getLoc(), ::dsv2::codeFormatName(image->format),
                               image->textBytes, image->bytes);
    return success();
  }
};

} // namespace
