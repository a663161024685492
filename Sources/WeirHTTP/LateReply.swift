internal import CWeir
import Glibc
public import WeirLoop

/// Answers a peer whose body was handed over to something that owns the socket now, before and after that has ended: a
/// second descriptor of the same socket.
@LoopActor
public final class LateReply {
    /// Bytes of what the peer still sends that are thrown away, so that the end is not a reset.
    static let drainBytes = 65536

    private var descriptor: Int32
    private let original: Int32
    private let tls: TLSConnection?
    private let timer: LoopTimer
    private let clock: LoopClock
    /// Something was sent; `goOn` is no answer.
    public private(set) var hasAnswered = false

    /// Throws when there is no descriptor left. The socket stays open until `finish`, or until `giveBack`.
    public init(_ takeover: Takeover, clock: LoopClock = .monotonic) throws(CoreError) {
        timer = LoopTimer(clock: clock)
        self.clock = clock
        original = takeover.descriptor
        tls = takeover.tls
        descriptor = fcntl(original, F_DUPFD_CLOEXEC, 3)
        guard descriptor >= 0 else { throw CoreError(errno: errno) }
        // The taker closes the one that it has when the body is over.
        tls?.move(to: descriptor)
    }

    isolated deinit {
        guard descriptor >= 0 else { return }
        tls?.end(inOrder: false)
        close(descriptor)
    }

    /// Nothing was taken: the socket is the connection's as before.
    public func giveBack() {
        timer.close()
        guard descriptor >= 0 else { return }
        tls?.move(to: original)
        close(descriptor)
        descriptor = -1
    }

    /// Sends what the socket takes at once. It has had nothing else to send, so that this is all of a short message.
    public func send(_ bytes: [UInt8]) {
        timer.close()
        hasAnswered = true
        write(bytes)
    }

    /// Sends when the peer is silent for `patience` seconds, and so may wait for it; `received` says how many bytes it has
    /// sent. A peer that sends on does not wait, and may close without having read anything: then what is unread resets the
    /// connection, and takes with it what it had still to send (RFC 1122 §4.2.2.13).
    public func send(_ bytes: [UInt8], afterSilence patience: Double, received: @escaping @LoopActor () -> UInt64) {
        wait(bytes, patience, received(), received)
    }

    private func wait(
        _ bytes: [UInt8], _ patience: Double, _ before: UInt64, _ received: @escaping @LoopActor () -> UInt64
    ) {
        timer.schedule(at: clock.deadline(after: patience)) { [weak self] in
            guard let self, self.descriptor >= 0 else { return }
            let now = received()
            if now > before || self.isSendingOn { return self.wait(bytes, patience, now, received) }
            self.send(bytes)
        }
    }

    /// Something came that was not taken yet: the loop may have been slower than the peer.
    private var isSendingOn: Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) > 0
    }

    /// Tells a peer that asked whether it may to send its body.
    public func sendGoOn() { write(LateReply.goOn) }

    private func write(_ bytes: [UInt8]) {
        if let tls {
            _ = bytes.withUnsafeBytes { tls.send($0) }
        } else {
            _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
        }
        // Having answered, the kernel puts off acknowledgements, and the peer's the last bytes that wait for one. Clients
        // that close without having read the answer would lose them to the reset that follows.
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_QUICKACK, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    /// The last message, if any, and the end of the connection.
    public func finish(_ response: Response?) {
        timer.close()
        guard descriptor >= 0 else { return }
        if let response { send(LateReply.bytes(of: response)) }
        // Whatever follows is thrown away, encrypted or not.
        tls?.end(inOrder: true)
        shutdown(descriptor, Int32(SHUT_WR))
        var unread = [UInt8](repeating: 0, count: 4096)
        var left = LateReply.drainBytes
        while left > 0 {
            let count = recv(descriptor, &unread, unread.count, Int32(MSG_DONTWAIT))
            if count <= 0 { break }
            left -= count
        }
        close(descriptor)
        descriptor = -1
    }

    /// `100 Continue` (RFC 9110 §15.2.1).
    nonisolated static let goOn = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)

    /// Head and body of a response whose body is bytes.
    static func bytes(of response: Response) -> [UInt8] {
        var body: [UInt8] = []
        if case .bytes(let bytes) = response.body { body = bytes }
        var date = HTTPDate()
        return ResponseHead.render(
            status: response.status, fields: response.fields, length: .bytes(UInt64(body.count)), persistence: .close,
            date: date.now()) + body
    }
}
