internal import CLibuv
internal import CWeir
internal import Glibc
internal import WeirHTTP
internal import WeirLoop

/// `weir bench ts`: how fast the scanner of transport streams is, on data in memory, by this thread's CPU time.
///
/// The comparison with other searches is `bench/ts`; this one takes seconds and needs nothing.
enum BenchTS {
    /// Of each kind of data: more than a cache holds.
    static let bytes = 64 << 20
    /// What the scanner is given at a time.
    static let chunk = 64 << 10
    static let runs = 5

    struct Result {
        var name: String
        var what: String
        /// Gigabytes a second, of each run, in ascending order.
        var rates: [Double]
        var median: Double { rates[rates.count / 2] }
    }

    static func run(_ arguments: [String]) -> Int32 {
        if let wrong = arguments.first(where: { $0 != "--json" }) {
            Console.standard.error("weir bench ts: unknown option \(quoted(wrong)); expected --json")
            return Program.wrongUsage
        }
        do {
            let results = try measure()
            if arguments.isEmpty {
                Console.standard.output(table(results))
            } else {
                Console.standard.line(json(results).description)
            }
            return Program.done
        } catch {
            Console.standard.error("weir bench ts: \(error)")
            return Program.failed
        }
    }

    // MARK: Measuring

    private static func measure() throws -> [Result] {
        let stream = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes - bytes % packet, alignment: 4096)
        let quiet = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 4096)
        defer {
            stream.deallocate()
            quiet.deallocate()
        }
        fill(stream)
        fillQuiet(quiet)
        let packets = UInt64(stream.count / packet)
        let (locked, every) = settings()
        // What each has to find shows that it did its work.
        let measures: [(String, String, UInt64, () throws -> (UInt64, Int))] = [
            ("locked", "a stream, packets only", packets, { (try push(stream, locked), stream.count) }),
            ("events", "a stream, every event", packets, { (try push(stream, every), stream.count) }),
            ("search", "random bytes without a sync byte", 0, { (try push(quiet, locked), quiet.count) }),
            ("one_shot", "the same, weir_ts_find_sync()", 0, { (findSync(quiet), quiet.count) }),
        ]
        var results = measures.map { Result(name: $0.0, what: $0.1, rates: []) }
        for _ in 0..<runs {
            for (index, measure) in measures.enumerated() {
                let begin = threadSeconds()
                let (found, count) = try measure.3()
                results[index].rates.append(Double(count) / (threadSeconds() - begin) / 1e9)
                guard found == measure.2 else {
                    throw ScanFailure(description: "\(measure.0): found \(found), expected \(measure.2)")
                }
            }
        }
        for index in results.indices { results[index].rates.sort() }
        return results
    }

    private static func settings() -> (locked: weir_ts_settings_t, every: weir_ts_settings_t) {
        var settings = weir_ts_settings_t()
        settings.on_packets = { ts, _, count, _ in
            weir_ts_data(ts).assumingMemoryBound(to: UInt64.self).pointee += UInt64(count)
        }
        let locked = settings
        settings.on_lock = { _, _, _ in }
        settings.on_loss = { _, _ in }
        settings.on_program = { _, _, _ in }
        settings.on_continuity = { _, _, _, _, _ in }
        settings.on_pcr = { _, _ in }
        settings.on_access = { _, _ in }
        settings.on_foreign = { _, _ in }
        return (locked, settings)
    }

    /// The packets that are found when all bytes are pushed; a search that took too long begins anew.
    private static func push(
        _ bytes: UnsafeMutableRawBufferPointer, _ settings: weir_ts_settings_t
    ) throws -> UInt64 {
        var found: UInt64 = 0
        try withUnsafeMutablePointer(to: &found) { found in
            var ts: OpaquePointer?
            var options = weir_ts_options_t()
            options.size = MemoryLayout<weir_ts_options_t>.size
            options.settings = settings
            options.data = UnsafeMutableRawPointer(found)
            let status = weir_ts_create(&ts, &options)
            guard status == 0, let ts else { throw CoreError(rawValue: status) }
            defer { weir_ts_destroy(ts) }
            var at = 0
            while at < bytes.count {
                let count = min(chunk, bytes.count - at)
                if weir_ts_push(ts, bytes.baseAddress! + at, count) != 0 { weir_ts_reset(ts) }
                at += count
            }
            _ = weir_ts_end(ts)
        }
        return found
    }

    /// 0: no sync.
    private static func findSync(_ bytes: UnsafeMutableRawBufferPointer) -> UInt64 {
        var stride: UInt32 = 0
        return UInt64(weir_ts_find_sync(bytes.baseAddress, bytes.count, 0, &stride) + 1)
    }

    private static func threadSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    // MARK: Data

    private static let packet = Int(WEIR_TS_PACKET)
    /// One in so many packets is a table, and begins a unit of the stream.
    private static let tablesEvery = 256

    /// Packets of a programme with one H.264 stream (ISO/IEC 13818-1 2.4.3, 2.4.4), with a clock reference and a picture
    /// to decode from after each pair of tables. What the pictures hold is random.
    private static func fill(_ stream: UnsafeMutableRawBufferPointer) {
        let pat: [UInt8] = [0x40, 0x00, 0x10, 0, 0, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0, 1, 0xF0, 0, 0x2A, 0xB1, 0x04, 0xB2]
        let pmt: [UInt8] = [
            0x50, 0x00, 0x10, 0, 2, 0xB0, 18, 0, 1, 0xC1, 0, 0, 0xE1, 0, 0xF0, 0, 0x1B, 0xE1, 0, 0xF0, 0,
            0x15, 0xBD, 0x4D, 0x56,
        ]
        let access: [UInt8] = [0x41, 0x00, 0x30, 7, 0x50, 0, 0, 0, 0, 0x7E, 0] + [0, 0, 1, 0xE0, 0, 0, 0x80, 0, 0]
        let picture: [UInt8] = [0, 0, 1, 0x65]
        var random: UInt64 = 1
        var counters = [UInt8](repeating: 0, count: 3)
        for index in 0..<stream.count / packet {
            let to = UnsafeMutableRawBufferPointer(rebasing: stream[index * packet..<(index + 1) * packet])
            noise(to, &random)
            let place = min(index % tablesEvery, 3)
            let head = [pat, pmt, access + picture, [0x01, 0x00, 0x10]][place]
            let isTable = place < 2
            to[0] = UInt8(WEIR_TS_SYNC)
            for (offset, byte) in head.enumerated() { to[1 + offset] = byte }
            if isTable { for offset in 1 + head.count..<packet { to[offset] = 0xFF } }
            if place == 2 {
                // 256 packets of 188 bytes at 20 Mbit/s, in ticks of 90 kHz.
                let base = UInt64(index / tablesEvery) * 1732
                for (offset, shift) in [25, 17, 9, 1].enumerated() {
                    to[6 + offset] = UInt8(truncatingIfNeeded: base >> shift)
                }
                to[10] = UInt8(base & 1) << 7 | 0x7E
            }
            let counter = min(place, 2)
            to[3] |= counters[counter] & 15
            counters[counter] &+= 1
        }
    }

    private static func fillQuiet(_ bytes: UnsafeMutableRawBufferPointer) {
        var random: UInt64 = 2
        noise(bytes, &random)
        for index in bytes.indices where bytes[index] == UInt8(WEIR_TS_SYNC) { bytes[index] = 0 }
    }

    /// xorshift64* (Marsaglia 2003; Vigna 2016).
    private static func noise(_ bytes: UnsafeMutableRawBufferPointer, _ state: inout UInt64) {
        for offset in stride(from: 0, to: bytes.count, by: 8) {
            state ^= state >> 12
            state ^= state << 25
            state ^= state >> 27
            let word = state &* 0x2545_F491_4F6C_DD1D
            for byte in 0..<min(8, bytes.count - offset) {
                bytes[offset + byte] = UInt8(truncatingIfNeeded: word >> UInt64(8 * byte))
            }
        }
    }

    // MARK: Telling

    private static func json(_ results: [Result]) -> JSON {
        .object([
            ("benchmark", "ts"), ("bytes", .integer(Int64(bytes))), ("chunk", .integer(Int64(chunk))),
            (
                "results",
                .array(
                    results.map { result in
                        .object([
                            ("name", .string(result.name)), ("gigabytes_per_second", result.median.rounded(to: 3)),
                            ("least", result.rates[0].rounded(to: 3)),
                            ("most", result.rates[result.rates.count - 1].rounded(to: 3)),
                        ])
                    })
            ),
        ])
    }

    private static func table(_ results: [Result]) -> String {
        var text = "\(bytes >> 20) MiB in pieces of \(chunk >> 10) KiB; GB/s, the median of \(runs) runs.\n"
        for result in results {
            let rate = ScanText.fixed(result.median, 2)
            let range = "\(ScanText.fixed(result.rates[0], 2)) - \(ScanText.fixed(result.rates[runs - 1], 2))"
            text += String(repeating: " ", count: max(0, 8 - rate.count)) + rate
            text += "  (\(range))" + String(repeating: " ", count: max(1, 16 - range.count)) + result.what + "\n"
        }
        return text
    }
}
