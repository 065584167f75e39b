"""The search alone, on rows that are made up."""

import numpy as np

from imaging.page import Atom, Piece, Row
from imaging.shapes import Box
from service.vote import Cast, Outcome
from service.way import FEATURES, UNGATED, WEIGHTS, features, find_way


def row(count: int) -> Row:
    """Atoms beside each other, each half as wide as a digit, and all pieces of one or two of them."""
    atoms = tuple(Atom(Box(20 * number, 0, 18, 60), 0.0) for number in range(count))
    pieces = []
    for first in range(count):
        for last in range(first + 1, min(first + 2, count) + 1):
            box = atoms[first].box.union(atoms[last - 1].box)
            pieces.append(Piece(first, last, np.zeros((1, 28, 28), np.float32), box, ()))
    return Row(atoms, tuple(pieces), 60.0, 0.0, 0.0, 1.0, 1.0)


def outcome(confidence: float, gate: float | None) -> Outcome:
    """A vote for 3 that is so sure."""
    shares = [(1 - confidence) / 9] * 10
    shares[3] = confidence
    return Outcome(3, confidence, 1.0, (Cast("cnn", 1, 3, confidence, shares),), (), gate=gate)


def judged(line: Row, gate: bool) -> list[Outcome]:
    """Pieces of two atoms look like one digit, those of one do not."""
    return [
        outcome(0.99, 6.0 if gate else None) if piece.last - piece.first == 2 else outcome(0.4, -6.0 if gate else None)
        for piece in line.pieces
    ]


def test_the_likely_pieces_are_taken_with_and_without_a_gate() -> None:
    """Of four halves two digits are made, each more likely than not."""
    line = row(4)
    for gate in (True, False):
        way = find_way(line, judged(line, gate))
        assert [(line.pieces[number].first, line.pieces[number].last) for number in way.taken] == [(0, 2), (2, 4)]
        assert way.left_out == ()
        assert all(0.5 < whole <= 1 for whole in way.whole)


def test_a_piece_is_less_likely_where_another_way_is_as_good() -> None:
    """Three halves are one digit and a rest on either side: neither piece is certain."""
    line = row(3)
    way = find_way(line, judged(line, gate=True))
    assert max(way.whole) < 0.75


def test_taken_and_left_out_cover_the_line_once() -> None:
    """Whatever is judged, each atom is in one piece or left out, in order."""
    random = np.random.default_rng(0)
    for _ in range(50):
        line = row(int(random.integers(1, 9)))
        outcomes = [outcome(float(random.uniform(0.2, 1)), float(random.normal(0, 4))) for _ in line.pieces]
        way = find_way(line, outcomes)
        covered = list(way.left_out)
        for number in way.taken:
            covered += range(line.pieces[number].first, line.pieces[number].last)
        assert sorted(covered) == list(range(len(line.atoms)))
        assert all(0 <= whole <= 1 for whole in way.whole)


def test_each_feature_has_its_weights() -> None:
    """Features, weights with a gate and weights without one go together; without a gate it weighs nothing."""
    line = row(2)
    assert features(line, judged(line, gate=True)).shape == (len(line.pieces), len(FEATURES))
    assert len(FEATURES) == len(WEIGHTS) == len(UNGATED)
    assert UNGATED[FEATURES.index("gate")] == 0
