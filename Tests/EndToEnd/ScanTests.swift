import Glibc
import Testing

@Suite("Scanning", .ownThread)
struct ScanTests {
    static func scan(_ file: String) throws -> JSON {
        let result = try Peer.run([Daemon.program, "scan", file, "--json"])
        guard result.exit == .code(0), let json = JSON(result.text) else { throw Failure(result.errors) }
        return json
    }

    @Test(
        "agrees with ffprobe on streams, clock and key frames", .enabled(if: Peer.has("ffmpeg", "ffprobe")),
        arguments: [
            (["-c:v", "mpeg2video", "-c:a", "mp2"], 188, ["MPEG-2", "MPEG-1"]),
            (["-c:v", "libx264", "-c:a", "ac3", "-mpegts_m2ts_mode", "1"], 192, ["H.264", "AC-3"]),
        ])
    func truth(_ options: [String], _ stride: Int, _ codecs: [String]) throws {
        let scratch = try Scratch()
        let file = scratch.path + "/x.ts"
        try Self.encode(file, options)
        let json = try Self.scan(file)
        let bytes = try Disk.read(file).count
        #expect(json["bytes"]?.integer == UInt64(bytes))
        #expect(json["packet_size"]?.integer == UInt64(stride))
        #expect(json["packets"]?.integer == UInt64(bytes / stride))
        for name in ["sync_losses", "continuity_errors", "skipped_bytes", "damaged_sections"] {
            #expect(json[name]?.integer == 0, "\(name)")
        }
        let streams = try #require(json["programs"]?[0]?["streams"]?.items)
        #expect(streams.compactMap { $0["codec"]?.text } == codecs)

        let probe = try Peer.demand(
            "ffprobe", "-v", "error", "-show_entries", "packet=pos,flags:format=duration", "-select_streams", "v",
            "-of", "csv=p=0", file)
        let lines = probe.text.split(separator: "\n").map { $0.split(separator: ",") }
        let duration = try #require(lines.compactMap { $0.count == 1 ? Double($0[0]) : nil }.last)
        let scanned = try #require(json["duration"]?.number)
        #expect(abs(scanned - duration) < 0.5, "\(scanned) and \(duration)")
        let bitrate = try #require(json["bitrate"]?.number)
        #expect(abs(bitrate / Self.rate - 1) < 0.01, "\(bitrate)")

        let keys = lines.filter { $0.count == 2 && $0[1].hasPrefix("K") }.compactMap { UInt64($0[0]) }
        // FFmpeg's position is before the four bytes of M2TS.
        let points = try #require(json["access_points"]?["points"]?.items)
        #expect(keys.count > 10)
        #expect(points.compactMap { $0["offset"]?.integer } == keys.map { $0 + UInt64(stride - 188) })
    }

    /// Bits a second.
    static let rate = 3_000_000.0

    /// Eight seconds with a key frame every half second, and sound, at a constant rate: the clock's is the file's.
    static func encode(_ file: String, _ options: [String]) throws {
        let source = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=8"]
        let tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=8"]
        let command = ["ffmpeg", "-v", "error"] + source + tone + ["-g", "12"] + options
        let result = try Peer.run(command + ["-muxrate", "\(rate)", "-f", "mpegts", file])
        guard result.exit == .code(0) else { throw Failure(result.errors) }
    }

    @Test("ends with a report or an error whatever became of a file", .enabled(if: Peer.has("ffmpeg")))
    func mutants() throws {
        let scratch = try Scratch()
        try Self.encode(scratch.path + "/x.ts", ["-c:v", "mpeg2video", "-c:a", "mp2"])
        let whole = try Disk.read(scratch.path + "/x.ts")
        var state: [UInt16] = [3, 13, 1000]
        func random(_ below: Int) -> Int { below > 0 ? nrand48(&state) % below : 0 }
        var reports = 0
        let count = Pace.scale > 1 ? 1000 : 30
        for number in 0..<count {
            let start = random(whole.count)
            var file = Array(whole[start..<min(whole.count, start + random(400_000))])
            // Damaged in up to a hundred places, or everywhere.
            for _ in 0..<(number % 10 == 0 ? file.count / 50 : random(100)) where !file.isEmpty {
                let at = random(file.count)
                switch random(4) {
                case 0: file[at] = UInt8(random(256))
                case 1: file[at] = 0x47
                case 2: file.removeSubrange(at..<min(file.count, at + random(400)))
                default: file.insert(contentsOf: file[at..<min(file.count, at + random(400))], at: random(at))
                }
            }
            try Disk.write(scratch.path + "/mutant.ts", file)
            let result = try Peer.run([Daemon.program, "scan", scratch.path + "/mutant.ts", "--json"])
            if result.exit == .code(0) {
                let packets = try #require(JSON(result.text)?["packets"]?.integer, "mutant \(number)")
                #expect(packets <= file.count / 188, "mutant \(number)")
                reports += 1
            } else {
                #expect(result.exit == .code(1) && !result.errors.isEmpty, "mutant \(number): \(result)")
            }
        }
        #expect(reports > count / 3, "\(reports) reports")
    }

