"""The form in which live samples come: compact binary, or JSON for makers.

`docs/live-sources.md` states both byte by byte, and a test compares.
"""

import math
import struct
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamer.messages.fields import MAX_INDEX

_MAGIC: Final = b"ECG1"
_HEADER: Final = struct.Struct("<4sBBHQqdd")
"""Magic, sample type, leads, bytes of lead names, seq, first sample, fs, gain."""
_INT16: Final = 1
_FLOAT32: Final = 2
_DTYPES: Final[dict[int, np.dtype[Any]]] = {_INT16: np.dtype("<i2"), _FLOAT32: np.dtype("<f4")}
_INVALID: Final = -32768
_LARGEST: Final = 32767
MAX_LEADS: Final = 16
MAX_SAMPLES: Final = 100_000
"""Of one lead in one message; more is an error of the sender."""
MAX_NAME: Final = 16
"""Characters in the name of a lead."""


class SamplesError(ValueError):
    """A message that holds no samples in our form."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleMessage:
    """Some consecutive samples of one source.

    Attributes
    ----------
    seq : int
        Counts a source's messages from 0, without holes.
    first_sample : int
        Index of the first column.
    fs : float
        Sampling frequency in Hz.
    samples : ndarray of float32, shape (leads, n)
        mV; NaN marks invalid ones.
    leads : tuple of str
        Their names; empty where the source doesn't say.
    """

    seq: int
    first_sample: int
    fs: float
    samples: NDArray[np.float32]
    leads: tuple[str, ...] = ()

    @property
    def stop(self) -> int:
        """One past the last sample."""
        return self.first_sample + int(self.samples.shape[1])


def encode(message: SampleMessage, *, gain: float | None = None) -> bytes:
    """Encode as binary: int16 at `gain` units per mV, or float32 if None."""
    frames = message.samples.T
    kind = _FLOAT32 if gain is None else _INT16
    if gain is None:
        body = frames.astype(_DTYPES[_FLOAT32])
    else:
        units = np.clip(np.round(frames * gain), -_LARGEST, _LARGEST)
        body = np.where(np.isfinite(units), units, _INVALID).astype(_DTYPES[_INT16])
    leads = message.samples.shape[0]
    names = ",".join(message.leads).encode()
    numbers = (message.seq, message.first_sample, message.fs, gain or 1.0)
    header = _HEADER.pack(_MAGIC, kind, leads, len(names), *numbers)
    return header + names + bytes(body.tobytes())


class _Json(msgspec.Struct, frozen=True, kw_only=True):
    """The form for makers."""

    seq: int
    first_sample: int
    fs: float
    mv: list[list[float | None]]
    leads: tuple[str, ...] = ()


_DECODER: Final = msgspec.json.Decoder(_Json)


def decode(data: bytes) -> SampleMessage:
    """Decode either form.

    Raises
    ------
    SamplesError
        If the message is of neither form or its numbers make no sense.
    """
    message = _from_binary(data) if data[: len(_MAGIC)] == _MAGIC else _from_json(data)
    leads, n = message.samples.shape
    if not (math.isfinite(message.fs) and message.fs > 0):
        raise SamplesError(f"fs is {message.fs}; it must be a number above 0")
    if not (0 <= message.seq < MAX_INDEX and abs(message.first_sample) < MAX_INDEX):
        raise SamplesError("seq or first_sample is out of range")
    if not (1 <= leads <= MAX_LEADS and 1 <= n <= MAX_SAMPLES):
        raise SamplesError(
            f"got {leads} leads of {n} samples; expected 1 to {MAX_LEADS} of 1 to {MAX_SAMPLES}"
        )
    if message.leads and len(message.leads) != leads:
        raise SamplesError(f"got {len(message.leads)} names of {leads} leads; name all or none")
    if not all(0 < len(name) <= MAX_NAME and name.isprintable() for name in message.leads):
        raise SamplesError(f"a lead's name has 1 to {MAX_NAME} characters that can be printed")
    return message


def _from_binary(data: bytes) -> SampleMessage:
    if len(data) < _HEADER.size:
        raise SamplesError(f"got {len(data)} bytes; the header alone has {_HEADER.size}")
    _, kind, leads, named, seq, first, fs, gain = _HEADER.unpack_from(data)
    if kind not in _DTYPES:
        raise SamplesError(f"sample type is {kind}; expected 1 (int16) or 2 (float32)")
    if not (math.isfinite(gain) and gain > 0):
        raise SamplesError(f"gain is {gain}; it must be a number above 0")
    frame_bytes = max(leads, 1) * _DTYPES[kind].itemsize
    begin = _HEADER.size + named
    if (len(data) - begin) % frame_bytes or len(data) < begin:
        raise SamplesError(
            f"got {len(data) - begin} bytes of samples, no multiple of {frame_bytes}"
        )
    names = data[_HEADER.size : begin].decode("utf-8", errors="replace")
    frames = np.frombuffer(data, _DTYPES[kind], offset=begin).reshape(-1, max(leads, 1))
    # A copy even where the order is right already (one lead): the bytes can't be written to.
    samples = np.array(frames.T, np.float32, order="C")
    if kind == _INT16:
        samples[samples == _INVALID] = np.nan
        samples /= np.float32(gain)
    samples[~np.isfinite(samples)] = np.nan
    return SampleMessage(
        seq=seq,
        first_sample=first,
        fs=fs,
        samples=samples,
        leads=tuple(names.split(",")) if names else (),
    )


def _from_json(data: bytes) -> SampleMessage:
    try:
        form = _DECODER.decode(data)
        samples = np.array(form.mv, np.float32, ndmin=2)
    except (ValueError, RecursionError) as error:
        raise SamplesError(
            f"neither binary samples nor JSON with seq, first_sample, fs and mv ({error})"
        ) from error
    samples[~np.isfinite(samples)] = np.nan
    return SampleMessage(
        seq=form.seq,
        first_sample=form.first_sample,
        fs=form.fs,
        samples=samples,
        leads=form.leads,
    )
