"""The socket between aiomqtt and the network, with a quick way through for what comes by thousands.

Messages at QoS 1 and their acknowledgements are written and read here, by the standard (MQTT 5,
sections 3.3 and 3.4), many at a time; every other packet is aiomqtt's. The place is a public one:
what a TLS context's `wrap_socket` returns is the socket that aiomqtt's paho reads and writes.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Final

from streamer.mqtt.protocol import (
    CONNACK,
    DISCONNECT,
    END_SESSION,
    FAILURE,
    PUBACK,
    PUBLISH,
    TYPE,
    packet_end,
    publish_packet,
    read_publish,
    receive_maximum,
    refusal,
)

_FIRST_NUMBER: Final = 0x8000
"""paho numbers its own few packets from 1; ours begin here."""
_LAST_NUMBER: Final = 0xFFFF
_PLAIN_PUBACK: Final = b"\x40\x02"
"""Of a message that was taken, with nothing to say about it."""
_EXACTLY_ONCE: Final = 0x04
_READ: Final = 65_536
_RETRY_S: Final = 0.002
"""Until a full socket is tried again."""
MOST_IN_FLIGHT: Final = 30_000
"""Messages that can have numbers of ours at the same time."""
TakeMessages = Callable[[list[tuple[str, bytes]]], None]


class PacketSocket:
    """Stands in for a connected socket.

    Parameters
    ----------
    sock : socket
        The real one, encrypted or not.
    loop : event loop
        That of the connection; only opening happens in another thread.
    ended : future
        Done as soon as the connection has ended.

    Attributes
    ----------
    session_present : bool
        Whether the broker has kept a session for us.
    receive_maximum : int
        Messages that the broker lets us have in flight.
    is_welcome : bool or None
        What the broker has answered; None before.
    refusal : str or None
        Why the broker refused one of our messages, in its words.
    on_messages : callable or None
        Gets topics and payloads of messages at QoS 0 or 1 that came together; paho's if None.
    has_properties, defers : bool
        Whether messages have any, as in MQTT 5; whether only `acknowledge` acknowledges them.
    on_acknowledged : callable
        Gets numbers of messages of ours that were taken or refused, all that came together.
    """

    def __init__(
        self, sock: socket.socket, loop: asyncio.AbstractEventLoop, ended: "asyncio.Future[None]"
    ) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.session_present = False
        self.receive_maximum = MOST_IN_FLIGHT
        self.is_welcome: bool | None = None
        self.refusal: str | None = None
        self.ends_session = False
        self.on_acknowledged: Callable[[Sequence[int]], None] = lambda numbers: None
        self.on_messages: TakeMessages | None = None
        self.has_properties = self.defers = False
        self._sock, self._loop, self._ended = sock, loop, ended
        # What has come and isn't a whole packet yet; what goes where; acknowledgements.
        self._read, self._for_client = bytearray(), bytearray()
        self._out, self._deferred = bytearray(), bytearray()
        self._is_aborted = self._is_closed = self._is_flush_due = self._is_raw = False
        self._number = _FIRST_NUMBER - 1
        self._open: set[int] = set()

    def publish(self, topic: str, payload: bytes, *, retain: bool, properties: bytes) -> int:
        """Hand over a message at QoS 1 without waiting; return its number.

        For thousands a second: aiomqtt's `publish` costs many times as much.

        Parameters
        ----------
        properties : bytes
            As MQTT 5 packs them; empty in 3.1.1.
        """
        number = self._next_number()
        self._out += publish_packet(topic, payload, number, retain=retain, properties=properties)
        self._flush_soon()
        return number

    def acknowledge(self) -> None:
        """Acknowledge all that has come, where that is deferred."""
        self._out += self._deferred
        self._deferred.clear()
        self._flush_soon()

    def abort(self) -> None:
        """Break the connection off, without a goodbye."""
        self._is_aborted = True
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    # What paho asks of a socket, and aiomqtt of an encrypted one:
    def recv(self, size: int) -> bytes:
        """Return bytes for paho; raise BlockingIOError if there are none."""
        while not self._for_client:
            try:
                data = b"" if self._is_aborted else self._sock.recv(_READ)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except OSError:
                self._note_end()
                raise
            if not data:
                self._note_end()
                return b""
            self._take(data)
        taken = bytes(self._for_client[:size])
        del self._for_client[:size]
        return taken

    def pending(self) -> int:
        """Return how many bytes can be read without waiting for the socket."""
        pending = len(self._for_client)
        if isinstance(self._sock, ssl.SSLSocket) and not (self._is_closed or self._is_aborted):
            pending += self._sock.pending()
        return pending

    def send(self, data: bytes | bytearray) -> int:
        """Take a packet of paho's, behind what waits."""
        is_goodbye = self.ends_session and data and data[0] == DISCONNECT
        self._out += END_SESSION if is_goodbye else data
        self._flush()
        return len(data)

    def fileno(self) -> int:
        """Return the descriptor; -1 once closed."""
        return -1 if self._is_closed else self._sock.fileno()

    def setblocking(self, flag: bool) -> None:
        """Set whether calls wait."""
        self._sock.setblocking(flag)

    def settimeout(self, seconds: float | None) -> None:
        """Set how long calls wait."""
        self._sock.settimeout(seconds)

    def do_handshake(self) -> None:
        """Perform the TLS handshake; a socket whose handshake fails is closed."""
        if isinstance(self._sock, ssl.SSLSocket):
            try:
                self._sock.do_handshake()
            except BaseException:
                self._sock.close()
                raise

    def close(self) -> None:
        """Send what is left, and let go of the socket.

        Its descriptor is let go of a little later: aiomqtt may just have asked the event loop to
        watch its bare number, which by then must not belong to another socket.
        """
        if self._is_closed:
            return
        self._flush()
        self._is_closed = True
        try:
            self._loop.call_soon_threadsafe(self._let_go)
        except RuntimeError:  # The loop has ended.
            self._sock.close()

    def _let_go(self) -> None:
        descriptor = self._sock.fileno()
        if descriptor >= 0:
            self._loop.remove_reader(descriptor)
            self._loop.remove_writer(descriptor)
        self._sock.close()
        self._note_end()

    def _note_end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def _next_number(self) -> int:
        while True:
            self._number = _FIRST_NUMBER if self._number == _LAST_NUMBER else self._number + 1
            if self._number not in self._open:
                self._open.add(self._number)
                return self._number

    def _flush_soon(self) -> None:
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Write what waits; what the socket doesn't take is tried again soon."""
        self._is_flush_due = False
        if not self._out or self._is_closed or self._is_aborted:
            return
        try:
            with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                del self._out[: self._sock.send(self._out)]
        except OSError:
            self.abort()  # paho reads the end and reports it.
            return
        if self._out:
            self._is_flush_due = True
            self._loop.call_later(_RETRY_S, self._flush)

    def _take(self, data: bytes) -> None:
        """Take what has come: our acknowledgements out of it, the rest for paho."""
        read = self._read
        read += data
        start = 0
        acknowledged: list[int] = []
        messages: list[tuple[str, bytes]] = []
        while not self._is_raw:
            if read[start : start + 2] == _PLAIN_PUBACK and len(read) >= start + 4:
                # Nearly all that comes: taken without a closer look.
                number = (read[start + 2] << 8) + read[start + 3]
                if number in self._open:
                    self._open.remove(number)
                    acknowledged.append(number)
                    start += 4
                    continue
            try:
                end = packet_end(read, start)
            except ValueError:
                end, self._is_raw = None, True  # paho complains of it.
            if end is None:
                break
            kind = read[start] & TYPE
            packet, start = read[start:end], end
            answered = self._acknowledged(packet) if kind == PUBACK else None
            message = self._message(packet) if kind == PUBLISH else None
            if answered is not None:
                acknowledged.append(answered)
            elif message is not None:
                messages.append(message)
            else:
                if kind == CONNACK and len(packet) >= 4:
                    self._take_welcome(packet)
                self._for_client += packet
        if self._is_raw:
            self._for_client += read[start:]
            start = len(read)
        del read[:start]
        if acknowledged:
            self.on_acknowledged(acknowledged)
        if messages and self.on_messages is not None:
            self._flush_soon()
            self.on_messages(messages)

    def _message(self, packet: bytearray) -> tuple[str, bytes] | None:
        """Return topic and payload, and acknowledge them, unless they are the client's."""
        if self.on_messages is None or packet[0] & _EXACTLY_ONCE:
            return None
        try:
            topic, number, payload = read_publish(packet, has_properties=self.has_properties)
        except ValueError:
            return None
        answers = self._deferred if self.defers else self._out
        answers += b"" if number is None else _PLAIN_PUBACK + number
        return topic, payload

    def _acknowledged(self, packet: bytearray) -> int | None:
        """Note what became of a message; return its number if it was one of ours."""
        if len(packet) < 4:
            return None
        number = (packet[2] << 8) + packet[3]
        if len(packet) > 4 and packet[4] >= FAILURE:
            self.refusal = refusal(packet[4])
        if number not in self._open:
            return None
        self._open.remove(number)
        return number

    def _take_welcome(self, packet: bytearray) -> None:
        self.session_present = bool(packet[2] & 1)
        self.is_welcome = packet[3] == 0
        self.receive_maximum = min(receive_maximum(packet) or MOST_IN_FLIGHT, MOST_IN_FLIGHT)
