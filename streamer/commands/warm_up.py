"""`ecg-stream warm-up`: compile the signal path now, so that the first start is quick."""

import argparse
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: there are none."""


def run(args: argparse.Namespace) -> int:
    """Push the simulated record, which has every scene, through a patient's chain and a ward."""
    from classifier.network.runtime import load_model
    from replay.chunk import Chunk
    from replay.simulate.demo import simulate_demo
    from streamer.beats.batched_model import BatchedModel
    from streamer.core.events import CHAIN_FS
    from streamer.patient.chain import Chain
    from streamer.patient.ward_warm_up import warm_up_ward
    from streamer.patient.warm_up import warm_up

    model = load_model()
    signal = simulate_demo().signal
    chain = Chain(fs=CHAIN_FS, n_leads=len(signal), model=model)
    chain.push(Chunk(start=0, samples=signal))
    chain.flush()
    # At another rate, the resampler too.
    warm_up(2.0 * CHAIN_FS, 1, model)
    warm_up_ward(BatchedModel(model), 2)
    sys.stdout.write("the signal path is compiled\n")
    return 0
