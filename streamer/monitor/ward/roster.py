"""Which patients the ward shows, in which order, and which of them is selected."""

import time
from collections import Counter
from collections.abc import Mapping

from streamer.core.events import Event, LabeledBeat, Priority, StreamInfo
from streamer.monitor.ward.course import Course
from streamer.monitor.ward.limits import limit_words
from streamer.monitor.ward.patient_line import PatientLine, patient_line, rate_of, urgency
from streamer.monitor.ward.patients import Patients, PatientState
from streamer.monitor.ward.query import Query
from streamer.monitor.ward.slices import Slices
from streamer.rhythm.alerting.limits import AlarmLimits

_Key = tuple[int, ...]


class Roster:
    """All patients of a ward, as the screen goes through them.

    Parameters
    ----------
    patients : Patients
    limits : AlarmLimits, optional
    names : mapping of str to str, optional
        What a person calls a source.

    Attributes
    ----------
    query : Query
        Which of them are shown.
    is_by_name : bool
        Whether the order is that of the names; else the most urgent come first.
    order : list of str
        The sources shown.
    alarms, hidden : Counter
        How many patients have an alarm of each priority, and how many of those aren't shown.
    """

    def __init__(
        self,
        patients: Patients,
        limits: AlarmLimits | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.query = Query()
        self.is_by_name = False
        self.order: list[str] = []
        self.alarms: Counter[Priority] = Counter()
        self.hidden: Counter[Priority] = Counter()
        self._patients = patients
        self._limits = limit_words(limits or AlarmLimits())
        self._names = names or {}
        self._courses: dict[str, Course] = {}
        self._keys: dict[str, _Key] = {}
        self._chosen: str | None = None

    def take(self, info: StreamInfo, event: Event) -> None:
        """Note what an event changes."""
        if not isinstance(event, LabeledBeat):
            self._course(info).take(event)

    def forget(self, source: str) -> None:
        """Forget a patient who has left."""
        self._courses.pop(source, None)

    async def sort(self) -> float:
        """Put the patients in order, some at a time; return the seconds that it took."""
        slices = Slices()
        keys: dict[str, _Key] = {}
        shown = set()
        for patient in list(self._patients):
            source = patient.info.source
            keys[source] = key = urgency(patient)
            self._course(patient.info).measure(patient.last_sample, rate_of(patient))
            if self._is_shown(patient, key):
                shown.add(source)
            await slices.rest()
        self._keys = keys
        self.order = sorted(shown, key=self._place)
        self.alarms = Counter(Priority(-key[0]) for key in keys.values() if key[0])
        self.hidden = self.alarms - Counter(Priority(-keys[s][0]) for s in shown if keys[s][0])
        return slices.spent_s

    def drop_gone(self) -> None:
        """Leave out who has left since the order was made."""
        self.order = [source for source in self.order if source in self._patients]

    @property
    def selected(self) -> int:
        """Place of the chosen patient among those shown, else of the most urgent."""
        if self._chosen in self.order:
            return self.order.index(self._chosen)
        keyed = [(self._keys.get(source, ()), k) for k, source in enumerate(self.order)]
        return min(keyed)[1] if keyed else 0

    @property
    def patient(self) -> PatientState | None:
        """The selected patient."""
        return self._patients[self.order[self.selected]] if self.order else None

    def choose(self, place: int) -> None:
        """Select the patient at a place, or the nearest."""
        if self.order:
            self._chosen = self.order[min(max(place, 0), len(self.order) - 1)]

    def choose_most_urgent(self) -> None:
        """Select whoever is the most urgent from now on."""
        self._chosen = None

    def line(self, source: str) -> PatientLine:
        """Say how a patient is."""
        patient = self._patients[source]
        course = self._course(patient.info)
        return patient_line(patient, time.time(), self._limits, self.name_of(source), course)

    def name_of(self, source: str) -> str:
        """Return what a person calls a source."""
        return self._names.get(source, source)

    def _place(self, source: str) -> tuple[object, ...]:
        name = self.name_of(source).lower()
        return (name, source) if self.is_by_name else (self._keys[source], name, source)

    def _is_shown(self, patient: PatientState, key: _Key) -> bool:
        if not self.query.lets_through(-key[0], is_seen=bool(key[1])):
            return False
        return not self.query.search or self.query.finds(self.line(patient.info.source))

    def _course(self, info: StreamInfo) -> Course:
        if info.source not in self._courses:
            self._courses[info.source] = Course(info.fs)
        return self._courses[info.source]
