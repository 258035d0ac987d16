"""What endpoints did, as time series. docs/metrics.md

Read them with

    store.read(endpoint_id, seconds, now) -> Series
    store.read_many(endpoint_ids, seconds, now) -> dict[int, Series]

A `Series` is an even grid: `begin`, `step` (seconds), and `points`, one for each span,
oldest first. A point is None where nothing is known: before the endpoint was made, and
while the collector did not run though something of the endpoint did. All else is a
`Point`, also when nothing happened: no requests is a fact, drawn as zero. What only
answers can tell (`p50`, `p95`) is None without one, what only a replica can tell
(`cores`, `memory`, …) is 0 without one, `gpu` is None without a GPU.

`Sample.data` is a Point as JSON (`Point.to_json`); what is 0 or empty is left out:

    s   seconds the point tells about
    n   requests that began
    c   answers by class, [1xx, 2xx, 3xx, 4xx, 5xx]
    b   answers of replicas by time to the first byte: a number for each of
        endpoints.ingress.base.BOUNDS and one for longer
    h   requests that waited for a replica to start
    f   in flight, those in line included: [request-seconds, most at once]
    q   in line for a place at a replica: [request-seconds, most at once]
    r   ready replicas: [replica-seconds, most at once]
    u   by replica number: [seconds, core-seconds used, cores it may use,
        byte-seconds of memory, most bytes, bytes it may use, received, sent]
    g   by replica number, its GPUs together: [GPU-seconds, GPU-seconds busy,
        byte-seconds of memory, bytes they have]
    k   replicas that became ready: [Unix time, seconds it took, number, 1 if cold]
    e   1 when nothing ran and nothing was open at its end: silence after it means
        that nothing happened

All but most-values and `e` are sums, so points merge by adding: a minute is its six
spans of 10 s. Rows exist only for spans with something to tell, and one `e` after them.
"""
