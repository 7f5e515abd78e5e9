"""After a restart: reads everything back and compares it with the ledger (ledger.py). Each function returns the problems it found."""
import json

from ledger import Key, check_changes, check_deliveries, check_failures, check_records, plain, settle_key
from load import ACCOUNTS, BALANCE
from wire import Refused


class Stream:
    """A whole stream, read once: `changes` by key, and `order`."""

    def __init__(self, server, name, arn, key):
        self.name, self.problems, self.changes, self.order = name, [], {}, []
        self.poison = set()
        for shard, record in server.records(arn):
            change = record["dynamodb"]
            identity = key(change["Keys"])
            old, new = change.get("OldImage"), change.get("NewImage")
            event = {(False, True): "INSERT", (True, True): "MODIFY", (True, False): "REMOVE"}.get((old is not None, new is not None))
            if record["eventName"] != event:
                self.problems.append(f"{name}: {identity}: a record is {record['eventName']} with images of {event}")
            self.changes.setdefault(identity, []).append((plain(old), plain(new), record))
            self.order.append((shard, identity, int(change["SequenceNumber"])))
            if new and "poison" in new:
                self.poison.add(int(change["SequenceNumber"]))
        self.problems += check_records(name, self.order)

    def images(self, identity):
        return [(old, new) for old, new, _ in self.changes.get(identity, [])]


def check_keys(name, known, found, stream):
    problems = []
    for identity, key in known.items():
        problems += settle_key(f"{name} {identity}", key, found.get(identity))
        problems += check_changes(f"{name} {identity}", key, stream.images(identity))
    for identity in found.keys() - known.keys():
        problems.append(f"{name} {identity}: nobody wrote it")
    for identity in stream.changes.keys() - known.keys():
        problems.append(f"{name} {identity}: nobody wrote what the stream says")
    return problems + stream.problems


def check_index(server, table, name, items, hash_key, range_key):
    """The index holds exactly the items that have its keys, whole, by Scan and by Query of each hash key."""
    wanted = sorted((plain(item) for item in items if hash_key in item and (range_key is None or range_key in item)), key=repr)
    scanned = sorted((plain(item) for item in server.scan(table, name)), key=repr)
    queried = []
    for value in {repr(item[hash_key]): item[hash_key] for item in items if hash_key in item}.values():
        queried += [plain(item) for item in server.scan(table, name, "Query", KeyConditionExpression="#h = :h", ExpressionAttributeNames={"#h": hash_key}, ExpressionAttributeValues={":h": value})]
    problems = []
    for how, entries in (("Scan", scanned), ("Query", sorted(queried, key=repr))):
        if entries != wanted:
            problems.append(f"index {name} of {table} by {how}: {len(set(wanted) - set(entries))} entries missing, "
                            f"{len(set(entries) - set(wanted))} of no item, {len(entries)} instead of {len(wanted)}")
    return problems


def check_count(server, table, items):
    count = server.db("DescribeTable", TableName=table)["Table"]["ItemCount"]
    return [] if count == len(items) else [f"{table}: {len(items)} items, but it counts {count}"]


def check_items(server, world, arns):
    items, rows = server.scan("items", ConsistentRead=True), server.scan("pairs", ConsistentRead=True)
    of_items = Stream(server, "items", arns["items"], lambda keys: (keys["pk"]["S"], keys["sk"]["S"]))
    of_pairs = Stream(server, "pairs", arns["pairs"], lambda keys: keys["id"]["S"])
    problems = check_keys("items", world.items, {(item["pk"]["S"], item["sk"]["S"]): plain(item) for item in items}, of_items)
    problems += check_keys("pairs", world.pairs, {row["id"]["S"]: plain(row) for row in rows}, of_pairs)
    problems += check_index(server, "items", "by-group", items, "g", "n") + check_index(server, "items", "by-number", items, "pk", "n")
    problems += check_count(server, "items", items) + check_count(server, "pairs", rows)
    return problems, of_items


