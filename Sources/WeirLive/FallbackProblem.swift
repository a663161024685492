/// What is wrong with the fallback that a station's options name.
public struct FallbackProblem: Sendable, Equatable {
    /// Which of the stations.
    public var index: Int
    /// For people, what was found and what is expected.
    public var text: String
}

extension StationOptions {
    /// Which of these stations have a fallback that they cannot have: one that is not there, themselves, another format's, or
    /// one that comes back to them. A circle is told once, with the names along it, at the first of its stations.
    public static func fallbackProblems(_ all: [StationOptions]) -> [FallbackProblem] {
        let byName = Dictionary(all.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        return all.indices.compactMap { index in
            let station = all[index]
            guard let name = station.fallback else { return nil }
            guard let found = byName[name] else {
                return FallbackProblem(
                    index: index, text: "there is no station `\(name)`; expected the name of another station")
            }
            if found == index {
                return FallbackProblem(
                    index: index, text: "a station cannot be its own fallback; expected the name of another station")
            }
            let other = all[found]
            if other.format != station.format {
                return FallbackProblem(
                    index: index,
                    text: "`\(name)` is \(other.format.text); expected a station of the same format as this one,"
                        + " \(station.format.text)")
            }
            return circle(from: index, all, byName)
        }
    }

    /// The circle that a station is the first of.
    private static func circle(
        from start: Int, _ all: [StationOptions], _ byName: [String: Int]
    ) -> FallbackProblem? {
        var path = [start]
        while let name = all[path[path.count - 1]].fallback, let next = byName[name] {
            if next == start {
                let names = (path + [start]).map { all[$0].name }.joined(separator: " → ")
                return FallbackProblem(
                    index: start, text: "the fallbacks go round in a circle: \(names); expected one that ends")
            }
            // It is told at the first of its stations; and this one may only lead to it.
            if next < start || path.contains(next) { return nil }
            path.append(next)
        }
        return nil
    }
}
