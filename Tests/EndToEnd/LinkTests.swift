import Testing

/// Stations that are heard with a signed link.
@Suite("Signed links", .ownThread)
struct LinkTests {
    private let configuration = """
        live:
          stations:
            - { name: members, access: signed, source: { kind: tone } }
            - { name: other, access: signed, source: { kind: tone } }
            - { name: open, source: { kind: tone } }
        """

    private func link(_ weir: Daemon, _ path: String, _ expires: String = "1h") throws -> String {
        let text = try Peer.demand(Daemon.program, "link", path, "--expires", expires, "--data", weir.data).text
        return String(text.dropLast())
    }

    @Test("a link opens the station that it was signed for, until it has expired, and no other")
    func links() throws {
        try Daemon.run(configuration) { weir in
            #expect(try Disk.mode(weir.data + "/link-key") == 0o600)
            for name in ["members", "other", "open"] { try weir.wait(name, is: "live") }
            let good = try link(weir, "/live/members.wav")
            let listener = try weir.listen(good + "&warm=1s")
            #expect(String(decoding: try listener.client.receive(4), as: UTF8.self) == "RIFF")
            #expect(try weir.request("HEAD", good).status == 200)
            #expect(try weir.listen("/live/open.wav").head.status == 200)

            let query = good.drop { $0 != "?" }
            for (target, code) in [
                ("/live/members.wav", "LINK_REQUIRED"), ("/live/other.wav\(query)", "LINK_INVALID"),
                ("/live/members.pcm\(query)", "LINK_INVALID"), (good.replacing("exp=1", with: "exp=2"), "LINK_INVALID"),
                (String(good.dropLast()), "LINK_INVALID"), (good + "&exp=1", "LINK_INVALID"),
            ] {
                let reply = try weir.get(target)
                #expect(reply.status == 403 && reply.code == code, "\(target)")
                #expect(try weir.request("HEAD", target).status == 403, "\(target)")
            }

            // It began in time: it goes on.
            let brief = try link(weir, "/live/members.wav", "2")
            let client = try weir.listen(brief).client
            try eventually("it has expired") { try weir.request("HEAD", brief).status == 403 ? true : nil }
            #expect(try weir.get(brief).code == "LINK_EXPIRED")
            _ = client.take(1 << 20)
            #expect(try client.receive(96_000).count == 96_000)

            let admin = try weir.order("HEAD", "/live/members.wav")
            #expect(admin.status == 200)
            // What the log says of links is of no use to whoever reads it.
            let signature = try #require(good.split(separator: "=").last)
            #expect(!weir.process.state.lines.contains { $0.contains(signature) })
            #expect(weir.events("access").contains { $0["target"]?.hasSuffix("&sig=-") == true })
        }
    }

    @Test("the key is changed without a link that ends: the former one's are valid while it is configured")
    func rotation() throws {
        let (first, second) = ("the-first-key-of-all", "the-second-key-of-all")
        func auth(_ keys: String) -> String { "auth: { \(keys) }\n" + configuration }
        try Daemon.run(auth("link_key: \(first)")) { weir in
            func sign() throws -> String {
                let text = try Peer.demand(
                    Daemon.program, "link", "/live/members.wav", "--expires", "1h", "--config", weir.configuration
                ).text
                return String(text.dropLast())
            }
            func status(_ link: String) throws -> Int { try weir.request("HEAD", link).status }
            try weir.wait("members", is: "live")
            let old = try sign()
            let (client, _) = try weir.listen(old)
            try weir.reload(auth("link_key: \(second), former_link_key: \(first)"))
            let new = try sign()
            #expect(new != old)
            #expect(try status(old) == 200 && status(new) == 200)
            #expect(try status(old.replacing("members", with: "other")) == 403)
            try weir.reload(auth("link_key: \(second)"))
            #expect(try status(old) == 403 && status(new) == 200)
            #expect(try weir.get(old).code == "LINK_INVALID")
            // Who listens goes on.
            _ = client.take(1 << 20)
            #expect(try client.receive(96_000).count == 96_000)
            #expect(try weir.disconnects("members").isEmpty)
        }
    }

    @Test("nothing but the path and the time is signed: a link serves any range, encoding and order, and nothing else")
    func replays() throws {
        try Daemon.run(configuration) { weir in
            try weir.wait("members", is: "live")
            let good = try link(weir, "/live/members.wav")
            let parts = good.split { "?&".contains($0) }.map(String.init)
            for same in [
                good, "\(parts[0])?\(parts[2])&\(parts[1])", good.replacing("/members", with: "/%6dembers"),
                good.replacing("sig=", with: "%73ig="),
            ] { #expect(try weir.request("HEAD", same, ["Range: bytes=0-9"]).status == 200, "\(same)") }
            // Methods that a link has no say in.
            for (method, target) in [
                ("POST", good), ("DELETE", good), ("PUT", good), ("POST", "/live/members/stop?\(parts[1])&\(parts[2])"),
            ] {
                let status = try weir.request(method, target, body: "x").status
                #expect([401, 405, 409].contains(status), "\(method) \(target): \(status)")
            }
            for (other, expected) in [
                ("/live/members.ts", 403), ("/live/members", 403), ("/live/members.wav/", 404),
                ("/live/./members.wav", 400), ("/live/members.wav%00", 400), ("/live%2fmembers.wav", 400),
                ("/live/members.wav%2e", 403), ("//live/members.wav", 404), ("/live/members%252ewav", 403),
            ] {
                let reply = try weir.get("\(other)?\(parts[1])&\(parts[2])")
                #expect(reply.status == expected || reply.status == 404, "\(other): \(reply.status)")
            }
            try weir.wait("members", is: "live")
            // In no way of writing it does the log show what could be used.
            let signature = try #require(good.split(separator: "=").last)
            try weir.event("access") { $0["target"]?.hasPrefix("//live") == true }
            #expect(!weir.process.state.lines.contains { $0.contains(signature) })
        }
    }

    @Test("any program with the key can sign", .enabled(if: Peer.has("openssl")))
    func openssl() throws {
        let key = "a key with spaces is none".replacing(" ", with: "-")
        try Daemon.run("auth: { link_key: \(key) }\n" + configuration) { weir in
            try weir.wait("members", is: "live")
            let script =
                "printf '/live/members\\n4000000000' | openssl dgst -sha256 -hmac \(key) -binary | base64 |"
                + " tr '+/' '-_' | tr -d '=\\n'"
            let signature = try Peer.demand("sh", "-c", script).text
            let (client, _) = try weir.listen("/live/members?exp=4000000000&sig=\(signature)")
            #expect(try client.receive(4096).count == 4096)
            #expect(!Disk.exists(weir.data + "/link-key"), "a key is configured")
        }
    }
}
