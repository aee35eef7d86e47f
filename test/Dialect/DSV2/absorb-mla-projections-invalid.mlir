// A mode that there is not.
// RUN: dsv2-opt %s --dsv2-absorb-mla-projections=mode=premultiplied --verify-diagnostics

// expected-error @below {{absorb mode is 'premultiplied', expected auto, naive or reassociated}}
module {}
