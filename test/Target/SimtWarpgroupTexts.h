//===- SimtWarpgroupTexts.h - kernels of roles and warpgroups ---*- C++ -*-===//
//
// Two kernels as text, with bulk copies, mbarriers and multiplications of a warpgroup, in the form
// that emitters write.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TEST_TARGET_SIMTWARPGROUPTEXTS_H
#define DSV2_TEST_TARGET_SIMTWARPGROUPTEXTS_H

#include <cstdint>
#include <string>

namespace dsv2::test {

inline std::string replacedAll(std::string text, const std::string &what, const std::string &by) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

/// The accumulators of a thread for n columns.
inline std::string sumsType(int n) {
  std::string type = "!llvm.struct<(f32";
  for (int i = 1; i < n / 2; ++i) {
    type += ", f32";
  }
  return type + ")>";
}

/// m64nNk16 with the descriptors %aI and %bI.
inline std::string multiplyText(const std::string &result, const std::string &sums, int number,
                                int n, bool zero, const std::string &layoutB) {
  std::string i = std::to_string(number), type = sumsType(n);
  return "      " + result + " = nvvm.wgmma.mma_async %a" + i + ", %b" + i + ", " + sums +
         ", #nvvm.shape<m = 64, n = " + std::to_string(n) +
         ", k = 16>, D [<f32>, #nvvm.wgmma_scale_out<" + (zero ? "zero" : "one") +
         ">], A [<bf16>, #nvvm.wgmma_scale_in<one>, <row>], B [<bf16>, #nvvm.wgmma_scale_in<one>, "
         "<" +
         layoutB + ">] : " + type + " -> " + type + "\n";
}

/// Descriptors %a0.. and %b0.. of four steps of k, from those of the first. `stepB`: units of 16
/// bytes.
inline std::string stepsText(int stepB) {
  std::string text;
  for (int i = 0; i < 4; ++i) {
    std::string n = std::to_string(i);
    text += "      %ka" + n + " = arith.constant " + std::to_string(2 * i) + " : i64\n";
    text += "      %kb" + n + " = arith.constant " + std::to_string(stepB * i) + " : i64\n";
    text += "      %a" + n + " = arith.addi %descA, %ka" + n + " : i64\n";
    text += "      %b" + n + " = arith.addi %descB, %kb" + n + " : i64\n";
  }
  return text;
}

/// Each thread's sums %sums to rows %r0 and %r0 + 8, columns from %q on, of `target`.
inline std::string storeSumsText(int n, const std::string &target, const std::string &type) {
  std::string text;
  for (int i = 0; i < n / 2; ++i) {
    std::string number = std::to_string(i);
    text += "    %s" + number + " = llvm.extractvalue %sums[" + number + "] : " + sumsType(n) +
            "\n    %o" + number + " = arith.constant " + std::to_string(i / 4 * 8 + i % 2) +
            " : index\n    %at" + number + " = arith.addi %q, %o" + number +
            " : index\n    memref.store %s" + number + ", " + target + "[" +
            (i / 2 % 2 == 0 ? "%r0" : "%r8") + ", %at" + number + "] : " + type + "\n";
  }
  return text;
}

/// The thread's place in a fragment: %r0, %r8 (rows), %q (first column).
constexpr const char *kFragmentText = R"(
  %fc2 = arith.constant 2 : index
  %fc4 = arith.constant 4 : index
  %fc8 = arith.constant 8 : index
  %fc16 = arith.constant 16 : index
  %fc32 = arith.constant 32 : index
  %fc128 = arith.constant 128 : index
  %inGroup = arith.remui %t, %fc128 : index
  %warpOf = arith.divui %inGroup, %fc32 : index
  %laneOf = arith.remui %t, %fc32 : index
  %warpRow = arith.muli %warpOf, %fc16 : index
  %quad = arith.divui %laneOf, %fc4 : index
  %inQuad = arith.remui %laneOf, %fc4 : index
  %r0 = arith.addi %warpRow, %quad : index
  %r8 = arith.addi %r0, %fc8 : index
  %q = arith.muli %inQuad, %fc2 : index
)";

