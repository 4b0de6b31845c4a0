"""A terminal that understands what the monitor sends: places, colours and clearing."""

import re

_TOKEN = re.compile(r"\x1b\[(?P<codes>[0-9;?]*)(?P<kind>[a-zA-Z])|(?P<character>[^\x1b])")
_UNFINISHED = re.compile(r"\x1b(\[[0-9;?]*)?$")


class Grid:
    """What the screen shows, cell by cell, with the style codes each was written in.

    Lines don't scroll, and what goes beyond the right edge is counted, not shown.
    """

    def __init__(self, width: int, height: int) -> None:
        self.cells = [[(" ", "")] * width for _ in range(height)]
        self.written = self.beyond = 0
        self._row = self._column = 0
        self._style = self._rest = ""

    def feed(self, text: str) -> None:
        text = self._rest + text
        unfinished = _UNFINISHED.search(text)
        self._rest = unfinished[0] if unfinished else ""
        for token in _TOKEN.finditer(text.removesuffix(self._rest)):
            if token["character"] is not None:
                self._put(token["character"])
            elif token["kind"] == "H":
                row, _, column = (token["codes"] or "1;1").partition(";")
                self._row, self._column = int(row) - 1, int(column or 1) - 1
            elif token["kind"] == "J" or token["codes"] + token["kind"] == "?1049l":
                self.cells = [[(" ", "")] * len(row) for row in self.cells]
                self._row = self._column = 0
            elif token["kind"] == "m":
                self._style = "" if token["codes"] in {"", "0"} else token["codes"]

    def _put(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._row = min(self._row + 1, len(self.cells) - 1)
        elif self._column < len(self.cells[self._row]):
            self.cells[self._row][self._column] = (character, self._style)
            self._column += 1
            self.written += 1
        else:
            self.beyond += 1

    @property
    def text(self) -> str:
        return "\n".join("".join(character for character, _ in row) for row in self.cells)
