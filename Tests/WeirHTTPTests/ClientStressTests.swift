import Glibc
import Testing
import WeirHTTP
import WeirLoop

/// Bodies in random pieces on both sides, with pauses, cancels and ends: whatever comes together, every byte arrives and
/// nothing waits for ever. `WEIR_SEED` repeats a run; `WEIR_SCALE` makes more rounds.
@Suite("Bodies at random")
struct ClientStressTests {
    /// What one round is, told to the server by the path.
    private struct Round: Sendable {
        enum Form: Int, Sendable { case length, chunks, close }
        enum Reader: Int, Sendable { case body, stream, cancelled, closed, cut, reset }

        let seed: UInt64
        let form: Form
        let reader: Reader
        let size: Int

        init(seed: UInt64) {
            var numbers = Numbers(seed: seed)
            self.seed = seed
            form = Form(rawValue: numbers.below(3))!
            // Half of them come to their end.
            reader = Reader(rawValue: numbers.below(2) == 0 ? numbers.below(2) : numbers.below(6))!
            // Around what buffers hold.
            let edges = [0, 1, 16_384, 65_536, 131_072, 262_144, 327_680, 524_288]
            let edge = edges[numbers.below(edges.count)] + numbers.below(5) - 2
            size = numbers.below(4) == 0 ? numbers.below(1 << 20) : max(0, edge)
        }

        var path: String { "/\(seed)" }
    }

    /// Pieces of 1 byte to 200 000, mostly small or around a power of two.
    private static func piece(_ numbers: inout Numbers, of rest: Int) -> Int {
        let kinds = [1 + numbers.below(50), 1 + numbers.below(20_000), 16_384, 65_536, 1 + numbers.below(200_000)]
        return min(rest, kinds[numbers.below(kinds.count)])
    }

    /// Answers as the round says, now and then after a moment: the reader must wait for some pieces and not for others.
    private static func answer(_ round: Round, _ connection: RawConnection) -> Bool {
        var numbers = Numbers(seed: round.seed ^ 0x5eed)
        switch round.form {
        case .length: connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(round.size)\r\n\r\n")
        case .chunks: connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        case .close: connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        }
        let isShort = round.reader == .cut || round.reader == .reset
        let end = isShort ? round.size / 2 : round.size
        var sent = 0
        while sent < end {
            let count = piece(&numbers, of: end - sent)
            let bytes = Array(Blocks.one[sent..<sent + count])
            switch (round.form, numbers.below(2)) {
            case (.chunks, 0):
                connection.send(Array("\(String(count, radix: 16))\r\n".utf8) + bytes + [13, 10])
            case (.chunks, _):
                connection.send("\(String(count, radix: 16))\r\n")
                connection.send(bytes)
                connection.send("\r\n")
            default: guard connection.send(bytes) else { return false }
            }
            sent += count
            if numbers.below(4) == 0 { usleep(UInt32(numbers.below(300))) }
        }
        if isShort {
            if round.reader == .reset {
                var how = linger(l_onoff: 1, l_linger: 0)
                setsockopt(
                    connection.descriptor, SOL_SOCKET, SO_LINGER, &how, socklen_t(MemoryLayout<linger>.size))
            }
            return false
        }
        if round.form == .chunks { connection.send("0\r\n\r\n") }
        return round.form != .close
    }

    /// Compares what came with the beginning of what was sent.
    private static func problem(_ round: Round, _ check: BlockCheck, _ error: ClientError?) -> String? {
        let what = "seed \(round.seed), \(round.form), \(round.reader), \(check.count) of \(round.size) bytes"
        if !check.isRight { return "\(what): other bytes" }
        switch round.reader {
        case .body, .stream:
            return error == nil && check.count == round.size ? nil : "\(what): \(error.map { "\($0)" } ?? "no error")"
        case .cancelled, .closed:
            return error == nil || error?.kind == .cancelled || error?.kind == .abandoned ? nil : "\(what): \(error!)"
        case .cut:
            // A body up to the close has no length that it could fall short of.
            if check.count != round.size / 2 { return "\(what): not all that came" }
            let isWhole = round.form == .close || round.form == .length && round.size == 0
            return (error?.kind == .closed) == !isWhole ? nil : "\(what): \(error.map { "\($0)" } ?? "no error")"
        case .reset:
            return check.count <= round.size / 2 ? nil : "\(what): more than was sent"
        }
    }

