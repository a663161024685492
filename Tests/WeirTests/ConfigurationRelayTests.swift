import Testing

@testable import Weir

@Suite struct ConfigurationRelayTests {
    private func problems(_ listen: String, _ url: String) throws -> [String] {
        try load("listen: \"\(listen)\"\nlive: { stations: [{ name: x, source: { kind: http, url: \"\(url)\" } }] }\n")
            .lines
    }

    @Test func `a station that pulls from itself is refused`() throws {
        let said = [
            "weir.yml:2:58: live.stations[0].source.url: leads to the station itself; expected the URL of another stream"
        ]
        #expect(try problems("127.0.0.1:8080", "http://127.0.0.1:8080/live/x") == said)
        #expect(try problems("127.0.0.1:8080", "http://localhost:8080/live/x.wav?warm=1") == said)
        #expect(try problems("[::1]:8080", "http://[::1]:8080/live/x.pcm") == said)
        #expect(try problems("127.0.0.1:80", "http://me:word@127.0.0.1/live/x") == said)
    }

    @Test func `what only looks like itself is not`() throws {
        for (listen, url) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8081/live/x"), ("127.0.0.1:8080", "http://127.0.0.1:8080/live/xy"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080/live/y"), ("127.0.0.1:0", "http://127.0.0.1/live/x"),
            ("127.0.0.1:8080", "https://127.0.0.1:8080/live/x"), ("unix:/run/weir.sock", "http://127.0.0.1/live/x"),
        ] {
            #expect(try problems(listen, url) == [], "\(url)")
        }
    }
}
