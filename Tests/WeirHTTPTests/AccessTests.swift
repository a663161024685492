import Glibc
import Testing
import WeirLoop

@testable import WeirHTTP

@Suite("Access")
struct AccessTests {
    private static let token = "0123456789abcdef"

    @LoopActor
    private static func routes(_ router: Router) {
        router.get("/read") { _ in .text("read") }
        router.get("/secret", audience: .admin) { _ in .text("secret") }
        router.post("/change") { _ in .text("changed") }
    }

    private func withGuarded(
        _ change: (inout ServerOptions) -> Void = { _ in }, token: String? = AccessTests.token,
        _ body: @escaping @LoopActor (Server, UInt16) async throws -> Void
    ) throws {
        try withServer(change, adminToken: token, routes: Self.routes, body)
    }

    @Test("what changes anything needs the token, from loopback too")
    func token() throws {
        try withGuarded { server, port in
            for fields in [
                [], ["Authorization: Bearer wrong"], ["Authorization: Bearer 0123456789abcdeX"],
                ["Authorization: Bearer 0123456789abcde"], ["Authorization: Bearer"], ["Authorization: Basic x"],
                ["Authorization: Bearer 0123456789abcdef0"],
            ] {
                let lines = fields.map { $0 + "\r\n" }.joined()
                let answer = await ask(port, "POST /change HTTP/1.1\r\nHost: localhost\r\n\(lines)\r\n")
                #expect(answer.status == 401)
                #expect(answer.field("WWW-Authenticate") == "Bearer realm=\"weir\"")
                #expect(answer.text.contains("UNAUTHORIZED"))
            }
            #expect(await ask(port, get("/secret")).status == 401)
            #expect(await ask(port, "HEAD /secret HTTP/1.1\r\nHost: localhost\r\n\r\n", isHead: true).status == 401)
            #expect(server.counters.unauthorized == 9)
            let bearer = "Authorization: bearer \(Self.token)"
            #expect(await ask(port, post("/change", bearer)).text == "changed")
            #expect(await ask(port, get("/secret", bearer)).text == "secret")
            #expect(await ask(port, get("/secret", bearer)).field("Access-Control-Allow-Origin") == nil)
            #expect(await ask(port, get("/read")).text == "read")
        }
        try withGuarded(token: nil) { _, port in
            #expect(await ask(port, post("/change", "Authorization: Bearer ")).status == 401)
        }
    }

