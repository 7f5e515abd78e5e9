"""What the driver knows of the server's contents, kept outside the server: which writes were acknowledged, and which got no answer and
may have happened or not. After a restart `settle_*` compares what is there with that, and decides what got no answer. Every problem
found is a sentence in the returned list. Pure: nothing here talks to a server. Threads: a key is written by one thread at a time."""


def plain(item):
    """An item of the wire as a comparable, hashable value; None stays None."""
    return None if item is None else tuple(sorted((name, repr(value)) for name, value in item.items()))


class Key:
    """One item of a table, or one object: its acknowledged states in order, and at most one write without an answer."""

    def __init__(self):
        self.states = [None]   # every state it had; the last one is the acknowledged one
        self.pending = None    # (new state, transaction or None) of a write without an answer

    @property
    def state(self):
        return self.states[-1]

    def begin(self, new, transaction=None):
        assert self.pending is None
        self.pending = (new, transaction)

    def done(self):
        self.states.append(self.pending[0])
        self.pending = None

    def refused(self):
        self.pending = None


class Transaction:
    """Writes of several keys that happen together or not at all. `happened`: None until one of them tells."""

    def __init__(self, name):
        self.name, self.happened = name, None


def settle_key(name, key, found):
    """Compares a key with what a restarted server has for it, and decides its pending write. `found`: the item or None."""
    if key.pending is None:
        return [] if found == key.state else [f"{name}: acknowledged {key.state}, found {found}"]
    new, transaction = key.pending
    key.pending = None
    if found not in (key.state, new):
        return [f"{name}: acknowledged {key.state}, asked for {new}, found {found}"]
    happened = found == new
    problems = []
    if transaction is not None:
        if transaction.happened not in (None, happened):
            problems.append(f"{name}: half of transaction {transaction.name} is there")
        transaction.happened = happened
    if happened:
        key.states.append(new)
    return problems


def check_changes(name, key, changes):
    """`changes`: (old, new) images of the key's stream records in order; they must be its states, one after the other."""
    wanted = list(zip(key.states, key.states[1:]))
    if changes == wanted:
        return []
    at = next((i for i, (a, b) in enumerate(zip(changes, wanted)) if a != b), min(len(changes), len(wanted)))
    return [f"{name}: {len(changes)} stream records for {len(wanted)} changes; the first difference is change {at}: "
            f"{changes[at] if at < len(changes) else 'no record'} instead of {wanted[at] if at < len(wanted) else 'nothing'}"]


class Counter:
    """A number that many threads raise by one. `total`: acknowledged raises; `maybe`: those without an answer."""

    def __init__(self):
        self.total, self.maybe, self.answers = 0, 0, []

    def settle(self, name, found):
        problems = []
        if len(set(self.answers)) != len(self.answers):
            problems.append(f"{name}: two raises were answered with the same number")
        if any(answer > found for answer in self.answers):
            problems.append(f"{name}: {max(self.answers)} was acknowledged, {found} is there")
        if not self.total <= found <= self.total + self.maybe:
            problems.append(f"{name}: {self.total} raises acknowledged, {self.maybe} more asked for, but it is {found}")
        self.total, self.maybe = found, 0
        return problems

    def check_changes(self, name, numbers):
        """`numbers`: of its stream records, in order."""
        return [] if numbers == list(range(1, self.total + 1)) else [f"{name}: {self.total} raises, but the stream says {numbers[-20:]}"]


class Messages:
    """Messages of a queue by their unique bodies."""

    def __init__(self):
        self.sent, self.maybe_sent, self.removed, self.maybe_removed = set(), set(), set(), set()

    def settle(self, name, bodies):
        """`bodies`: everything that could be received; the queue is empty now."""
        found = set(bodies)
        problems = []
        if len(found) != len(bodies):
            problems.append(f"{name}: received twice: {sorted(body for body in found if bodies.count(body) > 1)[:5]}")
        if lost := self.sent - self.removed - self.maybe_removed - found:
            problems.append(f"{name}: {len(lost)} acknowledged messages are lost: {sorted(lost)[:5]}")
        if back := found & self.removed:
            problems.append(f"{name}: {len(back)} deleted messages came back: {sorted(back)[:5]}")
        if strange := found - self.sent - self.maybe_sent:
            problems.append(f"{name}: {len(strange)} messages were never sent: {sorted(strange)[:5]}")
        self.removed |= found | self.maybe_removed | self.sent
        self.sent, self.maybe_sent, self.maybe_removed = set(), set(), set()
        return problems


def check_records(name, records):
    """(shard, key, number) of a stream in reading order: no number twice, rising within each shard and for each key."""
    problems = []
    if len({number for _, _, number in records}) != len(records):
        problems.append(f"{name}: a stream record is there twice")
    for what, at in (("shard", 0), ("key", 1)):
        last = {}
        for record in records:
            if record[2] <= last.get(record[at], 0):
                problems.append(f"{name}: {what} {record[at]}: number {record[2]} after {last[record[at]]}")
                break
            last[record[at]] = record[2]
    return problems


def check_deliveries(records, delivered, settled):
    """What a mapping did with a stream. `records`: (key, number) of the stream; `delivered`: (key, number) in the order of arrival at the
    function; `settled`: nothing is on its way. Every record at least once when settled, none that is not in the stream, and for each
    key the first arrivals in order."""
    problems = []
    known = {number for _, number in records}
    arrived = {number for _, number in delivered}
    if strange := arrived - known:
        problems.append(f"{len(strange)} delivered records are not in the stream: an unsynced or lost write was shown: {sorted(strange)[:3]}")
    if settled and (missing := known - arrived):
        problems.append(f"{len(missing)} of {len(known)} records never reached the function: {sorted(missing)[:3]}")
    last, seen = {}, set()
    for key, number in delivered:
        if number in seen:
            continue
        seen.add(number)
        if number < last.get(key, 0):
            problems.append(f"{key}: {number} reached the function after {last[key]}")
        last[key] = number
    return problems


def check_failures(poison, ranges):
    """`poison`: numbers of records that always fail; `ranges`: (first, last) of the failure documents. Each in exactly one."""
    problems = []
    for number in sorted(poison):
        count = sum(first <= number <= last for first, last in ranges)
        if count != 1:
            problems.append(f"poison record {number} is in {count} failure documents")
    if len(set(ranges)) != len(ranges):
        problems.append("a failure document came twice")
    return problems
