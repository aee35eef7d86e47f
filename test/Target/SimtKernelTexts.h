//===- SimtKernelTexts.h - GPU kernels as MLIR text -------------*- C++ -*-===//
//
// In the form that emitters write: one workgroup's code over items begin to end.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TEST_TARGET_SIMTKERNELTEXTS_H
#define DSV2_TEST_TARGET_SIMTKERNELTEXTS_H

namespace dsv2::test {

/// b[i] = exp2(a[i]), 64 elements an item.
constexpr const char *kElementwise = R"(
func.func @elementwise(%a: memref<65536xf32>, %b: memref<65536xf32>, %begin: index, %end: index,
                       %scratch: memref<0xi8>)
    attributes {dsv2.threads = 64 : i64, dsv2.shared_bytes = 0 : i64} {
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %t = gpu.thread_id x
  scf.for %i = %begin to %end step %c1 {
    %base = arith.muli %i, %c64 : index
    %at = arith.addi %base, %t : index
    %x = memref.load %a[%at] : memref<65536xf32>
    %y = math.exp2 %x : f32
    memref.store %y, %b[%at] : memref<65536xf32>
  }
  return
}
)";

/// C[16 rows][16] = A[16][K] B[K][16], f32, tiles of 16 x 16 in workgroup memory; an item is 16
/// rows.
constexpr const char *kTiled = R"(
#shared = #gpu.address_space<workgroup>
func.func @tiled(%a: memref<65536x48xf32>, %b: memref<48x16xf32>, %c: memref<65536x16xf32>,
                 %begin: index, %end: index, %scratch: memref<0xi8>)
    attributes {dsv2.threads = 256 : i64, dsv2.shared_bytes = 2048 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  %c48 = arith.constant 48 : index
  %c1024 = arith.constant 1024 : index
  %zero = arith.constant 0.0 : f32
  %raw = gpu.dynamic_shared_memory : memref<?xi8, #shared>
  %as = memref.view %raw[%c0][] : memref<?xi8, #shared> to memref<16x16xf32, #shared>
  %bs = memref.view %raw[%c1024][] : memref<?xi8, #shared> to memref<16x16xf32, #shared>
  %t = gpu.thread_id x
  %row = arith.divui %t, %c16 : index
  %column = arith.remui %t, %c16 : index
  scf.for %i = %begin to %end step %c1 {
    %base = arith.muli %i, %c16 : index
    %at = arith.addi %base, %row : index
    %sum = scf.for %k = %c0 to %c48 step %c16 iter_args(%acc = %zero) -> (f32) {
      %ka = arith.addi %k, %column : index
      %kb = arith.addi %k, %row : index
      %va = memref.load %a[%at, %ka] : memref<65536x48xf32>
      %vb = memref.load %b[%kb, %column] : memref<48x16xf32>
      memref.store %va, %as[%row, %column] : memref<16x16xf32, #shared>
      memref.store %vb, %bs[%row, %column] : memref<16x16xf32, #shared>
      gpu.barrier
      %part = scf.for %j = %c0 to %c16 step %c1 iter_args(%inner = %acc) -> (f32) {
        %x = memref.load %as[%row, %j] : memref<16x16xf32, #shared>
        %y = memref.load %bs[%j, %column] : memref<16x16xf32, #shared>
        %xy = arith.mulf %x, %y : f32
        %s = arith.addf %inner, %xy : f32
        scf.yield %s : f32
      }
      gpu.barrier
      scf.yield %part : f32
    }
    memref.store %sum, %c[%at, %column] : memref<65536x16xf32>
  }
  return
}
)";

