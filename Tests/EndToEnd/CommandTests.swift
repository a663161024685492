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
