import Glibc

/// A PostgreSQL of `Tests/Database/postgresql`, which goes with the test.
struct PostgreSQL {
    /// Whether it can be started; or must be, with `WEIR_ALLOW_SKIP=0`.
    static let isThere: Bool = {
        if Pace.variable("WEIR_ALLOW_SKIP") == "0" { return true }
        return Disk.names("/usr/lib/postgresql").contains { Disk.exists("/usr/lib/postgresql/\($0)/bin/initdb") }
            && Peer.has("psql")
    }()

    let url: String
    private let process: Process

    static func run(_ body: (PostgreSQL) throws -> Void) throws {
        let scratch = try Scratch()
        // The server's user must get through.
        chmod(scratch.path, 0o755)
        let process = try Process(
            [Tool.root + "/Tests/Database/postgresql", scratch.path + "/cluster"], input: .pipe)
        defer { process.end() }
        let line = process.wait { $0.text.hasSuffix("\n") || $0.isOver ? $0.text : nil }
        guard let line, line.hasPrefix("postgresql://") else {
            throw Failure("no PostgreSQL: \(process.state.lines.joined(separator: "\n"))")
        }
        do {
            try body(PostgreSQL(url: String(line.dropLast()), process: process))
        } catch {
            process.closeInput()
            _ = try process.waitForExit()
            throw error
        }
        // It removes its cluster.
        process.closeInput()
        _ = try process.waitForExit()
    }

    /// Kills the server, as a crash does.
    func stop() throws { try order("stop") }

    func start() throws { try order("start") }

    private func order(_ word: String) throws {
        let before = process.state.output.count
        try process.write(Array("\(word)\n".utf8))
        guard process.wait(for: { $0.output.count > before ? true : nil }) != nil else {
            throw Failure("PostgreSQL did not \(word)")
        }
    }

    /// What a statement gives: rows by line, columns between bars.
    func ask(_ statement: String) throws -> String {
        var text = try Peer.demand("psql", url, "-Atqc", statement).text
        if text.hasSuffix("\n") { text.removeLast() }
        return text
    }
}
