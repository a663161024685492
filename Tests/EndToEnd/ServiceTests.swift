import Glibc
import Testing

/// Under a service manager: what it is told, and sockets that it opened.
@Suite("As a service", .ownThread)
struct ServiceTests {
    // MARK: Notifications

    @Test("it says when it serves, reloads and stops", arguments: [false, true])
    func notifications(isAbstract: Bool) throws {
        let scratch = try Scratch()
        let manager = try Notifications((isAbstract ? "@" : "") + scratch.path + "/notify")
        let one = "live: { stations: [{ name: a, source: { kind: tone } }] }\n"
        try Daemon.run(one, environment: ["NOTIFY_SOCKET": manager.name]) { weir in
            let started = try #require(manager.next())
            #expect(started == ["READY": "1", "STATUS": "1 station on 127.0.0.1:\(weir.port)"])
            for (text, message, status) in [
                (one.replacing("}]", with: "}, { name: b, source: { kind: tone } }]"), "applied", "2 stations on "),
                ("live: 1\n", "not applied", "The configuration was not applied: 1 error"),
            ] {
                let before = Pace.now / 1000
                try weir.reload(text, expecting: "configuration \(message)")
                let reloading = try #require(manager.next())
                #expect(reloading["RELOADING"] == "1")
                let time = try #require(reloading["MONOTONIC_USEC"].flatMap { UInt64($0) })
                #expect((before...Pace.now / 1000).contains(time))
                let ready = try #require(manager.next())
                #expect(ready["READY"] == "1")
                #expect(ready["STATUS"]?.hasPrefix(status) == true)
            }
            #expect(try weir.end(SIGTERM) == .code(0))
            #expect(manager.next()?["STOPPING"] == "1")
            #expect(manager.next(within: 0) == nil)
        }
    }