/// out[item] = sum of 128 floats, brought in by asynchronous copies of 16 bytes into two buffers,
/// summed by a warp. An item is `%count` such blocks.
constexpr const char *kPipelined = R"(
#shared = #gpu.address_space<workgroup>
func.func @pipelined(%in: memref<65536xf32>, %out: memref<65536xf32>, %count: index, %begin: index,
                     %end: index, %scratch: memref<0xi8>)
    attributes {dsv2.threads = 32 : i64, dsv2.shared_bytes = 1024 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %c31 = arith.constant 31 : index
  %c128 = arith.constant 128 : index
  %zero = arith.constant 0.0 : f32
  %raw = gpu.dynamic_shared_memory : memref<?xi8, #shared>
  %buffers = memref.view %raw[%c0][] : memref<?xi8, #shared> to memref<2x128xf32, #shared>
  %t = gpu.thread_id x
  %t4 = arith.muli %t, %c4 : index
  // Read what another lane has copied.
  %back = arith.subi %c31, %t : index
  %other = arith.muli %back, %c4 : index
  scf.for %i = %begin to %end step %c1 {
    %blocks = arith.muli %i, %count : index
    %start = arith.muli %blocks, %c128 : index
    %first = arith.addi %start, %t4 : index
    %t0 = nvgpu.device_async_copy %in[%first], %buffers[%c0, %t4], 4 : memref<65536xf32> to memref<2x128xf32, #shared>
    %g0 = nvgpu.device_async_create_group %t0
    %sum = scf.for %k = %c0 to %count step %c1 iter_args(%acc = %zero) -> (f32) {
      %next = arith.addi %k, %c1 : index
      %stage = arith.remui %k, %c2 : index
      %nextStage = arith.remui %next, %c2 : index
      %more = arith.cmpi ult, %next, %count : index
      scf.if %more {
        %skip = arith.muli %next, %c128 : index
        %from = arith.addi %first, %skip : index
        %t1 = nvgpu.device_async_copy %in[%from], %buffers[%nextStage, %t4], 4 : memref<65536xf32> to memref<2x128xf32, #shared>
      }
      %g1 = nvgpu.device_async_create_group
      nvgpu.device_async_wait %g1 {numGroups = 1 : i32}
      gpu.barrier
      %v = vector.load %buffers[%stage, %other] : memref<2x128xf32, #shared>, vector<4xf32>
      %s = vector.reduction <add>, %v, %acc : vector<4xf32> into f32
      gpu.barrier
      scf.yield %s : f32
    }
    %o1 = arith.constant 16 : i32
    %o2 = arith.constant 8 : i32
    %o3 = arith.constant 4 : i32
    %o4 = arith.constant 2 : i32
    %o5 = arith.constant 1 : i32
    %w = arith.constant 32 : i32
    %v1, %p1 = gpu.shuffle xor %sum, %o1, %w : f32
    %s1 = arith.addf %sum, %v1 : f32
    %v2, %p2 = gpu.shuffle xor %s1, %o2, %w : f32
    %s2 = arith.addf %s1, %v2 : f32
    %v3, %p3 = gpu.shuffle xor %s2, %o3, %w : f32
    %s3 = arith.addf %s2, %v3 : f32
    %v4, %p4 = gpu.shuffle xor %s3, %o4, %w : f32
    %s4 = arith.addf %s3, %v4 : f32
    %v5, %p5 = gpu.shuffle xor %s4, %o5, %w : f32
    %s5 = arith.addf %s4, %v5 : f32
    %isFirst = arith.cmpi eq, %t, %c0 : index
    scf.if %isFirst {
      memref.store %s5, %out[%i] : memref<65536xf32>
    }
  }
  return
}
)";