def check_money(server, world, arns):
    """Accounts are what the transfers that are there make of them; counters what was acknowledged."""
    rows = {row["id"]["S"]: row for row in server.scan("money", ConsistentRead=True)}
    stream = Stream(server, "money", arns["money"], lambda keys: keys["id"]["S"])
    problems = list(stream.problems)
    balances, moves = [BALANCE] * ACCOUNTS, [1] * ACCOUNTS  # the first record is the account's own
    for source, target, amount, key in world.transfers:
        if key.state is not None:
            for account, by in ((source, -amount), (target, amount)):
                balances[account] += by
                moves[account] += 1
    for account in range(ACCOUNTS):
        name = f"account-{account}"
        there = int(rows[name]["balance"]["N"]) if name in rows else None
        if there != balances[account]:
            problems.append(f"{name}: {there}, but the transfers that are there make {balances[account]}: half of a transaction")
        changes = stream.images(name)
        if len(changes) != moves[account] or any(a[1] != b[0] for a, b in zip(changes, changes[1:])) or changes[-1][1] != plain(rows.get(name)):
            problems.append(f"{name}: {len(changes)} stream records for {moves[account]} changes, or they do not lead to one another")
    for name, counter in world.counters.items():
        problems += counter.settle(name, int(rows[name]["n"]["N"]) if name in rows else 0)
        problems += counter.check_changes(name, [int(record["dynamodb"]["NewImage"]["n"]["N"]) for _, _, record in stream.changes.get(name, [])])
    return problems


def check_expiring(server, world, arns, all_expired):
    """A row is there as written, or gone with one REMOVE of the service behind its INSERT. `all_expired`: all must be gone."""
    rows = server.scan("expiring", ConsistentRead=True)
    found = {row["id"]["S"]: plain(row) for row in rows}
    stream = Stream(server, "expiring", arns["expiring"], lambda keys: keys["id"]["S"])
    problems = list(stream.problems)
    now = server.admin("clock")["now_ms"] // 1000
    for name, key in world.expiring.items():
        changes = stream.changes.get(name, [])
        if key.pending is not None:
            key.states, key.pending = ([None, key.pending[0]] if changes or name in found else [None]), None
        wanted = [(None, key.state)] if key.state else []
        if wanted and name not in found:
            wanted.append((key.state, None))
            expires = int(dict(key.state)["expires"].split("'")[3])
            if len(changes) == 2 and changes[1][2].get("userIdentity") != {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}:
                problems.append(f"expiring {name}: removed by {changes[1][2].get('userIdentity')}")
            if expires > now:
                problems.append(f"expiring {name}: acknowledged, gone before its time")
        elif found.get(name) != key.state:
            problems.append(f"expiring {name}: acknowledged {key.state}, found {found.get(name)}")
        if stream.images(name) != wanted:
            problems.append(f"expiring {name}: the stream says {stream.images(name)} instead of {wanted}")
    if all_expired and found:
        problems.append(f"expiring: {len(found)} rows are there after their time")
    return problems + check_index(server, "expiring", "by-group", rows, "g", None) + check_count(server, "expiring", rows)


def check_objects(server, world):
    problems = []
    for name, key in world.objects.items():
        try:
            body = server.checked("GET", f"/bucket/{name}")
            found = (len(body), body)
        except Refused as refused:
            found = None if refused.status == 404 else (refused.status, refused.body)
        key.states = key.states[-1:]
        problems += [problem[:300] for problem in settle_key(f"object {name}", key, found)]
    return problems


def numbers(document):
    """Of the first and the last record that a failure document is about."""
    info = json.loads(document)["DDBStreamBatchInfo"]
    return int(info["startSequenceNumber"]), int(info["endSequenceNumber"])


def check_delivery(server, world, stream, urls):
    """All is settled: every record reached the function in order, every poison record is in one failure document in the queue, and in one in the bucket."""
    problems = []
    for body in server.drain(urls["failures"]):
        world.failures.append(numbers(body))
    with world.lock:
        delivered = list(world.delivered)
    problems += check_deliveries([(f"{identity[0]} {identity[1]}", at) for _, identity, at in stream.order], delivered, settled=True)
    problems += check_failures(stream.poison, world.failures)
    return problems + [f"bucket: {problem}" for problem in check_failures(stream.poison, [numbers(body) for body in server.objects("failures")])]


def settle(server):
    answer = server.admin("settle", {"limit": "60s"})
    return answer


def check_all(server, world, arns, urls):
    """Everything, in the order that decides writes without an answer before what depends on them."""
    problems, stream = check_items(server, world, arns)
    problems += check_money(server, world, arns) + check_objects(server, world) + check_expiring(server, world, arns, all_expired=False)
    if problems:
        return problems
    settled = settle(server)
    server.admin("clock", {"advance": "11m"})  # what is left expires, what was received can be received again
    settled = settle(server)
    if not settled.get("settled", settled.get("idle", True)):
        problems.append(f"does not settle: {settled}")
    problems += check_expiring(server, world, arns, all_expired=True)
    problems += world.direct.settle("queue", server.drain(urls["direct"]))
    return problems + check_delivery(server, world, stream, urls)


__all__ = ["Key", "check_all"]
