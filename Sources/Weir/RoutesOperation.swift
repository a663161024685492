internal import WeirHTTP
internal import WeirLive
internal import WeirLoop

/// `/`, `/health` and `/metrics`.
@LoopActor
struct OperationRoutes {
    let health: HealthMonitor
    let metrics: Metrics

    func install(on router: Router) {
        router.get("/") { _ in Page.response() }
        router.get("/health") { _ in
            let health = health.judge()
            return .json(health.json, status: health.status == .failing ? 503 : 200)
        }
        router.get("/metrics") { _ in
            Response(
                200, fields: ["Content-Type": PrometheusText.contentType, "Cache-Control": "no-store"],
                body: .bytes(metrics.text()))
        }
    }
}
