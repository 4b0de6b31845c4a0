"""Labels the ECG of a Bluetooth heart-rate strap that speaks as the Polar H10 does.

    pip install bleak
    python polar_strap.py AA:BB:CC:DD:EE:FF

What a frame holds and how the stream is begun is in Polar's own specification:
https://github.com/polarofficial/polar-ble-sdk/blob/master/technical_documentation/Polar_Measurement_Data_Specification.pdf
(frames: `EcgData` of that SDK). Decoding is tested on frames made by the same rules; `frames`, the
radio part, has NOT been tried with a strap. One lead across the chest, at 130 Hz, is not what the
classifier was trained on.
"""

import argparse
import asyncio
from collections.abc import AsyncIterable, AsyncIterator

import numpy as np

from replay import Chunk
from streamer import LabeledBeat, stream

FS = 130.0
CONTROL = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
DATA = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"
START_ECG = bytes.fromhex("02 00 00 01 82 00 01 01 0e 00")  # 130 Hz, 14 bits
HEADER_BYTES, SAMPLE_BYTES = 10, 3


def decode_frame(frame: bytes) -> tuple[int, np.ndarray]:
    """Return the time of the last sample in ns since 2000, and the samples in mV.

    Byte 0 is 0 for an ECG; 1 to 8 the time, little-endian; 9 the type of the frame, 0; then come
    microvolts of 3 bytes each, little-endian, in two's complement.
    """
    n, rest = divmod(len(frame) - HEADER_BYTES, SAMPLE_BYTES)
    if n < 1 or rest or frame[0] != 0 or frame[9] != 0:
        raise ValueError(f"no ECG frame of type 0: {frame[:HEADER_BYTES].hex(' ')}")
    octets = np.frombuffer(frame, np.uint8, offset=HEADER_BYTES).reshape(n, SAMPLE_BYTES)
    unsigned = octets.astype(np.int32) @ np.array([1, 1 << 8, 1 << 16], np.int32)
    microvolts = np.where(unsigned < 1 << 23, unsigned, unsigned - (1 << 24))
    return int.from_bytes(frame[1:9], "little"), (microvolts / 1e3).astype(np.float32)


async def chunks(found: AsyncIterable[bytes]) -> AsyncIterator[Chunk]:
    """Yield each frame's samples where its time puts them: a frame that was lost makes a gap."""
    next_sample, before_ns = 0, None
    async for frame in found:
        time_ns, samples = decode_frame(frame)
        if before_ns is not None:
            # The strap's clock isn't exactly 130 Hz, so that whole frames are counted.
            passed = round((time_ns - before_ns) * 1e-9 * FS / len(samples))
            next_sample += max(passed - 1, 0) * len(samples)
        yield Chunk(start=next_sample, samples=samples[None, :])
        next_sample, before_ns = next_sample + len(samples), time_ns


async def frames(address: str) -> AsyncIterator[bytes]:
    """Yield what the strap notifies; ends with the connection."""
    from bleak import BleakClient  # noqa: PLC0415 - so that the rest can be used without a radio

    arrived: asyncio.Queue[bytes | None] = asyncio.Queue()
    gone = lambda _: arrived.put_nowait(None)  # noqa: E731
    async with BleakClient(address, disconnected_callback=gone) as strap:
        await strap.start_notify(DATA, lambda _, data: arrived.put_nowait(bytes(data)))
        await strap.write_gatt_char(CONTROL, START_ECG, response=True)
        while (frame := await arrived.get()) is not None:
            yield frame


async def main(found: AsyncIterable[bytes]) -> None:
    """Print each beat."""
    async for event in stream(chunks(found), fs=FS, leads="ECG"):
        if isinstance(event, LabeledBeat) and event.revision == 1:
            print(event.beat.rpeak.sample, event.label, flush=True)  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Label a heart-rate strap's ECG.")
    parser.add_argument("address", help="Bluetooth address of the strap")
    asyncio.run(main(frames(parser.parse_args().address)))
