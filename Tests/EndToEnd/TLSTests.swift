import Glibc
import Testing

/// HTTPS as others see it: curl and OpenSSL's own client.
@Suite("TLS", .ownThread, .enabled(if: Peer.has("openssl", "curl")))
struct TLSTests {
    /// A certificate for 127.0.0.1, which is its own authority.
    static func make(_ directory: String, name: String) throws {
        try Peer.demand(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-keyout", "\(directory)/key.pem", "-out", "\(directory)/cert.pem", "-subj", "/CN=\(name)", "-addext",
            "subjectAltName=IP:127.0.0.1")
    }

    struct Scene {
        let weir: Daemon
        let directory: String
        let port: UInt16

        var certificate: String { directory + "/cert.pem" }
        func url(_ target: String) -> String { "https://127.0.0.1:\(port)\(target)" }

        func curl(_ target: String, _ options: [String] = []) throws -> Process {
            try Process(["curl", "-sS", "-N", "--cacert", certificate] + options + [url(target)])
        }

        func waitForListener() throws {
            try eventually("it listens") {
                try weir.station("pipe")["listeners"]?.items?.count == 1 ? true : nil
            }
        }

        func wait(hasSent bytes: Double) throws {
            try eventually("\(bytes) bytes are sent") {
                try weir.metrics()["weir_live_sent_bytes_total{station=\"pipe\"}"] == bytes ? true : nil
            }
        }

        /// What OpenSSL's client says about a handshake.
        func shake(_ options: String...) throws -> String {
            let result = try Peer.run(
                ["openssl", "s_client", "-connect", "127.0.0.1:\(port)", "-CAfile", certificate] + options, input: [])
            return result.text + result.errors
        }
    }

    /// A daemon that speaks HTTPS on one port and HTTP on another, with a station that the test plays.
    static func scene(
        slow: String = "{}", sent: String = "{}", _ body: (Scene, NamedPipe) throws -> Void
    ) throws {
        let scratch = try Scratch()
        let directory = scratch.path
        try make(directory, name: "first")
        let pipe = try NamedPipe(directory + "/pipe")
        try Daemon.run(
            """
            tls: { certificate: \(directory)/cert.pem, key: \(directory)/key.pem }
            live:
              stations:
                - name: pipe
                  source: { kind: fifo, path: \(pipe.path), stall_timeout: 1h }
                  ring: 256KiB
                  slow: \(slow)
                - name: sent
                  source: { kind: push, password: a-password-of-a-source, stall_timeout: 1h }
                  ring: 256KiB
                  slow: \(sent)
            """,
            options: ["--log-format", "json", "--log-level", "debug", "--listen", "http://127.0.0.1:0"]
        ) { weir in
            let text = weir.process.state.text
            let mark = try #require(text.firstRange(of: "page      https://127.0.0.1:"))
            let port = try #require(UInt16(text[mark.upperBound...].prefix { $0.isNumber }))
            try pipe.enter()
            try body(Scene(weir: weir, directory: directory, port: port), pipe)
        }
    }

    @Test("TLS 1.2 and 1.3 are spoken, older versions are not; the certificate checks out")
    func versions() throws {
        try Self.scene { scene, _ in
            let newest = try scene.shake("-alpn", "h2,http/1.1")
            #expect(newest.contains("TLSv1.3"))
            #expect(newest.contains("Verify return code: 0 (ok)"))
            #expect(newest.contains("ALPN protocol: http/1.1"))
            #expect(newest.contains("Compression: NONE"))
            #expect(try scene.shake("-tls1_2").contains("Protocol  : TLSv1.2"))
            for old in ["-tls1", "-tls1_1"] {
                let answer = try scene.shake(old, "-cipher", "ALL:@SECLEVEL=0")
                #expect(answer.contains("alert protocol version"), "\(old): \(answer)")
            }
            #expect(try scene.shake("-tls1_2", "-cipher", "AES128-SHA").contains("alert handshake failure"))
            let health = try Peer.demand("curl", "-sS", "--cacert", scene.certificate, scene.url("/health"))
            #expect(health.text.hasPrefix("{\"status\":"))
            let plain = try Peer.demand("curl", "-sS", "http://127.0.0.1:\(scene.port)/health")
            #expect(plain.text.contains("TLS_REQUIRED"))
        }
    }

    @Test("weir check reads certificate and key, and says what is wrong with which")
    func check() throws {
        let scratch = try Scratch()
        let directory = scratch.path
        try Self.make(directory, name: "first")
        try Disk.write(
            directory + "/weir.yml", "tls:\n  certificate: \(directory)/cert.pem\n  key: \(directory)/key.pem\n".utf8)
        func check() throws -> (exit: Process.Exit, text: String) {
            let result = try Peer.run([Daemon.program, "check", directory + "/weir.yml"])
            return (result.exit, result.text)
        }
        var answer = try check()
        #expect(answer.exit == .code(0))
        #expect(answer.text.contains("weir.yml: valid"))
        // The key of another certificate.
        let key = try Disk.read(directory + "/key.pem")
        try Self.make(directory, name: "second")
        try Disk.write(directory + "/key.pem", key)
        answer = try check()
        #expect(answer.exit == .code(1))
        let message =
            "weir.yml:3:8: tls.key: the file \"\(directory)/key.pem\" does not belong to the certificate; expected its key"
        #expect(answer.text.contains(message), "\(answer.text)")
        // One that is not there, and one that is no key.
        #expect(unlink(directory + "/key.pem") == 0)
        answer = try check()
        #expect(answer.exit == .code(1))
        let missing =
            "weir.yml:3:8: tls.key: the file \"\(directory)/key.pem\" cannot be read: No such file or directory"
        #expect(answer.text.contains(missing), "\(answer.text)")
        try Disk.write(directory + "/key.pem", "nothing".utf8)
        answer = try check()
        #expect(answer.exit == .code(1) && answer.text.contains("holds no private key; expected one in PEM"))
    }

