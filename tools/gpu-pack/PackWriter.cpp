//===- PackWriter.cpp - pack.json, data.bin, modules/ ---------------------===//
//
// JSON for what a reader wants to see, one file of bytes for the rest. Equal
// bytes are stored once.
//
//===----------------------------------------------------------------------===//
#include "tools/gpu-pack/Pack.h"

#include "lib/Support/AtomicFile.h"
#include "lib/Support/Sha256.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

#include <cstring>

namespace dsv2::pack {
namespace {

class Writer {
public:
  Writer(const Pack &pack, std::string folder) : pack(pack), folder(std::move(folder)) {}

  std::optional<Error> run() {
    if (std::error_code error = llvm::sys::fs::create_directories(folder + "/modules")) {
      return Error(ErrorKind::Io, folder, "/modules: ", error.message());
    }
    std::string text;
    llvm::raw_string_ostream out(text);
    llvm::json::OStream stream(out, /*IndentSize=*/1);
    json = &stream;
    stream.object([&] {
      stream.attribute("format", 1);
      stream.attribute("revision", pack.revision);
      stream.attributeArray("modules", [&] {
        for (size_t i = 0; i < pack.modules.size(); ++i) {
          stream.object([&] { module(i); });
        }
      });
      stream.attributeArray("cases", [&] {
        for (const Case &each : pack.cases) {
          stream.object([&] { oneCase(each); });
        }
      });
    });
    out << '\n';
    if (!failure) {
      failure = writeFileAtomically(folder + "/pack.json", text);
    }
    if (!failure) {
      failure = writeFileAtomically(folder + "/data.bin", data);
    }
    return failure;
  }

private:
  void file(const std::string &name, const std::vector<uint8_t> &bytes) {
    std::string_view content(reinterpret_cast<const char *>(bytes.data()), bytes.size());
    if (!failure) {
      failure = writeFileAtomically(folder + "/" + name, content);
    }
  }

  void module(size_t number) {
    const Module &module = pack.modules[number];
    std::string stem = "modules/" + std::to_string(number) + ".";
    json->attribute("target", module.target);
    json->attribute("kernel", module.kernel.name);
    json->attribute("builder", module.kernel.builder);
    json->attribute("file", stem + module.extension);
    file(stem + module.extension, module.code);
    if (!module.binary.empty()) {
      json->attribute("binary", stem + "binary");
      file(stem + "binary", module.binary);
    }
    json->attribute("threads", module.kernel.threads);
    json->attribute("shared", module.kernel.sharedBytes);
    json->attribute("scratch", int64_t(module.kernel.scratchBytes));
    json->attributeArray("maps", [&] {
      for (const TensorMap &map : module.kernel.tensorMaps) {
        json->object([&] {
          json->attribute("slot", map.slot);
          json->attribute("columns", map.columns);
          json->attribute("row_bytes", map.rowBytes);
          json->attribute("rows_slot", map.rowsSlot);
          json->attribute("box_rows", map.boxRows);
        });
      }
    });
  }

  void oneCase(const Case &one) {
    json->attribute("name", one.name);
    json->attribute("target", one.target);
    json->attribute("builder", one.builder);
    json->attribute("kind", one.expect.empty() ? "measure" : "check");
    if (one.expect.empty()) {
      json->attribute("goal", one.goal);
      json->attribute("wanted", one.wanted);
      json->attribute("flop", one.flop);
      json->attribute("bytes", one.bytes);
    }
    if (!one.why.empty()) {
      json->attribute("why", one.why);
    }
    json->attributeArray("buffers", [&] {
      for (const BufferSpec &buffer : one.buffers) {
        json->object([&] {
          json->attribute("bytes", int64_t(buffer.bytes));
          json->attributeBegin("fill");
          fill(buffer);
          json->attributeEnd();
        });
      }
    });
    json->attributeArray("launches", [&] {
      for (const Launch &launch : one.launches) {
        json->object([&] {
          json->attribute("module", int64_t(launch.module));
          json->attribute("items", launch.items);
          json->attributeArray("slots", [&] {
            for (const Slot &slot : launch.slots) {
              json->object([&] {
                if (slot.buffer >= 0) {
                  json->attribute("buffer", slot.buffer);
                }
                json->attribute(slot.buffer >= 0 ? "offset" : "number", int64_t(slot.value));
              });
            }
          });
        });
      }
    });
    json->attributeArray("expect", [&] {
      for (const Expectation &expect : one.expect) {
        json->object([&] { expectation(expect); });
      }
    });
  }

  void expectation(const Expectation &expect) {
    json->attribute("buffer", int64_t(expect.buffer));
    json->attribute("type", elementTypeName(expect.type));
    json->attribute("offset", int64_t(expect.offset));
    json->attribute("rows", expect.rows);
    json->attribute("columns", expect.columns);
    json->attribute("stride", expect.stride);
    json->attribute("bound", expect.bound);
    std::string bytes;
    if (expect.type == ElementType::I32) {
      for (double value : expect.values) {
        int32_t integer = static_cast<int32_t>(value);
        bytes.append(reinterpret_cast<const char *>(&integer), sizeof(integer));
      }
    } else {
      bytes.assign(reinterpret_cast<const char *>(expect.values.data()),
                   expect.values.size() * sizeof(double));
    }
    json->attributeBegin("values");
    place(bytes);
    json->attributeEnd();
  }

  void fill(const BufferSpec &buffer) {
    switch (buffer.fill) {
    case Fill::Bytes:
      place({reinterpret_cast<const char *>(buffer.data.data()), buffer.data.size()});
      return;
    case Fill::Nan:
      json->value("nan");
      return;
    case Fill::Zero:
      json->value("zero");
      return;
    case Fill::NoiseF32:
      json->value("f32");
      return;
    case Fill::NoiseBF16:
      json->value("bf16");
      return;
    }
  }

  /// Where the bytes lie in data.bin.
  void place(const std::string &bytes) {
    std::string key = toHex(sha256(bytes.data(), bytes.size()));
    auto [known, added] = places.try_emplace(key, data.size());
    if (added) {
      data += bytes;
    }
    json->object([&] {
      json->attribute("at", int64_t(known->second));
      json->attribute("bytes", int64_t(bytes.size()));
    });
  }

  const Pack &pack;
  std::string folder, data;
  llvm::json::OStream *json = nullptr;
  std::map<std::string, uint64_t> places;
  std::optional<Error> failure;
};

} // namespace

std::optional<Error> writePack(const Pack &pack, const std::string &folder) {
  return Writer(pack, folder).run();
}

} // namespace dsv2::pack
