import Glibc
import Testing

/// Restarts behind a socket that systemd's own tool opened and that somebody else keeps meanwhile.
@Suite("Socket activation", .ownThread, .enabled(if: Peer.has("systemd-socket-activate", "openssl", "curl")))
struct ActivationTests {
    /// A port that was free a moment ago.
    private func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                bind(descriptor, name, length) == 0 ? getsockname(descriptor, name, &length) : -1
            }
        }
        guard status == 0 else { throw Failure.system("bind") }
        return UInt16(bigEndian: name.sin_port)
    }

    private struct Asked {
        var answers = 0
        var failures: [String] = []
        var isOver = false
        var isDone = false
    }

    /// Asks again and again, until it is told to stop.
    private func keepAsking(_ ask: @escaping @Sendable () throws -> String) -> Monitor<Asked> {
        let asked = Monitor(Asked())
        onThread {
            while !asked.with({ $0.isOver }) {
                do {
                    let status = try ask()
                    asked.with { if status == "200" { $0.answers += 1 } else { $0.failures.append(status) } }
                } catch {
                    asked.with { $0.failures.append("\(error)") }
                }
            }
            asked.with { $0.isDone = true }
        }
        return asked
    }

    @Test("no connection is refused while it restarts, with TLS or without", arguments: [false, true])
    func restart(isSecure: Bool) throws {
        let scratch = try Scratch()
        let port = try freePort()
        var configuration = ""
        if isSecure {
            try TLSTests.make(scratch.path, name: "first")
            configuration = "tls: { certificate: \(scratch.path)/cert.pem, key: \(scratch.path)/key.pem }\n"
        }
        try Disk.write(scratch.path + "/weir.yml", configuration.utf8)
        try Disk.write(scratch.path + "/goes-on", "".utf8)
        // What systemd does: it keeps the socket, and starts the service whenever that has ended.
        let manager = "while [ -e \(scratch.path)/goes-on ]; do sh -c 'LISTEN_PID=$$ exec \"$@\"' sh \"$@\"; done"
        let process = try Process([
            "systemd-socket-activate", "-l", "127.0.0.1:\(port)", "sh", "-c", manager, "sh", Daemon.program, "serve",
            "--config", scratch.path + "/weir.yml", "--data", scratch.path + "/data",
        ])
        defer { process.end() }
        let url = "\(isSecure ? "https" : "http")://127.0.0.1:\(port)/live"
        try eventually("somebody listens") { (try? Client(port: port)) != nil ? true : nil }
        let asked = keepAsking {
            let result = try Peer.run([
                "curl", "-sS", "-k", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "60", url,
            ])
            return result.exit == .code(0) ? result.text : result.errors
        }
        var former: pid_t = 0
        func awaitAnswers() {
            let before = asked.with { $0.answers }
            _ = asked.wait(Deadline()) { $0.answers > before + 2 || !$0.failures.isEmpty ? true : nil }
        }
        func service() throws -> pid_t {
            try eventually("another has been started") {
                let pid = ProcessTable.children(of: process.pid).first?.pid
                return pid == former ? nil : pid
            }
        }
        for _ in 0..<(2 * Pace.scale) {
            awaitAnswers()
            former = try service()
            kill(former, SIGTERM)
        }
        awaitAnswers()
        let last = try service()
        asked.with { $0.isOver = true }
        #expect(asked.wait(Deadline()) { $0.isDone ? true : nil } == true)
        #expect(asked.with { $0.failures } == [])
        unlink(scratch.path + "/goes-on")
        kill(last, SIGTERM)
        #expect(try process.waitForExit() == .code(0), "\(process.state.lines)")
    }
}
