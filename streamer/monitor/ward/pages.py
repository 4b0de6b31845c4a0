"""What fills the ward's screen: list, grid of waveforms, all of one patient, or last alarms."""

from collections.abc import Callable
from enum import Enum

from streamer.monitor.terminal.screen_lines import Line, beside, block
from streamer.monitor.ward import view
from streamer.monitor.ward.detail import detail
from streamer.monitor.ward.grid import Tiling, tile, tiling
from streamer.monitor.ward.history import history_header, history_lines
from streamer.monitor.ward.patients import Patients, PatientState, Ring
from streamer.monitor.ward.roster import Roster
from streamer.monitor.ward.slices import Slices
from streamer.monitor.ward.trace import WardTraces
from streamer.rhythm.alerting.patients import PatientAlerts


class View(Enum):
    """What fills the screen."""

    LIST = "list"
    GRID = "grid"
    DETAIL = "detail"
    HISTORY = "history"


class Pages:
    """Draws each view of a ward.

    Parameters
    ----------
    roster : Roster
        Who is shown.
    patients : Patients
    alerts : PatientAlerts
    ring_of : callable
        Returns a patient's last samples, by name; None if there are none.
    limits : str
        Heart rates without an alarm.
    """

    def __init__(
        self,
        roster: Roster,
        patients: Patients,
        alerts: PatientAlerts,
        ring_of: Callable[[str], Ring | None],
        limits: str,
    ) -> None:
        self._roster = roster
        self._patients = patients
        self._alerts = alerts
        self._ring_of = ring_of
        self._limits = limits
        self._traces = WardTraces()

    async def draw(
        self, what: View, width: int, height: int, slices: Slices
    ) -> tuple[list[Line], str]:
        """Return `height` lines of `width` cells, and which of the patients they show."""
        self._traces.begin()
        patient = self._roster.patient
        if what is View.HISTORY:
            name_of = self._roster.name_of
            rows = history_lines(self._alerts, width, height - 1, name_of=name_of)
            lines, place = [history_header(width), *rows], ""
        elif what is View.GRID:
            lines, place = await self._grid(width, height, slices)
        elif what is View.DETAIL and patient is not None:
            lines, place = self._detail(patient, width, height)
        else:
            lines, place = self._list(patient, width, height)
        return [*lines[:height], *block([], width, height - len(lines))], place

    def tiling(self, width: int, height: int) -> Tiling:
        """Return the tiles of the grid."""
        return tiling(len(self._roster.order), width, height)

    async def _grid(self, width: int, height: int, slices: Slices) -> tuple[list[Line], str]:
        """Draw the tiles, some at a time: a whole screen of them takes longer than a turn may."""
        tiles, selected = self.tiling(width, height), self._roster.selected
        first = selected // tiles.shown * tiles.shown
        shown = self._roster.order[first : first + tiles.shown]
        empty = block([], tiles.width, tiles.height)
        drawn = [empty] * (-(-len(shown) // tiles.across) * tiles.across)
        for number, source in enumerate(shown):
            await slices.rest()
            if source in self._patients:  # Who is shown may leave meanwhile.
                drawn[number] = tile(
                    self._roster.line(source),
                    self._patients[source],
                    self._ring_of(source),
                    self._traces,
                    tiles,
                    is_chosen=first + number == selected,
                )
        rest = block([], width - tiles.across * tiles.width, tiles.height)
        rows = [
            beside([*drawn[k : k + tiles.across], rest]) for k in range(0, len(drawn), tiles.across)
        ]
        return [row for tile_row in rows for row in tile_row], self._place(first, len(shown))

    def _detail(self, patient: PatientState, width: int, height: int) -> tuple[list[Line], str]:
        source = patient.info.source
        lines = detail(
            self._roster.line(source),
            patient,
            self._ring_of(source),
            self._traces,
            self._alerts,
            limits=self._limits,
            width=width,
            height=height,
        )
        return lines, f"{self._roster.selected + 1} of {len(self._roster.order)}"

    def _list(
        self, patient: PatientState | None, width: int, height: int
    ) -> tuple[list[Line], str]:
        roster, rows = self._roster, view.table_rows(height)
        first = max(min(roster.selected - rows // 2, len(roster.order) - rows), 0)
        those = [roster.line(source) for source in roster.order[first : first + rows]]
        lines = view.table(those, roster.selected - first, width)
        chosen = ring = None
        if patient is not None:
            chosen, ring = roster.line(patient.info.source), self._ring_of(patient.info.source)
        now = 0 if ring is None else ring.stop or 0
        trace = self._traces.lines(patient, ring, now, width, view.TRACE_ROWS)
        gap = block([], width, rows + 1 - len(lines))
        return [*lines, *gap, view.trace_title(chosen, width), *trace], self._place(
            first, len(those)
        )

    def _place(self, first: int, shown: int) -> str:
        n = len(self._roster.order)
        return f"{first + 1} to {first + shown} of {n}" if n else ""
