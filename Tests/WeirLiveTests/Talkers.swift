import Glibc
import Testing
import WeirLoop

@testable import WeirLive

/// What is sent and heard, by number: frames of four bytes, or packets of a transport stream. Each says who sent it, and
/// its number, which counts up.
enum Piece: Sendable {
    case frame
    case packet

    var size: Int { self == .frame ? 4 : Muxer.packet }

    /// Sender and number; nil: it is none that carries these (tables, markers).
    func identity(of bytes: ArraySlice<UInt8>) -> (tag: UInt8, number: UInt32)? {
        let from = bytes.startIndex
        if self == .frame {
            return (bytes[from], UInt32(bytes[from + 1]) | UInt32(bytes[from + 2]) << 8 | UInt32(bytes[from + 3]) << 16)
        }
        guard Packets.pid(bytes) == Muxer.videoPID, bytes[from + 3] & 0x10 != 0 else { return nil }
        let last = bytes.suffix(5)
        let number = last.dropFirst().reversed().reduce(UInt32(0)) { $0 << 6 | UInt32($1 & 0x3F) }
        return (last[last.startIndex] & 0x7F, number)
    }
}

/// The packets of one sender: a group of sixteen is tables and a key picture.
struct TalkerPackets {
    static let group = 16

    private var muxer = Muxer()
    private(set) var bytes: [UInt8] = []
    private var made: UInt32 = 0

    mutating func make(upTo count: Int, _ tag: UInt8, from first: UInt32) {
        while bytes.count < count {
            for at in stride(from: bytes.count, to: bytes.count + TalkerPackets.group * Muxer.packet, by: Muxer.packet)
            {
                if at == bytes.count { bytes += muxer.group(packets: TalkerPackets.group) }
                guard Piece.packet.identity(of: bytes[at..<at + Muxer.packet]) != nil else { continue }
                // No byte looks like the start of anything.
                let number = first + made
                made += 1
                let end = at + Muxer.packet
                bytes[end - 5] = tag | 0x80
                for k in 0..<4 { bytes[end - 4 + k] = 0x80 | UInt8(number >> (6 * UInt32(k)) & 0x3F) }
            }
        }
    }
}

/// Somebody who sends numbered pieces to a station.
@LoopActor
final class Talker {
    let tag: UInt8
    private(set) var isConnected = true
    /// Bytes in all.
    private(set) var sent = 0
    private let first: UInt32
    private let station: Station
    private let descriptor: Int32
    private let isClient: Bool
    private let isPipe: Bool
    private var packets: TalkerPackets?

    /// Connects to a station that is sent its stream.
    convenience init(_ tag: UInt8, to station: Station, from first: UInt32 = 0) throws {
        let pair = try SocketPair()
        let sender = Sender(address: "192.0.2.1:\(tag)", agent: nil, name: nil, audio: nil)
        do {
            try station.send(Source.Body(descriptor: pair.station), from: sender) { _, _ in }
        } catch {
            Glibc.close(pair.station)
            pair.close()
            throw error
        }
        self.init(tag, to: station, from: first, over: pair.test, isClient: true)
    }

    /// Sends through a descriptor that the station reads from, which does not block and is closed at the end.
    init(_ tag: UInt8, to station: Station, from first: UInt32 = 0, over descriptor: Int32, isClient: Bool = false) {
        self.tag = tag
        self.first = first
        self.station = station
        self.descriptor = descriptor
        self.isClient = isClient
        var status = stat()
        isPipe = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
        if case .ts = station.format { packets = TalkerPackets() }
    }

    /// Whether what it sends is listened to.
    var isHeard: Bool {
        guard isConnected else { return false }
        if isClient { return station.sender?.address == "192.0.2.1:\(tag)" }
        // A pipe that nobody reads is broken; a connection whose peer has closed can be read.
        var state = pollfd(fd: descriptor, events: isPipe ? 0 : Int16(POLLIN), revents: 0)
        return poll(&state, 1, 0) == 0
    }

    func isTo(_ name: String) -> Bool { station.name == name }

    func isTo(_ station: Station) -> Bool { station === self.station }

    /// A number that it has not sent yet, nor any above it.
    var next: UInt32 {
        let size = packets == nil ? Piece.frame.size : Piece.packet.size
        return first + UInt32((sent + size - 1) / size)
    }

    /// Sends so many bytes, whole pieces or not, as far as there is room.
    func send(bytes count: Int) {
        guard isConnected, count > 0 else { return }
        var block: [UInt8] = []
        if packets != nil {
            packets!.make(upTo: sent + count, tag, from: first)
            block = Array(packets!.bytes[sent..<sent + count])
        } else {
            for at in sent..<sent + count { block.append(Talker.byte(tag, first + UInt32(at / 4), at % 4)) }
        }
        // A pipe takes no flags; SIGPIPE is held back for this.
        let sent = isClient ? Glibc.send(descriptor, block, block.count, Int32(MSG_NOSIGNAL)) : put(block)
        if sent > 0 { self.sent += sent }
    }

    private func put(_ block: [UInt8]) -> Int {
        var (pipe, former) = (sigset_t(), sigset_t())
        sigemptyset(&pipe)
        sigaddset(&pipe, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &pipe, &former)
        let count = write(descriptor, block, block.count)
        if count < 0, errno == EPIPE {
            var now = timespec()
            sigtimedwait(&pipe, nil, &now)
        }
        pthread_sigmask(SIG_SETMASK, &former, nil)
        return count
    }

