"""For each kind of failure what a subscriber sees and what a person sees; `docs/faults.md` too."""

from dataclasses import dataclass
from typing import Final

from streamer.bench.faults.plan import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """One kind of failure."""

    failure: str
    subscriber: str
    """What a program that follows the topics sees."""
    person: str
    """What the monitor, the ward's list or the terminal say."""
    faults: tuple[Fault, ...] = ()
    """Those of the matrix that are of this kind; none where tests hold it alone."""


CONSEQUENCES: Final = (
    Consequence(
        failure="publisher killed, with --outbox",
        subscriber="status offline, connection lost (last will); after the next start what waited, "
        "some of it again, seq going on",
        person="listen: offline; nothing to do but start it again",
        faults=(Fault.PUBLISHER_KILL,),
    ),
    Consequence(
        failure="publisher killed, without --outbox",
        subscriber="the same; what was not sent yet is lost, the next run starts at seq 0 with "
        "another started_at",
        person="listen: offline",
    ),
    Consequence(
        failure="publisher suspended (SIGSTOP)",
        subscriber="nothing new; offline, connection lost after 1.5 times the keepalive (22 s); "
        "then everything, some of it again",
        person="monitor stands still; then online again",
        faults=(Fault.PUBLISHER_STOP,),
    ),
    Consequence(
        failure="publisher ended (SIGTERM, Ctrl-C)",
        subscriber="all that waits, then status offline, finished",
        person="summary; what the broker didn't take is counted",
    ),
    Consequence(
        failure="broker with persistence killed or restarted",
        subscriber="with a session of its own: everything, some of it again, in order",
        person="MQTT broker ... is lost; MQTT broker ... is back; N messages to send",
        faults=(Fault.BROKER_KILL, Fault.BROKER_RESTART),
    ),
    Consequence(
        failure="broker without persistence killed or restarted",
        subscriber="connected again within 2 s: everything, some of it again; later: a hole in seq",
        person="... is back but has lost its sessions, as without persistence",
    ),
    Consequence(
        failure="broker suspended (SIGSTOP)",
        subscriber="nothing new; then everything, some of it again if it took longer than 10 s",
        person="monitor: messages wait; lost after 10 s without an answer",
        faults=(Fault.BROKER_STOP,),
    ),
    Consequence(
        failure="network of the publisher reset",
        subscriber="offline, connection lost, and online again; everything, some of it again",
        person="MQTT broker ... is lost; ... is back",
        faults=(Fault.LINK_CUT,),
    ),
    Consequence(
        failure="network of the publisher partitioned or half open",
        subscriber="nothing new; offline, connection lost after 22 s; then everything, some of it "
        "again",
        person="MQTT broker ... is lost after 10 s without an answer; ... is back",
        faults=(Fault.LINK_FREEZE, Fault.LINK_STRAND),
    ),
    Consequence(
        failure="network of the subscriber reset or partitioned",
        subscriber="with a session of its own: what came meanwhile",
        person="listen says that the broker is lost and back",
        faults=(Fault.SUBSCRIBER_CUT, Fault.SUBSCRIBER_FREEZE),
    ),
    Consequence(
        failure="source loses samples on its way",
        subscriber="gap, reason lost",
        person="a gap in the trace",
    ),
    Consequence(
        failure="source starts anew",
        subscriber="a ward: its last labels, then a new run with another started_at",
        person="replay of it ends and says so; a ward goes on",
    ),
    Consequence(
        failure="source falls silent",
        subscriber="alarm and alert: no signal from source, within 5 s; over when samples return",
        person="NO SIGNAL FROM SOURCE with the time; the row stays until removed (x)",
    ),
    Consequence(
        failure="no source where one is waited for",
        subscriber="nothing",
        person="after 5 s: no samples on ..., still waiting, and which sources there are",
    ),
    Consequence(
        failure="malformed messages from strangers",
        subscriber="nothing; counted by reason in rejected of ecg/<ward>/stats",
        person="messages turned away, at the end (ecg-stream bench flood)",
    ),
    Consequence(
        failure="ward killed",
        subscriber="status of the ward offline, connection lost; it stands for all sources that "
        "name it in via",
        person="listen: offline",
    ),
    Consequence(
        failure="live ward started again with --snapshots",
        subscriber="every beat once by (source, seq), with its undisturbed label: what came "
        "meanwhile waits in the broker (MQTT 5) or with the sender (TCP with ack); of a sender "
        "over TCP that keeps nothing it is a gap, reason lost",
        person="the rows come back with their patients' rhythms",
    ),
    Consequence(
        failure="worker of a cluster killed, or its machine lost",
        subscriber="offline of the worker; after 4 s unwatched of its sources; then the same",
        person="worker ... doesn't answer: N patients are unwatched; is back after ...",
    ),
    Consequence(
        failure="all of a cluster killed (its head, or the power of all)",
        subscriber="offline of every worker; once started again with the same --snapshots the same",
        person="listen: offline; nothing to do but start it again",
    ),
)