    /// Now at once, now after others, now after a while.
    @LoopActor
    private static func pause(_ numbers: inout Numbers) async throws {
        switch numbers.below(12) {
        case 0..<6: break
        case 6..<10: for _ in 0...numbers.below(4) { await Task.yield() }
        default: try await LoopClock.monotonic.sleep(for: Double(numbers.below(3)) / 1000)
        }
    }

    @LoopActor
    private static func readBody(_ pool: ClientPool, _ url: String, _ round: Round) async throws -> String? {
        var numbers = Numbers(seed: round.seed ^ 0xb0d7)
        var check = BlockCheck()
        // So many bytes are read before it is left.
        let enough = round.reader == .cancelled ? numbers.below(round.size + 1) : .max
        do throws(ClientError) {
            let response = try await pool.get(url)
            while check.count < enough, let piece = try await response.body.next() {
                check.add(piece)
                try? await pause(&numbers)
            }
        } catch {
            return problem(round, check, error)
        }
        return problem(round, check, nil)
    }

    /// Reads without waiting; the descriptor is read when the loop has had its turn.
    @LoopActor
    private static func readStream(_ pool: ClientPool, _ url: String, _ round: Round) async throws -> String? {
        var numbers = Numbers(seed: round.seed ^ 0x57e4)
        var check = BlockCheck()
        let enough = round.reader == .closed ? numbers.below(round.size + 1) : .max
        do throws(ClientError) {
            let stream = try await pool.stream(ClientRequest(.get, url))
            let descriptor = stream.takeDescriptor()
            defer { close(descriptor) }
            var block = [UInt8](repeating: 0, count: 1 << 18)
            while check.count < enough {
                let count = read(descriptor, &block, 1 + numbers.below(block.count))
                if count == 0 { break }
                if count > 0 { check.add(Array(block[..<count])) }
                if count < 0 { try? await LoopClock.monotonic.sleep(for: 0.0005) }
                try? await pause(&numbers)
            }
            if round.reader == .closed { stream.close() }
            try await stream.ended()
        } catch {
            return problem(round, check, error)
        }
        return problem(round, check, nil)
    }

    @Test("pieces of all sizes, with pauses, cancels, cuts and resets: every byte, and an end")
    func pieces() throws {
        let seed = getenv("WEIR_SEED").flatMap { UInt64(String(cString: $0)) } ?? UInt64.random(in: .min ... .max)
        let rounds = 400 * scale
        let server = RawServer { connection in
            while let head = connection.head() {
                let path = head.split(separator: " ")[1].dropFirst()
                guard Self.answer(Round(seed: UInt64(path)!), connection) else { return }
            }
        }
        defer { server.close() }
        try withPoolAlone({ $0.connections = 16 }) { pool in
            var numbers = Numbers(seed: seed)
            let readers = (0..<16).map { _ in Numbers(seed: numbers.next()) }.map { own in
                spawn { () -> [String] in
                    var numbers = own
                    var problems: [String] = []
                    for _ in 0..<rounds / 16 {
                        let round = Round(seed: numbers.next())
                        let url = server.url(round.path)
                        let isStream = round.reader == .stream || round.reader == .closed || round.seed % 3 == 0
                        let problem =
                            try await round.reader != .cancelled && isStream
                            ? Self.readStream(pool, url, round) : Self.readBody(pool, url, round)
                        if let problem { problems.append(problem) }
                    }
                    return problems
                }
            }
            for reader in readers {
                let problems = try await reader.value
                #expect(problems == [], "WEIR_SEED=\(seed)")
            }
            #expect(pool.metrics.running == 0)
            #expect(pool.metrics.requests == UInt64(rounds / 16 * 16))
        }
    }
}

/// Numbers that a seed decides (SplitMix64).
private struct Numbers {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
}
