import Testing

@testable import WeirHTTP

@Suite("Who goes next in a pool")
struct ClientQueueTests {
    private final class Request: Sendable {
        let number: Int
        let host: String

        init(_ number: Int, _ host: String) {
            self.number = number
            self.host = host
        }
    }

    // The macro cannot call what mutates.
    private func expectEntry(_ queue: inout ClientQueue<Request>, _ host: String, _ enters: Bool) {
        let entered = queue.enter(host)
        #expect(entered == enters)
    }

    private func expectNext(_ queue: inout ClientQueue<Request>, _ number: Int?) {
        let next = queue.next()?.number
        #expect(next == number)
    }

    @Test("first come, first served, up to the limit")
    func order() {
        var queue = ClientQueue<Request>(limit: 2, limitPerHost: nil)
        expectEntry(&queue, "a", true)
        expectEntry(&queue, "b", true)
        expectEntry(&queue, "a", false)
        let waiting = (0..<100).map { Request($0, $0 % 3 == 0 ? "a" : "b") }
        for request in waiting { queue.wait(request, for: request.host) }
        expectNext(&queue, nil)
        queue.leave("a")
        var order: [Int] = []
        while let next = queue.next() {
            order.append(next.number)
            queue.leave(next.host)
        }
        #expect(order == Array(0..<100))
        #expect(queue.running == 1)
        #expect(queue.waiting == 0)
    }

    @Test("a host at its limit holds nobody else up")
    func hosts() {
        var queue = ClientQueue<Request>(limit: 3, limitPerHost: 1)
        expectEntry(&queue, "a", true)
        expectEntry(&queue, "a", false)
        queue.wait(Request(0, "a"), for: "a")
        expectEntry(&queue, "b", true)
        queue.wait(Request(1, "b"), for: "b")
        expectNext(&queue, nil)
        queue.leave("b")
        expectNext(&queue, 1)
        queue.leave("a")
        expectNext(&queue, 0)
    }

    @Test("against a naive model, with seeds that are printed")
    func model() {
        for round in 0..<(20 * scale) {
            let seed = UInt64(round) &* 0x9E37_79B9_7F4A_7C15 &+ 1
            var random = SplitMix(seed)
            let limit = Int.random(in: 1...6, using: &random)
            let perHost = Int.random(in: 1...limit, using: &random)
            var queue = ClientQueue<Request>(limit: limit, limitPerHost: perHost)
            var running: [String: Int] = [:]
            var waiting: [Request] = []
            let hosts = ["a", "b", "c"]
            func total() -> Int { running.values.reduce(0, +) }
            for step in 0..<400 {
                let host = hosts.randomElement(using: &random)!
                switch Int.random(in: 0..<4, using: &random) {
                case 0, 1:
                    let mayRun = total() < limit && running[host, default: 0] < perHost
                    let entered = queue.enter(host)
                    #expect(entered == mayRun, "seed \(seed), step \(step)")
                    if mayRun {
                        running[host, default: 0] += 1
                    } else {
                        let request = Request(step, host)
                        queue.wait(request, for: host)
                        waiting.append(request)
                    }
                case 2:
                    guard running[host, default: 0] > 0 else { continue }
                    running[host]! -= 1
                    queue.leave(host)
                default:
                    guard let index = waiting.indices.randomElement(using: &random) else { continue }
                    let request = waiting.remove(at: index)
                    queue.withdraw(request, from: request.host)
                }
                while true {
                    let expected = waiting.firstIndex {
                        total() < limit && running[$0.host, default: 0] < perHost
                    }
                    let next = queue.next()
                    #expect(next?.number == expected.map { waiting[$0].number }, "seed \(seed), step \(step)")
                    guard let expected, next != nil else { break }
                    running[waiting.remove(at: expected).host, default: 0] += 1
                }
                #expect(queue.running == total(), "seed \(seed), step \(step)")
                #expect(queue.waiting == waiting.count, "seed \(seed), step \(step)")
            }
        }
    }
}

/// A generator with a seed.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
