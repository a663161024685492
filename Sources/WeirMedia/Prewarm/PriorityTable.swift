public import WeirDatabase

/// Which jobs go first: points for size, kind and age, as a table of values.
///
/// A score is the base, the points of the first size rule that holds, those of the kind, and those of the age while a
/// job is that young: 0 ... 255. Higher goes first, and the older one among equals.
public struct PriorityTable: Sendable, Equatable {
    /// What a score may be: the priorities of the queue that jobs wait in.
    public static let range = 0...255
    /// Size rules, at most.
    public static let sizesLimit = 16

    /// Points for media of a size.
    public struct Size: Sendable, Equatable {
        public enum Side: String, Sendable, CaseIterable { case below, above }

        public var side: Side
        /// Media with fewer bytes, or more.
        public var bytes: Int
        public var points: Int

        public init(_ side: Side, _ bytes: Int, points: Int) {
            self.side = side
            self.bytes = bytes
            self.points = points
        }

        func holds(_ count: Int64) -> Bool {
            switch side {
            case .below: count < Int64(bytes)
            case .above: count > Int64(bytes)
            }
        }

        var name: String { "bytes \(side == .below ? "<" : ">") \(bytes)" }
    }

    /// Points for a job that was enqueued less than `below` seconds ago.
    public struct Age: Sendable, Equatable {
        public var below: Double
        public var points: Int

        public init(below: Double, points: Int) {
            self.below = below
            self.points = points
        }
    }

    public var base: Int
    /// The first that holds counts.
    public var sizes: [Size]
    public var kinds: [MediaKind: Int]
    public var age: Age

    public init(
        base: Int = 100,
        sizes: [Size] = [
            Size(.below, 100_000, points: 50), Size(.below, 1_000_000, points: 30),
            Size(.above, 20_000_000, points: -20),
        ],
        kinds: [MediaKind: Int] = [.photo: 20, .video: -10], age: Age = Age(below: 60, points: 15)
    ) {
        self.base = base
        self.sizes = sizes
        self.kinds = kinds
        self.age = age
    }

    // MARK: Scoring

    /// A rule and the points that it gave.
    public struct Reason: Sendable, Equatable {
        /// Such as `bytes < 100000`.
        public let rule: String
        public let points: Int

        public init(_ rule: String, _ points: Int) {
            self.rule = rule
            self.points = points
        }
    }

    /// What a job has, with the age rule left aside.
    public func score(bytes: Int64, kind: MediaKind) -> Int {
        clamp(base + (sizes.first { $0.holds(bytes) }?.points ?? 0) + (kinds[kind] ?? 0))
    }

    /// The same of a job that was enqueued `age` seconds ago.
    public func score(bytes: Int64, kind: MediaKind, age: Double) -> Int {
        clamp(reasons(bytes: bytes, kind: kind, age: age).reduce(0) { $0 + $1.points })
    }

    /// Which rules gave which points; their sum is the score.
    public func reasons(bytes: Int64, kind: MediaKind, age seconds: Double) -> [Reason] {
        var reasons = [Reason("base", base)]
        if let size = sizes.first(where: { $0.holds(bytes) }) { reasons.append(Reason(size.name, size.points)) }
        if let points = kinds[kind], points != 0 { reasons.append(Reason("kind = \(kind.rawValue)", points)) }
        if seconds < age.below { reasons.append(Reason("age < \(PriorityTable.text(age.below)) s", age.points)) }
        return reasons
    }

    /// The lowest and the highest score that the table can give, before they are brought into `range`.
    public var extremes: (least: Int, most: Int) {
        let sizes = sizes.map(\.points) + [0]
        let kinds = MediaKind.allCases.map { self.kinds[$0] ?? 0 }
        return (
            base + sizes.min()! + kinds.min()! + min(0, age.points),
            base + sizes.max()! + kinds.max()! + max(0, age.points)
        )
    }

    private func clamp(_ score: Int) -> Int {
        min(max(score, PriorityTable.range.lowerBound), PriorityTable.range.upperBound)
    }

    private static func text(_ seconds: Double) -> String {
        Int(exactly: seconds).map { String($0) } ?? "\(seconds)"
    }
}
