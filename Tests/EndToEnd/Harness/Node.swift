/// A daemon on a data directory that outlives it: one to be killed, or one of several.
struct Node {
    let process: Process
    let port: UInt16

    /// `under` is a command that becomes the daemon.
    init(
        data: String, configuration: String, environment: [String: String] = [:], under: [String] = []
    ) throws {
        process = try Process(
            under + [Daemon.program, "serve", "--listen", "127.0.0.1:0", "--data", data, "--config", configuration],
            environment: ["WEIR_SHUTDOWN_GRACE": "5"].merging(environment) { $1 })
        let port = process.wait { printed -> UInt16? in
            guard let mark = printed.text.firstRange(of: "http://127.0.0.1:"), printed.text.hasSuffix("\n") else {
                return nil
            }
            return UInt16(printed.text[mark.upperBound...].prefix { $0.isNumber })
        }
        guard let port else { throw Failure("not started:\n\(process.state.lines.joined(separator: "\n"))") }
        self.port = port
    }

    /// What a request is answered with.
    func get(_ target: String) throws -> JSON {
        let client = try Client(port: port)
        try client.send("GET \(target) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        let reply = try client.reply()
        guard let json = reply.json else { throw Failure("\(target): \(reply.status) \(reply.text)") }
        return json
    }
}