    @Test("the watchdog hears of every half of its time, and nothing while the loop hangs")
    func watchdog() throws {
        let scratch = try Scratch()
        let manager = try Notifications(scratch.path + "/notify")
        let environment = ["NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "400000"]
        let began = Pace.now
        try Daemon.run(environment: environment) { weir in
            for _ in 0..<4 {
                let message = try manager.next(with: "WATCHDOG")
                #expect(message == ["WATCHDOG": "1"])
            }
            // The first at once, three more by 200 ms each, and none earlier.
            let took = Double(Pace.now - began) / 1e9
            #expect(took > 0.55, "\(took) s")
            weir.process.signal(SIGSTOP)
            while manager.next(within: 0.3) != nil {}
            #expect(manager.next(within: 1) == nil, "a process that hangs says nothing")
            weir.process.signal(SIGCONT)
            _ = try manager.next(with: "WATCHDOG")
        }
        // One that is meant for another process.
        let other = ["WATCHDOG_PID": "1"].merging(environment) { $1 }
        try Daemon.run(environment: other) { _ in
            _ = try manager.next(with: "READY")
            #expect(manager.next(within: 0.8) == nil)
        }
    }

    @Test("a manager that is gone, or takes no message, holds nothing up, and misses nothing that counts")
    func noManager() throws {
        for name in ["/nowhere/notify", "nonsense", "@", String(repeating: "/x", count: 200)] {
            try Daemon.run(environment: ["NOTIFY_SOCKET": name, "WATCHDOG_USEC": "100000"]) { weir in
                try weir.wait("demo", is: "live")
            }
        }
        let scratch = try Scratch()
        let manager = try Notifications(scratch.path + "/notify")
        try Daemon.run(environment: ["NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "2000"]) { weir in
            // Its queue is full long before that.
            usleep(300_000)
            let health = try weir.get("/health")
            #expect(health.status == 200)
            try weir.reload()
            usleep(100_000)
            // Between the signs of life that fill it up.
            _ = try manager.next(with: "RELOADING")
            let ready = try manager.next(with: "READY")
            #expect(ready["STATUS"]?.hasPrefix("1 station") == true)
        }
    }

    @Test("children know nothing of it")
    func children() throws {
        let scratch = try Scratch()
        let manager = try Notifications(scratch.path + "/notify")
        let command = "env >\(scratch.path)/env.new; mv \(scratch.path)/env.new \(scratch.path)/env; exec sleep 1000"
        let listening = try listen()
        defer { close(listening.descriptor) }
        let process = try activate(
            [listening.descriptor], scratch.path,
            "live: { stations: [{ name: a, source: { kind: exec, command: [sh, -c, \"\(command)\"] } }] }",
            environment: ["NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "1000000", "LISTEN_FDNAMES": "http"])
        defer { process.end() }
        try eventually("the child has said what it knows") { Disk.exists(scratch.path + "/env") ? true : nil }
        let known = try Disk.text(scratch.path + "/env")
        #expect(known.contains("PATH="))
        for word in ["NOTIFY", "WATCHDOG", "LISTEN"] { #expect(!known.contains(word), "\(known)") }
        let child = try #require(ProcessTable.children(of: process.pid).first)
        // While a program is being loaded, it has its libraries open.
        try eventually("the child has nothing but its standard descriptors") {
            Disk.names("/proc/\(child.pid)/fd").sorted() == ["0", "1", "2"] ? true : nil
        }
    }

    // MARK: Sockets

    /// A socket that listens, as a service manager makes one.
    private func listen(_ address: UInt32 = 0x7F00_0001, port: UInt16 = 0) throws -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = address.bigEndian
        name.sin_port = port.bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                bind(descriptor, name, length) == 0 && Glibc.listen(descriptor, 1024) == 0
                    ? getsockname(descriptor, name, &length) : -1
            }
        }
        guard status == 0 else { throw Failure.system("listen") }
        return (descriptor, UInt16(bigEndian: name.sin_port))
    }

    /// Weir as systemd starts it: with sockets from descriptor 3 on, and their number for this very process.
    private func activate(
        _ sockets: [Int32], _ place: String, _ configuration: String = "", options: [String] = [],
        environment: [String: String] = [:], under tool: [String] = []
    ) throws -> Process {
        try Disk.write(place + "/weir.yml", configuration.utf8)
        let command =
            ["sh", "-c", "LISTEN_PID=$$ exec \"$@\"", "sh"] + tool
            + [Daemon.program, "serve", "--config", place + "/weir.yml", "--data", place + "/data"] + options
        return try Process(
            command, environment: ["LISTEN_FDS": "\(sockets.count)"].merging(environment) { $1 }, sockets: sockets)
    }

    private func started(_ process: Process) throws -> String {
        guard let text = process.wait(for: { $0.text.contains("token") ? $0.text : nil }) else {
            throw Failure("not started: \(process.state.lines)")
        }
        return text
    }

    private func ask(_ port: UInt16) throws -> Int {
        let client = try Client(port: port)
        try client.send("GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return try client.reply().status
    }

    @Test("a restart refuses no connection: they wait in the socket that the manager keeps")
    func restart() throws {
        let scratch = try Scratch()
        let socket = try listen()
        defer { close(socket.descriptor) }
        var process = try activate([socket.descriptor], scratch.path)
        #expect(try started(process).contains("http://127.0.0.1:\(socket.port)/\n"))

        // Somebody asks all the while.
        let port = socket.port
        let asked = Monitor((answers: 0, failures: [String](), isOver: false, isDone: false))
        onThread {
            while !asked.with({ $0.isOver }) {
                do {
                    let client = try Client(port: port)
                    try client.send("GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    let status = try client.reply().status
                    asked.with { state in
                        if status == 200 { state.answers += 1 } else { state.failures.append("\(status)") }
                    }
                } catch {
                    asked.with { $0.failures.append("\(error)") }
                }
            }
            asked.with { $0.isDone = true }
        }
        for _ in 0..<(3 * Pace.scale) {
            let before = asked.with { $0.answers }
            _ = asked.wait(Deadline()) { $0.answers > before + 5 ? true : nil }
            process.signal(SIGTERM)
            #expect(try process.waitForExit() == .code(0))
            // Nobody is there now.
            let waiting = try Client(port: port)
            try waiting.send("GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            process = try activate([socket.descriptor], scratch.path)
            #expect(try waiting.reply().status == 200)
        }
        asked.with { $0.isOver = true }
        #expect(asked.wait(Deadline()) { $0.isDone ? true : nil } == true)
        #expect(asked.with { $0.failures } == [])
        process.signal(SIGTERM)
        #expect(try process.waitForExit() == .code(0))
    }

    @Test(
        "with a certificate a socket that is handed over speaks HTTPS, unless `listen` says otherwise of its address",
        .enabled(if: Peer.has("openssl", "curl")))
    func secure() throws {
        let scratch = try Scratch()
        try TLSTests.make(scratch.path, name: "first")
        let (secure, plain) = (try listen(), try listen())
        defer {
            close(secure.descriptor)
            close(plain.descriptor)
        }
        let process = try activate(
            [secure.descriptor, plain.descriptor], scratch.path,
            """
            listen: http://127.0.0.1:\(plain.port)
            tls: { certificate: \(scratch.path)/cert.pem, key: \(scratch.path)/key.pem }
            """)
        defer { process.end() }
        let text = try started(process)
        #expect(text.contains(" https://127.0.0.1:\(secure.port)/\n"))
        #expect(text.contains(" http://127.0.0.1:\(plain.port)/\n"))
        #expect(try ask(plain.port) == 200)
        let answer = try Peer.demand(
            "curl", "-sS", "--cacert", scratch.path + "/cert.pem", "https://127.0.0.1:\(secure.port)/health")
        #expect(answer.text.hasPrefix("{\"status\":"))
    }

    @Test("systemd's own tool hands sockets over", .enabled(if: Peer.has("systemd-socket-activate")))
    func tool() throws {
        let scratch = try Scratch()
        let socket = try listen()
        close(socket.descriptor)
        let process = try Process([
            "systemd-socket-activate", "-l", "127.0.0.1:\(socket.port)", "-l", scratch.path + "/socket",
            "--fdname", "http:local", Daemon.program, "serve", "--data", scratch.path + "/data",
        ])
        defer { process.end() }
        // It starts with the first connection, which is the first to be answered.
        let status = try eventually("somebody listens") { () -> Int? in try? ask(socket.port) }
        #expect(status == 200)
        let text = try started(process)
        #expect(text.contains("http://127.0.0.1:\(socket.port)/\n") && text.contains("unix:\(scratch.path)/socket\n"))
        let peer = try Peer.run([
            "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", scratch.path + "/socket",
            "http://localhost/live",
        ])
        #expect(peer.text == "200", "\(peer.errors)")
        process.signal(SIGTERM)
        #expect(try process.waitForExit() == .code(0))
        #expect(Disk.exists(scratch.path + "/socket"), "its name is not Weir's to remove")
    }

    @Test("sockets are matched with `listen`, whose other addresses are opened beside them")
    func matched() throws {
        let scratch = try Scratch()
        let (first, second) = (try listen(), try listen())
        close(second.descriptor)
        defer { close(first.descriptor) }
        let process = try activate(
            [first.descriptor], scratch.path, "listen: [127.0.0.1:\(first.port), 127.0.0.1:\(second.port)]\n")
        defer { process.end() }
        let text = try started(process)
        #expect(text.split(separator: "\n").count { $0.contains("page") } == 2)
        for port in [first.port, second.port] { #expect(try ask(port) == 200) }
        process.signal(SIGTERM)
        #expect(try process.waitForExit() == .code(0))
    }

    @Test("a socket that covers an address of `listen` stands for it")
    func covered() throws {
        let scratch = try Scratch()
        let socket = try listen(0)
        defer { close(socket.descriptor) }
        let process = try activate(
            [socket.descriptor], scratch.path, "listen: 127.0.0.1:\(socket.port)\n",
            environment: ["WEIR_AUTH_ADMIN_TOKEN": "a-token-of-sufficient-length"])
        defer { process.end() }
        _ = process.wait { $0.text.contains("page") ? true : nil }
        #expect(try ask(socket.port) == 200)
        process.signal(SIGTERM)
        #expect(try process.waitForExit() == .code(0))
    }

    @Test("a public socket without a token, and what is no socket that listens, are refused")
    func refused() throws {
        let scratch = try Scratch()
        let open = try listen(0)
        let datagrams = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        let file = Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC)
        defer { for descriptor in [open.descriptor, datagrams, file] { close(descriptor) } }
        for (descriptor, words) in [
            (open.descriptor, "no admin token"), (datagrams, "no stream socket"), (file, "no stream socket"),
        ] {
            let process = try activate([descriptor], scratch.path)
            #expect(try process.waitForExit() == .code(1))
            #expect(process.state.lines.contains { $0.contains(words) }, "\(process.state.lines)")
        }
        for count in ["65", "-1", "x", "99999999999999999999"] {
            let process = try activate([open.descriptor], scratch.path, environment: ["LISTEN_FDS": count])
            #expect(try process.waitForExit() == .code(1))
            #expect(process.state.lines.contains { $0.contains("LISTEN_FDS is") })
        }
        // Of another process, and no descriptor at all.
        let other = try Process(
            [Daemon.program, "serve", "--listen", "127.0.0.1:0", "--data", scratch.path + "/data"],
            environment: ["LISTEN_PID": "1", "LISTEN_FDS": "1"], sockets: [open.descriptor])
        defer { other.end() }
        _ = try started(other)
    }
}