    @Test("reads a pipe as it reads a file")
    func pipe() throws {
        let scratch = try Scratch()
        let file = scratch.path + "/x.ts"
        let stream = Packets.nulls(3000)
        try Disk.write(file, stream)
        let fromFile = try Peer.run([Daemon.program, "scan", file])
        let fromPipe = try Peer.run([Daemon.program, "scan", "-"], input: stream)
        #expect(fromFile.exit == .code(0) && fromPipe.exit == .code(0))
        #expect(fromPipe.text == fromFile.text.replacing(file, with: "standard input"))
        #expect(fromPipe.text.contains("564 000 bytes, 3 000 packets"))
    }

    @Test("reports what a live pipe has given when it is interrupted")
    func interrupted() throws {
        let process = try Process([Daemon.program, "scan", "-"], input: .pipe)
        defer { process.end() }
        try process.write(Packets.nulls(2000))
        // What was written wakes it, so it sleeps when it has read everything.
        try eventually("the scan waits for more") {
            let status = try Disk.text("/proc/\(process.pid)/stat")
            return status.split(separator: ")").last?.hasPrefix(" S") == true ? true : nil
        }
        #expect(process.signal(SIGINT))
        #expect(try process.waitForExit() == .code(0))
        #expect(process.state.text.contains("2 000 packets"))
    }

    @Test("ends quietly when nobody reads its report")
    func nobodyReads() throws {
        let scratch = try Scratch()
        let file = scratch.path + "/x.ts"
        try Disk.write(file, Packets.nulls(5000))
        let result = try Peer.run(["sh", "-c", "\"$0\" scan \"$1\" --json | head -c 10", Daemon.program, file])
        #expect(result.exit == .code(0))
        #expect(result.text == "{\"file\":\"/" && result.errors.isEmpty)
        let closed = try Peer.run(["sh", "-c", "\"$0\" scan \"$1\" >&-", Daemon.program, file])
        #expect(closed.errors.isEmpty)
    }

    @Test(
        "needs as little memory for a long stream as for a short one", .disabled(if: Pace.isSanitized))
    func memory() throws {
        let process = try Process([Daemon.program, "scan", "-"], input: .pipe)
        defer { process.end() }
        let stream = Packets.nulls(20_000)
        func resident() throws -> Int {
            let status = try Disk.text("/proc/\(process.pid)/status").split(separator: "\n")
            let line = try #require(status.first { $0.hasPrefix("VmHWM:") })
            return try #require(line.split(separator: " ").compactMap { Int($0) }.first) * 1024
        }
        try process.write(stream)
        let before = try resident()
        for _ in 0..<20 * Pace.scale { try process.write(stream) }
        let after = try resident()
        process.closeInput()
        #expect(try process.waitForExit() == .code(0))
        #expect(after - before < 1 << 20, "\(before) and \(after)")
    }

    @Test("is measured by weir bench ts, on data where it must find every packet")
    func bench() throws {
        let result = try Peer.run([Daemon.program, "bench", "ts", "--json"], within: 4 * Pace.patience)
        #expect(result.exit == .code(0), "\(result.errors)")
        let results = try #require(JSON(result.text)?["results"]?.items)
        #expect(results.compactMap { $0["name"]?.text } == ["locked", "events", "search", "one_shot"])
        for result in results {
            let rate = try #require(result["gigabytes_per_second"]?.number)
            #expect(rate > 0)
        }
        let refused = try Peer.run([Daemon.program, "bench", "ts", "--fast"])
        #expect(refused.exit == .code(2))
    }

    @Test("shows what docs/scan.md shows", .enabled(if: Peer.has("ffmpeg")))
    func document() throws {
        let scratch = try Scratch()
        let parts = #filePath.split(separator: "/").dropLast(3)
        let document = try Disk.text("/" + parts.joined(separator: "/") + "/docs/scan.md")
        let blocks = document.split(separator: "```", omittingEmptySubsequences: false)
        let example = try #require(blocks.first { $0.contains("$ weir scan clip.ts\n") })
        let lines = example.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let command = try #require(lines.first { $0.hasPrefix("$ ffmpeg ") }?.dropFirst(2))
        let start = try #require(lines.firstIndex(of: "$ weir scan clip.ts"))
        let place = "cd '\(scratch.path)' && "
        try Peer.demand("sh", "-c", place + command)
        let scanned = try Peer.demand("sh", "-c", place + "'\(Daemon.program)' scan clip.ts")
        // Another encoder gives other numbers.
        #expect(Self.shape(scanned.text) == Self.shape(lines[(start + 1)...].joined(separator: "\n")))
    }

    /// A text with one `0` for each number, and single spaces.
    static func shape(_ text: String) -> [String] {
        text.split(separator: "\n").map { line in
            var shape = ""
            for character in line {
                let sign: Character = "0123456789.".contains(character) ? "0" : character
                if (sign == "0" || sign == " ") && shape.last == sign { continue }
                if sign == "0", shape.hasSuffix("0 ") { shape.removeLast() } else { shape.append(sign) }
            }
            return shape.replacing("kbit", with: "Mbit")
        }
    }
}

/// Packets without a programme.
enum Packets {
    /// Null packets, ISO/IEC 13818-1 2.4.1.
    static func nulls(_ count: Int) -> [UInt8] {
        let packet: [UInt8] = [0x47, 0x1F, 0xFF, 0x10] + [UInt8](repeating: 0xFF, count: 184)
        return Array(repeatElement(packet, count: count).joined())
    }
}
