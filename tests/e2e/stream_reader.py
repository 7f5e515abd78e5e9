"""A reader of a stream as a careful consumer writes it: every shard after the parent it names, several at once."""
import threading
import time


class Reader:
    """Follows a stream from its oldest record, one thread, round robin over its shards, until told to stop."""

    def __init__(self, client, arn):
        self.client, self.arn = client, arn
        self.records = []  # in order of arrival
        self.finished, self.iterators, self.parents = set(), {}, {}
        self.stopping = threading.Event()
        self.error = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def look(self):
        """Begins with shards whose parent is finished, or not listed any more."""
        shards, options = [], {}
        while True:
            page = self.client.describe_stream(StreamArn=self.arn, Limit=3, **options)["StreamDescription"]
            shards += page["Shards"]
            if "LastEvaluatedShardId" not in page:
                break
            options = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}
        listed = {shard["ShardId"] for shard in shards}
        self.open = {shard["ShardId"] for shard in shards if "EndingSequenceNumber" not in shard["SequenceNumberRange"]}
        for shard in shards:
            name, parent = shard["ShardId"], shard.get("ParentShardId")
            self.parents[name] = parent
            if name in self.finished or name in self.iterators or (parent in listed and parent not in self.finished):
                continue
            self.iterators[name] = self.client.get_shard_iterator(StreamArn=self.arn, ShardId=name, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]

    def step(self):
        """One read of every shard that has begun; how many records came."""
        self.look()
        before = len(self.records)
        for name, iterator in list(self.iterators.items()):
            page = self.client.get_records(ShardIterator=iterator, Limit=50)
            self.records += [(name, record) for record in page["Records"]]
            following = page.get("NextShardIterator")
            if following is None:
                del self.iterators[name]
                self.finished.add(name)
            else:
                self.iterators[name] = following
        return len(self.records) - before

    def _run(self):
        try:
            while not self.stopping.is_set():
                if self.step() == 0:
                    time.sleep(0.01)
        except Exception as problem:  # shown by finish()
            self.error = problem

    def finish(self):
        """Stops the thread, then reads what is left."""
        self.stopping.set()
        self.thread.join()
        if self.error:
            raise self.error
        idle = 0
        while idle < 3:
            idle = 0 if self.step() else idle + 1
        return self.records


def check_complete_and_in_order(records, written):
    """Every version of every item once, in order; sequence numbers rise within a shard and per item. `written`: item -> versions."""
    versions, numbers, shard_numbers = {}, {}, {}
    for shard, record in records:
        change = record["dynamodb"]
        item, number = change["Keys"]["id"]["S"], int(change["SequenceNumber"])
        versions.setdefault(item, []).append(int(change["NewImage"]["version"]["N"]))
        assert number > numbers.get(item, 0), f"item {item}: sequence number {number} after {numbers[item]}"
        assert number > shard_numbers.get(shard, 0), f"shard {shard}: sequence number {number} after {shard_numbers[shard]}"
        numbers[item] = shard_numbers[shard] = number
    assert len({record["dynamodb"]["SequenceNumber"] for _, record in records}) == len(records)
    for item, count in written.items():
        assert versions.get(item) == list(range(count)), f"item {item}"
    assert set(versions) == set(written)


class Writers:
    """Threads that write versions 0, 1, 2, ... of their items until told to stop."""

    def __init__(self, client, table, threads=4, items=5, name="item"):
        self.client, self.table, self.name = client, table, name
        self.written = {}
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(t, items), daemon=True) for t in range(threads)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def _run(self, index, items):
        version = 0
        while not self.stopping.is_set():
            for i in range(items):
                item = f"{self.name}-{index}-{i}"
                self.client.put_item(TableName=self.table, Item={"id": {"S": item}, "version": {"N": str(version)}})
                self.written[item] = version + 1
            version += 1

    def wait_for(self, count):
        """Until that many more records have been written."""
        goal = sum(list(self.written.values())) + count
        deadline = time.monotonic() + 30
        while sum(list(self.written.values())) < goal:
            assert time.monotonic() < deadline, "the writers have stopped"
            time.sleep(0.002)

    def finish(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        return self.written
