"""The load: threads that write to a server until it is killed, and note in the ledger what was acknowledged."""
import random
import threading
import time

from ledger import Counter, Key, Messages, Transaction, plain
from wire import Connection, Gone, Refused

ACCOUNTS, BALANCE, COUNTERS, GROUPS = 6, 1000, 3, 4
TTL_SECONDS = 600


def text(value):
    return {"S": str(value)}


def number(value):
    return {"N": str(value)}


class World:
    """The ledger of one data directory."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.items = {}        # (pk, sk) -> Key
        self.pairs = {}        # id -> Key; the second table of transactions
        self.money = {}        # account -> acknowledged transfers do not matter: the transfers in `items` say what it must be
        self.transfers = []    # (from, to, amount, key of its row)
        self.counters = {f"counter-{i}": Counter() for i in range(COUNTERS)}
        self.expiring = {}     # id -> Key of a row that expires
        self.direct = Messages()
        self.objects = {}      # name -> Key, whose states are lengths and bytes
        self.delivered = []    # (key, number) at the function, in order of arrival
        self.failures = []     # (first, last) of the failure documents so far
        self.lock = threading.Lock()
        self.serial = 0
        self.written = 0       # acknowledged

    def next_serial(self):
        with self.lock:
            self.serial += 1
            return self.serial


class Worker(threading.Thread):
    """One thread of the load, with one connection. Stops when told or when the server is gone. `problem`: what it found wrong."""

    def __init__(self, world, port, name, seed, stop):
        super().__init__(daemon=True, name=name)
        self.world, self.random, self.stop = world, random.Random(f"{seed}-{name}"), stop
        self.server = Connection(port)
        self.problem = None

    def run(self):
        try:
            while not self.stop.is_set():
                self.step()
        except Gone:
            pass
        except Exception as problem:  # noqa: BLE001: told by the driver
            self.problem = f"{self.name}: {type(problem).__name__}: {problem}"

    def step(self):
        raise NotImplementedError

    # A write of some keys: acknowledged, refused, or without an answer (then they stay pending and this thread ends).
    def write(self, changes, operation, refusals=(), **members):
        for key, new, transaction in changes:
            key.begin(new, transaction)
        try:
            answer = self.server.db(operation, **members)
        except Refused as refused:
            for key, _, _ in changes:
                key.refused()
            if refused.code not in refusals:
                raise
            return None
        for key, _, _ in changes:
            key.done()
        self.world.written += 1
        return answer


class Writer(Worker):
    """Puts, updates, deletes, batches and transactions of keys that are this thread's own, in a table with indexes and a second one."""

    def item(self, pk, sk):
        item = {"pk": text(pk), "sk": text(sk), "v": number(self.world.next_serial()), "pad": text("x" * self.random.choice((0, 20, 300)))}
        if self.random.random() < 0.8:
            item["g"] = text(f"g{self.random.randrange(GROUPS)}")
        if self.random.random() < 0.8:
            item["n"] = number(self.random.randrange(50))
        if self.random.random() < 0.01:
            item["poison"] = {"BOOL": True}
        return item

    def pick(self):
        pk, sk = f"{self.name}-{self.random.randrange(3)}", f"s{self.random.randrange(4)}"
        return pk, sk, self.world.items.setdefault((pk, sk), Key())

    def step(self):
        self.random.choice((self.put, self.put, self.update, self.update, self.conditional, self.remove, self.batch, self.pair))()

    def put(self):
        pk, sk, key = self.pick()
        item = self.item(pk, sk)
        self.write([(key, plain(item), None)], "PutItem", TableName="items", Item=item)

    def update(self):
        """Of single attributes, with ReturnValues that must be the new state."""
        pk, sk, key = self.pick()
        new = dict((name, eval(value)) for name, value in key.state or ())  # noqa: S307: our own repr
        new.update(pk=text(pk), sk=text(sk), v=number(self.world.next_serial()), g=text(f"g{self.random.randrange(GROUPS)}"))
        new.pop("n", None)
        new.pop("poison", None)
        answer = self.write([(key, plain(new), None)], "UpdateItem", TableName="items", Key={"pk": text(pk), "sk": text(sk)}, ReturnValues="ALL_NEW",
                            UpdateExpression="SET v = :v, g = :g REMOVE n, poison", ExpressionAttributeValues={":v": new["v"], ":g": new["g"]})
        if plain(answer["Attributes"]) != plain(new):
            raise AssertionError(f"{pk} {sk}: answered {answer['Attributes']}, not {new}")

    def conditional(self):
        """Half of them are refused; an answer in either case tells what the ledger knows."""
        pk, sk, key = self.pick()
        item, exists = self.item(pk, sk), self.random.random() < 0.5
        answer = self.write([(key, plain(item), None)], "PutItem", refusals=("ConditionalCheckFailedException",), TableName="items", Item=item,
                            ConditionExpression="attribute_exists(pk)" if exists else "attribute_not_exists(pk)")
        before = key.states[-2] if answer is not None else key.state
        if (answer is not None) != ((before is not None) == exists):
            raise AssertionError(f"{pk} {sk}: a condition was decided against {before}")

    def remove(self):
        pk, sk, key = self.pick()
        if key.state is not None:
            self.write([(key, None, None)], "DeleteItem", TableName="items", Key={"pk": text(pk), "sk": text(sk)})

    def batch(self):
        chosen = {(pk, sk): key for pk, sk, key in (self.pick() for _ in range(4))}
        changes, requests = [], []
        for (pk, sk), key in chosen.items():
            if key.state is not None and self.random.random() < 0.3:
                changes.append((key, None, None))
                requests.append({"DeleteRequest": {"Key": {"pk": text(pk), "sk": text(sk)}}})
            else:
                item = self.item(pk, sk)
                changes.append((key, plain(item), None))
                requests.append({"PutRequest": {"Item": item}})
        answer = self.write(changes, "BatchWriteItem", RequestItems={"items": requests})
        if answer["UnprocessedItems"]:
            raise AssertionError("unprocessed items")

    def pair(self):
        """A transaction over two tables."""
        chosen = {(pk, sk): key for pk, sk, key in (self.pick() for _ in range(2))}
        transaction = Transaction(f"{self.name}-{self.world.next_serial()}")
        changes, actions = [], []
        for (pk, sk), key in chosen.items():
            item = self.item(pk, sk)
            changes.append((key, plain(item), transaction))
            actions.append({"Put": {"TableName": "items", "Item": item}})
        name = f"{self.name}-{self.random.randrange(5)}"
        row = {"id": text(name), "v": number(self.world.next_serial())}
        changes.append((self.world.pairs.setdefault(name, Key()), plain(row), transaction))
        actions.append({"Put": {"TableName": "pairs", "Item": row}})
        self.write(changes, "TransactWriteItems", TransactItems=actions)


