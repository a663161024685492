import Glibc

/// How much the tests do, and how patient they are.
enum Pace {
    /// `WEIR_SCALE`: 1 for every day, more for long runs.
    static let scale = max(1, variable("WEIR_SCALE").flatMap { Int($0) } ?? 1)

    /// Whether this process, and so the program beside it, was built with a sanitizer.
    static let isSanitized = ["__asan_init", "__tsan_init"].contains { (name: String) in dlsym(nil, name) != nil }

    /// Seconds after which something that should have happened has not. Nothing waits that long when all is well,
    /// on a machine that is busy with other things either.
    static let patience = 240.0

    static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// Nanoseconds of the monotonic clock.
    static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// A moment by which something must have happened.
struct Deadline {
    let end: UInt64

    init(seconds: Double = Pace.patience) { end = Pace.now + UInt64(seconds * 1e9) }

    /// A moment of `Pace.now`.
    init(at end: UInt64) { self.end = end }

    var hasPassed: Bool { Pace.now >= end }

    /// For `poll`, rounded up.
    var milliseconds: Int32 {
        let now = Pace.now
        return now >= end ? 0 : Int32(clamping: (end - now) / 1_000_000 + 1)
    }
}

/// What kept a test from going on.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }

    /// With what `errno` says.
    static func system(_ what: String) -> Failure { Failure("\(what): \(String(cString: strerror(errno)))") }
}

/// Looks again and again, every few milliseconds, until `body` has found something.
@discardableResult
func eventually<Value>(
    _ what: String, within seconds: Double = Pace.patience, _ body: () throws -> Value?
) throws -> Value {
    let deadline = Deadline(seconds: seconds)
    while true {
        if let value = try body() { return value }
        if deadline.hasPassed { throw Failure("waited in vain until \(what)") }
        usleep(5000)
    }
}
