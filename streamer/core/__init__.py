"""The vocabulary of the online chain: events, the stage contract, errors, small measures."""
