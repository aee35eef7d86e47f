// What a kernel image cannot hold is an error that names the op and the kernel.
// RUN: dsv2-opt %s --dsv2-generic-check --split-input-file --verify-diagnostics

func.func @allocates() {
  // expected-error @below {{generic kernel 'allocates': 'memref.alloc' allocates: an intermediate row is stored nowhere}}
  %m = memref.alloc() : memref<9xf32>
  return
}

// -----

func.func @copies(%a: memref<9xf32>, %b: memref<9xf32>) {
  // expected-error @below {{generic kernel 'copies': 'memref.copy' copies}}
  memref.copy %a, %b : memref<9xf32> to memref<9xf32>
  return
}

// -----

func.func private @callee()
func.func @calls() {
  // expected-error @below {{generic kernel 'calls': 'func.call' calls a function}}
  call @callee() : () -> ()
  return
}

// -----

func.func @tensors() {
  // expected-error @below {{generic kernel 'tensors': 'tensor.empty' is of a dialect that no target lowers in a kernel}}
  %t = tensor.empty() : tensor<9xf32>
  return
}
