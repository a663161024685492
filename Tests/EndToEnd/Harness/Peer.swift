import Glibc

/// Other programs that tests bring together with Weir.
enum Peer {
    /// Whether all of them are installed; or must be, with `WEIR_ALLOW_SKIP=0`: a test that misses one then fails for
    /// want of it, instead of being skipped.
    static func has(_ names: String...) -> Bool {
        if Pace.variable("WEIR_ALLOW_SKIP") == "0" { return true }
        return names.allSatisfy { found($0) != nil }
    }

    /// A program with its path, as it is installed; its name where it is not.
    static func place(_ name: String) -> String { found(name) ?? name }

    /// Debian keeps some daemons where only root's path leads.
    private static func found(_ name: String) -> String? {
        let places = (Pace.variable("PATH") ?? "").split(separator: ":").map { String($0) } + ["/usr/sbin"]
        return places.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    struct Result {
        let exit: Process.Exit
        let output: [UInt8]
        let errors: String
        var text: String { String(decoding: output, as: UTF8.self) }
    }

    /// Runs a program to its end.
    static func run(_ command: [String], input: [UInt8]? = nil, within seconds: Double = Pace.patience) throws -> Result
    {
        let process = try Process(command, input: input == nil ? .nothing : .pipe)
        defer { process.end() }
        if let input { try process.write(input) }
        process.closeInput()
        let exit = try process.waitForExit(seconds)
        let printed = process.state
        return Result(exit: exit, output: printed.output, errors: printed.lines.joined(separator: "\n"))
    }

    /// The same; what it printed, or a failure that says what it complained about.
    @discardableResult
    static func demand(_ command: String..., within seconds: Double = Pace.patience) throws -> Result {
        let result = try run(command, within: seconds)
        guard result.exit == .code(0) else {
            throw Failure("\(command.joined(separator: " ")): \(result.exit): \(result.errors)")
        }
        return result
    }
}
