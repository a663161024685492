internal import CWeirStorage
internal import Glibc
internal import WeirHTTP

/// What signatures cost: for `weir bench sign`.
public enum SigningMeasurement {
    public enum Kind: String, CaseIterable, Sendable {
        case header
        case presign
        case headerDerived = "header_derived"
        case presignDerived = "presign_derived"
        case headerFloor = "header_floor"
        case presignFloor = "presign_floor"

        public var about: String {
            switch self {
            case .header: "in the header, with a key that is kept"
            case .presign: "in the URL, with a key that is kept"
            case .headerDerived: "in the header, the key derived each time"
            case .presignDerived: "in the URL, the key derived each time"
            case .headerFloor: "the header's floor: one SHA-256, one HMAC with a prepared key"
            case .presignFloor: "the URL's floor"
            }
        }
    }

    /// CPU time of this thread for one, in nanoseconds: the least and the median of several runs.
    public struct Result: Sendable {
        public let kind: Kind
        public let least: Double
        public let median: Double
    }

    /// Runs of all measurements, which take turns.
    public static let runs = 11

    public static func all(rounds: Int) -> [Result] {
        let bodies = Kind.allCases.map { ($0, body($0)) }
        var times = bodies.map { _ in [Double]() }
        for _ in 0..<runs {
            for (index, (_, body)) in bodies.enumerated() {
                let begin = nanoseconds()
                for _ in 0..<rounds { body() }
                times[index].append((nanoseconds() - begin) / Double(rounds))
            }
        }
        return bodies.indices.map { index in
            let sorted = times[index].sorted()
            return Result(kind: bodies[index].0, least: sorted[0], median: sorted[sorted.count / 2])
        }
    }

    /// So many of one kind, for somebody who counts instructions.
    public static func run(_ kind: Kind, rounds: Int) {
        let body = body(kind)
        for _ in 0..<rounds { body() }
    }

    private static func body(_ kind: Kind) -> () -> Void {
        let credentials = SigningCredentials(
            accessKeyID: "0123456789abcdef0123456789abcdef",
            secretAccessKey: "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")
        let request = SigningRequest(
            .get, host: "account.r2.cloudflarestorage.com", path: "/media/books/0042/page-0017.jpg")
        let signer = Signer(credentials: credentials, region: "auto")
        let noon = SigningDate("20260101T120000Z")!
        // More days than keys are kept.
        let days = (0..<Int64(2 * SigningKeyCache.limit)).map { SigningDate(seconds: noon.seconds + $0 * 86_400) }
        var day = 0
        func next() -> SigningDate {
            day = (day + 1) % days.count
            return days[day]
        }
        switch kind {
        case .header: return { keep(signer.sign(request, at: noon)) }
        case .presign: return { keep(signer.presign(request, expires: 3600, at: noon)) }
        case .headerDerived: return { keep(signer.sign(request, at: next())) }
        case .presignDerived: return { keep(signer.presign(request, expires: 3600, at: next())) }
        case .headerFloor:
            _ = signer.sign(request, at: noon)
            let floor = Floor(signer)
            return { floor.run() }
        case .presignFloor:
            _ = signer.presign(request, expires: 3600, at: noon)
            let floor = Floor(signer)
            return { floor.run() }
        }
    }

    /// The digests of a signature, and nothing else of it.
    private final class Floor {
        private let canonical: [UInt8]
        private let message: [UInt8]
        private var key = weir_hmac_key_t()
        private var digest = [UInt8](repeating: 0, count: Int(WEIR_SHA256_SIZE))

        init(_ signer: Signer) {
            canonical = Array(signer.canonicalRequest.utf8)
            message = Array(signer.stringToSign.utf8)
            weir_hmac_key(&key, canonical, 32)
        }

        func run() {
            weir_sha256(canonical, canonical.count, &digest)
            weir_hmac(&key, message, message.count, &digest)
        }
    }

    /// Is not optimised away.
    @inline(never)
    private static func keep<Value>(_ value: Value) {}

    private static func nanoseconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
    }
}
