import Glibc
import Testing

/// Players as people have them: what they decoded is looked at, not how they ended.
@Suite("Players", .ownThread)
struct PlayerTests {
    /// Seconds that each plays.
    private static let seconds = 3

    /// A tone as PCM, a film as a transport stream, and the same tone as raw bytes of an MP3.
    private func run(_ body: (Daemon) throws -> Void) throws {
        let film = try Film.shared.get()
        try Daemon.run(
            """
            live:
              stations:
                - { name: tone, source: { kind: tone } }
                - { name: tv, format: ts, source: { kind: file, path: "\(film)", loop: true } }
                - name: mp3
                  format: raw
                  source:
                    kind: exec
                    command: [ffmpeg, -v, error, -re, -f, lavfi, -i, "sine=f=440:r=44100", -b:a, 128k, -f, mp3, "-"]

            """
        ) { weir in
            for name in ["tone", "tv", "mp3"] { try weir.wait(name, is: "live") }
            try body(weir)
        }
    }

    private func url(_ weir: Daemon, _ target: String) -> String { "http://127.0.0.1:\(weir.port)\(target)" }

    /// Expects so many seconds of s16le, and in most tenths of a second of its first channel one of `frequencies`, in
    /// Hz, each of them somewhere: a player that is late may leave something out.
    private func expect(
        _ frequencies: [Double], in samples: [UInt8], rate: Int, channels: Int, atLeast seconds: Double
    ) {
        let frame = 2 * channels
        let count = samples.count / frame
        #expect(Double(count) / Double(rate) >= seconds, "\(count) frames at \(rate) Hz")
        let length = rate / 10
        var heard: [Double: Int] = [:]
        for start in stride(from: 0, through: count - length, by: length) {
            let values = (start..<start + length).map { index in
                Int16(bitPattern: UInt16(samples[index * frame]) | UInt16(samples[index * frame + 1]) << 8)
            }
            // A sine goes through zero twice in a period.
            let crossings = Double(zip(values, values.dropFirst()).filter { ($0 < 0) != ($1 < 0) }.count)
            if let found = frequencies.first(where: { abs($0 / 5 - crossings) <= 2 }) { heard[found, default: 0] += 1 }
        }
        let known = heard.values.reduce(0, +)
        #expect(Double(known) > 0.6 * Double(count / length), "\(heard) tenths of \(count / length)")
        #expect(Set(heard.keys) == Set(frequencies), "\(heard)")
    }

    /// As the film and the MP3 have it.
    private static let sine = [440.0]

    // MARK: FFmpeg

    @Test(
        "FFmpeg decodes .wav, .ts and the raw route", .enabled(if: Peer.has("ffmpeg")),
        arguments: ["/live/tone.wav", "/live/tv.ts", "/live/tv", "/live/mp3"])
    func ffmpeg(target: String) throws {
        try run { weir in
            let result = try Peer.demand(
                "ffmpeg", "-nostdin", "-v", "error", "-i", url(weir, target), "-t", "\(Self.seconds)", "-vn", "-f",
                "s16le",
                "-ac", "2", "-ar", "48000", "-")
            if target == "/live/tone.wav" {
                #expect(result.output.count == Self.seconds * 192_000)
                try Tones(result.output).check(atLeast: Self.seconds * 2 - 1)
            } else {
                expect(Self.sine, in: result.output, rate: 48000, channels: 2, atLeast: Double(Self.seconds) - 0.1)
            }
        }
    }

    // MARK: mpv

    /// A script in mpv says where it is; its sound and its pictures go into files.
    @Test(
        "mpv plays .wav, .ts and the raw route, and its time goes on", .enabled(if: Peer.has("mpv")),
        arguments: ["/live/tone.wav", "/live/tv.ts", "/live/tv", "/live/mp3"])
    func mpv(target: String) throws {
        try run { weir in
            let scratch = try Scratch()
            let script = "\(scratch.path)/time.lua"
            try Disk.write(
                script,
                """
                mp.observe_property("time-pos", "number", function(_, time)
                  if time then print(string.format("at %.3f", time)) end
                end)

                """.utf8)
            let result = try Peer.run(
                [
                    "mpv", "--no-config", "--vo=image", "--vo-image-outdir=\(scratch.path)", "--framedrop=no",
                    "--ao=pcm", "--ao-pcm-file=\(scratch.path)/sound",
                    "--ao-pcm-waveheader=no", "--audio-format=s16", "--audio-channels=stereo",
                    "--audio-samplerate=48000",
                    "--length=\(Self.seconds)", "--script=\(script)",
                    url(weir, target),
                ])
            #expect(result.exit == .code(0), "\(result.text.suffix(500)) \(result.errors)")
            let lines = result.text.split(whereSeparator: \.isNewline)
            let times = lines.compactMap { line -> Double? in
                guard let mark = line.firstRange(of: "] at ") else { return nil }
                return Double(line[mark.upperBound...].prefix { $0.isNumber || $0 == "." || $0 == "-" })
            }
            // At the very end mpv may say something that lies a little before.
            let span = (times.max() ?? 0) - (times.first ?? 0)
            #expect(times.count > 1 && span > 0, "\(times)")
            #expect(times.max() ?? 0 > Double(Self.seconds) - 0.7, "\(times.suffix(3))")
            let sound = try Disk.read("\(scratch.path)/sound")
            if target == "/live/tone.wav" {
                #expect(sound.count >= Self.seconds * 192_000 - 192_000 / 2)
                try Tones(sound).check(atLeast: Self.seconds * 2 - 2)
            } else {
                expect(Self.sine, in: sound, rate: 48000, channels: 2, atLeast: Double(Self.seconds) - 0.5)
            }
            if target.contains("tv") {
                let pictures = Disk.names(scratch.path).filter { $0.hasSuffix(".jpg") }.count
                #expect(pictures > Self.seconds * 25 * 7 / 10, "\(pictures) pictures")
            }
        }
    }

