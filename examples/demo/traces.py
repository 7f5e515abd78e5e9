"""Where the time of a function's invocations went, from its traces."""
import json

WAITS = {"Stream wait": "read", "Queue wait": "read", "Dwell Time": "queue", "Batch": "window", "Queue": "queue", "Retry": "retry"}


def covered(intervals):
    """The length of the union of intervals."""
    total, end = 0.0, float("-inf")
    for start, stop in sorted(intervals):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total


def documents(server, function):
    """The segments of all traces that the function is part of, trace by trace."""
    xray = server.client("xray")
    pages = xray.get_paginator("get_trace_summaries").paginate(StartTime=0, EndTime=4e9, FilterExpression=f'service("{function}")')
    ids = [summary["Id"] for page in pages for summary in page["TraceSummaries"]]
    for start in range(0, len(ids), 5):
        for trace in xray.batch_get_traces(TraceIds=ids[start:start + 5])["Traces"]:
            yield [json.loads(segment["Document"]) for segment in trace["Segments"]]


def split(server, function):
    """Seconds by kind over all invocations: read, window, queue, retry, init, aws (a call was under way), code (none was); and counts."""
    total = {"invocations": 0, "calls": 0, "read": 0.0, "window": 0.0, "queue": 0.0, "retry": 0.0, "init": 0.0, "aws": 0.0, "code": 0.0}
    for trace in documents(server, function):
        for segment in trace:
            for part in segment.get("subsegments", []):
                lasted = part["end_time"] - part["start_time"]
                if segment["origin"] == "AWS::Lambda" and part["name"] in WAITS:
                    total[WAITS[part["name"]]] += lasted
                elif part["name"] == "Initialization":
                    total["init"] += lasted
                elif part["name"] == "Invocation":
                    calls = [(call["start_time"], call["end_time"]) for call in part.get("subsegments", []) if call.get("namespace") == "aws"]
                    total["invocations"] += 1
                    total["calls"] += len(calls)
                    total["aws"] += covered(calls)
                    total["code"] += max(0.0, lasted - covered(calls))
    return total


def text(total):
    return (f"{total['invocations']} invocations: {total['init'] * 1e3:.0f} ms starting, {total['aws'] * 1e3:.0f} ms with one of {total['calls']} AWS calls under way, "
            f"{total['code'] * 1e3:.0f} ms without; before them {total['window']:.0f} s in windows, {total['queue']:.2f} s in queues")
