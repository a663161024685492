import CWeir
import Glibc
import Testing
import WeirHTTP

@testable import Weir

@Suite struct ScanTests {
    static let small = StreamMaker(pictures: 50)

    /// What the command makes of a file with these bytes.
    static func scan(_ bytes: [UInt8], _ options: String...) throws -> (code: Int32, output: String, errors: String) {
        let directory = try TemporaryDirectory()
        let file = try directory.write("x.ts", bytes)
        let recording = Recording()
        let code = Program.run(["scan", file] + options, environment: [:], console: recording.console)
        return (code, recording.output, recording.errors.replacing(file, with: "x.ts"))
    }

    static func report(_ bytes: [UInt8]) throws -> ScanReport {
        let directory = try TemporaryDirectory()
        let read = try Scan.read(directory.write("x.ts", bytes))
        #expect(read.failure == nil)
        return read.report
    }

    @Test func countsAreThoseOfTheStream() throws {
        let report = try Self.report(Self.small.bytes)
        #expect(report.counters.bytes == UInt64(Self.small.bytes.count))
        #expect(report.counters.packets == UInt64(Self.small.count))
        #expect(report.counters.skipped == 0 && report.counters.losses == 0 && report.counters.continuity == 0)
        #expect(report.trailing == 0)
        #expect(
            Dictionary(uniqueKeysWithValues: report.pids.map { ($0.pid, Int($0.core.packets)) }) == Self.small.packets)
        #expect(report.pids.map(\.pid) == [0, StreamMaker.video, StreamMaker.audio, StreamMaker.pmt])
        #expect(report.pids.map(\.role.kind) == ["psi", "video", "audio", "psi"])
        #expect(report.pids.map { Int($0.core.pcrs) } == [0, 50, 0, 0])
        let lock = try #require(report.locks.first)
        #expect(report.locks.count == 1 && lock.from == 0 && lock.to == nil && lock.stride == 188)
    }

    @Test func programmesAreThoseOfTheTables() throws {
        let report = try Self.report(Self.small.bytes)
        let program = try #require(report.programs.first)
        #expect(report.programs.count == 1)
        #expect(program.number == 1 && program.pmt == StreamMaker.pmt && program.version == 0)
        let pcr = try #require(program.pcr)
        #expect(pcr == StreamMaker.video)
        #expect(program.streams.map(\.pid) == [StreamMaker.video, StreamMaker.audio])
        #expect(program.streams.map(\.codec.name) == ["H.264", "AAC"])
        #expect(report.counters.sections == 10 && report.counters.bad_sections == 0)
    }

    @Test func durationBitrateAndAccessPointsFollowTheClock() throws {
        let maker = Self.small
        let report = try Self.report(maker.bytes)
        let seconds = try #require(report.duration)
        #expect(abs(seconds - 49.0 / 25) < 1e-9)
        // From the packet of the first clock reference to that of the last: 49 pictures, and 8 tables between.
        let bitrate = try #require(report.bitrate)
        #expect(abs(bitrate - Double(49 * 7 + 8) * 188 * 8 / (49.0 / 25)) < 1)
        #expect(report.accessPoints.map { Int($0.packet) } == maker.access)
        #expect(report.accessPoints.allSatisfy { $0.offset == $0.packet * 188 && $0.pid == StreamMaker.video })
        #expect(report.accessPoints.allSatisfy { $0.reason == "indicator" })
        let access = try #require(report.access.first)
        #expect(report.access.count == 1 && access.points == 5)
        let interval = try #require(access.interval)
        #expect(abs(interval.mean - 0.4) < 1e-9 && abs(interval.longest - 0.4) < 0.041)
    }

    @Test(arguments: [(4, 0, 192), (0, 16, 204)])
    func paddedPacketsAreFound(before: Int, after: Int, size: UInt32) throws {
        let maker = Self.small
        let report = try Self.report(maker.padded(before: before, after: after))
        #expect(report.counters.packets == UInt64(maker.count))
        let lock = try #require(report.locks.first)
        #expect(lock.stride == size && lock.from == UInt64(before))
        #expect(report.accessPoints.map { Int($0.packet) } == maker.access)
        #expect(report.accessPoints.map { Int($0.offset) } == maker.access.map { $0 * Int(size) + before })
    }

    @Test func whatLiesBeforeBetweenAndAfterIsSaid() throws {
        let stream = Self.small.bytes
        let cut = 100 * 188
        let bytes =
            [UInt8](repeating: 0x11, count: 1000) + stream[..<cut] + [UInt8](repeating: 0x22, count: 5000)
            + stream[cut...]
            + [0x47, 0x33, 0x33]
        let report = try Self.report(bytes)
        #expect(report.counters.packets == UInt64(Self.small.count))
        #expect(report.counters.losses == 1 && report.locks.count == 2)
        #expect(report.locks.map { Int($0.from) } == [1000, 1000 + cut + 5000])
        #expect(report.trailing == 3)
        let text = try Self.scan(bytes).output
        #expect(text.contains("  sync losses  1 loss; 6 000 bytes skipped\n"), "\(text)")
        #expect(text.contains("  lock         at byte 1 000\n"), "\(text)")
        #expect(text.contains("lost at byte 19 800, found at 24 800\n"), "\(text)")
        #expect(text.contains("  end          3 bytes of an unfinished packet\n"), "\(text)")
    }

    @Test func aLongHoleDoesNotEndTheReport() throws {
        let stream = Self.small.bytes
        let report = try Self.report(stream + [UInt8](repeating: 0, count: 3 << 20) + stream)
        #expect(report.counters.packets == UInt64(2 * Self.small.count))
        #expect(report.locks.map { Int($0.from) } == [0, stream.count + 3 << 20])
        #expect(report.accessPoints.count == 10 && report.programs.count == 1)
        let seconds = try #require(report.duration)
        #expect(abs(seconds - 2 * 49.0 / 25) < 1e-9)
    }

    @Test func missingPacketsAreContinuityErrors() throws {
        let stream = Self.small.bytes
        // The second and the third packet of the first picture.
        let report = try Self.report(Array(stream[..<(3 * 188)] + stream[(5 * 188)...]))
        #expect(report.counters.continuity == 1)
        #expect(report.pids.first { $0.pid == StreamMaker.video }?.core.continuity == 1)
        #expect(try Self.scan(Array(stream[..<(3 * 188)] + stream[(5 * 188)...])).output.contains("1 error\n"))
    }

    @Test func theTextIsAlignedAndSaysIt() throws {
        let scanned = try Self.scan(Self.small.bytes)
        #expect(scanned.code == 0 && scanned.errors.isEmpty)
        let lines = scanned.output.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0].hasSuffix("x.ts: MPEG transport stream"))
        #expect(lines[1] == "  size         67 680 bytes, 360 packets")
        #expect(lines.contains("programme 1: PMT 4096 version 0, clock 256"))
        #expect(lines.contains("  256  video  H.264"))
        #expect(
            lines.contains { $0.hasPrefix("   256  0x0100      300  83.33 %") && $0.hasSuffix("H.264 video, clock") })
        #expect(lines.contains("access points of 256: 5, every 0.40 s, at most 0.40 s apart"))
        #expect(!lines.contains { $0.hasSuffix(" ") || $0.count > 100 })
    }

    @Test func jsonHoldsTheSame() throws {
        let scanned = try Self.scan(Self.small.bytes, "--json")
        #expect(scanned.code == 0 && scanned.errors.isEmpty)
        #expect(scanned.output.last == "\n" && !scanned.output.dropLast().contains("\n"))
        for member in [
            "\"bytes\":67680,\"packet_size\":188,\"lock_offset\":0,\"duration\":1.96,",
            "\"packets\":360,\"sync_losses\":0,", "\"locks\":[{\"from\":0,\"to\":null,\"packet_size\":188}]",
            "{\"pid\":256,\"type\":27,\"kind\":\"video\",\"codec\":\"H.264\"}",
            "\"access_points\":{\"count\":5,\"is_complete\":true,",
            "\"points\":[{\"packet\":2,\"offset\":376,\"pid\":256,\"seconds\":0,\"by\":\"indicator\"},",
        ] { #expect(scanned.output.contains(member), "\(member) in \(scanned.output)") }
    }

    @Test func whatIsNoTransportStreamFailsAndSaysWhatItLooksLike() throws {
        let page = Array("<!DOCTYPE html><html><body>Not found</body></html>".utf8)
        for bytes in [page, page + [UInt8](repeating: 0x20, count: 2 << 20)] {
            let scanned = try Self.scan(bytes)
            #expect(scanned.code == 1 && scanned.output.isEmpty)
            #expect(scanned.errors == "weir scan: x.ts: not a transport stream: looks like a web page\n")
        }
        let zeros = try Self.scan([UInt8](repeating: 0, count: 5000))
        #expect(zeros.code == 1)
        #expect(zeros.errors == "weir scan: x.ts: not a transport stream: no run of 5 packets in 4.9 KiB\n")
        let empty = try Self.scan([], "--json")
        #expect(empty.code == 1 && empty.output.isEmpty)
        #expect(empty.errors == "weir scan: x.ts: empty; expected an MPEG transport stream\n")
    }

    @Test func whatCannotBeReadFails() throws {
        let directory = try TemporaryDirectory()
        let nothing = Recording()
        let missing = directory.path + "/none.ts"
        #expect(Program.run(["scan", missing], environment: [:], console: nothing.console) == 1)
        #expect(nothing.errors == "weir scan: \(missing): no such file or directory\n")
        let recording = Recording()
        #expect(Program.run(["scan", directory.path], environment: [:], console: recording.console) == 1)
        #expect(recording.errors.hasSuffix(": a directory; expected a file, or - for standard input\n"))
        let odd = Recording()
        #expect(Program.run(["scan", "a\nb"], environment: [:], console: odd.console) == 1)
        #expect(odd.errors == "weir scan: \"a\u{FFFD}b\": no such file or directory\n")
        #expect(nothing.output.isEmpty && recording.output.isEmpty)
    }
}