/// C[item * 64 .. + 64][64] = A[item * 64 .. + 64][K] B[64][K] transposed, K = 64 %steps, bf16.
/// Warpgroup 1 brings boxes of 64 x 64 of both by bulk copies into two stages, warpgroup 0
/// multiplies and writes the result through workgroup memory. A has %rows rows; `columns` elements
/// of the rows of `rowBytes` bytes of both exist. Waits that are too weak, wrong counts and so on
/// are changes of this text.
inline std::string ringText(int64_t columns, int64_t rowBytes) {
  std::string head = R"(
#shared = #gpu.address_space<workgroup>
func.func @ring(%a: memref<65536xbf16>, %b: memref<65536xbf16>, %out: memref<65536x64xf32>,
                %steps: index, %rows: index,
                %tensorA: !llvm.ptr {dsv2.tensor_map = {slot = 0 : i64, COLUMNS, rows_slot = 4 : i64,
                                     box_rows = 64 : i64}},
                %tensorB: !llvm.ptr {dsv2.tensor_map = {slot = 1 : i64, COLUMNS, box_rows = 64 : i64}},
                %begin: index, %end: index, %scratch: memref<0xi8>)
    attributes {dsv2.threads = 256 : i64, dsv2.shared_bytes = 50176 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c32 = arith.constant 32 : index
  %c64 = arith.constant 64 : index
  %i0 = arith.constant 0 : i32
  %i1 = arith.constant 1 : i32
  %i31 = arith.constant 31 : i32
  %i128 = arith.constant 128 : i32
  %all = arith.constant -1 : i32
  %ticks = arith.constant 10000000 : i32
  %box = arith.constant 16384 : i32
  %l1 = arith.constant 1 : i64
  %l8 = arith.constant 8 : i64
  %l16 = arith.constant 16 : i64
  %tileBytes = arith.constant 8192 : i64
  %stageBytes = arith.constant 16384 : i64
  %barOffset = arith.constant 32768 : i64
  %low = arith.constant 262143 : i64
  %four = arith.constant 4 : i64
  // Swizzled by 128 bytes; 1024 bytes from 8 rows to the next.
  %flags = arith.constant 4611686293305294848 : i64
  %sumsAt = arith.constant 33792 : index
  %raw = gpu.dynamic_shared_memory : memref<?xi8, #shared>
  %cs = memref.view %raw[%sumsAt][] : memref<?xi8, #shared> to memref<64x64xf32, #shared>
  %whole = memref.extract_aligned_pointer_as_index %raw : memref<?xi8, #shared> -> index
  %base = arith.index_cast %whole : index to i64
  %bars = arith.addi %base, %barOffset : i64
  %bar1 = arith.addi %bars, %l8 : i64
  %bar2 = arith.addi %bars, %l16 : i64
  %bar3 = arith.addi %bar2, %l8 : i64
  %t = gpu.thread_id x
  %isFirst = arith.cmpi eq, %t, %c0 : index
  scf.if %isFirst {
    %p0 = llvm.inttoptr %bars : i64 to !llvm.ptr<3>
    %p1 = llvm.inttoptr %bar1 : i64 to !llvm.ptr<3>
    %p2 = llvm.inttoptr %bar2 : i64 to !llvm.ptr<3>
    %p3 = llvm.inttoptr %bar3 : i64 to !llvm.ptr<3>
    nvvm.mbarrier.init %p0, %i1 : !llvm.ptr<3>, i32
    nvvm.mbarrier.init %p1, %i1 : !llvm.ptr<3>, i32
    nvvm.mbarrier.init %p2, %i128 : !llvm.ptr<3>, i32
    nvvm.mbarrier.init %p3, %i128 : !llvm.ptr<3>, i32
    nvvm.fence.mbarrier.init
  }
  gpu.barrier
  %perWarp = arith.divui %t, %c32 : index
  %mine = arith.index_cast %perWarp : index to i32
  %warp = nvvm.shfl.sync idx %all, %mine, %i0, %i31 : i32 -> i32
  %w4 = arith.constant 4 : i32
  %isConsumer = arith.cmpi ult, %warp, %w4 : i32
  scf.if %isConsumer {
    nvvm.setmaxregister increase 232
)";
  std::string consumer = R"(
    scf.for %i = %begin to %end step %c1 {
      %firstStep = arith.subi %i, %begin : index
      %count0 = arith.muli %firstStep, %steps : index
      %zeros = llvm.mlir.zero : SUMS
      %sums = scf.for %k = %c0 to %steps step %c1 iter_args(%acc = %zeros) -> (SUMS) {
        %count = arith.addi %count0, %k : index
        %stage = arith.remui %count, %c2 : index
        %round = arith.divui %count, %c2 : index
        %odd = arith.remui %round, %c2 : index
        %parity = arith.index_cast %odd : index to i32
        %stage64 = arith.index_cast %stage : index to i64
        %barAt = arith.muli %stage64, %l8 : i64
        %fullAt = arith.addi %bars, %barAt : i64
        %emptyAt = arith.addi %bar2, %barAt : i64
        %full = llvm.inttoptr %fullAt : i64 to !llvm.ptr<3>
        %empty = llvm.inttoptr %emptyAt : i64 to !llvm.ptr<3>
        %stageAt = arith.muli %stage64, %stageBytes : i64
        %tileA = arith.addi %base, %stageAt : i64
        %tileB = arith.addi %tileA, %tileBytes : i64
        %lowA = arith.andi %tileA, %low : i64
        %lowB = arith.andi %tileB, %low : i64
        %partA = arith.shrui %lowA, %four : i64
        %partB = arith.shrui %lowB, %four : i64
        %descA = arith.ori %partA, %flags : i64
        %descB = arith.ori %partB, %flags : i64
)" + stepsText(2) + R"(
        nvvm.mbarrier.try_wait.parity %full, %parity, %ticks : !llvm.ptr<3>, i32, i32
        nvvm.wgmma.fence.aligned
)" + multiplyText("%m0", "%acc", 0, 64, false, "col") +
                         multiplyText("%m1", "%m0", 1, 64, false, "col") +
                         multiplyText("%m2", "%m1", 2, 64, false, "col") +
                         multiplyText("%m3", "%m2", 3, 64, false, "col") + R"(
        nvvm.wgmma.commit.group.sync.aligned
        nvvm.wgmma.wait.group.sync.aligned 0
        %arrived = nvvm.mbarrier.arrive %empty : !llvm.ptr<3> -> i64
        scf.yield %m3 : SUMS
      }
)";
  std::string end =
      std::string(kFragmentText) + storeSumsText(64, "%cs", "memref<64x64xf32, #shared>") + R"(
      nvvm.barrier id = %i1 number_of_threads = %i128
      %row = arith.divui %t, %c2 : index
      %half = arith.remui %t, %c2 : index
      %firstColumn = arith.muli %half, %c32 : index
      %outBase = arith.muli %i, %c64 : index
      %outRow = arith.addi %outBase, %row : index
      scf.for %j = %c0 to %c32 step %c1 {
        %column = arith.addi %firstColumn, %j : index
        %value = memref.load %cs[%row, %column] : memref<64x64xf32, #shared>
        memref.store %value, %out[%outRow, %column] : memref<65536x64xf32>
      }
      nvvm.barrier id = %i1 number_of_threads = %i128
    }
  } else {
    nvvm.setmaxregister decrease 40
    %isProducer = arith.cmpi eq, %warp, %w4 : i32
    scf.if %isProducer {
      %elected = nvvm.elect.sync -> i1
      scf.if %elected {
        scf.for %i = %begin to %end step %c1 {
          %firstStep = arith.subi %i, %begin : index
          %count0 = arith.muli %firstStep, %steps : index
          %row = arith.muli %i, %c64 : index
          %row32 = arith.index_cast %row : index to i32
          scf.for %k = %c0 to %steps step %c1 {
            %count = arith.addi %count0, %k : index
            %stage = arith.remui %count, %c2 : index
            %round = arith.divui %count, %c2 : index
            %next = arith.addi %round, %c1 : index
            %odd = arith.remui %next, %c2 : index
            %parity = arith.index_cast %odd : index to i32
            %stage64 = arith.index_cast %stage : index to i64
            %barAt = arith.muli %stage64, %l8 : i64
            %fullAt = arith.addi %bars, %barAt : i64
            %emptyAt = arith.addi %bar2, %barAt : i64
            %full = llvm.inttoptr %fullAt : i64 to !llvm.ptr<3>
            %empty = llvm.inttoptr %emptyAt : i64 to !llvm.ptr<3>
            %stageAt = arith.muli %stage64, %stageBytes : i64
            %tileA = arith.addi %base, %stageAt : i64
            %tileB = arith.addi %tileA, %tileBytes : i64
            %toA = llvm.inttoptr %tileA : i64 to !llvm.ptr<3>
            %toB = llvm.inttoptr %tileB : i64 to !llvm.ptr<3>
            %clusterA = llvm.addrspacecast %toA : !llvm.ptr<3> to !llvm.ptr<7>
            %clusterB = llvm.addrspacecast %toB : !llvm.ptr<3> to !llvm.ptr<7>
            %column = arith.muli %k, %c64 : index
            %column32 = arith.index_cast %column : index to i32
            nvvm.mbarrier.try_wait.parity %empty, %parity, %ticks : !llvm.ptr<3>, i32, i32
            nvvm.mbarrier.arrive.expect_tx %full, %box : !llvm.ptr<3>, i32
            nvvm.cp.async.bulk.tensor.shared.cluster.global %clusterA, %tensorA, %full, box[%column32, %row32] : !llvm.ptr<7>, !llvm.ptr
            nvvm.cp.async.bulk.tensor.shared.cluster.global %clusterB, %tensorB, %full, box[%column32, %i0] : !llvm.ptr<7>, !llvm.ptr
          }
        }
      }
    }
  }
  return
}
)";
  return replacedAll(replacedAll(head + consumer + end, "SUMS", sumsType(64)), "COLUMNS",
                     "columns = " + std::to_string(columns) +
                         " : i64, row_bytes = " + std::to_string(rowBytes) + " : i64");
}