/// C[16][8] = A[16][16] B[8][16] transposed, bf16, by one warp; an item is one product.
constexpr const char *kMatrix = R"(
#shared = #gpu.address_space<workgroup>
func.func @matrix(%a: memref<4096x16x16xbf16>, %b: memref<4096x8x16xbf16>,
                  %c: memref<4096x16x8xf32>, %begin: index, %end: index, %scratch: memref<0xi8>)
    attributes {dsv2.threads = 32 : i64, dsv2.shared_bytes = 768 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %c8 = arith.constant 8 : index
  %c16 = arith.constant 16 : index
  %c512 = arith.constant 512 : index
  %zero = arith.constant 0.0 : f32
  %raw = gpu.dynamic_shared_memory : memref<?xi8, #shared>
  %as = memref.view %raw[%c0][] : memref<?xi8, #shared> to memref<16x16xbf16, #shared>
  %bs = memref.view %raw[%c512][] : memref<?xi8, #shared> to memref<8x16xbf16, #shared>
  %t = gpu.thread_id x
  %half = arith.divui %t, %c16 : index
  %k = arith.muli %half, %c8 : index
  %row = arith.remui %t, %c16 : index
  %column = arith.remui %t, %c8 : index
  %quarter = arith.divui %t, %c8 : index
  %odd = arith.remui %quarter, %c2 : index
  %kb = arith.muli %odd, %c8 : index
  %isB = arith.cmpi ult, %t, %c16 : index
  scf.for %i = %begin to %end step %c1 {
    gpu.barrier
    %va = vector.load %a[%i, %row, %k] : memref<4096x16x16xbf16>, vector<8xbf16>
    vector.store %va, %as[%row, %k] : memref<16x16xbf16, #shared>, vector<8xbf16>
    scf.if %isB {
      %vb = vector.load %b[%i, %column, %kb] : memref<4096x8x16xbf16>, vector<8xbf16>
      vector.store %vb, %bs[%column, %kb] : memref<8x16xbf16, #shared>, vector<8xbf16>
    }
    gpu.barrier
    %fa = nvgpu.ldmatrix %as[%row, %k] {numTiles = 4 : i32, transpose = false} : memref<16x16xbf16, #shared> -> vector<4x2xbf16>
    %fb = nvgpu.ldmatrix %bs[%column, %kb] {numTiles = 2 : i32, transpose = false} : memref<8x16xbf16, #shared> -> vector<2x2xbf16>
    %a0v = vector.extract %fa[0] : vector<2xbf16> from vector<4x2xbf16>
    %a1v = vector.extract %fa[1] : vector<2xbf16> from vector<4x2xbf16>
    %a2v = vector.extract %fa[2] : vector<2xbf16> from vector<4x2xbf16>
    %a3v = vector.extract %fa[3] : vector<2xbf16> from vector<4x2xbf16>
    %b0v = vector.extract %fb[0] : vector<2xbf16> from vector<2x2xbf16>
    %b1v = vector.extract %fb[1] : vector<2xbf16> from vector<2x2xbf16>
    %a0w = vector.bitcast %a0v : vector<2xbf16> to vector<1xi32>
    %a1w = vector.bitcast %a1v : vector<2xbf16> to vector<1xi32>
    %a2w = vector.bitcast %a2v : vector<2xbf16> to vector<1xi32>
    %a3w = vector.bitcast %a3v : vector<2xbf16> to vector<1xi32>
    %b0w = vector.bitcast %b0v : vector<2xbf16> to vector<1xi32>
    %b1w = vector.bitcast %b1v : vector<2xbf16> to vector<1xi32>
    %a0 = vector.extract %a0w[0] : i32 from vector<1xi32>
    %a1 = vector.extract %a1w[0] : i32 from vector<1xi32>
    %a2 = vector.extract %a2w[0] : i32 from vector<1xi32>
    %a3 = vector.extract %a3w[0] : i32 from vector<1xi32>
    %b0 = vector.extract %b0w[0] : i32 from vector<1xi32>
    %b1 = vector.extract %b1w[0] : i32 from vector<1xi32>
    %d = nvvm.mma.sync A[%a0, %a1, %a2, %a3] B[%b0, %b1] C[%zero, %zero, %zero, %zero]
      {layoutA = #nvvm.mma_layout<row>, layoutB = #nvvm.mma_layout<col>,
       multiplicandAPtxType = #nvvm.mma_type<bf16>, multiplicandBPtxType = #nvvm.mma_type<bf16>,
       shape = #nvvm.shape<m = 16, n = 8, k = 16>}
      : (i32, i32, f32) -> !llvm.struct<(f32, f32, f32, f32)>
    %d0 = llvm.extractvalue %d[0] : !llvm.struct<(f32, f32, f32, f32)>
    %d1 = llvm.extractvalue %d[1] : !llvm.struct<(f32, f32, f32, f32)>
    %d2 = llvm.extractvalue %d[2] : !llvm.struct<(f32, f32, f32, f32)>
    %d3 = llvm.extractvalue %d[3] : !llvm.struct<(f32, f32, f32, f32)>
    %group = arith.divui %t, %c4 : index
    %low = arith.remui %t, %c4 : index
    %first = arith.muli %low, %c2 : index
    %second = arith.addi %first, %c1 : index
    %below = arith.addi %group, %c8 : index
    memref.store %d0, %c[%i, %group, %first] : memref<4096x16x8xf32>
    memref.store %d1, %c[%i, %group, %second] : memref<4096x16x8xf32>
    memref.store %d2, %c[%i, %below, %first] : memref<4096x16x8xf32>
    memref.store %d3, %c[%i, %below, %second] : memref<4096x16x8xf32>
  }
  return
}
)";

} // namespace dsv2::test

#endif // DSV2_TEST_TARGET_SIMTKERNELTEXTS_H
