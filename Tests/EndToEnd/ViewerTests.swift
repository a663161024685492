import Glibc
import Testing

/// A short film with a key frame every second: H.264 and AAC, as encoders make it.
enum Film {
    static let seconds = 60

    /// Made once for all tests of a run.
    static let shared = Result { () throws -> String in
        let path = "\(Tool.root)/build/warm/film.ts"
        if Disk.exists(path) { return path }
        _ = try Tool.path("source")  // the directory
        try Peer.demand(
            "ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=\(seconds)", "-f", "lavfi",
            "-i", "sine=f=440:d=\(seconds)", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-keyint_min", "25",
            "-sc_threshold", "0", "-b:v", "800k", "-bf", "2", "-c:a", "aac", "-f", "mpegts", path + ".new")
        guard rename(path + ".new", path) == 0 else { throw Failure.system("rename") }
        return path
    }
}

/// FFmpeg as somebody who looks at a station.
enum Viewer {
    /// Joins, decodes so many pictures, and complains about nothing.
    static func watch(_ weir: Daemon, _ target: String = "/live/tv.ts", frames: Int) throws {
        let url = "http://127.0.0.1:\(weir.port)\(target)"
        let result = try Peer.run(
            ["ffmpeg", "-nostdin", "-v", "error", "-i", url, "-frames:v", "\(frames)", "-f", "null", "-"])
        #expect(result.exit == .code(0))
        #expect(result.errors == "", "what FFmpeg complains about at \(target)")
    }

    /// The kind of the first picture that is decoded.
    static func firstPicture(_ weir: Daemon, _ target: String = "/live/tv.ts") throws -> String {
        let result = try Peer.demand(
            "ffprobe", "-v", "error", "-select_streams", "v", "-read_intervals", "%+#1", "-show_entries",
            "frame=key_frame,pict_type", "-of", "csv=p=0", "http://127.0.0.1:\(weir.port)\(target)")
        // Side data, if there is any, has a place of its own behind.
        return String(result.text.prefix { !$0.isNewline }.prefix(3))
    }
}

/// What somebody sees who joins.
@Suite("Warm streams: viewers", .ownThread, .enabled(if: Peer.has("ffmpeg", "ffprobe")))
struct ViewerTests {
    private func station(_ source: String, _ body: (Daemon) throws -> Void) throws {
        var station = WarmStation(source: source)
        // At 1 Mbit/s: three seconds and more.
        station.settings = "warm: { seconds: 6 }"
        station.filled = 400_000
        try station.run { weir, _ in try body(weir) }
    }

    @Test("FFmpeg, started at any moment, decodes from a key frame on and complains of nothing")
    func moments() throws {
        let film = try Film.shared.get()
        let live = """
            ["ffmpeg", "-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", "\(film)", "-c", "copy", "-f", "mpegts", "-"]
            """
        try station("{ kind: exec, command: \(live), autostart: always }") { weir in
            var random = SystemRandomNumberGenerator()
            for round in 0..<(Pace.scale > 1 ? 100 : 4) {
                usleep(UInt32.random(in: 0..<700_000, using: &random))
                let target = "/live/tv.ts" + ["", "?warm=0", "?warm=max"][round % 3]
                if round % 4 == 3 {
                    #expect(try Viewer.firstPicture(weir, target) == "1,I")
                } else {
                    try Viewer.watch(weir, target, frames: 50)
                }
            }
        }
    }

    @Test("a file is a station, paced by its clock")
    func file() throws {
        let film = try Film.shared.get()
        try station("{ kind: file, path: \"\(film)\", loop: true, autostart: always }") { weir in
            let began = Pace.now
            let first = try #require(try weir.station("tv")["position"]?.integer)
            #expect(try Viewer.firstPicture(weir) == "1,I")
            try Viewer.watch(weir, frames: 50)
            let seconds = Double(Pace.now - began) / 1e9
            let rate = Double(try #require(try weir.station("tv")["position"]?.integer) - first) / seconds
            var status = stat()
            #expect(stat(film, &status) == 0)
            let whole = Double(status.st_size) / Double(Film.seconds)
            // What it was late with, less than a second of it, is made up for.
            #expect(rate * seconds <= whole * (seconds + 1.2), "\(rate) bytes a second of \(whole)")
            #expect(rate > 0)
        }
    }

    @Test("FFmpeg decodes across a source that is started anew")
    func across() throws {
        let film = try Film.shared.get()
        let live = """
            ["ffmpeg", "-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", "\(film)", "-c", "copy", "-f", "mpegts", "-"]
            """
        try station("{ kind: exec, command: \(live), autostart: always }") { weir in
            let watching = try Process([
                "ffmpeg", "-nostdin", "-v", "error", "-i", "http://127.0.0.1:\(weir.port)/live/tv.ts?warm=0",
                "-frames:v", "250", "-f", "null", "-",
            ])
            defer { watching.end() }
            try eventually("it listens") { try weir.station("tv")["listeners"]?.items?.isEmpty == false ? true : nil }
            sleep(2)
            let old = try #require(ProcessTable.children(of: weir.process.pid).first).pid
            kill(old, SIGKILL)
            // 250 pictures are ten seconds: both runs are among them.
            #expect(try watching.waitForExit() == .code(0))
            #expect(try weir.station("tv")["restarts"]?.integer == 1)
        }
    }
}