class Teller(Worker):
    """Transactions that move money between accounts which all tellers share, each with a row of its own; and counters."""

    def step(self):
        self.random.choice((self.transfer, self.count, self.count_if))()

    def transfer(self):
        source, target = self.random.sample(range(ACCOUNTS), 2)
        amount, name = self.random.randrange(1, 20), f"transfer-{self.world.next_serial()}"
        row = {"id": text(name), "from": number(source), "to": number(target), "amount": number(amount)}
        key = Key()
        with self.world.lock:
            self.world.pairs[name] = key
            self.world.transfers.append((source, target, amount, key))

        def move(account, by):
            return {"Update": {"TableName": "money", "Key": {"id": text(f"account-{account}")}, "UpdateExpression": "ADD balance :by",
                               "ExpressionAttributeValues": {":by": number(by)}}}

        self.write([(key, plain(row), None)], "TransactWriteItems", refusals=("TransactionCanceledException",),
                   TransactItems=[move(source, -amount), {"Put": {"TableName": "pairs", "Item": row}}, move(target, amount)])

    def raised(self, name, **members):
        counter = self.world.counters[name]
        with self.world.lock:
            counter.maybe += 1
        try:
            answer = self.server.db("UpdateItem", TableName="money", Key={"id": text(name)}, ReturnValues="UPDATED_NEW", **members)
        except Refused as refused:
            with self.world.lock:
                counter.maybe -= 1
            if refused.code != "ConditionalCheckFailedException":
                raise
            return
        with self.world.lock:
            counter.maybe -= 1
            counter.total += 1
            counter.answers.append(int(answer["Attributes"]["n"]["N"]))
        self.world.written += 1

    def count(self):
        self.raised(f"counter-{self.random.randrange(COUNTERS)}", UpdateExpression="ADD n :one", ExpressionAttributeValues={":one": number(1)})

    def count_if(self):
        """As clients count that read first."""
        name = f"counter-{self.random.randrange(COUNTERS)}"
        item = self.server.db("GetItem", TableName="money", Key={"id": text(name)}, ConsistentRead=True).get("Item")
        if item is None:
            return
        seen = int(item["n"]["N"])
        self.raised(name, UpdateExpression="SET n = :new", ConditionExpression="n = :seen",
                    ExpressionAttributeValues={":new": number(seen + 1), ":seen": number(seen)})


