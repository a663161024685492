import Glibc
import Testing

@Suite("The program", .ownThread)
struct CommandTests {
    func run(_ arguments: String...) throws -> Peer.Result { try Peer.run([Daemon.program] + arguments) }

    @Test("says its version")
    func version() throws {
        let result = try run("version")
        #expect(result.exit == .code(0))
        #expect(result.text.hasPrefix("weir "))
        #expect(result.text.contains("libuv"))
        #expect(result.errors.isEmpty)
    }

    @Test(
        "helps on standard output",
        arguments: [["--help"], ["serve", "--help"], ["check", "--help"], ["help", "serve"]])
    func help(_ words: [String]) throws {
        let result = try Peer.run([Daemon.program] + words)
        #expect(result.exit == .code(0))
        #expect(result.text.contains("Usage: weir"))
        #expect(result.errors.isEmpty)
    }

    @Test(
        "refuses wrong usage with 2, on standard error",
        arguments: [[], ["serv"], ["serve", "--lisen", "x"], ["serve", "--listen"], ["check"], ["serve", "what"]])
    func usage(_ words: [String]) throws {
        let result = try Peer.run([Daemon.program] + words)
        #expect(result.exit == .code(2))
        #expect(result.output.isEmpty)
        #expect(!result.errors.isEmpty)
    }

    @Test("suggests the command that was meant")
    func suggestion() throws {
        #expect(try run("serv").errors.contains("did you mean `serve`?"))
    }

    @Test("fails with 1 when it cannot start")
    func failure() throws {
        let scratch = try Scratch()
        let busy = try Process([
            Daemon.program, "serve", "--listen", "unix:\(scratch.path)/socket", "--data", scratch.path,
        ])
        defer { busy.end() }
        _ = busy.wait { $0.text.firstRange(of: "unix:") }
        for arguments in [
            ["--listen", "unix:\(scratch.path)/socket"],
            ["--listen", "127.0.0.1:0", "--config", scratch.path + "/none.yml"],
            ["--listen", "unix:\(scratch.path)/none/socket"],
        ] {
            let result = try Peer.run([Daemon.program, "serve", "--data", scratch.path + "/data"] + arguments)
            #expect(result.exit == .code(1), "\(arguments)")
            #expect(!result.errors.isEmpty, "\(arguments)")
        }
    }

    @Test("checks a configuration: 0 when it is right, 1 with line and key when it is wrong")
    func check() throws {
        let scratch = try Scratch()
        let right = scratch.path + "/right.yml"
        let wrong = scratch.path + "/wrong.yml"
        try Disk.write(right, "listen: 127.0.0.1:0\nlive: { stations: [{ name: a, source: { kind: tone } }] }\n".utf8)
        try Disk.write(wrong, "listen: 127.0.0.1:0\nlive:\n  statoins: []\n".utf8)
        let accepted = try run("check", right)
        #expect(accepted.exit == .code(0))
        let refused = try run("check", wrong)
        #expect(refused.exit == .code(1))
        let said = refused.text + refused.errors
        #expect(said.contains("wrong.yml:3"), "\(said)")
        #expect(said.contains("did you mean `stations`?"), "\(said)")
    }

    @Test("may open what the hard limit allows, whatever the soft one is, and the check counts with that")
    func descriptorLimit() throws {
        let scratch = try Scratch()
        let limited = ["sh", "-c", "ulimit -Sn 300 && ulimit -Hn 500 && exec \"$@\"", "sh", Daemon.program]
        let process = try Process(limited + ["serve", "--listen", "127.0.0.1:0", "--data", scratch.path + "/data"])
        defer { process.end() }
        #expect(process.wait { $0.text.firstRange(of: "http://127.0.0.1:") } != nil)
        let limits = try Disk.text("/proc/\(process.pid)/limits")
        let files = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max open files") })
        #expect(files.split(separator: " ").dropFirst(3).prefix(2) == ["500", "500"])

        try Disk.write(scratch.path + "/weir.json", "{}".utf8)
        let check = try Peer.run(limited + ["check", scratch.path + "/weir.json"])
        #expect(check.text.contains(", connections 244\n"), "\(check.text)")
    }

    @Test("does not start with a token file that is of no use")
    func tokenFile() throws {
        let scratch = try Scratch()
        let file = scratch.path + "/admin.token"
        for (token, mode, wrong) in [
            ("0123456789abcdef", 0o644, "mode 0644"), ("too short", 0o600, "has 9 characters"),
        ] as [(String, mode_t, String)] {
            try Disk.write(file, token.utf8)
            #expect(chmod(file, mode) == 0)
            let result = try run("serve", "--listen", "127.0.0.1:0", "--data", scratch.path)
            #expect(result.exit == .code(1))
            #expect(result.errors.contains(file) && result.errors.contains(wrong), "\(result.errors)")
            #expect(!result.errors.contains(token))
        }
    }

    @Test("does not start on a public address without a token that is configured")
    func publicAddress() throws {
        let scratch = try Scratch()
        for address in ["0.0.0.0:0", "[::]:0"] {
            let result = try Peer.run([Daemon.program, "serve", "--listen", address, "--data", scratch.path + "/data"])
            #expect(result.exit == .code(2), "\(result.errors)")
            #expect(result.errors.contains("admin_token"))
            #expect(!Disk.exists(scratch.path + "/data/admin.token"))
        }
        let token = ["WEIR_AUTH_ADMIN_TOKEN": "a-token-of-sufficient-length-0123456789"]
        let process = try Process(
            [Daemon.program, "serve", "--listen", "0.0.0.0:0", "--data", scratch.path + "/data"], environment: token)
        defer { process.end() }
        #expect(process.wait { $0.text.firstRange(of: "http://127.0.0.1:") } != nil, "\(process.state.lines)")
        process.signal(SIGTERM)
        #expect(try process.waitForExit() == .code(0))
    }
}
