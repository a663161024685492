import CWeir
import Glibc
import Testing
import WeirLoop

@Suite("The faces of the core")
struct FaceTests {
    private func pair() -> (Int32, Int32) {
        var ends: [Int32] = [0, 0]
        precondition(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0, &ends) == 0)
        return (ends[0], ends[1])
    }

    private func drain(_ descriptor: Int32) -> [UInt8] {
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(descriptor, &block, block.count)
            if count <= 0 { return bytes }
            bytes += block[..<count]
        }
    }

    @Test("a log keeps its last bytes, in whole units")
    func log() throws {
        try LoopActor.runInTurn {
            let log = try Log(capacity: 1000, unit: 4)
            #expect(log.capacity == 1000)
            log.append(Array(0..<10))
            #expect((log.head, log.written, log.tail) == (8, 10, 0))
            #expect(try log.bytes(from: 4, limit: 100) == [4, 5, 6, 7])
            #expect(log.trim() == 2)
            #expect(log.align(7) == 4)
            for _ in 0..<200 { log.append([1, 2, 3, 4, 5, 6, 7, 8]) }
            #expect(throws: CoreError.behind) { try log.bytes(from: 0, limit: 10) }
            #expect(try log.bytes(from: log.tail, limit: 5000).count == Int(log.head - log.tail))
            #expect(throws: CoreError.option) { try Log(capacity: 10, unit: 4) }
            log.close()
            log.close()
        }
    }

    @Test("listeners get the preamble and the stream; skips and ends come with their attachment and reason")
    func fanout() throws {
        try LoopActor.runInTurn { [self] in
            let clock = LoopClock.manual()
            let log = try Log(capacity: 4096, unit: 4)
            var options = Fanout.Options()
            options.byteRate = 1000
            let fanout = try Fanout(log: log, options: options, clock: clock)
            final class Attachment {}
            weak var kept: Attachment?
            var ends: [(Fanout.EndReason, String, Bool)] = []
            fanout.onEnd = { who, reason, error in
                ends.append((reason, who.label, who.attachment != nil && error == nil))
            }
            let (mine, theirs) = pair()
            let id = try {
                let attachment = Attachment()
                kept = attachment
                return try fanout.add(
                    descriptor: mine, preamble: Array("head".utf8), label: "peer", attachment: attachment)
            }()
            #expect(kept != nil)
            log.append(Array("abcdefgh12".utf8))
            fanout.published()
            clock.advance(by: 100_000_000)
            fanout.turn()
            #expect(drain(theirs) == Array("headabcdefgh".utf8))
            #expect(fanout.listeners.map(\.id) == [id])
            #expect(fanout.listeners.first?.label == "peer")
            #expect(fanout.listeners.first?.sentBytes == 8)
            #expect(fanout.count == 1)
            #expect(fanout.counters.joined == 1)
            #expect(fanout.lag.count > 0)
            #expect(fanout.listenerBytes > 0)
            try fanout.kick(id)
            #expect(throws: CoreError.noEntry) { try fanout.kick(id) }
            try await eventually { ends.count == 1 }
            #expect(ends.first?.0 == .kicked)
            #expect(ends.first?.1 == "peer")
            #expect(ends.first?.2 == true)
            #expect(kept == nil)
            #expect(fanout.counters.ended(.kicked) == 1)
            let (other, far) = pair()
            #expect(throws: CoreError.self) {
                try fanout.add(descriptor: other, position: 1, label: "x", attachment: Attachment())
            }
            _ = try fanout.add(descriptor: other, label: "last")
            await fanout.close()
            #expect(ends.last?.0 == .shutdown)
            #expect(fanout.isClosed)
            await fanout.close()
            log.close()
            close(theirs)
            close(far)
        }
    }

    @Test("the reasons have the names that logs and metrics use")
    func reasons() {
        #expect(Fanout.EndReason.allCases.map(\.name) == ["closed", "lag", "stalled", "kicked", "shutdown", "error"])
    }

    @Test("a descriptor's bytes go to the log, without their WAV header, and the end is told once")
    func source() throws {
        try LoopActor.runInTurn { [self] in
            let format = PCMFormat()
            let log = try Log(capacity: 65536, unit: 4)
            var found: [PCMFormat] = []
            var firsts = 0
            let (mine, theirs) = pair()
            let ended: CoreError? = await {
                var source: Source?
                let error = await withUnsafeContinuation { (done: UnsafeContinuation<CoreError?, Never>) in
                    source = try? Source(.descriptor(mine), log: log, fanout: nil, format: format) {
                        done.resume(returning: $0)
                    }
                    source?.onFormat = {
                        found.append($0)
                        return nil
                    }
                    source?.onFirst = { firsts += 1 }
                    var header = [UInt8](repeating: 0, count: Int(WEIR_WAV_HEADER_MAX))
                    var core = PCMFormat(rate: 44100).core
                    let length = Int(weir_wav_header(&core, &header))
                    let bytes = Array(header[..<length]) + Array(0..<100) + [1, 2]
                    #expect(write(theirs, bytes, bytes.count) == bytes.count)
                    close(theirs)
                }
                await source?.close()
                return error
            }()
            #expect(ended == nil)
            #expect(found == [PCMFormat(rate: 44100)])
            #expect(firsts == 1)
            #expect(try log.bytes(from: 0, limit: 200) == Array(0..<100))
            log.close()
        }
    }

    @Test("the tone keeps the clock's time, and stands still while it is held")
    func tone() throws {
        try LoopActor.runInTurn {
            let clock = LoopClock.manual()
            let log = try Log(capacity: 1 << 20, unit: 4)
            let source = try Source(.tone, log: log, fanout: nil, format: PCMFormat(), clock: clock) { _ in }
            for _ in 0..<50 {
                clock.advance(by: 20_000_000)
                source.turn()
            }
            #expect(abs(Int(log.head) - 192_000) <= 2 * 3840)
            source.hold(true)
            let before = log.head
            clock.advance(by: 1_000_000_000)
            #expect(log.head == before)
            source.hold(false)
            clock.advance(by: 20_000_000)
            source.turn()
            #expect(Int(log.head - before) <= 2 * 3840)
            await source.close()
            log.close()
        }
    }

    @Test("a child's output, its lines and how it ended")
    func child() throws {
        try LoopActor.runInTurn {
            var lines: [String] = []
            let script = "echo $WEIR_TEST; echo one >&2; echo two >&2; exit 3"
            let child = try await withCheckedThrowingContinuation {
                (done: CheckedContinuation<Child, any Error>) in
                final class Box { var child: Child? }
                let box = Box()
                do {
                    let child = try Child(["/bin/sh", "-c", script], environment: ["WEIR_TEST": "given"]) { _ in
                        done.resume(returning: box.child!)
                    }
                    box.child = child
                    child.onLine = { line, _ in lines.append(line) }
                } catch {
                    done.resume(throwing: error)
                }
            }
            #expect(child.exit == .status(3))
            #expect(lines == ["one", "two"])
            #expect(String(decoding: child.standardError, as: UTF8.self) == "one\ntwo\n")
            var bytes = [UInt8](repeating: 0, count: 100)
            let count = read(child.output, &bytes, 100)
            #expect(String(decoding: bytes.prefix(max(0, count)), as: UTF8.self) == "given\n")
            close(child.output)
            await child.close()
            #expect(throws: CoreError.noEntry) { try Child(["/nowhere/to/be/found"]) { _ in } }
            #expect(throws: CoreError.option) { try Child([]) { _ in } }

            let sleeper = try Child(["/bin/sleep", "1000"]) { _ in }
            let pid = try #require(sleeper.pid)
            await sleeper.close()
            #expect(kill(pid, 0) == -1 && errno == ESRCH)
            close(sleeper.output)
        }
    }

    @Test("the watchdog measures a stall")
    func watchdog() throws {
        try LoopActor.runInTurn {
            let watchdog = try Watchdog()
            try await LoopClock.monotonic.sleep(for: 0.001)
            watchdog.reset()
            try await LoopClock.monotonic.sleep(for: 0.001)
            let end = threadTime() + 20_000_000
            while threadTime() < end {}
            try await LoopClock.monotonic.sleep(for: 0.002)
            #expect(watchdog.wall.max >= 20_000_000)
            #expect(watchdog.cpu.max >= 20_000_000)
            watchdog.close()
            watchdog.close()
        }
    }

    @Test("a histogram that one records into oneself")
    func histogram() {
        var histogram = Histogram()
        for value in 1...1000 { histogram.record(UInt64(value)) }
        #expect(histogram.count == 1000)
        #expect(histogram.max == 1000)
        #expect((500...532).contains(histogram.quantile(0.5)))
        var other = Histogram()
        other.record(5000)
        histogram.merge(other)
        #expect((histogram.count, histogram.sum, histogram.max) == (1001, 505_500, 5000))
        histogram.reset()
        #expect(histogram.count == 0)
    }

    @Test("how often Swift is entered during a fan-out does not depend on the number of listeners")
    func entries() throws {
        func run(listeners: Int) throws -> UInt64 {
            try LoopActor.runInTurn { [self] in
                let log = try Log(capacity: 1 << 16, unit: 4)
                var options = Fanout.Options()
                options.window = 5_000_000
                let fanout = try Fanout(log: log, options: options)
                let source = try Source(.tone, log: log, fanout: fanout, format: PCMFormat()) { _ in }
                var ends: [Int32] = []
                for _ in 0..<listeners {
                    let (mine, theirs) = pair()
                    _ = try fanout.add(descriptor: mine, label: "")
                    ends.append(theirs)
                }
                // As long as it takes on a busy machine; each round enters for its own timer.
                var most: UInt64 = 0
                let end = LoopClock.monotonic.deadline(after: 240)
                while fanout.counters.writes < listeners * 20, LoopClock.monotonic.now < end {
                    let before = LoopActor.entries
                    try await LoopClock.monotonic.sleep(for: 0.1)
                    most = max(most, LoopActor.entries - before)
                }
                #expect(fanout.counters.writes >= listeners * 20)
                await source.close()
                await fanout.close()
                log.close()
                for descriptor in ends { close(descriptor) }
                return most
            }
        }
        let few = try run(listeners: 1)
        let many = try run(listeners: 200)
        #expect(few <= 4)
        #expect(many <= 4)
    }
}

/// Nanoseconds of CPU that the thread has had.
private func threadTime() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// Waits until the loop has made `condition` true; two minutes at most.
@LoopActor
private func eventually(_ condition: @LoopActor () -> Bool) async throws {
    let end = LoopClock.monotonic.deadline(after: 120)
    while !condition(), LoopClock.monotonic.now < end { try await LoopClock.monotonic.sleep(for: 0.001) }
    #expect(condition())
}
