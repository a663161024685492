import CWeir
import Glibc
import WeirHTTP
import WeirLoop

@testable import WeirStorage

/// Pages in memory, whose bytes come through sockets: as fast as a test lets them, or not at all.
final class PageStore: ObjectStore {
    enum Fault: Sendable {
        case failing
        /// It ends after so many bytes.
        case cut(Int)
        /// What comes is not what was announced, but as long.
        case other
    }

    var objects: [String: [UInt8]] = [:]
    var faults: [String: Fault] = [:]
    /// How often each was asked for.
    var reads: [String: Int] = [:]
    /// Bytes that may be sent yet, of all pages together.
    private var allowance = Int.max
    /// Pages that come whatever is held.
    var free: Set<String> = []
    private var waiting: [UnsafeContinuation<Void, Never>] = []
    private var generation: [String: Int] = [:]

    func put(_ key: String, _ bytes: [UInt8]) {
        objects[key] = bytes
        generation[key, default: 0] += 1
    }

    /// From now on only so many bytes come, until more are let through.
    func hold(_ count: Int = 0) { allowance = count }

    func release(_ count: Int) {
        allowance = allowance.addingReportingOverflow(count).overflow ? .max : allowance + count
        let all = waiting
        waiting = []
        for waiter in all { waiter.resume() }
    }

    func open() {
        allowance = .max
        release(0)
    }

    private func info(_ key: ObjectKey) throws(ObjectError) -> ObjectInfo {
        guard let bytes = objects[key.text] else {
            throw ObjectError(.notFound, key: key.text, "there is no such object")
        }
        return ObjectInfo(
            key: key, length: UInt64(bytes.count), etag: "\(key.text)-\(generation[key.text] ?? 0)", type: nil,
            modified: nil)
    }

    func get(_ key: ObjectKey, _ range: ObjectRange?) async throws(ObjectError) -> ObjectStream {
        reads[key.text, default: 0] += 1
        let info = try info(key)
        if case .failing? = faults[key.text] {
            throw ObjectError(.unavailable, operation: "get", key: key.text, status: 500, "the store is down")
        }
        var part = 0..<info.length
        if let range {
            guard let found = range.resolve(info.length) else { throw ObjectError(.range, "nothing there") }
            part = found
        }
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw ObjectError(.unavailable, "no sockets") }
        var bytes = Array(objects[key.text]![Int(part.lowerBound)..<Int(part.upperBound)])
        switch faults[key.text] {
        case .cut(let count)?: bytes = Array(bytes.prefix(count))
        case .other? where !bytes.isEmpty: bytes[bytes.count / 2] ^= 0xFF
        default: break
        }
        let end = ends[0]
        let isFree = free.contains(key.text)
        let task = spawn { await self.send(bytes, to: end, isFree: isFree) }
        let isCut = bytes.count < part.count
        return ObjectStream(
            info, part, descriptor: ends[1], isFile: false,
            end: { () async throws(ObjectError) in
                if isCut { throw ObjectError(.connection(.closed), "the connection was cut") }
            }, cancel: { task.cancel() })
    }

    private func send(_ bytes: [UInt8], to socket: Int32, isFree: Bool) async {
        guard let poll = try? Poll(descriptor: socket) else { return }
        var done = 0
        while done < bytes.count, !Task.isCancelled {
            if allowance <= 0, !isFree {
                await withUnsafeContinuation { waiting.append($0) }
                continue
            }
            let room = isFree ? bytes.count - done : min(bytes.count - done, allowance)
            let count = bytes.withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress! + done, room, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            }
            if count > 0 {
                done += count
                if allowance != .max, !isFree { allowance -= count }
            } else if errno == EAGAIN {
                if await poll.wait(for: .writable).isEmpty { break }
            } else if errno != EINTR {
                break
            }
        }
        poll.close()
        Glibc.close(socket)
    }

    func head(_ key: ObjectKey) async throws(ObjectError) -> ObjectInfo { try info(key) }

    // What downloads do not do.
    private var unused: ObjectError { ObjectError(.refused, "not for downloads") }
    func put(_ key: ObjectKey, _ source: ObjectSource, _ facts: ObjectFacts) async throws(ObjectError) -> ObjectInfo {
        throw unused
    }
    func read(_ key: ObjectKey, _ range: ObjectRange?, limit: Int) async throws(ObjectError) -> [UInt8] { throw unused }
    func save(_ key: ObjectKey, to descriptor: Int32, _ progress: ObjectProgress?) async throws(ObjectError)
        -> ObjectInfo
    { throw unused }
    func delete(_ key: ObjectKey) async throws(ObjectError) { throw unused }
    func list(prefix: String, after: String?, limit: Int) async throws(ObjectError) -> ObjectList { throw unused }
    func copy(_ key: ObjectKey, to other: ObjectKey) async throws(ObjectError) -> ObjectInfo { throw unused }
    func url(_ key: ObjectKey, expires: Int) -> String? { nil }
    func close() async {}
}