/// Damaged streams are reported or refused, and the numbers add up.
@Suite struct ScanMutationTests {
    /// 60 files; `WEIR_SCALE` multiplies.
    static let rounds = 60 * max(1, getenv("WEIR_SCALE").flatMap { Int(String(cString: $0)) } ?? 1)

    /// One to eight damages: bytes changed, removed, doubled, moved, blanked, or replaced by sync bytes.
    static func mutate(_ original: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = original
        for _ in 0..<Int.random(in: 1...8, using: &generator) {
            let at = Int.random(in: 0...bytes.count, using: &generator)
            let long = Bool.random(using: &generator)
            let end = min(bytes.count, at + Int.random(in: 0...(long ? 20_000 : 200), using: &generator))
            switch Int.random(in: 0..<7, using: &generator) {
            case 0: for index in at..<end { bytes[index] = UInt8.random(in: 0...255, using: &generator) }
            case 1: bytes.removeSubrange(at..<end)
            case 2: bytes.insert(contentsOf: bytes[at..<end], at: at)
            case 3: for index in at..<end { bytes[index] = 0x47 }
            case 4: for index in at..<end { bytes[index] = 0 }
            case 5:
                let cut = Array(bytes[at..<end])
                bytes.removeSubrange(at..<end)
                bytes.insert(contentsOf: cut, at: Int.random(in: 0...bytes.count, using: &generator))
            default:
                // One bit in each of some headers.
                for index in stride(from: at - at % 188, to: end, by: 188) {
                    let place = index + Int.random(in: 0..<12, using: &generator)
                    if place < bytes.count { bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &generator) }
                }
            }
        }
        return bytes
    }

    @Test func damagedFilesAreReportedOrRefused() throws {
        let maker = StreamMaker(pictures: 120, sound: 2)
        let originals = [maker.bytes, maker.padded(before: 4, after: 0), maker.padded(before: 0, after: 16)]
        let seed: UInt64 = 0x5CA7
        var generator = SeededGenerator(state: seed)
        for round in 0..<Self.rounds {
            let bytes = Self.mutate(originals[round % originals.count], &generator)
            let name: Comment = "seed \(seed), round \(round)"
            for options in [[], ["--json"]] {
                let directory = try TemporaryDirectory()
                let recording = Recording()
                let words = try ["scan", directory.write("x.ts", bytes)] + options
                let code = Program.run(words, environment: [:], console: recording.console)
                #expect(code == (recording.output.isEmpty ? 1 : 0), name)
                #expect(recording.errors.isEmpty == (code == 0), name)
            }
            guard let report = try? ScanTests.report(bytes) else { continue }
            let counters = report.counters
            #expect(counters.bytes == UInt64(bytes.count), name)
            #expect(counters.packets == report.pids.reduce(0) { $0 + $1.core.packets }, name)
            #expect(counters.continuity == report.pids.reduce(0) { $0 + $1.core.continuity }, name)
            #expect(counters.access_points == UInt64(report.accessPoints.count), name)
            #expect(counters.locks == UInt64(report.locks.count), name)
            #expect(report.trailing <= counters.skipped, name)
            #expect(zip(report.locks, report.locks.dropFirst()).allSatisfy { $0.from < $1.from }, name)
        }
    }
}
