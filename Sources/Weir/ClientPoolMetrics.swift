internal import WeirHTTP
internal import WeirLoop

/// What `/metrics` says of the pools through which others are asked. Without a pool its families are left out.
@LoopActor
struct ClientPoolMetrics {
    let pools: [ClientPool]

    func write(to text: inout PrometheusText) {
        if pools.isEmpty { return }
        let known = pools.map { (labels: [(name: "pool", value: $0.name)], subject: $0.metrics) }
        func gauge(_ name: String, _ help: String, _ field: KeyPath<ClientMetrics, Int>) {
            text.family("weir_client_\(name)", .gauge, help, of: known) { $0[keyPath: field] }
        }
        func counter(_ name: String, _ help: String, _ field: KeyPath<ClientMetrics, UInt64>) {
            text.family("weir_client_\(name)_total", .counter, help, of: known) { $0[keyPath: field] }
        }
        text.family("weir_client_connections", .gauge, "Open connections of a pool, by state.")
        for (labels, metrics) in known {
            text.sample(metrics.open - metrics.idle, labels + [("state", "busy")])
            text.sample(metrics.idle, labels + [("state", "idle")])
        }
        gauge("running", "Requests under way.", \.running)
        gauge("waiting", "Requests that wait for their turn.", \.waiting)
        counter("requests", "Requests made, those that were refused among them.", \.requests)
        counter("completed", "Requests that were answered to the end, whatever the status.", \.completed)
        counter("connects", "Connections made.", \.connected)
        counter("reuses", "Requests that went over a connection that was there.", \.reused)
        counter("received_bytes", "Bytes of bodies that came.", \.receivedBytes)
        counter("sent_bytes", "Bytes of bodies that were sent.", \.sentBytes)
        text.family("weir_client_failures_total", .counter, "Requests that failed, by kind.")
        for (labels, metrics) in known {
            for kind in ClientError.Kind.allCases {
                text.sample(metrics.errors[kind.name] ?? 0, labels + [("kind", kind.name)])
            }
        }
        text.family("weir_client_wait_seconds", .histogram, "Time from a request to its turn.")
        for pool in pools { text.sample(pool.waits, [("pool", pool.name)]) }
        text.family("weir_client_head_seconds", .histogram, "Time from a request's turn to the head of its response.")
        for pool in pools { text.sample(pool.latency, [("pool", pool.name)]) }
    }
}
