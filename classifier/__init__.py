"""Beat labels: classes, CNN, TorchScript runtime, training, evaluation; arrays in, arrays out."""
