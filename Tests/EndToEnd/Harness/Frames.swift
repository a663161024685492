/// A stream in which each frame is its own number, so that what a listener got says where it comes from, what it lost,
/// and whether a frame was cut.
struct Frames {
    /// Bytes of a frame, 4 ... 8.
    let unit: Int

    /// So many frames from number `first` on.
    func bytes(_ first: Int, _ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count * unit)
        for number in first..<(first + count) {
            for index in 0..<unit { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * index))) }
        }
        return bytes
    }

    /// The runs of consecutive frames in a body.
    func runs(_ bytes: [UInt8]) throws -> [Range<Int>] {
        guard bytes.count % unit == 0 else { throw Failure("\(bytes.count) bytes are not whole frames of \(unit)") }
        var runs: [Range<Int>] = []
        for start in stride(from: 0, to: bytes.count, by: unit) {
            var number = 0
            for index in (0..<unit).reversed() { number = number << 8 | Int(bytes[start + index]) }
            if let last = runs.last, last.upperBound == number {
                runs[runs.count - 1] = last.lowerBound..<(number + 1)
            } else if let last = runs.last, number < last.upperBound {
                throw Failure("frame \(number) after frame \(last.upperBound - 1)")
            } else {
                runs.append(number..<(number + 1))
            }
        }
        return runs
    }
}
