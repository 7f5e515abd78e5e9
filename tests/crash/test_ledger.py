"""The ledger notices every kind of loss: each test plants one and expects the sentence about it."""
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent))

from ledger import Counter, Key, Messages, Transaction, check_changes, check_deliveries, check_failures, check_records, settle_key  # noqa: E402


def key_of(*states, pending=(), transaction=None):
    key = Key()
    for state in states:
        key.begin(state)
        key.done()
    if pending:
        key.begin(pending[0], transaction)
    return key


def test_an_acknowledged_state_must_be_there():
    assert settle_key("k", key_of("a", "b"), "b") == []
    assert "acknowledged b" in settle_key("k", key_of("a", "b"), "a")[0]
    assert "acknowledged None" in settle_key("k", key_of("a", None), "a")[0]


def test_a_write_without_an_answer_may_have_happened_or_not():
    for found, states in (("b", [None, "a", "b"]), ("a", [None, "a"])):
        key = key_of("a", pending=("b",))
        assert settle_key("k", key, found) == [] and key.states == states and key.pending is None
    assert "asked for b" in settle_key("k", key_of("a", pending=("b",)), "c")[0]
    refused = key_of("a", pending=("b",))
    refused.refused()
    assert settle_key("k", refused, "b") != []


def test_half_a_transaction_is_noticed():
    for found, problems in ((("x", "y"), 0), ((None, None), 0), (("x", None), 1), ((None, "y"), 1)):
        transaction = Transaction("t")
        keys = key_of(pending=("x",), transaction=transaction), key_of(pending=("y",), transaction=transaction)
        said = [problem for key, state in zip(keys, found) for problem in settle_key("k", key, state)]
        assert len(said) == problems and all("half of transaction t" in problem for problem in said)


def test_stream_records_are_the_changes_once_and_in_order():
    key = key_of("a", "b", None)
    assert check_changes("k", key, [(None, "a"), ("a", "b"), ("b", None)]) == []
    for wrong in ([(None, "a"), ("a", "b")], [(None, "a"), ("a", "b"), ("a", "b"), ("b", None)], [(None, "a"), ("b", None), ("a", "b")], [(None, "b"), ("b", None)]):
        assert len(check_changes("k", key, wrong)) == 1


def test_record_numbers_rise_and_are_never_reused():
    assert check_records("s", [("1", "a", 1), ("1", "b", 3), ("2", "c", 2)]) == []
    assert "twice" in check_records("s", [("1", "a", 1), ("2", "b", 1)])[0]
    assert "shard 1" in check_records("s", [("1", "a", 2), ("1", "b", 1)])[0]
    assert "key a" in check_records("s", [("1", "a", 2), ("2", "a", 1)])[0]


def test_counters_lose_no_acknowledged_raise_and_gain_none():
    def counter(total, maybe, *answers):
        made = Counter()
        made.total, made.maybe, made.answers = total, maybe, list(answers)
        return made

    assert counter(2, 1, 1, 2).settle("c", 2) == [] and counter(2, 1, 1, 3).settle("c", 3) == []
    assert "asked for" in counter(2, 0, 1, 2).settle("c", 3)[0]
    assert counter(2, 1, 1, 2).settle("c", 1) != []
    assert "same number" in counter(2, 0, 1, 1).settle("c", 2)[0]
    assert counter(2, 0).check_changes("c", [1, 2]) == [] and counter(2, 0).check_changes("c", [1, 1, 2]) != []


def test_messages_are_neither_lost_nor_doubled():
    def settled(bodies, sent=(), maybe=(), removed=(), maybe_removed=()):
        queue = Messages()
        queue.sent, queue.maybe_sent, queue.removed, queue.maybe_removed = set(sent), set(maybe), set(removed), set(maybe_removed)
        return queue.settle("q", bodies)

    assert settled(["a"], sent="a", maybe="b") == [] and settled(["a", "b"], sent="a", maybe="b") == []
    assert settled(["a"], sent="a", maybe_removed="a") == [] and settled([], sent="a", maybe_removed="a") == []
    assert "lost" in settled([], sent="a")[0]
    assert "twice" in settled(["a", "a"], sent="a")[0]
    assert "came back" in settled(["a"], sent="a", removed="a")[0]
    assert "never sent" in settled(["z"])[0]


def test_a_mapping_leaves_nothing_out_and_shows_nothing_that_is_not_in_the_stream():
    records = [("a", 1), ("b", 2), ("a", 3)]
    assert check_deliveries(records, [("a", 1), ("a", 1), ("b", 2), ("a", 3), ("a", 1)], settled=True) == []
    assert "never reached" in check_deliveries(records, records[:2], settled=True)[0]
    assert check_deliveries(records, records[:2], settled=False) == []
    assert "not in the stream" in check_deliveries(records, [*records, ("a", 4)], settled=True)[0]
    assert "after 3" in check_deliveries(records, [("a", 3), ("b", 2), ("a", 1)], settled=True)[0]


def test_every_poison_record_has_one_failure_document():
    assert check_failures({1, 5}, [(1, 1), (5, 5)]) == []
    assert "in 0" in check_failures({1, 5}, [(1, 1)])[0]
    assert "in 2" in check_failures({1}, [(1, 1), (1, 3)])[0]
    assert any("came twice" in problem for problem in check_failures({1}, [(1, 1), (1, 1)]))
