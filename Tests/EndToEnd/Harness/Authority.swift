import Glibc

/// A certificate authority of a test's own, and a certificate for `127.0.0.1` that it has signed.
struct Authority {
    private let path: String
    var certificate: String { path + "/ca.pem" }
    var serverCertificate: String { path + "/server.pem" }
    var serverKey: String { path + "/server.key" }
    /// With the name that OpenSSL looks for.
    var hashed: String { path + "/hashed" }

    /// Its files lie in a directory that is there.
    init(in path: String) throws {
        self.path = path
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        try run(["req", "-x509"] + key + ["-keyout", "\(path)/ca.key", "-out", certificate, "-subj", "/CN=Test CA"])
        try run(["req"] + key + ["-keyout", serverKey, "-out", "\(path)/server.csr", "-subj", "/CN=test"])
        try Disk.write(path + "/names", Array("subjectAltName=IP:127.0.0.1\n".utf8))
        try run([
            "x509", "-req", "-in", "\(path)/server.csr", "-CA", certificate, "-CAkey", "\(path)/ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", "\(path)/names", "-out", serverCertificate,
        ])
        guard mkdir(hashed, 0o700) == 0 else { throw Failure.system(hashed) }
        try Disk.write(hashed + "/ca.pem", try Disk.read(certificate))
        try run(["rehash", hashed])
    }

    private func run(_ arguments: [String]) throws {
        let result = try Peer.run(["openssl"] + arguments)
        guard result.exit == .code(0) else { throw Failure("openssl \(arguments): \(result.errors)") }
    }

    /// `openssl s_server` on a port of its choice.
    func server(_ arguments: String..., input: Process.Input = .nothing) throws -> (process: Process, port: UInt16) {
        let process = try Process(
            ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", serverCertificate, "-key", serverKey]
                + arguments,
            input: input)
        let port = try eventually("openssl says its port") { () -> UInt16? in
            let printed = process.state
            guard let line = printed.text.split(separator: "\n").first(where: { $0.hasPrefix("ACCEPT ") }) else {
                if printed.isOver { throw Failure("openssl s_server: \(printed.lines)") }
                return nil
            }
            return line.split(separator: ":").last.flatMap { UInt16($0) }
        }
        return (process, port)
    }
}
