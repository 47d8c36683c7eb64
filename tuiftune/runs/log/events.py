"""The event log: append-only JSON lines, one writer, many readers.

Every event has `v`, `seq`, `t` (UTC seconds) and `type`, and `clock` (seconds of a monotonic clock, for
durations) unless it was written by an earlier version. Payloads, by type (None where not known):

start       run, model, technique, total_steps, epochs, rows_train, rows_eval, rows_leaked (evaluation rows
            that are training rows too), trainable, parameters, device, processes (data-parallel),
            resumed_from, predicted_seconds (of all steps)
phase       name, detail, done, total         (loading, tokenizing, preflight, scoring_before, training,
                                               evaluating, saving, scoring_after, exporting)
step        step, loss, lr, grad_norm, tokens, tokens_per_second, epoch, data_wait (share of the step's time),
            and every other finite number that the trainer logs (`tuiftune.metrics`)
eval        step, loss, perplexity, when      (before, during, after)
score       step, when, exact_match, matched, rows
samples     step, when, file, count, seconds  (the rows themselves stay in samples.jsonl, never in the log)
gpu         gpus: [{index, name, utilisation, memory_used, memory_total, power_w, temperature_c, throttle}],
            cpu (percent), host_memory_used, host_memory_total, disk_free
memory      allocated, reserved, device, predicted, predicted_allocated, predicted_reserved, preflight,
            reused (the run whose preflight check it is)
shards      parallel, parameter_bytes (what each process holds between steps, by rank)
links       processes, hosts, backend (nccl, gloo), bytes (of an all-reduce), seconds, bytes_per_second (bus
            bandwidth), expected (by the plan's table), peer_access, without_peer (pairs of GPUs), torch, nccl
hung        step, stuck (the rank that the others wait for; None: all wait), processes: [{rank, host, pid,
            doing, seconds, stack (innermost call first)}]
checkpoint  step, path, bytes, seconds
warning     code, message, remedy
heartbeat   step, phase
control     what, by
end         state, exit_code, why     (done, stopped, preempted, killed, failed, nan, diverged, oom, disk)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

EVENT_VERSION = 1
END_STATES = ("done", "stopped", "preempted", "killed", "failed", "nan", "diverged", "oom", "disk")

# Names of earlier versions, which their logs have.
OLD_PHASES = {"rehearsing": "preflight"}
OLD_PREFLIGHT = "rehearsal"
OLD_DETAILS = {"held-out loss": "eval loss", "held-out rows": "evaluation rows"}  # words: ok (of old logs)

Event = dict[str, Any]


def is_preflight(event: Mapping[str, Any]) -> bool:
    """Return True for a memory event of the preflight check."""
    return bool(event.get("preflight") or event.get(OLD_PREFLIGHT))