    @Test("weir check warns of a certificate that has expired, and of one that nobody is shown")
    func warnings() throws {
        let scratch = try Scratch()
        let directory = scratch.path
        let tls = "tls: { certificate: \(directory)/cert.pem, key: \(directory)/key.pem }\n"
        try Self.make(directory, name: "first")
        func check(_ text: String) throws -> (exit: Process.Exit, text: String) {
            try Disk.write(directory + "/weir.yml", text.utf8)
            let result = try Peer.run([Daemon.program, "check", directory + "/weir.yml"])
            return (result.exit, result.text + result.errors)
        }
        #expect(try !check(tls).text.contains("warning"))
        let unused = try check("listen: [\"http://127.0.0.1:1\", \"unix:/run/weir.sock\"]\n" + tls)
        #expect(unused.exit == .code(0))
        #expect(unused.text.contains("tls.certificate: has no effect: no address in `listen` speaks HTTPS"))
        // One that is valid for this second.
        try Peer.demand(
            "openssl", "req", "-new", "-key", "\(directory)/key.pem", "-subj", "/CN=brief", "-out",
            "\(directory)/request.pem")
        try Peer.demand(
            "openssl", "x509", "-req", "-in", "\(directory)/request.pem", "-signkey", "\(directory)/key.pem", "-days",
            "0", "-out", "\(directory)/cert.pem")
        let expired = try eventually("it has expired") {
            let answer = try check(tls)
            return answer.text.contains("\"\(directory)/cert.pem\" expired at 20") ? answer : nil
        }
        #expect(expired.exit == .code(0), "it may be renewed before it starts")
    }

    @Test("a listener gets every frame, and an orderly end", arguments: ["", "?chunked=1"])
    func frames(query: String) throws {
        let frames = Frames(unit: 4)
        try Self.scene { scene, pipe in
            try pipe.write(frames.bytes(0, 16))
            try scene.weir.wait("pipe", is: "live")
            let curl = try scene.curl("/live/pipe\(query)")
            defer { curl.end() }
            try scene.waitForListener()
            for start in stride(from: 16, to: 200_016, by: 2000) {
                try pipe.write(frames.bytes(start, 2000))
                try scene.weir.wait("pipe", hasHad: UInt64((start + 2000) * 4))
            }
            try scene.wait(hasSent: 800_000)
            #expect(try scene.weir.end(SIGTERM) == .code(0))
            #expect(try curl.waitForExit() == .code(0), "\(curl.state.lines)")
            #expect(try frames.runs(curl.state.output) == [16..<200_016])
        }
    }

    @Test(
        "a listener that stopped reading is ended, and what it reads afterwards is whole frames",
        arguments: [
            ("{ timeout: 1 }", ["stalled", "lag"]), ("{ policy: disconnect, max_lag: 1s }", ["lag"]),
            ("{ policy: pause, timeout: 1 }", ["stalled", "lag"]),
        ])
    func stalled(slow: String, reasons: [String]) throws {
        let frames = Frames(unit: 4)
        try Self.scene(slow: slow) { scene, pipe in
            try pipe.write(frames.bytes(0, 16))
            try scene.weir.wait("pipe", is: "live")
            let curl = try scene.curl("/live/pipe")
            defer { curl.end() }
            try scene.waitForListener()
            kill(curl.pid, SIGSTOP)
            var next = 16
            let event = try eventually("it is ended") {
                try pipe.write(frames.bytes(next, 20_000))
                next += 20_000
                return scene.weir.events("listener left").first
            }
            #expect(reasons.contains(event["reason"] ?? ""))
            kill(curl.pid, SIGCONT)
            #expect(try curl.waitForExit() == .code(0), "\(curl.state.lines)")
            let runs = try frames.runs(curl.state.output)
            #expect(runs.first?.lowerBound == 16)
        }
    }

    @Test("SIGHUP: new connections see the new certificate, a listener goes on; a bad one changes nothing")
    func reload() throws {
        let frames = Frames(unit: 4)
        try Self.scene { scene, pipe in
            try pipe.write(frames.bytes(0, 16))
            try scene.weir.wait("pipe", is: "live")
            let curl = try scene.curl("/live/pipe")
            defer { curl.end() }
            try scene.waitForListener()
            try Self.make(scene.directory, name: "second")
            #expect(try scene.shake().contains("CN = first"))
            scene.weir.process.signal(SIGHUP)
            try scene.weir.event("certificate loaded")
            #expect(try scene.shake().contains("CN = second"))
            try Disk.write(scene.certificate, "nothing".utf8)
            scene.weir.process.signal(SIGHUP)
            #expect(try scene.weir.event("configuration not applied")["error"] == "1 error")
            let problem = try scene.weir.event("configuration")["problem"]
            #expect(problem?.hasSuffix("holds no certificate; expected one in PEM") == true, "\(problem ?? "none")")
            let answer = try Peer.run(["openssl", "s_client", "-connect", "127.0.0.1:\(scene.port)"], input: [])
            #expect((answer.text + answer.errors).contains("CN = second"))
            try pipe.write(frames.bytes(16, 10_000))
            try scene.wait(hasSent: 40_000)
            #expect(try scene.weir.end(SIGTERM) == .code(0))
            #expect(try curl.waitForExit() == .code(0))
            #expect(try frames.runs(curl.state.output) == [16..<10_016])
        }
    }
}
