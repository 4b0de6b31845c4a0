"""Known small projects redone: their protocol, our network, the honest figure beside it."""