    @Test("a name that is not this server's is refused, whatever is asked")
    func hosts() throws {
        try withGuarded({ $0.allowedHosts = ["Radio.example.org:8080"] }) { server, port in
            func status(_ host: String) async -> Int {
                await ask(port, "GET /read HTTP/1.1\r\nHost: \(host)\r\n\r\n").status
            }
            for host in [
                "localhost", "LOCALHOST:99", "127.0.0.1:\(port)", "[::1]", "[::1]:80", "radio.example.org",
                "localhost.",
            ] {
                #expect(await status(host) == 200, "\(host)")
            }
            for host in [
                "evil.example", "evil.example:80", "127.0.0.1.evil.example", "127.0.0.2", "example.org",
                "localhost.evil",
            ] {
                #expect(await status(host) == 403, "\(host)")
            }
            #expect(server.counters.hostRefused == 6)
            // An absolute target that contradicts Host is malformed; one that agrees is a name like any other.
            #expect(await ask(port, "GET http://evil.example/read HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 400)
            #expect(
                await ask(port, "GET http://evil.example/read HTTP/1.1\r\nHost: evil.example\r\n\r\n").status == 403)
            #expect(await ask(port, "GET http://localhost/read HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200)
            // Nobody who has no Host is a browser.
            #expect(await ask(port, "GET /read HTTP/1.0\r\n\r\n").status == 200)
            #expect(await ask(port, "POST /change HTTP/1.1\r\nHost: evil.example\r\n\r\n").status == 403)
        }
        try withGuarded({ $0.allowedHosts = ["*"] }) { _, port in
            #expect(await ask(port, "GET /read HTTP/1.1\r\nHost: anything\r\n\r\n").status == 200)
        }
        try withGuarded({ $0.addresses = [.internet(host: "0.0.0.0", port: 0)] }) { _, port in
            // The address a connection came in on is a name of this server; another literal is not.
            #expect(await ask(port, "GET /read HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").status == 200)
            #expect(await ask(port, "GET /read HTTP/1.1\r\nHost: 0.0.0.0\r\n\r\n").status == 403)
            #expect(await ask(port, "GET /read HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n").status == 403)
        }
    }

    @Test("pages of other origins may read what anyone may, and nothing else")
    func origins() throws {
        try withGuarded { server, port in
            let bearer = "Authorization: Bearer \(Self.token)"
            let here = "Origin: http://localhost"
            for origin in ["http://evil.example", "null", "http://localhost:81", "https://localhost.evil", "file://"] {
                #expect(await ask(port, post("/change", bearer, "Origin: \(origin)")).status == 403, "\(origin)")
                #expect(await ask(port, get("/secret", bearer, "Origin: \(origin)")).status == 403, "\(origin)")
                #expect(await ask(port, get("/read", "Origin: \(origin)")).status == 200, "\(origin)")
            }
            #expect(server.counters.originRefused == 10)
            #expect(await ask(port, post("/change", bearer, here)).status == 200)
            #expect(await ask(port, get("/secret", bearer, here)).status == 200)

            let open = await ask(port, "OPTIONS /read HTTP/1.1\r\nHost: localhost\r\n\(here)\r\n\r\n")
            #expect(open.status == 204)
            #expect(open.field("Allow") == "GET, HEAD, OPTIONS")
            #expect(open.field("Access-Control-Allow-Origin") == "*")
            #expect(open.field("Access-Control-Allow-Methods") == "GET, HEAD")
            let closed = await ask(port, "OPTIONS /change HTTP/1.1\r\nHost: localhost\r\n\(here)\r\n\r\n")
            #expect(closed.field("Allow") == "POST, OPTIONS")
            #expect(closed.field("Access-Control-Allow-Origin") == nil)
            #expect(await ask(port, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 204)
            #expect(await ask(port, "OPTIONS /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 404)
        }
        try withGuarded({ $0.cors = "https://player.example" }) { _, port in
            let answer = await ask(port, get("/read"))
            #expect(answer.field("Access-Control-Allow-Origin") == "https://player.example")
            #expect(answer.field("Vary") == "Origin")
        }
        try withGuarded({ $0.cors = "" }) { _, port in
            #expect(await ask(port, get("/read")).field("Access-Control-Allow-Origin") == nil)
        }
    }

    @Test("the client behind a trusted proxy is who asks; what others forward is not believed")
    func forwarded() throws {
        for (trusted, expected) in [(["127.0.0.0/8"], "192.0.2.7"), ([], "127.0.0.1")] {
            try withServer(
                { $0.trustedProxies = trusted },
                routes: { router in
                    router.get("/who") { .text($0.remote.host) }
                }
            ) { _, port in
                #expect(await ask(port, get("/who", "X-Forwarded-For: 192.0.2.7")).text == expected)
            }
        }
    }

    @Test("a token file is made once, for its owner only, and read afterwards")
    func tokenFile() throws {
        var template = Array("/tmp/weir-token-XXXXXX".utf8CString)
        #expect(mkdtemp(&template) != nil)
        let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let path = directory + "/admin.token"
        defer {
            unlink(path)
            rmdir(directory)
        }
        #expect(throws: CoreError.noEntry) { try SecretFile.read(path) }
        let token = try SecretFile.readOrCreate(path)
        #expect(token.wholeMatch(of: /[0-9a-f]{64}/) != nil)
        #expect(try SecretFile.readOrCreate(path) == token)
        var info = stat()
        #expect(stat(path, &info) == 0)
        #expect(info.st_mode & 0o777 == 0o600)
        #expect(try SecretFile.generate() != token)
        try LoopFile.writeNow(path, Array("  given \nsecond line\n".utf8))
        #expect(try SecretFile.read(path) == "given")
        try LoopFile.writeNow(path, Array("\n".utf8))
        #expect(try SecretFile.read(path) == nil)
        #expect(chmod(path, 0o600) == 0)
        #expect(throws: SecretFile.Unusable.short(characters: 0)) { try SecretFile.readOrCreate(path) }
        try LoopFile.writeNow(path, Array("fifteen letters\n".utf8), mode: 0o600)
        let short = #expect(throws: SecretFile.Unusable.self) { try SecretFile.readOrCreate(path) }
        #expect(short?.description.contains("has 15 characters; expected 16 or more") == true)
        try LoopFile.writeNow(path, Array("sixteen letters!\n".utf8), mode: 0o600)
        #expect(try SecretFile.readOrCreate(path) == "sixteen letters!")
        for mode: mode_t in [0o640, 0o604, 0o620] {
            #expect(chmod(path, mode) == 0)
            let exposed = #expect(throws: SecretFile.Unusable.self) { try SecretFile.readOrCreate(path) }
            #expect(exposed?.description.contains("mode 0\(String(mode, radix: 8))") == true)
            #expect(exposed?.description.contains("expected 0600") == true)
        }
        #expect(throws: CoreError.noEntry) { try SecretFile.readOrCreate(directory + "/none/token") }
    }

    @Test("secrets compare equal only when they are")
    func comparison() {
        let secret = Array("secret".utf8)
        #expect(Access.equal(secret, secret))
        for other in ["", "s", "secreT", "secret ", "secretsecret", "SECRET"] {
            #expect(!Access.equal(Array(other.utf8), secret))
        }
        #expect(!Access.equal([], []))
    }
}
