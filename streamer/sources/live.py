"""Live samples of many sources, which may start and end at any time: checked, ordered, due."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable

from replay.chunk import Chunk
from streamer.core.errors import StreamerError
from streamer.messages.fields import MAX_INDEX
from streamer.messages.guard import RejectedError, Rejection
from streamer.messages.samples import SampleMessage, SamplesError, decode, encode
from streamer.patient.journal import Journal
from streamer.sources.gate import SamplesGate
from streamer.sources.live_patient import LiveConfig, LivePatient, described, recalled_pieces
from streamer.sources.source import Host, Turn
from streamer.sources.track import SampleTrack

__all__ = ["LiveConfig", "LivePatient", "LiveSource"]


class LiveSource:
    """Takes in messages of many sources and gives their samples turn by turn.

    Parameters
    ----------
    leads : tuple of str
        Of every patient whose source names none: missing leads become invalid, surplus ones are
        ignored.
    seconds : float, optional
        When to end; never if None.
    config : LiveConfig, optional
    journal : Journal, optional
        Keeps what has come, so that it isn't lost with the process.

    Attributes
    ----------
    patients : dict of str to LivePatient
    late_turns : int
        Turns that began after the next was due.
    ends_with_run : bool
        Whether it ends when a source starts anew, instead of beginning with it again.
    """

    is_paced = True

    def __init__(
        self,
        leads: tuple[str, ...],
        *,
        seconds: float | None = None,
        config: LiveConfig | None = None,
        ends_with_run: bool = False,
        journal: Journal | None = None,
    ) -> None:
        self.patients: dict[str, LivePatient] = {}
        self.late_turns = 0
        self.ends_with_run = ends_with_run
        self._leads = leads
        self._seconds = seconds
        self._config = config or LiveConfig()
        self._gate = SamplesGate(self._config.gate)
        self._host: Host | None = None
        self._journal = journal
        self._is_recalling = self._is_over = False
        self._arrived = asyncio.Event()
        self._failure: StreamerError | None = None
        self._n_begun = 0
        self._returned: set[str] = set()
        """Sources that are to catch up once they begin."""

    @property
    def rejected(self) -> Counter[Rejection]:
        """Rejected messages."""
        return self._gate.rejected

    def begin(self, host: Host) -> None:
        """Set the host that patients are opened at."""
        self._host = host

    def end(self) -> None:
        """End the turns once everything received was yielded."""
        self._is_over = True

    def remove(self, source: str) -> bool:
        """End a source that is silent; return whether it is one."""
        patient = self.patients.get(source)
        if patient is None or not patient.is_silent:
            return False
        patient.is_ending = True
        return True

    def trust(self, source: str) -> None:
        """Accept messages of a source at any rate."""
        self._gate.trust(source)

    def next_sample(self, source: str) -> int | None:
        """Return the first sample that is wanted of a source; None: any, it begins anew."""
        patient = self.patients.get(source)
        return None if patient is None or patient.is_ending else patient.track.next_sample

    def pending_s(self, source: str) -> float:
        """Return how much of a source's signal waits for its turn."""
        patient = self.patients.get(source)
        return 0.0 if patient is None else patient.pending_s

    def catch_up(self, source: str) -> None:
        """Take what a source sends at any rate, and as of before, until it has caught up."""
        if source in self.patients:
            self.patients[source].is_catching_up = True
            self._gate.trust(source)
        elif len(self._returned) < self._config.gate.most_sources:
            self._returned.add(source)

    def receive(self, source: str, payload: bytes, now_s: float) -> None:
        """Receive one message; it is counted and dropped if malformed or beyond the limits.

        A patient's snapshot that can't be used ends the turns with its error.
        """
        try:
            self._take(source, self._gate.admit(source, payload, now_s), now_s, payload)
        except RejectedError:
            return
        except SamplesError as error:
            self._gate.reject(RejectedError(Rejection.INVALID, str(error)))
        except StreamerError as error:
            self._failure = error
        self._arrived.set()

    def recall(self, source: str, payloads: Iterable[bytes]) -> None:
        """Go on with a patient, with what its journal has since its snapshot.

        Raises
        ------
        StreamerError
            If they can't be used.
        """
        now_s = self._now()
        self._is_recalling = True
        try:
            for payload in payloads:
                with contextlib.suppress(SamplesError):
                    self._take(source, decode(payload), now_s, payload)
        finally:
            self._is_recalling = False
        if self._journal is not None:
            self._journal.settle(source)
        patient = self.patients.get(source)
        if patient is not None and patient.pending:
            patient.recalled_to = patient.pending[-1].stop

    def let_go(self, sources: Collection[str]) -> list[str]:
        """Follow patients no longer; what wasn't pushed yet is in their journals."""
        found = [source for source in sources if self.patients.pop(source, None) is not None]
        for source in found:
            self._gate.forget(source)
        return found

    async def turns(self) -> AsyncIterator[Turn]:
        """Yield what has arrived for one group of patients after the other.

        Raises
        ------
        StreamerError
            If a patient's snapshot can't be used.
        """
        began_s, config, n_leads = self._now(), self._config.turns, len(self._leads)
        number = 0
        while self._seconds is None or self._now() - began_s < self._seconds:
            while pieces := recalled_pieces(self.patients.values(), self._config, n_leads):
                yield Turn(pieces=pieces, is_recall=True)
            group, number = number % config.groups, number + 1
            await self._wait(began_s + number * config.turn_s)
            if self._failure is not None:
                raise self._failure
            self._pass_time(self._now())
            members = [p for p in self.patients.values() if p.group == group]
            is_behind = True
            while is_behind:
                offered = [p.next_piece(self._config, n_leads, self._now()) for p in members]
                pieces = {p.info.source: q for p, q in zip(members, offered, strict=True) if q}
                is_behind = any(p.pending and p.closing is None for p in members)
                if pieces:
                    yield Turn(pieces=pieces, is_behind=is_behind)
            if self.ends_with_run and any(patient.is_ending for patient in members):
                return
            if self._is_over and not any(p.pending for p in self.patients.values()):
                return
            self._end_some(members)

    async def _wait(self, due_s: float) -> None:
        remaining_s = due_s - self._now()
        if self._config.is_eager:
            if not any(patient.pending for patient in self.patients.values()):
                self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), self._config.turns.turn_s)
            return
        self.late_turns += remaining_s <= 0.0
        await asyncio.sleep(max(remaining_s, 0.0))

    def _take(
        self, source: str, message: SampleMessage, now_s: float, payload: bytes | None = None
    ) -> None:
        patient = self.patients.get(source)
        if patient is None:
            patient = self._open(source, message, now_s)
        restarts = patient.is_ending or patient.track.is_restart(message)
        if self._journal is not None:
            stop = MAX_INDEX if restarts else message.stop
            self._journal.keep_samples(source, payload or encode(message), stop)
        if restarts:
            patient.is_ending = True
            patient.successor.append((message, now_s))
            return
        self._add(patient, patient.track.push(message, now_s), now_s)

    def _open(self, source: str, message: SampleMessage, now_s: float) -> LivePatient:
        if self._host is None:
            raise RuntimeError("samples arrived before begin()")
        config = self._config
        began_s = now_s - message.samples.shape[1] / message.fs
        started_at = time.time() + began_s - self._now()
        info = described(source, message, self._leads, started_at, config)
        earliest = None if self._is_recalling else message.first_sample
        following = self._host.open(info, first_sample=earliest)
        track = SampleTrack(config.track)
        if following is not None:
            track.resume(following)
        self._host.silent(source, is_silent=False)  # An earlier run may have ended in silence.
        patient = LivePatient(
            info=info,
            track=track,
            heard_s=now_s,
            began_s=began_s,
            group=self._n_begun % config.turns.groups,
        )
        self._n_begun += 1
        self._gate.know(source)
        self.patients[source] = patient
        if source in self._returned:
            self._returned.discard(source)
            self.catch_up(source)
        return patient

    def _pass_time(self, now_s: float) -> None:
        """Release what was held back for too long, and notice sources that are silent."""
        for patient in self.patients.values():
            self._add(patient, patient.track.tick(now_s), now_s)
            silence_s = now_s - patient.heard_s
            if silence_s > self._config.silent_s and not (patient.is_silent or patient.is_ending):
                self._note_silence(patient, is_silent=True)

    def _add(self, patient: LivePatient, chunks: list[Chunk], now_s: float) -> None:
        if chunks:
            patient.heard_s = now_s
            patient.pending += chunks
            if patient.is_silent:
                self._note_silence(patient, is_silent=False)

    def _note_silence(self, patient: LivePatient, *, is_silent: bool) -> None:
        patient.is_silent = is_silent
        if self._host is not None and patient.closing is None:
            self._host.silent(patient.info.source, is_silent=is_silent)

    def _end_some(self, members: list[LivePatient]) -> None:
        """End sources that are silent or restart; begin the next run of those that have ended."""
        if self._host is None:
            return
        for patient in members:
            source = patient.info.source
            if patient.is_ending and patient.closing is None:
                if patient.is_silent:
                    self._note_silence(patient, is_silent=False)
                patient.closing = self._host.close(source)
            elif patient.closing is not None and patient.closing.done():
                patient.closing.result()
                del self.patients[source]
                if self._journal is not None:
                    self._journal.remove(source)
                if not patient.successor:
                    self._gate.forget(source)
                for message, arrived_s in patient.successor:
                    self._take(source, message, arrived_s)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
