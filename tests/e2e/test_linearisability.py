"""Items are registers: whatever many clients do at once with a few items, single or in transactions, has one order that explains every
answer, also across a kill. The seed is printed with a failure: MILLRACE_SEED=N repeats the choices (not the interleaving)."""
import itertools
import os
import random
import sys
import threading
import time

import pytest

from conftest import LONG, ROOT
from dynamo import make
from linearisability import NO_ANSWER, Operation, explain

sys.path.append(str(ROOT / "tests/crash"))
from wire import Connection, Gone, Refused  # noqa: E402

PAIRS, CLIENTS = 3, 8
SEED = int(os.environ.get("MILLRACE_SEED", time.time()))


def value_in(item):
    return int(item["v"]["N"]) if item else None


class Client(threading.Thread):
    """One client: random operations on random pairs of items, one after the other, each noted with its times."""

    def __init__(self, port, table, seed, numbers, stop):
        super().__init__(daemon=True)
        self.server, self.table, self.dice, self.numbers, self.stop = Connection(port), table, random.Random(seed), numbers, stop
        self.history = [[] for _ in range(PAIRS)]
        self.last = [[None, None] for _ in range(PAIRS)]  # what this client saw last: for conditions that may hold
        self.error = None

    def run(self):
        try:
            while not self.stop.is_set():
                self.one(self.dice.randrange(PAIRS))
        except Gone:
            pass
        except Exception as error:  # told by the test
            self.error = error

    def one(self, pair):
        kind = self.dice.choice(("get", "get", "put", "delete", "add", "compare and set", "compare and set", "get both", "move", "move", "put both"))
        register = self.dice.randrange(2)
        registers = (register, 1 - register) if kind in ("get both", "move", "put both") else (register,)
        more = {"put": 1, "compare and set": 1, "move": 1, "put both": 2}.get(kind, 0)
        given = tuple(next(self.numbers) for _ in range(more))
        if kind in ("compare and set", "move"):
            given = (self.last[pair][register], *given)
        if kind == "add":
            given = (self.dice.randrange(1, 4),)
        invoked = time.monotonic()
        try:
            answer = getattr(self, kind.replace(" ", "_"))(pair, *registers, *given)
        except Gone:
            if kind not in ("get", "get both"):
                self.history[pair].append(Operation(kind, registers + given, NO_ANSWER, invoked))
            raise
        if answer is not None:  # else refused for a conflict: nothing happened
            self.history[pair].append(Operation(kind, registers + given, answer[0], invoked, time.monotonic()))

    def see(self, pair, register, value):
        self.last[pair][register] = value
        return value

    def key(self, pair, register):
        return {"id": {"S": f"{pair}-{register}"}}

    def item(self, pair, register, value):
        return {**self.key(pair, register), "v": {"N": str(value)}}

    def condition(self, expected):
        if expected is None:
            return {"ConditionExpression": "attribute_not_exists(v)"}
        return {"ConditionExpression": "v = :expected", "ExpressionAttributeValues": {":expected": {"N": str(expected)}}}

    def get(self, pair, register):
        answer = self.server.db("GetItem", TableName=self.table, Key=self.key(pair, register), ConsistentRead=True)
        return (self.see(pair, register, value_in(answer.get("Item"))),)

    def put(self, pair, register, value):
        answer = self.server.db("PutItem", TableName=self.table, Item=self.item(pair, register, value), ReturnValues="ALL_OLD")
        return (value_in(answer.get("Attributes")),)

    def delete(self, pair, register):
        answer = self.server.db("DeleteItem", TableName=self.table, Key=self.key(pair, register), ReturnValues="ALL_OLD")
        return (value_in(answer.get("Attributes")),)

    def add(self, pair, register, by):
        answer = self.server.db("UpdateItem", TableName=self.table, Key=self.key(pair, register), UpdateExpression="ADD v :by",
                                ExpressionAttributeValues={":by": {"N": str(by)}}, ReturnValues="UPDATED_NEW")
        return (self.see(pair, register, value_in(answer["Attributes"])),)

    def compare_and_set(self, pair, register, expected, value):
        try:
            answer = self.server.db("PutItem", TableName=self.table, Item=self.item(pair, register, value), ReturnValues="ALL_OLD",
                                    ReturnValuesOnConditionCheckFailure="ALL_OLD", **self.condition(expected))
            return ((True, value_in(answer.get("Attributes"))),)
        except Refused as refused:
            assert refused.code == "ConditionalCheckFailedException", refused
            return ((False, self.see(pair, register, value_in(refused.detail("Item")))),)

    def get_both(self, pair, one, other):
        answer = self.attempt("TransactGetItems", [{"Get": {"TableName": self.table, "Key": self.key(pair, each)}} for each in (one, other)])
        if not isinstance(answer, dict):
            return None
        return (tuple(self.see(pair, each, value_in(found.get("Item"))) for each, found in zip((one, other), answer["Responses"])),)

    def move(self, pair, one, other, expected, value):
        return self.transact({"Put": {"TableName": self.table, "Item": self.item(pair, one, value), **self.condition(expected)}},
                             {"Update": {"TableName": self.table, "Key": self.key(pair, other), "UpdateExpression": "ADD v :one",
                                         "ExpressionAttributeValues": {":one": {"N": "1"}}}})

    def put_both(self, pair, one, other, first, second):
        return self.transact({"Put": {"TableName": self.table, "Item": self.item(pair, one, first)}},
                             {"Put": {"TableName": self.table, "Item": self.item(pair, other, second)}})

    def transact(self, *actions):
        answer = self.attempt("TransactWriteItems", list(actions))
        return (True,) if isinstance(answer, dict) else (False,) if "ConditionalCheckFailed" in answer else None

    def attempt(self, operation, actions):
        """The answer, or the codes of the reasons why it was cancelled."""
        try:
            return self.server.db(operation, TransactItems=actions)
        except Refused as refused:
            assert refused.code == "TransactionCanceledException", refused
            codes = [reason["Code"] for reason in refused.detail("CancellationReasons")]
            assert set(codes) <= {"None", "ConditionalCheckFailed", "TransactionConflict"}, codes
            return codes


