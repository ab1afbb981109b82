"""A client process that asks at a fixed rate: request k leaves at k / rate, however long the ones before take.

A latency counts from the instant at which the request was due, so that waiting behind a slow one is not left out.
Reads the plan as JSON from standard input, writes latencies to standard output.
"""

from __future__ import annotations

import asyncio
import sys
import time

import httpx
import orjson

_WARM_UP = 60


async def run(plan: dict[str, object]) -> dict[str, object]:
    rate, seconds, queries = float(plan["rate"]), float(plan["seconds"]), list(plan["queries"])  # type: ignore[arg-type,call-overload]
    latencies: list[float] = []
    failed = 0
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(
        base_url=str(plan["url"]),
        headers=plan["headers"],
        timeout=30,
        trust_env=False,
        limits=limits,  # type: ignore[arg-type]
    ) as client:
        for number in range(_WARM_UP):
            answer = await client.get(f"/api/v1/loaders{queries[number % len(queries)]}")
            answer.raise_for_status()
        begin = time.perf_counter()

        async def ask(number: int) -> None:
            nonlocal failed
            due = begin + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            answer = await client.get(f"/api/v1/loaders{queries[number % len(queries)]}")
            latencies.append((time.perf_counter() - due) * 1_000)
            failed += answer.status_code != 200

        await asyncio.gather(*(ask(number) for number in range(int(rate * seconds))))
    return {"latencies_ms": latencies, "failed": failed}


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(asyncio.run(run(orjson.loads(sys.stdin.buffer.read())))))
