"""The Open Inference Protocol, version 2, as Triton speaks it: tensors and pictures come in, the vote goes out."""