    func send(frames count: Int) { send(bytes: count * 4) }

    func close() {
        if isConnected { Glibc.close(descriptor) }
        isConnected = false
    }

    nonisolated static func byte(_ tag: UInt8, _ number: UInt32, _ at: Int) -> UInt8 {
        at == 0 ? tag : UInt8(truncatingIfNeeded: number >> (8 * UInt32(at - 1)))
    }
}

/// A listener of a station of such pieces.
@LoopActor
final class Hearer {
    /// Pieces of one sender, one after the other.
    struct Run: Equatable {
        var tag: UInt8
        var first: UInt32
        var count: Int
    }

    let id: UInt64
    private(set) var runs: [Run] = []
    private(set) var bytes = 0
    private(set) var isOver = false
    private(set) var reason: String?
    private(set) var report: ListenerReport?
    /// What a transport stream must not be.
    var wrong: String? { counters.wrong }
    private let pair: SocketPair
    private let piece: Piece
    private var rest: [UInt8] = []
    private var isClosed = false
    private var counters = ContinuityCounters(isCommon: true)

    init(_ station: Station, _ seat: Seat) throws {
        pair = try SocketPair()
        if case .ts = station.format { piece = .packet } else { piece = .frame }
        final class Box { weak var hearer: Hearer? }
        let box = Box()
        do {
            id = try station.attach(seat, descriptor: pair.station) { report, reason in
                box.hearer?.report = report
                box.hearer?.reason = reason
            }
        } catch {
            Glibc.close(pair.station)
            pair.close()
            throw error
        }
        box.hearer = self
    }

    convenience init(_ station: Station) async throws {
        let seat = try await station.join(.own, warm: nil, address: "listener", path: "/live/\(station.name)")
        try self.init(station, seat)
    }

    /// Takes what has come: whole pieces at its end, when nothing more is to come.
    func hear() {
        if isClosed { return }
        let (block, isOver) = pair.read()
        self.isOver = self.isOver || isOver
        bytes += block.count
        rest += block
        var at = 0
        while rest.count - at >= piece.size {
            let bytes = rest[at..<at + piece.size]
            if piece == .packet { counters.take(bytes) }
            if let (tag, number) = piece.identity(of: bytes) { add(tag, number) }
            at += piece.size
        }
        rest.removeFirst(at)
    }

    private func add(_ tag: UInt8, _ number: UInt32) {
        if let last = runs.last, last.tag == tag, last.first + UInt32(last.count) == number {
            runs[runs.count - 1].count += 1
        } else {
            runs.append(Run(tag: tag, first: number, count: 1))
        }
    }

    /// Bytes of a piece that has not come whole.
    var begun: Int { rest.count }

    func close() {
        if !isClosed { pair.close() }
        isClosed = true
    }
}

/// Packets whose counters go on, or say that they do not: ISO/IEC 13818-1 §2.4.3.3 to 2.4.3.5.
struct ContinuityCounters {
    /// One packet announces the gap of all PIDs, as at a listener's skip; else each has its own, as in a log.
    let isCommon: Bool
    private var last: [Int: UInt8] = [:]
    private(set) var wrong: String?

    init(isCommon: Bool) { self.isCommon = isCommon }

    mutating func take(_ packet: ArraySlice<UInt8>) {
        let from = packet.startIndex
        guard packet[from] == 0x47 else {
            wrong = wrong ?? "a packet without its sync byte"
            return
        }
        let pid = Packets.pid(packet)
        let found = packet[from + 3] & 0x0F
        if isCommon, Packets.isDiscontinuity(packet) { last = [:] }
        let step: UInt8 = packet[from + 3] & 0x10 == 0 ? 0 : 1
        if let last = last[pid], (last + step) & 0x0F != found, !Packets.isDiscontinuity(packet) {
            wrong = wrong ?? "PID \(pid) goes from \(last) to \(found) unannounced"
        }
        last[pid] = found
    }
}

/// An origin that answers the request of a station with what a talker sends, all in turns of the loop.
@LoopActor
final class TalkerOrigin {
    let port: UInt16
    private let descriptor: Int32

    init() throws {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_INET, kind, 0)
        guard descriptor >= 0 else { throw CoreError(errno: errno) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 64) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isListening else {
            Glibc.close(descriptor)
            throw CoreError(errno: errno)
        }
        self.descriptor = descriptor
        port = UInt16(bigEndian: address.sin_port)
    }

    /// The newest connection, whose request is answered; nil: nobody asks.
    func accept(type: String) -> Int32? {
        var newest: Int32 = -1
        while true {
            let next = Glibc.accept(descriptor, nil, nil)
            if next < 0 { break }
            _ = fcntl(next, F_SETFD, FD_CLOEXEC)
            _ = fcntl(next, F_SETFL, O_NONBLOCK)
            if newest >= 0 { Glibc.close(newest) }
            newest = next
        }
        guard newest >= 0 else { return nil }
        var request = [UInt8](repeating: 0, count: 8192)
        let head = Array("HTTP/1.1 200 OK\r\nContent-Type: \(type)\r\nConnection: close\r\n\r\n".utf8)
        guard recv(newest, &request, request.count, 0) > 0,
            Glibc.send(newest, head, head.count, Int32(MSG_NOSIGNAL)) == head.count
        else {
            Glibc.close(newest)
            return nil
        }
        return newest
    }

    func close() { Glibc.close(descriptor) }
}
