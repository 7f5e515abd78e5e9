"""Decides whether a history of concurrent operations is linearisable: whether every operation can be given one moment between its
invocation and its answer so that, in the order of these moments, every answer is right (Wing and Gong, with remembered states).

State: the values of a few registers, a tuple of integers or None (no item). An operation that got no answer may have happened at any
moment after its invocation, or never."""
import dataclasses
import math

NO_ANSWER = "no answer"


@dataclasses.dataclass(frozen=True)
class Operation:
    """`arguments` begin with the registers it touches; `answer` is what the client was told."""
    kind: str
    arguments: tuple
    answer: object
    invoked: float
    returned: float = math.inf


def replaced(state, register, value):
    return state[:register] + (value,) + state[register + 1:]


def step(state, operation):
    """The state afterwards; None: with this state before it the answer would have been another."""
    kind, arguments, answer = operation.kind, operation.arguments, operation.answer
    before, after, right = state[arguments[0]], state, None
    if kind == "get":
        right = before
    elif kind == "put":
        right, after = before, replaced(state, arguments[0], arguments[1])
    elif kind == "delete":
        right, after = before, replaced(state, arguments[0], None)
    elif kind == "add":
        right = (before or 0) + arguments[1]
        after = replaced(state, arguments[0], right)
    elif kind == "compare and set":  # answered with the value that stood there, either way
        right = (before == arguments[1], before)
        if right[0]:
            after = replaced(state, arguments[0], arguments[2])
    elif kind == "get both":
        right = (before, state[arguments[1]])
    elif kind == "move":  # both registers change, or none: if the first is as expected
        right = before == arguments[2]
        if right:
            after = replaced(replaced(state, arguments[0], arguments[3]), arguments[1], (state[arguments[1]] or 0) + 1)
    elif kind == "put both":
        right, after = True, replaced(replaced(state, arguments[0], arguments[2]), arguments[1], arguments[3])
    else:
        raise ValueError(kind)
    return after if answer in (right, NO_ANSWER) else None


def candidates(operations, first, done):
    """What may come next: invoked before any other that is not done was answered."""
    bound, found = math.inf, []
    for i in range(first, len(operations)):
        if done >> i & 1:
            continue
        if operations[i].invoked > bound:
            break
        found.append(i)
        bound = min(bound, operations[i].returned)
    return sorted(found, key=lambda i: -operations[i].returned)  # the stack takes the earliest answer first


def explain(history, state):
    """None when the history is linearisable from `state` on; else a sentence about where every order ends."""
    operations = sorted(history, key=lambda operation: operation.invoked)
    answered = sum(1 << i for i, operation in enumerate(operations) if operation.returned != math.inf)
    stack, seen, furthest = [(0, 0, state)], set(), (0, 0, state)
    while stack:
        first, done, state = stack.pop()
        if done & answered == answered:
            return None
        if done.bit_count() > furthest[1].bit_count():
            furthest = (first, done, state)
        for i in candidates(operations, first, done):
            after = step(state, operations[i])
            if after is None:
                continue
            now_done, now_first = done | 1 << i, first
            while now_done >> now_first & 1:
                now_first += 1
            if (now_done, after) not in seen:
                seen.add((now_done, after))
                stack.append((now_first, now_done, after))
    first, done, state = furthest
    stuck = [operations[i] for i in candidates(operations, first, done)]
    return f"after {done.bit_count()} of {len(operations)} operations, with {state}, none of these can be next: {stuck}"