class Expirer(Worker):
    """Rows that expire, and the clock that makes them."""

    def step(self):
        for _ in range(self.random.randrange(1, 6)):
            name = f"row-{self.world.next_serial()}"
            expires = self.server.admin("clock")["now_ms"] // 1000 + TTL_SECONDS
            item = {"id": text(name), "expires": number(expires), "g": text(f"g{self.random.randrange(GROUPS)}")}
            key = Key()
            with self.world.lock:
                self.world.expiring[name] = key
            self.write([(key, plain(item), None)], "PutItem", TableName="expiring", Item=item)
        if self.random.random() < 0.1:
            self.server.admin("clock", {"advance": "11m"})


class Mailer(Worker):
    """Sends to a queue and takes out of it."""

    def __init__(self, *arguments, url):
        super().__init__(*arguments)
        self.url = url

    def step(self):
        direct = self.world.direct
        for _ in range(3):
            body = f"{self.name}-{self.world.next_serial()}"
            direct.maybe_sent.add(body)
            self.server.queues("SendMessage", QueueUrl=self.url, MessageBody=body)
            direct.sent.add(body)
            self.world.written += 1
        for message in self.server.queues("ReceiveMessage", QueueUrl=self.url, MaxNumberOfMessages=2).get("Messages", []):
            direct.maybe_removed.add(message["Body"])
            self.server.queues("DeleteMessage", QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
            direct.removed.add(message["Body"])
            self.world.written += 1


class Storer(Worker):
    """Objects, small enough to lie in the store and larger than that."""

    def step(self):
        name = f"{self.name}-{self.random.randrange(6)}"
        key = self.world.objects.setdefault(name, Key())
        if key.state is not None and self.random.random() < 0.3:
            key.begin(None)
            self.server.checked("DELETE", f"/bucket/{name}")
        else:
            start = f"{self.world.next_serial()};"
            body = (start * (self.random.choice((10, 2_000, 100_000)) // len(start))).encode()
            key.begin((len(body), body))
            self.server.checked("PUT", f"/bucket/{name}", body)
        key.done()
        self.world.written += 1


class Shards(Worker):
    """Splits and rolls the shards of a stream under the writers' hands."""

    def step(self):
        if self.stop.wait(self.random.uniform(0.02, 0.4)):
            return
        try:
            self.server.admin("streams/items", {"action": self.random.choice(("split", "roll"))})
        except Refused:
            pass  # too many by now


def start(world, port, seed, urls, stop):
    """All threads of the load, running."""
    workers = [Writer(world, port, f"w{i}", seed, stop) for i in range(5)]
    workers += [Teller(world, port, f"t{i}", seed, stop) for i in range(3)]
    workers += [Expirer(world, port, "e0", seed, stop), Storer(world, port, "o0", seed, stop), Shards(world, port, "h0", seed, stop)]
    workers += [Mailer(world, port, f"m{i}", seed, stop, url=urls["direct"]) for i in range(2)]
    for worker in workers:
        worker.start()
    return workers


def wait(workers, limit=90):
    """Until all have ended; what they found wrong."""
    end = time.monotonic() + limit
    for worker in workers:
        worker.join(max(0.0, end - time.monotonic()))
    return [worker.problem for worker in workers if worker.problem] + [f"{worker.name} did not end" for worker in workers if worker.is_alive()]
