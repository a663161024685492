internal import WeirHTTP
internal import WeirLive
internal import WeirLoop

/// `/`, `/health` and `/metrics`.
@LoopActor
struct OperationRoutes {
    let health: HealthMonitor
    let metrics: Metrics

    func install(on router: Router) {
        router.get("/", audience: .sameOrigin) { _ in Page.response() }
        router.get("/health", audience: .sameOrigin) { _ in
            let health = health.judge()
            return .json(health.json, status: health.status == .failing ? 503 : 200)
        }
        router.get("/metrics", audience: .sameOrigin) { _ in
            Response(
                200, fields: ["Content-Type": PrometheusText.contentType, "Cache-Control": "no-store"],
                body: .bytes(metrics.text()))
        }
    }
}
