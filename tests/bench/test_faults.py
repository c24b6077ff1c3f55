"""A server that does wrong is caught, and the fault is named; one that does right is not blamed."""

from collections.abc import Callable

import pytest

from bench.generator import Address, Fault, Generator, Shape, generating
from tests.bench.relay import Delivery, Relay, relaying

SHAPE = Shape(2, 3)
PATIENCE = 1.0
"""Seconds without an arrival after which what is missing is lost; where nothing is, nobody waits."""
LONG_PATIENCE = 20.0


def talk(generator: Generator) -> None:
    """Some hundred deliveries."""
    generator.open(300, 0, 0.4)


def measured(
    relay: Relay, shape: Shape = SHAPE, speak: Callable[[Generator], object] = talk, patience: float = LONG_PATIENCE
) -> None:
    """Raises Fault."""
    with relaying(relay) as url, generating(Address(url), shape, patience=patience) as generator:
        generator.join(4)
        speak(generator)


def fault(relay: Relay) -> str:
    with pytest.raises(Fault) as caught:
        measured(relay, patience=PATIENCE)
    return str(caught.value)


def at(delivery: Delivery) -> bool:
    """One delivery in the whole run that is neither the first nor the last."""
    return (delivery.room, delivery.place, delivery.sender, delivery.number) == ("room-1", 1, 0, 3)


# -- right


@pytest.mark.parametrize("in_flight", [1, 4])
def test_an_honest_server_has_delivered_everything_in_the_closed_loop(in_flight: int) -> None:
    def speak(generator: Generator) -> None:
        result = generator.closed(in_flight, 0.05, 0.2)
        assert result["drained"]
        assert result["sent"] > SHAPE.clients * in_flight
        assert result["deliveries"] == result["sent"] * SHAPE.members
        assert not any(result["faults"].values())

    measured(Relay(), speak=speak)


def test_an_honest_server_has_delivered_everything_in_the_open_loop() -> None:
    def speak(generator: Generator) -> None:
        for _ in range(2):
            result = generator.open(300, 0.1, 0.3)
            assert result["drained"]
            assert result["deliveries"] == result["sent"] * SHAPE.members > 0
            assert 0 < result["latency_ms"]["count"] < result["deliveries"]  # without those of the warm-up

    measured(Relay(), speak=speak)


def test_only_those_who_are_to_send_do() -> None:
    senders = set()

    def deliver(_relay: Relay, delivery: Delivery) -> list[str]:
        senders.add(delivery.sender)
        return [delivery.packet]

    measured(Relay(deliver), shape=Shape(1, 3, senders=1))
    assert len(senders) == 1


# -- wrong


def test_a_lost_message_is_noticed() -> None:
    assert "lost" in fault(Relay(lambda _, delivery: [] if at(delivery) else [delivery.packet]))


def test_a_message_that_was_lost_long_ago_is_not_forgotten() -> None:
    last = 0

    def deliver(_relay: Relay, delivery: Delivery) -> list[str]:
        nonlocal last
        last = delivery.number
        return [] if delivery.place == 1 and delivery.number == 1 else [delivery.packet]

    with pytest.raises(Fault, match="lost"):
        measured(
            Relay(deliver),
            Shape(1, 2, senders=1),
            speak=lambda generator: generator.open(1000, 0, 0.3),
            patience=PATIENCE,
        )
    assert last > 100


def test_a_doubled_message_is_noticed() -> None:
    assert "doubled" in fault(Relay(lambda _, delivery: [delivery.packet] * (2 if at(delivery) else 1)))


def test_messages_of_one_sender_that_change_places_are_noticed() -> None:
    held: list[str] = []

    def deliver(_relay: Relay, delivery: Delivery) -> list[str]:
        if at(delivery):
            held.append(delivery.packet)
            return []
        if held and (delivery.room, delivery.place, delivery.sender) == ("room-1", 1, 0):
            return [delivery.packet, held.pop()]
        return [delivery.packet]

    assert "out of order" in fault(Relay(deliver))


def test_members_who_see_different_orders_are_noticed_though_each_senders_is_kept() -> None:
    held: list[str] = []
    swapped: list[str] = []

    def deliver(_relay: Relay, delivery: Delivery) -> list[str]:
        if (delivery.room, delivery.place) != ("room-1", 1) or swapped:
            return [delivery.packet]
        before = [held.pop()] if held else []
        if delivery.sender == 0:
            held.append(delivery.packet)
            return before
        swapped.extend(before)
        return [delivery.packet, *before]

    assert "order differs" in fault(Relay(deliver))
    assert len(swapped) == 1


def test_a_message_in_another_room_is_noticed() -> None:
    def deliver(relay: Relay, delivery: Delivery) -> list[str]:
        if at(delivery):
            relay.rooms["room-0"][0].write_message(delivery.packet)
        return [delivery.packet]

    assert "leaked" in fault(Relay(deliver))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda packet: packet[:-5] + ("A" if packet[-5] != "A" else "B") + packet[-4:],
        lambda packet: packet.replace('"message":"', '"message":"A'),
        lambda packet: packet.replace('"message":"', '"text":"'),
    ],
    ids=["one character", "too long", "no message"],
)
def test_a_message_that_is_not_what_was_sent_is_noticed(spoil: Callable[[str], str]) -> None:
    assert "garbled" in fault(Relay(lambda _, delivery: [spoil(delivery.packet) if at(delivery) else delivery.packet]))


def test_an_error_is_no_ack() -> None:
    said = fault(Relay(answer=lambda number, ack: ['433[{"error":"rate-limited"}]' if number == 3 else ack]))
    assert "refused" in said
    assert "rate-limited" in said


def test_a_missing_ack_is_noticed() -> None:
    assert "unanswered" in fault(Relay(answer=lambda number, ack: [ack] if number != 3 else []))


def test_a_line_that_is_closed_is_noticed() -> None:
    def deliver(relay: Relay, delivery: Delivery) -> list[str]:
        if at(delivery):
            relay.rooms["room-1"][1].close(1013)
            return []
        return [delivery.packet]

    said = fault(Relay(deliver))
    assert "closed" in said
    assert "1013" in said


def test_a_server_that_is_not_there_is_no_measurement() -> None:
    with relaying(Relay()) as url:
        pass
    with pytest.raises(Fault, match="Connection refused"):
        measured_at(url)


def measured_at(url: str) -> None:
    with generating(Address(url), SHAPE, patience=PATIENCE) as generator:
        generator.join(4)
