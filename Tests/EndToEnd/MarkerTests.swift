import Glibc
import Testing

/// Where a transport stream does not go on as it was, it says so: every PID of it after a gap of the source, one for all to
/// a listener that skips.
@Suite("Markers in transport streams", .ownThread, .enabled(if: Peer.has("ffmpeg")))
struct MarkerTests {
    private static let password = "a-password-of-a-source"
    /// PAT, SDT, PMT, video, audio.
    private static let pids: UInt64 = 5

    private func run(ring: String, _ body: (Daemon, _ file: [UInt8], _ directory: String) throws -> Void) throws {
        let scratch = try Scratch()
        try ScanTests.encode(scratch.path + "/x.ts", ["-c:v", "mpeg2video", "-c:a", "mp2"])
        let file = try Disk.read(scratch.path + "/x.ts")
        try Daemon.run(
            """
            live:
              stations:
                - name: tv
                  format: ts
                  source: { kind: push, password: \(Self.password), stall_timeout: 1h }
                  ring: \(ring)
                  warm: { seconds: 0 }

            """
        ) { try body($0, file, scratch.path) }
    }

    private func sender(_ weir: Daemon) throws -> Client {
        let client = try weir.client()
        // source:a-password-of-a-source
        try client.send(
            "SOURCE /live/tv HTTP/1.0\r\nAuthorization: Basic c291cmNlOmEtcGFzc3dvcmQtb2YtYS1zb3VyY2U=\r\n\r\n")
        #expect(String(decoding: try client.receive(19), as: UTF8.self) == "HTTP/1.0 200 OK\r\n\r\n")
        return client
    }

    /// All that the only listener is sent until it has everything.
    private func hear(_ weir: Daemon, _ client: Client, upTo position: UInt64, _ what: String) throws -> [UInt8] {
        var heard: [UInt8] = []
        let id = try eventually(what) { () -> UInt64? in
            heard += client.take(1 << 20)
            let station = try weir.station("tv")
            guard let listener = station["listeners"]?[0], station["position"]?.integer ?? 0 >= position else {
                return nil
            }
            return listener["lag_bytes"]?.integer == 0 ? listener["id"]?.integer : nil
        }
        #expect(try weir.order("DELETE", "/live/tv/listeners/\(id)").status == 204)
        return heard + (try client.receiveAll())
    }

    /// What FFmpeg says of a file when it plays it.
    private func play(_ path: String, _ level: String) throws -> [Substring] {
        let played = try Peer.run(["ffmpeg", "-nostdin", "-v", level, "-i", path, "-f", "null", "-"])
        #expect(played.exit == .code(0))
        return played.errors.split(separator: "\n")
    }

    private func pid(_ packet: ArraySlice<UInt8>) -> Int {
        Int(packet[packet.startIndex + 1] & 0x1F) << 8 | Int(packet[packet.startIndex + 2])
    }

    /// An adaptation field alone, with discontinuity_indicator.
    private func isMarker(_ packet: ArraySlice<UInt8>) -> Bool {
        let at = packet.startIndex
        return packet[at + 3] & 0x30 == 0x20 && packet[at + 4] == 183 && packet[at + 5] & 0x80 != 0
    }

    @Test("a source that comes again: no counter jumps unannounced, and FFmpeg finds no packet corrupt")
    func restart() throws {
        // All of it is kept: nobody is skipped, however slow.
        try run(ring: "16MiB") { weir, file, directory in
            let first = try sender(weir)
            try first.send(file)
            try weir.wait("tv", hasHad: UInt64(file.count))
            let (client, _) = try weir.listen("/live/tv.ts")
            first.close()
            try weir.wait("tv", is: "idle")
            let second = try sender(weir)
            try second.send(file)
            let heard = try hear(
                weir, client, upTo: 2 * UInt64(file.count) + Self.pids * 188, "it has heard the second")
            let path = directory + "/heard.ts"
            try Disk.write(path, heard)
            let scan = try ScanTests.scan(path)
            #expect(scan["continuity_errors"]?.integer == 0 && scan["discontinuities"]?.integer == Self.pids)
            #expect(scan["sync_losses"]?.integer == 0 && scan["trailing_bytes"]?.integer == 0)
            #expect(try play(path, "debug").filter { $0.contains("Continuity check failed") } == [])
            #expect(try play(path, "warning").filter { $0.contains("corrupt") } == [])
            second.close()
        }
    }

    @Test("a listener that skips: one packet on the PCR's PID, and the counters of the others show the loss")
    func skip() throws {
        try run(ring: "1MiB") { weir, file, directory in
            let source = try sender(weir)
            let (early, late) = (188 * 3000, 188 * 14000)
            try source.send(Array(file[..<early]))
            try weir.wait("tv", hasHad: UInt64(early))
            let (client, _) = try weir.listen("/live/tv.ts", receiveBuffer: 4096)
            try source.send(Array(file[early..<late]))
            try eventually("it skips") {
                try weir.station("tv")["listeners"]?[0]?["skipped_bytes"]?.integer ?? 0 > 0 ? true : nil
            }
            try source.send(Array(file[late...]))
            let heard = try hear(weir, client, upTo: UInt64(file.count), "it has heard the rest")
            // None of it is in the log.
            #expect(try weir.station("tv")["position"]?.integer == UInt64(file.count))
            source.close()

            let path = directory + "/heard.ts"
            try Disk.write(path, heard)
            let scan = try ScanTests.scan(path)
            let clock = try #require(scan["programs"]?[0]?["pcr_pid"]?.integer)
            let skips = try skips(in: heard, of: file, clock: Int(clock))
            #expect(skips > 0)
            #expect(scan["discontinuities"]?.integer == UInt64(skips))
            #expect(scan["sync_losses"]?.integer == 0 && scan["trailing_bytes"]?.integer == 0)
            let jumps = try play(path, "debug").filter { $0.contains("Continuity check failed") }
            #expect(jumps.filter { $0.contains("pid \(clock) ") } == [])
        }
    }

    /// How often what was heard, behind the tables, goes on elsewhere in the file: each time at a picture, behind one marker.
    private func skips(in heard: [UInt8], of file: [UInt8], clock: Int) throws -> Int {
        func packets(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
            stride(from: 0, to: bytes.count - bytes.count % 188, by: 188).map { bytes[$0..<$0 + 188] }
        }
        let sent = packets(file)
        var (next, skips, markers) = (0, 0, 0)
        // What stands first is a table that was made for it, wherever the file has one.
        for packet in packets(heard).drop(while: { pid($0) != clock }) {
            if isMarker(packet) {
                markers += 1
                #expect(pid(packet) == clock)
                continue
            }
            if next == 0 || next == sent.count || sent[next] != packet {
                #expect(markers == 1 || next == 0)
                skips += next > 0 ? 1 : markers
                // A start of video.
                #expect(pid(packet) == clock && packet[packet.startIndex + 1] & 0x40 != 0)
                next = try #require(sent[next...].firstIndex(of: packet))
            } else {
                #expect(markers == 0, "a marker where nothing is lost")
            }
            (next, markers) = (next + 1, 0)
        }
        return skips
    }
}
