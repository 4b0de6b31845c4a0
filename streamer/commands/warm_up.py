"""`ecg-stream warm-up`: compile the signal path now, so that the first start is quick."""

import argparse
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: there are none."""


def run(args: argparse.Namespace) -> int:
    """Push the simulated record, which has every scene, through a ward, and at another rate."""
    from classifier.network.runtime import load_model
    from streamer.beats.batched_model import BatchedModel
    from streamer.core.events import CHAIN_FS
    from streamer.patient.warm_up import warm_up

    warm_up(BatchedModel(load_model()), n_leads=2, fs=2.0 * CHAIN_FS)
    sys.stdout.write("the signal path is compiled\n")
    return 0