    // MARK: VLC

    /// VLC refuses to be root, and is the user `nobody` then, who may write into the directory.
    private func vlc(_ arguments: [String], in directory: String) throws -> Process {
        var command = ["env", "HOME=\(directory)", "XDG_RUNTIME_DIR=\(directory)", "cvlc"] + arguments
        if getuid() == 0 {
            guard chmod(directory, 0o777) == 0 else { throw Failure.system("chmod") }
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] + command
        }
        return try Process(command)
    }

    @Test(
        "VLC plays .wav, .ts and the raw route", .enabled(if: Peer.has("cvlc", "setpriv")),
        arguments: ["/live/tone.wav", "/live/tv.ts", "/live/tv", "/live/mp3"])
    func vlc(target: String) throws {
        try run { weir in
            let scratch = try Scratch()
            let hasPictures = target.contains("tv")
            let pictures =
                hasPictures
                ? [
                    "--vout=dummy", "--video-filter=scene", "--scene-format=png", "--scene-ratio=5",
                    "--scene-prefix=picture", "--scene-path=\(scratch.path)",
                ] : ["--no-video"]
            let sound = "\(scratch.path)/sound"
            let player = try vlc(
                [
                    "--no-one-instance", "--aout=afile", "--audiofile-file=\(sound)", "--no-audiofile-wav",
                    "--audiofile-format=s16",
                ] + pictures + [url(weir, target)], in: scratch.path)
            defer { player.end() }
            // The tone and what FAAD makes of AAC are stereo, the MP3 is not.
            let (rate, channels) = (target == "/live/tone.wav" ? 48000 : 44100, target == "/live/mp3" ? 1 : 2)
            let wanted = Self.seconds * rate * channels * 2
            try eventually("VLC has played \(Self.seconds) s, with pictures") { () -> Bool? in
                var status = stat()
                guard player.exit == nil else { throw Failure("VLC is gone: \(player.state.lines.suffix(5))") }
                let seen = Disk.names(scratch.path).filter { $0.hasPrefix("picture") }.count
                guard stat(sound, &status) == 0, status.st_size >= wanted else { return nil }
                return hasPictures && seen < Self.seconds * 5 / 2 ? nil : true
            }
            player.signal(SIGTERM)
            #expect(try player.waitForExit(60) == .code(0), "\(player.state.lines.suffix(5))")
            expect(
                target == "/live/tone.wav" ? Tones.frequencies : Self.sine, in: try Disk.read(sound), rate: rate,
                channels: channels, atLeast: Double(Self.seconds))
        }
    }

    // MARK: Titles

    @Test("a title arrives in FFmpeg and mpv while they play", .enabled(if: Peer.has("ffprobe", "mpv")))
    func titles() throws {
        try run { weir in
            func set(_ title: String) throws {
                let reply = try weir.request(
                    "POST", "/live/tone/metadata",
                    ["Authorization: Bearer \(try weir.token)", "Content-Type: application/json"],
                    body: "{\"title\": \"\(title)\"}")
                #expect(reply.status == 200)
            }
            try set("Eins")
            let tags = try Peer.demand(
                "ffprobe", "-v", "error", "-show_entries", "format_tags=StreamTitle", "-of", "csv=p=0",
                url(weir, "/live/tone.wav"))
            #expect(tags.text == "Eins\n")
            let scratch = try Scratch()
            try Disk.write(
                "\(scratch.path)/title.lua",
                """
                mp.observe_property("metadata/by-key/icy-title", "string", function(_, title)
                  if title then print("title <" .. title .. ">") end
                end)

                """.utf8)
            let mpv = try Process([
                "mpv", "--no-config", "--vo=null", "--ao=null", "--script=\(scratch.path)/title.lua",
                url(weir, "/live/tone.wav"),
            ])
            defer { mpv.end() }
            #expect(mpv.wait(60) { $0.text.contains("title <Eins>") ? true : nil } == true)
            try set("Zwei")
            #expect(mpv.wait(60) { $0.text.contains("title <Zwei>") ? true : nil } == true)
        }
    }
}
