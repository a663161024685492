import Testing

@Suite("Queues", .ownThread)
struct QueueBenchTests {
    @Test(
        "are measured by weir bench queue, which checks that no job is lost",
        .disabled(if: Pace.isSanitized, "takes minutes there; the core's tests are run"))
    func bench() throws {
        let result = try Peer.run([Daemon.program, "bench", "queue", "--json"], within: 4 * Pace.patience)
        #expect(result.exit == .code(0), "\(result.errors)")
        let results = try #require(JSON(result.text)?["results"]?.items)
        let names = results.compactMap { $0["name"]?.text }
        #expect(names == ["priority", "ageing", "fifo"].flatMap { [String](repeating: $0, count: 4) })
        for result in results {
            let time = try #require(result["nanoseconds"]?.number)
            #expect(time > 0)
        }
        let refused = try Peer.run([Daemon.program, "bench", "queue", "--fast"])
        #expect(refused.exit == .code(2))
    }
}