/// C[item * 64 .. + 64][128] = A[item * 64 .. + 64][64] B[64][128], bf16, by one warpgroup that
/// itself stores both into swizzled tiles: A as rows of 64 k, B as two blocks of rows of 64
/// columns.
inline std::string stagedText() {
  std::string text = R"(
#shared = #gpu.address_space<workgroup>
func.func @staged(%a: memref<65536x64xbf16>, %b: memref<64x128xbf16>, %out: memref<65536x128xf32>,
                  %begin: index, %end: index, %scratch: memref<0xi8>)
    attributes {dsv2.threads = 128 : i64, dsv2.shared_bytes = 24576 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %c8 = arith.constant 8 : index
  %c64 = arith.constant 64 : index
  %c8192 = arith.constant 8192 : index
  %low = arith.constant 262143 : i64
  %four = arith.constant 4 : i64
  %tileBytes = arith.constant 8192 : i64
  // Swizzled by 128 bytes; 1024 bytes from 8 rows to the next; B: 8192 from 64 columns to the next.
  %flagsA = arith.constant 4611686293305294848 : i64
  %flagsB = arith.constant 4611686293338849280 : i64
  %raw = gpu.dynamic_shared_memory : memref<?xi8, #shared>
  %as = memref.view %raw[%c0][] : memref<?xi8, #shared> to memref<64x64xbf16, #shared>
  %bs = memref.view %raw[%c8192][] : memref<?xi8, #shared> to memref<2x64x64xbf16, #shared>
  %whole = memref.extract_aligned_pointer_as_index %raw : memref<?xi8, #shared> -> index
  %base = arith.index_cast %whole : index to i64
  %t = gpu.thread_id x
  %row = arith.divui %t, %c2 : index
  %half = arith.remui %t, %c2 : index
  %chunk0 = arith.muli %half, %c4 : index
  %phase = arith.remui %row, %c8 : index
  scf.for %i = %begin to %end step %c1 {
    %outBase = arith.muli %i, %c64 : index
    %from = arith.addi %outBase, %row : index
    scf.for %j = %c0 to %c4 step %c1 {
      %chunk = arith.addi %chunk0, %j : index
      %column = arith.muli %chunk, %c8 : index
      %place = arith.xori %chunk, %phase : index
      %to = arith.muli %place, %c8 : index
      %va = vector.load %a[%from, %column] : memref<65536x64xbf16>, vector<8xbf16>
      vector.store %va, %as[%row, %to] : memref<64x64xbf16, #shared>, vector<8xbf16>
      %vb0 = vector.load %b[%row, %column] : memref<64x128xbf16>, vector<8xbf16>
      vector.store %vb0, %bs[%c0, %row, %to] : memref<2x64x64xbf16, #shared>, vector<8xbf16>
      %right = arith.addi %column, %c64 : index
      %vb1 = vector.load %b[%row, %right] : memref<64x128xbf16>, vector<8xbf16>
      vector.store %vb1, %bs[%c1, %row, %to] : memref<2x64x64xbf16, #shared>, vector<8xbf16>
    }
    nvvm.fence.proxy {kind = #nvvm.proxy_kind<async.shared>, space = #nvvm.shared_space<cta>}
    gpu.barrier
    %tileB = arith.addi %base, %tileBytes : i64
    %lowA = arith.andi %base, %low : i64
    %lowB = arith.andi %tileB, %low : i64
    %partA = arith.shrui %lowA, %four : i64
    %partB = arith.shrui %lowB, %four : i64
    %descA = arith.ori %partA, %flagsA : i64
    %descB = arith.ori %partB, %flagsB : i64
    %none = llvm.mlir.undef : SUMS
)" + stepsText(128) + R"(
    nvvm.wgmma.fence.aligned
)" + multiplyText("%m0", "%none", 0, 128, true, "row") +
                     multiplyText("%m1", "%m0", 1, 128, false, "row") +
                     multiplyText("%m2", "%m1", 2, 128, false, "row") +
                     multiplyText("%sums", "%m2", 3, 128, false, "row") + R"(
    nvvm.wgmma.commit.group.sync.aligned
    nvvm.wgmma.wait.group.sync.aligned 0
)" + kFragmentText + R"(
    %tile = memref.subview %out[%outBase, 0] [64, 128] [1, 1]
      : memref<65536x128xf32> to memref<64x128xf32, strided<[128, 1], offset: ?>>
)" + storeSumsText(128, "%tile", "memref<64x128xf32, strided<[128, 1], offset: ?>>") +
                     R"(
  }
  return
}
)";
  return replacedAll(text, "SUMS", sumsType(128));
}

} // namespace dsv2::test

#endif // DSV2_TEST_TARGET_SIMTWARPGROUPTEXTS_H
