import COpenSSL
import Glibc
import Testing
import WeirHTTP
import WeirLoop

/// A certificate with its key in a directory that goes with it. Made by OpenSSL's program.
final class Certificate: Sendable {
    let directory: String
    var certificate: String { directory + "/cert.pem" }
    var key: String { directory + "/key.pem" }

    init(name: String = "localhost") throws {
        var template = Array("/tmp/weir-tls-XXXXXX".utf8CString)
        directory = try #require(mkdtemp(&template).map { String(cString: $0) })
        try make(name: name)
    }

    deinit {
        for file in [certificate, key] { unlink(file) }
        rmdir(directory)
    }

    /// Puts another one in its place.
    func make(name: String) throws {
        let command = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-keyout", key, "-out", certificate, "-subj", "/CN=\(name)",
        ]
        var words = command.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        defer { posix_spawn_file_actions_destroy(&actions) }
        var pid: pid_t = 0
        try #require(posix_spawnp(&pid, "openssl", &actions, nil, &words, environ) == 0)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        try #require(status == 0)
    }
}

/// A server that speaks TLS, on a loop of its own.
func withSecureServer(
    _ change: (inout ServerOptions) -> Void = { _ in }, clock: LoopClock = .monotonic,
    routes: @escaping @LoopActor (Router) -> Void,
    _ body: @escaping @LoopActor (Server, UInt16, Certificate) async throws -> Void
) throws {
    let certificate = try Certificate()
    try withServer(
        { options in
            options.tls = .init(certificate: certificate.certificate, key: certificate.key)
            change(&options)
        }, clock: clock, routes: routes
    ) { server, port in
        #expect(server.roots == ["https://127.0.0.1:\(port)"])
        try await body(server, port, certificate)
    }
}

/// A client that blocks, on one connection with TLS; it takes any certificate.
final class SecureClient: @unchecked Sendable {
    /// How the last call that gave nothing came to it.
    enum Ending: Equatable { case none, inOrder, cut, refused }

    let socket: Client
    private let context: OpaquePointer
    private let ssl: OpaquePointer
    private(set) var ending = Ending.none
    /// Bytes of each record that was read.
    private(set) var records: [Int] = []
    private var buffer: [UInt8] = []

    /// `version` is the only one it speaks: `TLS1_2_VERSION`.
    init(port: UInt16, version: Int32? = nil) {
        socket = Client(port: port)
        context = SSL_CTX_new(TLS_client_method())
        if let version {
            SSL_CTX_set_security_level(context, 0)
            SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(version), nil)
            SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(version), nil)
        }
        ssl = SSL_new(context)
        SSL_set_fd(ssl, socket.descriptor)
    }

    deinit {
        SSL_free(ssl)
        SSL_CTX_free(context)
    }

    /// OpenSSL writes to a socket whose peer has left as to any other: the signal of that would end the tests. Only here is
    /// it kept off, since the server must not need that.
    private func unharmed(_ call: () -> Int32) -> Int32 {
        var brokenPipe = sigset_t()
        var before = sigset_t()
        sigemptyset(&brokenPipe)
        sigaddset(&brokenPipe, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &brokenPipe, &before)
        defer {
            var atOnce = timespec()
            while sigtimedwait(&brokenPipe, nil, &atOnce) > 0 {}
            pthread_sigmask(SIG_SETMASK, &before, nil)
        }
        return call()
    }

    /// Whether the handshake was done.
    func connect() -> Bool {
        ERR_clear_error()
        let done = unharmed { SSL_connect(ssl) } == 1
        if !done { ending = .refused }
        return done
    }

    var version: String { String(cString: SSL_get_version(ssl)) }

    /// The name in the server's certificate.
    var peerName: String {
        guard let certificate = SSL_get1_peer_certificate(ssl) else { return "" }
        defer { X509_free(certificate) }
        var text = [CChar](repeating: 0, count: 256)
        X509_NAME_oneline(X509_get_subject_name(certificate), &text, Int32(text.count))
        return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        ERR_clear_error()
        return unharmed { SSL_write(ssl, bytes, Int32(bytes.count)) } == Int32(bytes.count)
    }

    @discardableResult
    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    /// Says that it has no more to say, and ends its side of the socket.
    func finish() {
        _ = unharmed { SSL_shutdown(ssl) }
        shutdown(socket.descriptor, Int32(SHUT_WR))
    }

    private func fill() -> Bool {
        var block = [UInt8](repeating: 0, count: 16384)
        ERR_clear_error()
        let count = unharmed { SSL_read(ssl, &block, Int32(block.count)) }
        if count > 0 {
            records.append(Int(count))
            buffer += block[..<Int(count)]
            return true
        }
        ending = SSL_get_error(ssl, count) == SSL_ERROR_ZERO_RETURN ? .inOrder : .cut
        return false
    }

    /// Everything up to the end.
    func rest() -> [UInt8] {
        while fill() {}
        defer { buffer = [] }
        return buffer
    }

    /// Status and body of a response with a length.
    func answer() -> (status: Int, body: [UInt8]) {
        let end = Array("\r\n\r\n".utf8)
        while true {
            if let head = (0..<max(0, buffer.count - 3)).first(where: { buffer[$0..<($0 + 4)].elementsEqual(end) }) {
                let text = String(decoding: buffer[..<head], as: UTF8.self)
                let status = Int(text.split(separator: " ")[1]) ?? 0
                let field = text.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
                let length = field.flatMap { Int($0.split(separator: " ")[1]) } ?? 0
                buffer.removeFirst(head + 4)
                while buffer.count < length { guard fill() else { return (status, buffer) } }
                defer { buffer.removeFirst(length) }
                return (status, Array(buffer[..<length]))
            }
            guard fill() else { return (0, buffer) }
        }
    }
}
