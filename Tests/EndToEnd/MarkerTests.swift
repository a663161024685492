import Glibc
import Testing

/// Where a transport stream does not go on as it was, every PID says so: a player finds nothing to complain of.
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
                - { name: tv, format: ts, source: { kind: push, password: \(Self.password), stall_timeout: 1h }, ring: \(ring) }

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

    /// What a scan and FFmpeg say of what was heard; returns the discontinuities that were announced.
    private func examine(_ heard: [UInt8], _ directory: String) throws -> UInt64 {
        let path = directory + "/heard.ts"
        try Disk.write(path, heard)
        let scan = try ScanTests.scan(path)
        #expect(scan["continuity_errors"]?.integer == 0)
        #expect(scan["sync_losses"]?.integer == 0 && scan["trailing_bytes"]?.integer == 0)
        let played = try Peer.run(["ffmpeg", "-nostdin", "-v", "debug", "-i", path, "-f", "null", "-"])
        #expect(played.exit == .code(0))
        let lines = played.errors.split(separator: "\n")
        #expect(lines.filter { $0.contains("Continuity check failed") } == [])
        return try #require(scan["discontinuities"]?.integer)
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
            #expect(try examine(heard, directory) == Self.pids)
            let played = try Peer.run(
                ["ffmpeg", "-nostdin", "-v", "warning", "-i", directory + "/heard.ts", "-f", "null", "-"])
            #expect(!played.errors.contains("corrupt"), "\(played.errors)")
            second.close()
        }
    }

    @Test("a listener that skips: every PID is announced to it alone")
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
            let announced = try examine(heard, directory)
            #expect(announced >= Self.pids)
            // None of it is in the log.
            #expect(try weir.station("tv")["position"]?.integer == UInt64(file.count))
            source.close()
        }
    }
}