def work(server, table, seed, until):
    """Histories by pair, of all clients; `until` is called with them and ends the work."""
    stop, numbers = threading.Event(), itertools.count(1)
    clients = [Client(server.port, table, f"{seed}-{i}", numbers, stop) for i in range(CLIENTS)]
    for client in clients:
        client.start()
    until(lambda: sum(len(part) for client in clients for part in client.history))
    stop.set()
    for client in clients:
        client.join()
    errors = [client.error for client in clients if client.error]
    assert not errors, errors[0]
    return [sum((client.history[pair] for client in clients), []) for pair in range(PAIRS)]


def until_count(goal):
    def wait(count):
        end = time.monotonic() + (120 if LONG else 7)
        while count() < goal and time.monotonic() < end:
            time.sleep(0.005)
    return wait


@pytest.mark.parametrize("stream", [False, True])
def test_every_history_has_an_order_that_explains_it(server, unique, stream):
    options = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}} if stream else {}
    make(server.client("dynamodb"), unique, **options)
    histories = work(server, unique, SEED, until_count(30_000 if LONG else 1_500))
    for pair, history in enumerate(histories):
        assert explain(history, (None, None)) is None, f"seed {SEED}, pair {pair}: {explain(history, (None, None))}"
        assert sum(operation.kind in ("move", "put both") and operation.answer is True for operation in history) > 0


def test_a_kill_leaves_a_history_that_has_an_order(own_server, unique):
    """What got no answer happened or not; what was answered is there, for everyone who looks after the restart."""
    make(own_server.client("dynamodb"), unique)

    def kill(count):
        until_count(600)(count)
        own_server.kill()

    before = work(own_server, unique, SEED, kill)
    own_server.start()
    after = work(own_server, unique, SEED + 1, until_count(300))
    for pair in range(PAIRS):
        problem = explain(before[pair] + after[pair], (None, None))
        assert problem is None, f"seed {SEED}, pair {pair}: {problem}"


def test_the_checker_notices_what_no_order_explains():
    def operation(kind, arguments, answer, invoked, returned):
        return Operation(kind, arguments, answer, invoked, returned)

    put = operation("put", (0, 1), None, 0, 1)
    fine = [
        [put, operation("get", (0,), None, 0.5, 2)],  # at once: before the put
        [put, operation("get", (0,), 1, 0.5, 2)],
        [put, operation("add", (0, 2), 3, 2, 3), operation("get both", (1, 0), (None, 3), 4, 5)],
        [Operation("put", (0, 7), NO_ANSWER, 0), operation("get", (0,), None, 1, 2), operation("get", (0,), 7, 3, 4)],
        [operation("put both", (0, 1, 5, 6), True, 0, 9), operation("get both", (0, 1), (5, 6), 1, 2), operation("move", (0, 1, 5, 8), True, 3, 9)],
    ]
    for history in fine:
        assert explain(history, (None, None)) is None
    planted = {
        "a stale read": [put, operation("get", (0,), None, 2, 3)],
        "a read that was taken back": [operation("put", (0, 1), None, 0, 9), operation("get", (0,), 1, 1, 2), operation("get", (0,), None, 3, 4)],
        "a lost update": [operation("add", (0, 1), 1, 0, 1), operation("add", (0, 1), 1, 0, 1)],
        "two winners": [put, *[operation("compare and set", (0, 1, n), (True, 1), 2, 3) for n in (5, 6)]],
        "half a transaction": [operation("put both", (0, 1, 5, 6), True, 0, 9), operation("get both", (0, 1), (5, None), 1, 2)],
        "a refusal without a reason": [put, operation("compare and set", (0, 1, 2), (False, 1), 2, 3)],
        "a write that nobody made": [put, operation("get", (0,), 2, 0, 3)],
        "an acknowledged write gone after a kill": [put, Operation("put", (0, 2), NO_ANSWER, 2), operation("get", (0,), None, 5, 6)],
    }
    for what, history in planted.items():
        assert "none of these can be next" in (explain(history, (None, None)) or ""), what
