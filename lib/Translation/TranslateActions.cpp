//===- TranslateActions.cpp - the table of dsv2-translate ----------------------===//
//
// One entry for each action; what an action does lives in the room that it comes from.
//
//===----------------------------------------------------------------------===//

#include "dialects/Exec/IR/Exec.h"
#include "lib/Artifact/Artifact.h"
#include "lib/Artifact/Trust.h"
#include "lib/Import/Importer.h"
#include "lib/Translation/Describe.h"
#include "lib/Translation/DescribeModel.h"
#include "lib/Translation/ExportProgram.h"
#include "lib/Translation/ImportProgram.h"
#include "lib/Translation/TranslateMain.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/MemoryBuffer.h"

namespace mlir::dsv2 {

static ::dsv2::Expected<std::string> importHuggingFace(TranslateRequest &request) {
  // MLIR shows no remarks unless asked; an importer's say what it left out.
  ScopedDiagnosticHandler handler(&request.context, [](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() != DiagnosticSeverity::Remark) {
      return failure();
    }
    llvm::errs() << "dsv2-translate: remark: " << diagnostic << '\n';
    return success();
  });
  ::dsv2::Expected<OwningOpRef<ModuleOp>> module =
      importModelDirectory(request.context, request.input, allImporters());
  if (!module) {
    return module.takeError();
  }
  return printModule(**module, request.locations);
}

static ::dsv2::Expected<std::string> toArtifact(TranslateRequest &request) {
  ::dsv2::Expected<OwningOpRef<ModuleOp>> module = parseInput(request);
  if (!module) {
    return module.takeError();
  }
  FailureOr<::dsv2::Program> program = exportProgram(**module);
  if (failed(program)) {
    return ::dsv2::Error(::dsv2::ErrorKind::Mismatch, ""); // the diagnostic said it
  }
  ::dsv2::Expected<std::vector<uint8_t>> bytes = ::dsv2::serializeArtifact(*program);
  if (!bytes) {
    return bytes.takeError();
  }
  // Code that this compiler made may run on this machine; code that came out of an artifact stays
  // what it was.
  if (!(**module)->hasAttr(dsv2_exec::kFromArtifactAttr)) {
    if (std::optional<::dsv2::Error> error =
            ::dsv2::recordTrust(::dsv2::artifactHash(*bytes), request.cacheDirectory)) {
      return *std::move(error);
    }
  }
  return std::string(bytes->begin(), bytes->end());
}

/// Reads and checks the artifact that the request names; a pipe is read to its end first.
static ::dsv2::Expected<::dsv2::Artifact> readInputArtifact(TranslateRequest &request) {
  if (request.input != "-") {
    return ::dsv2::readArtifact(request.input);
  }
  llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>> buffer = llvm::MemoryBuffer::getSTDIN();
  if (!buffer) {
    return ::dsv2::Error(::dsv2::ErrorKind::Io,
                         "cannot read standard input: ", buffer.getError().message());
  }
  return ::dsv2::parseArtifact((*buffer)->getBufferStart(), (*buffer)->getBufferSize(),
                               "standard input");
}

static ::dsv2::Expected<std::string> fromArtifact(TranslateRequest &request) {
  ::dsv2::Expected<::dsv2::Artifact> artifact = readInputArtifact(request);
  if (!artifact) {
    return artifact.takeError();
  }
  OwningOpRef<ModuleOp> module = importProgram(request.context, artifact->program);
  if (failed(verify(*module))) { // the two verifiers disagree: a bug of ours, but never wrong IR
    return ::dsv2::Error(::dsv2::ErrorKind::Internal, "");
  }
  return printModule(*module, request.locations);
}

static ::dsv2::Expected<std::string> describe(TranslateRequest &request) {
  ::dsv2::Expected<::dsv2::Artifact> artifact = readInputArtifact(request);
  if (!artifact) {
    return artifact.takeError();
  }
  return request.json ? describeArtifactAsJson(*artifact) : describeArtifact(*artifact);
}

static ::dsv2::Expected<std::string> describeModelOf(TranslateRequest &request) {
  ::dsv2::Expected<OwningOpRef<ModuleOp>> module = parseInput(request);
  if (!module) {
    return module.takeError();
  }
  FailureOr<ModelDescription> description = describeModel(**module);
  if (failed(description)) {
    return ::dsv2::Error(::dsv2::ErrorKind::Mismatch, ""); // the diagnostic said it
  }
  return printModelDescription(*description, request.json);
}

std::vector<TranslateAction> allTranslateActions() {
  return {
      {"--import-hf", "DIR", "config.json and safetensors headers of a model directory to dsv2 IR",
       false, importHuggingFace},
      {"--to-artifact", "[IN]",
       "dsv2_exec IR at the stage codegen to an artifact, which this machine then trusts", false,
       toArtifact},
      {"--from-artifact", "FILE",
       "an artifact to dsv2_exec IR, marked so that writing it again records no trust", false,
       fromArtifact},
      {"--describe-model", "[IN]", "parameters (total, activated) and cached values of dsv2 IR",
       true, describeModelOf},
      {"--describe", "FILE", "targets, entry points, memory, kernels and weights of an artifact",
       true, describe},
  };
}

} // namespace mlir::dsv2
