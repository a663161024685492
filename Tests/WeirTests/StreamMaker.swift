/// Makes small transport streams, packet by packet (ISO/IEC 13818-1 2.4.3).
struct StreamMaker {
    static let packet = 188
    static let video: UInt16 = 0x100
    static let audio: UInt16 = 0x101
    static let pmt: UInt16 = 0x1000
    /// Pictures in a second, and from one that can be decoded by itself to the next.
    static let rate = 25
    static let group = 10

    private(set) var bytes: [UInt8] = []
    /// Packets by PID.
    private(set) var packets: [UInt16: Int] = [:]
    /// Numbers of the packets at which decoding can begin.
    private(set) var access: [Int] = []
    private var counters: [UInt16: UInt8] = [:]

    var count: Int { bytes.count / Self.packet }

    /// H.264 and AAC; `sound` packets to a picture's six.
    init(pictures: Int, sound: Int = 1) {
        for picture in 0..<pictures {
            let isAccess = picture % Self.group == 0
            if isAccess { tables() }
            if isAccess { access.append(count) }
            add(
                Self.video, isStart: true, clock: UInt64(picture) * UInt64(27_000_000 / Self.rate), isAccess: isAccess,
                payload: [0, 0, 1, 0xE0, 0, 0, 0x80, 0, 0, 0, 0, 1, isAccess ? 0x65 : 0x41])
            for _ in 0..<5 { add(Self.video) }
            for _ in 0..<sound { add(Self.audio, isStart: true, payload: [0, 0, 1, 0xC0, 0, 0, 0x80, 0, 0]) }
        }
    }

    private mutating func tables() {
        section(0, [0x00, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0, 1, 0xF0, 0])
        section(
            Self.pmt,
            [
                0x02, 0xB0, 23, 0, 1, 0xC1, 0, 0, 0xE1, 0, 0xF0, 0,
                0x1B, 0xE1, 0, 0xF0, 0, 0x0F, 0xE1, 1, 0xF0, 0,
            ])
    }

    private mutating func section(_ pid: UInt16, _ body: [UInt8]) {
        let crc = Self.crc(body)
        let check = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: crc >> $0) }
        add(pid, isStart: true, payload: [0] + body + check, filler: 0xFF)
    }

    mutating func add(
        _ pid: UInt16, isStart: Bool = false, clock: UInt64? = nil, isAccess: Bool = false, payload: [UInt8] = [],
        filler: UInt8 = 0x55
    ) {
        let counter = counters[pid, default: 0]
        counters[pid] = (counter + 1) & 15
        var packet: [UInt8] = [
            0x47, UInt8(pid >> 8) | (isStart ? 0x40 : 0), UInt8(pid & 0xFF), (clock == nil ? 0x10 : 0x30) | counter,
        ]
        if let clock {
            let base = clock / 300
            packet += [7, 0x10 | (isAccess ? 0x40 : 0)]
            packet += [25, 17, 9, 1].map { UInt8(truncatingIfNeeded: base >> $0) }
            packet += [UInt8(base & 1) << 7 | 0x7E, 0]
        }
        packet += payload
        packet += [UInt8](repeating: filler, count: Self.packet - packet.count)
        bytes += packet
        packets[pid, default: 0] += 1
    }

    /// The same packets with bytes before and after each: `(4, 0)` is M2TS, `(0, 16)` carries Reed-Solomon bytes.
    func padded(before: Int, after: Int) -> [UInt8] {
        var padded: [UInt8] = []
        for packet in 0..<count {
            padded += [UInt8](repeating: UInt8(truncatingIfNeeded: packet), count: before)
            padded += bytes[packet * Self.packet..<(packet + 1) * Self.packet]
            padded += [UInt8](repeating: 0xAA, count: after)
        }
        return padded
    }

    /// CRC-32/MPEG-2, ISO/IEC 13818-1 annex A.
    private static func crc(_ bytes: [UInt8]) -> UInt32 {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte) << 24
            for _ in 0..<8 { crc = crc & 0x8000_0000 != 0 ? crc << 1 ^ 0x04C1_1DB7 : crc << 1 }
        }
        return crc
    }
}
