import WeirLive
import WeirLoop

/// Makes a transport stream of one programme with one H.264 stream (ISO/IEC 13818-1 §2.4), as small as a scanner takes it.
struct Muxer {
    static let packet = 188
    static let pmtPID = 0x1000
    static let videoPID = 0x100

    /// Bits a second, by which the clock runs.
    let bitrate: Double
    /// Packets made so far.
    private(set) var packets = 0
    /// Seconds that the clock begins with.
    var start = 10.0
    private var counters: [Int: UInt8] = [:]

    init(bitrate: Double = 8e6) {
        self.bitrate = bitrate
    }

    /// Seconds by the clock.
    var time: Double { start + Double(packets * Muxer.packet) * 8 / bitrate }

    /// PAT and PMT.
    mutating func tables() -> [UInt8] {
        let pmt = UInt16(Muxer.pmtPID)
        let pat = section(0, number: 1, [0, 1, 0xE0 | UInt8(pmt >> 8), UInt8(pmt & 0xFF)])
        let video = UInt16(Muxer.videoPID)
        let pid = [0xE0 | UInt8(video >> 8), UInt8(video & 0xFF)]
        let map = section(2, number: 1, pid + [0xF0, 0, 0x1B] + pid + [0xF0, 0])
        return table(0, pat) + table(Muxer.pmtPID, map)
    }

    /// A picture of so many packets, at least two; a key picture can be decoded on its own.
    mutating func picture(packets count: Int, isKey: Bool) -> [UInt8] {
        let base = UInt64(time * 90_000)
        // PCR with or without random_access_indicator.
        var field: [UInt8] = [isKey ? 0x50 : 0x10]
        field += [UInt8(base >> 25 & 0xFF), UInt8(base >> 17 & 0xFF), UInt8(base >> 9 & 0xFF), UInt8(base >> 1 & 0xFF)]
        field += [UInt8(base & 1) << 7 | 0x7E, 0]
        var header: [UInt8] = [0, 0, 1, 0xE0, 0, 0, 0x80, 0, 0]
        header += [0, 0, 0, 1, 0x09, 0xF0, 0, 0, 0, 1, isKey ? 0x65 : 0x41]
        var bytes = make(Muxer.videoPID, isStart: true, field: field, payload: header)
        for _ in 1..<count { bytes += make(Muxer.videoPID, isStart: false, field: nil, payload: []) }
        return bytes
    }

    /// Tables, a key picture, and others, together `count` packets.
    mutating func group(packets count: Int) -> [UInt8] {
        var bytes = tables() + picture(packets: min(20, count - 2), isKey: true)
        while bytes.count < count * Muxer.packet {
            bytes += picture(packets: max(2, min(5, count - bytes.count / Muxer.packet)), isKey: false)
        }
        return bytes
    }

    private mutating func make(_ pid: Int, isStart: Bool, field: [UInt8]?, payload: [UInt8]) -> [UInt8] {
        let counter = (counters[pid, default: 15] + 1) & 0x0F
        counters[pid] = counter
        var bytes: [UInt8] = [
            0x47, (isStart ? 0x40 : 0) | UInt8(pid >> 8), UInt8(pid & 0xFF), (field == nil ? 0x10 : 0x30) | counter,
        ]
        if let field { bytes += [UInt8(field.count)] + field }
        bytes += payload
        // What follows says which packet it is, and looks like nothing else.
        var number = UInt32(packets)
        while bytes.count < Muxer.packet {
            bytes.append(UInt8(number & 0x3F) | 0x80)
            number = number >> 6 | number << 26
        }
        packets += 1
        return bytes
    }

    private mutating func table(_ pid: Int, _ section: [UInt8]) -> [UInt8] {
        let rest = [UInt8](repeating: 0xFF, count: Muxer.packet - 5 - section.count)
        return make(pid, isStart: true, field: nil, payload: [0] + section + rest)
    }

    private func section(_ table: UInt8, number: UInt16, _ body: [UInt8]) -> [UInt8] {
        let length = UInt16(5 + body.count + 4)
        var bytes: [UInt8] = [
            table, 0xB0 | UInt8(length >> 8), UInt8(length & 0xFF), UInt8(number >> 8), UInt8(number & 0xFF), 0xC1, 0,
            0,
        ]
        bytes += body
        let sum = Muxer.checksum(bytes)
        return bytes + [UInt8(sum >> 24), UInt8(sum >> 16 & 0xFF), UInt8(sum >> 8 & 0xFF), UInt8(sum & 0xFF)]
    }

    /// CRC-32/MPEG-2.
    private static func checksum(_ bytes: [UInt8]) -> UInt32 {
        var sum: UInt32 = 0xFFFF_FFFF
        for byte in bytes {
            sum ^= UInt32(byte) << 24
            for _ in 0..<8 { sum = sum & 0x8000_0000 == 0 ? sum << 1 : sum << 1 ^ 0x04C1_1DB7 }
        }
        return sum
    }
}

/// What a listener of a transport stream received, taken apart.
struct Packets {
    let all: [ArraySlice<UInt8>]

    init(_ bytes: [UInt8]) {
        all = stride(from: 0, to: bytes.count, by: Muxer.packet).map { bytes[$0..<min($0 + Muxer.packet, bytes.count)] }
    }

    static func pid(_ packet: ArraySlice<UInt8>) -> Int {
        let bytes = Array(packet)
        return Int(bytes[1] & 0x1F) << 8 | Int(bytes[2])
    }

    var pids: [Int] { all.map(Packets.pid) }

    /// random_access_indicator.
    static func isAccess(_ packet: ArraySlice<UInt8>) -> Bool {
        let bytes = Array(packet)
        return bytes[3] & 0x20 != 0 && bytes[4] > 0 && bytes[5] & 0x40 != 0
    }

    /// discontinuity_indicator.
    static func isDiscontinuity(_ packet: ArraySlice<UInt8>) -> Bool {
        let bytes = Array(packet)
        return bytes[3] & 0x20 != 0 && bytes[4] > 0 && bytes[5] & 0x80 != 0
    }
}
