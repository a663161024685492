internal import CWeir
internal import CWeirTLS

/// A certificate and its key, for the connections that show it: `weir_tls_context_t`.
@LoopActor
public final class TLSIdentity {
    /// From when until when the certificate is valid, in seconds since 1970.
    public let validity: ClosedRange<Int64>

    fileprivate nonisolated(unsafe) let core: OpaquePointer

    /// Reads both files, in PEM; the certificate's may hold those between it and an authority. Blocks, for as long as
    /// small files take. Throws `TLSProblem`.
    public init(certificate: String, key: String) throws(TLSProblem) {
        core = try TLSIdentity.open(certificate: certificate, key: key)
        validity = TLSIdentity.validity(core)
    }

    deinit {
        weir_tls_context_release(core)
    }

    /// Reads the files, and leaves it at that: from when until when the certificate is valid. Any thread.
    public nonisolated static func check(certificate: String, key: String) throws(TLSProblem) -> ClosedRange<Int64> {
        let core = try open(certificate: certificate, key: key)
        defer { weir_tls_context_release(core) }
        return validity(core)
    }

    /// The version of OpenSSL that is linked.
    public nonisolated static var library: String { String(cString: weir_tls_library()) }

    private nonisolated static func validity(_ core: OpaquePointer) -> ClosedRange<Int64> {
        let start = weir_tls_context_not_before(core)
        return start...max(start, weir_tls_context_not_after(core))
    }

    private nonisolated static func open(certificate: String, key: String) throws(TLSProblem) -> OpaquePointer {
        var core: OpaquePointer?
        var problem = weir_tls_problem_t()
        let status = certificate.withCString { certificate in
            key.withCString { key in
                var options = weir_tls_options_t()
                options.size = MemoryLayout<weir_tls_options_t>.size
                options.certificate = certificate
                options.key = key
                return weir_tls_context_create(&core, &options, &problem)
            }
        }
        if status == 0, let core { return core }
        let isOfKey = problem.of_key != 0
        let text = withUnsafeBytes(of: problem.text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        throw TLSProblem(
            file: isOfKey ? .key : .certificate, path: isOfKey ? key : certificate,
            wrong: text.isEmpty ? CoreError(rawValue: status).description : text)
    }
}

/// Why a certificate or its key cannot be used.
public struct TLSProblem: Error, Equatable, Sendable, CustomStringConvertible {
    public enum File: Sendable { case certificate, key }

    public let file: File
    public let path: String
    /// What is wrong with the file; what was expected.
    public let wrong: String

    public var description: String { "the \(file == .key ? "key" : "certificate") \(path) \(wrong)" }
}

/// The server's side of TLS on a socket: `weir_tls_t`. Nothing blocks. The socket is somebody else's.
@LoopActor
public final class TLSConnection {
    public enum Handshake: Equatable {
        case done
        /// It goes on when this happens.
        case waiting(Poll.Events)
        /// The peer speaks HTTP without TLS.
        case plain
        /// Over, for this reason; the peer has been told.
        case failed(String)
    }

    private var core: OpaquePointer?

    public init(_ identity: TLSIdentity, descriptor: Int32) throws(CoreError) {
        try CoreError.check(weir_tls_create(&core, identity.core, descriptor))
    }

    // A source may have been the last to let go of it.
    isolated deinit {
        weir_tls_close(core, 0)
    }

    public func shakeHands() -> Handshake {
        let status = weir_tls_handshake(core)
        switch status {
        case 0: return .done
        case UV_EAGAIN.rawValue: return .waiting(awaited)
        case WEIR_TLS_PLAIN: return .plain
        default:
            return .failed(
                weir_tls_failure(core).map { String(cString: $0) } ?? CoreError(rawValue: status).description)
        }
    }

    /// What the last call that could do nothing waits for.
    public var awaited: Poll.Events { weir_tls_wants(core) == Poll.Events.writable.rawValue ? .writable : .readable }

    /// Bytes received; 0 at the end, negative error numbers as of libuv. The buffer has room for a record, 16 KiB.
    public func receive(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        Int(weir_tls_read(core, buffer.baseAddress, buffer.count))
    }

    /// How many of the bytes were taken, at least one, or a negative error number.
    public func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        var piece = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
        return Int(weir_tls_write(core, &piece, 1))
    }

    /// Passes on what is held of bytes that were taken: 0 when nothing is left of them, 1 when less is, or a negative
    /// error number.
    public func flush() -> Int { Int(weir_tls_flush(core)) }

    /// Ends it; `inOrder`, the peer is told that there are no more bytes. Closing twice is harmless.
    public func close(inOrder: Bool) {
        weir_tls_close(core, inOrder ? 1 : 0)
        core = nil
    }

    /// Ends it as `close` does, while something may still read through it: that is told that it is over.
    public func end(inOrder: Bool) {
        if let core { weir_tls_end(core, inOrder ? 1 : 0) }
    }

    /// Its socket is another descriptor of the same from now on.
    public func move(to descriptor: Int32) {
        if let core { weir_tls_move(core, descriptor) }
    }

    /// For a fan-out, which takes the connection over with it.
    public var sink: Fanout.Sink? {
        core.map { Fanout.Sink(calls: weir_tls_sink(), context: UnsafeMutableRawPointer($0), connection: self) }
    }

    /// The sink was taken, and the connection with it.
    func release() { core = nil }

    /// For a source, which keeps the connection while it reads.
    var reader: (calls: UnsafePointer<weir_reader_t>, context: UnsafeMutableRawPointer)? {
        core.map { (weir_tls_reader(), UnsafeMutableRawPointer($0)) }
    }
}
