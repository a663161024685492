import Testing
import WeirHTTP
import WeirLive
import WeirLoop

@testable import Weir

/// `weir link`, and stations that ask for one.
@Suite struct LinkTests {
    static let key = "a-key-of-some-length"

    private func run(_ words: [String], environment: [String: String] = [:]) -> (Int32, String, String) {
        let recording = Recording()
        let code = Program.run(["link"] + words, environment: environment, console: recording.console)
        return (code, recording.output, recording.errors)
    }

    @Test func aLinkIsSignedWithTheKeyThatIsConfigured() throws {
        let (code, output, errors) = run(
            ["/live/vinyl.wav", "--expires", "1h"], environment: ["WEIR_AUTH_LINK_KEY": Self.key])
        #expect(code == 0 && errors.isEmpty)
        let match = try #require(output.wholeMatch(of: /\/live\/vinyl\.wav\?exp=([0-9]+)&sig=[A-Za-z0-9_-]{43}\n/))
        let expires = try #require(UInt64(match.1))
        let now = UInt64(WallClock.now) / 1_000_000_000
        #expect((now + 3500...now + 3600).contains(expires))
        #expect(SignedLink.make(for: "/live/vinyl.wav", key: Self.key, expires: expires)! + "\n" == output)
    }

    @Test func theDaemonsOwnKeyIsFoundInItsDirectory() throws {
        let directory = try TemporaryDirectory()
        _ = try directory.write("link-key", "0123456789abcdef\n")
        let link = run(["/live/a", "--expires", "60", "--data", directory.path])
        #expect(link.0 == 0)
        let file = try directory.write("weir.yml", "data: \(directory.path)\n")
        #expect(run(["/live/a", "--expires", "60", "--config", file]).0 == 0)
        // One that others may read is of no use.
        _ = try directory.write("link-key", "0123456789abcdef\n", mode: 0o644)
        let exposed = run(["/live/a", "--expires", "60", "--data", directory.path])
        #expect(exposed.0 == 1 && exposed.2.contains("mode 0644"))
    }

    @Test func withoutAKeyThereIsNoLinkAndNoKeyIsMade() throws {
        let directory = try TemporaryDirectory()
        let (code, output, errors) = run(["/live/a", "--expires", "60", "--data", directory.path])
        #expect(code == 1 && output.isEmpty)
        #expect(errors.contains("\(directory.path)/link-key: there is no link key"))
        #expect(throws: CoreError.noEntry) { try SecretFile.read("\(directory.path)/link-key") }
    }

    @Test(arguments: [
        ([], "missing PATH"), (["/a"], "missing --expires TIME"),
        (["/a", "--expires", "soon"], "\"soon\" is not a time"),
        (["/a", "--expires", "0"], "\"0\" is not a time"), (["/a", "--expires", "1e30"], "is not a time"),
        (["/a", "--expires", "99999999999h"], "is not a time"), (["live", "--expires", "60"], "\"live\" is no path"),
        (["/a?exp=1", "--expires", "60"], "is no path"),
    ])
    func wrongUsageIsRefused(words: [String], message: String) {
        let (code, output, errors) = run(words, environment: ["WEIR_AUTH_LINK_KEY": Self.key])
        #expect(code == 2 && output.isEmpty && errors.contains(message), "\(errors)")
    }

    @Test func aConfigurationWithErrorsIsReported() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("weir.yml", "lisen: x\n")
        let (code, _, errors) = run(["/a", "--expires", "60", "--config", file])
        #expect(code == 1 && errors.contains("1 error in the configuration"))
    }

    @Test func aSignedStationIsHeardByWhoeverHasALink() throws {
        try EngineTests().withEngine(
            {
                var signed = StationOptions.demo
                signed.name = "members"
                signed.access = .signed
                $0.stations = [signed, .demo]
            }, linkKey: Self.key
        ) { engine, port in
            let now = UInt64(WallClock.now) / 1_000_000_000
            func link(_ target: String, _ expires: UInt64) -> String {
                SignedLink.make(for: target, key: Self.key, expires: expires)!
            }
            try await until { engine.stations.all.allSatisfy { $0.state == .live } }
            let good = link("/live/members.wav", now + 60)
            for method in ["GET", "HEAD"] {
                for (target, status, code) in [
                    (good, 200, ""), (good + "&warm=1s", 200, ""), ("/live/demo.wav", 200, ""),
                    ("/live/members.wav", 403, "LINK_REQUIRED"),
                    ("/live/members.wav?warm=1s", 403, "LINK_REQUIRED"),
                    (link("/live/members.wav", now - 1), 403, "LINK_EXPIRED"),
                    (link("/live/demo.wav", now + 60).replacing("demo", with: "members"), 403, "LINK_INVALID"),
                    (good.replacing(".wav", with: ".pcm"), 403, "LINK_INVALID"), (good + "0", 403, "LINK_INVALID"),
                    ("/stream.wav", 403, "LINK_REQUIRED"), (link("/stream.wav", now + 60), 200, ""),
                    ("/live/none.wav", 404, "NO_STATION"),
                ] {
                    let reply = await EngineTests.ask(method, target, port, limit: 400)
                    #expect(reply.status == status, "\(method) \(target)")
                    if method == "GET", !code.isEmpty { #expect(reply.text.contains("\"\(code)\""), "\(target)") }
                }
                let admin = await EngineTests.ask(
                    method, "/live/members.wav", port, fields: EngineTests.admin, limit: 400)
                #expect(admin.status == 200)
                let wrong = ["Authorization: Bearer x"]
                #expect(await EngineTests.ask(method, "/live/members.wav", port, fields: wrong).status == 403)
            }
            #expect(engine.stations["members"]!.counters.joined == 4)
        }
    }
}
