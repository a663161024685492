internal import CWeir
import Glibc
internal import WeirLoop

// TLS on a connection: before the first request, and beside them.
extension Connection {
    /// Its turn has come during the handshake.
    func shakeHands() {
        guard let tls else { return }
        switch tls.shakeHands() {
        case .waiting(let events):
            watch(events)
        case .done:
            server.counters.handshakes += 1
            listen()
        case .plain:
            server.counters.handshakesFailed += 1
            endSecurity()
            begin(.plain)
        case .failed(let reason):
            server.counters.handshakesFailed += 1
            server.onHandshakeFailed?(reason, peer)
            finish()
        }
    }

    /// Tells the peer that there are no more bytes. The socket is plain from here on.
    func endSecurity() {
        tls?.close(inOrder: !isCut)
        tls = nil
    }

    /// Whether the peer ended its side while a handler runs. That can be seen only by reading: a request that follows
    /// already is kept.
    func checkSecurePeer() -> Bool {
        let count = take()
        if count > 0 { pending = Array(server.scratch[..<count]) }
        return count <= 0 && count != -Int(EAGAIN)
    }
}
