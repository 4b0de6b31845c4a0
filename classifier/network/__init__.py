"""The network: layers, TorchScript runtime, export, explanation."""
