import Testing
import WeirHTTP
import WeirLive

@testable import Weir

/// What has to be done to get from one configuration to another.
@Suite struct ConfigurationChangeTests {
    static func station(_ name: String, _ change: (inout StationOptions) -> Void = { _ in }) -> StationOptions {
        var options = StationOptions(name: name)
        change(&options)
        return options
    }

    static func change(_ former: [StationOptions], _ next: [StationOptions]) -> ConfigurationChange {
        var before = Configuration()
        before.stations = former
        var after = before
        after.stations = next
        return ConfigurationChange(from: before, to: after)
    }

    @Test func theSameIsNoChange() {
        let change = ConfigurationChange(from: Configuration(), to: Configuration())
        #expect(change.isEmpty && change.pending.isEmpty)
        #expect(change.result == Configuration())
        #expect(change.stations.new.isEmpty && change.stations.order == ["demo"])
    }

    /// Every part of a station's options, another value for it, and whether a running station takes it on.
    static let parts: [(key: String, isLive: Bool, change: @Sendable (inout StationOptions) -> Void)] = [
        ("access", true, { $0.access = .signed }),
        ("format", false, { $0.format = .raw }),
        ("source", false, { $0.source = .fifo(path: "/x") }),
        ("source.autostart", false, { $0.autostart = .manual }),
        ("source.linger", true, { $0.linger = 1 }),
        ("source.start_timeout", true, { $0.startTimeout = 1 }),
        ("source.stall_timeout", true, { $0.stallTimeout = 1 }),
        ("ring", false, { $0.ring = 1 << 21 }),
        ("window", true, { $0.window = .fixed(milliseconds: 5) }),
        ("listeners.max", true, { $0.listenersMax = 1 }),
        ("listeners.alert", true, { $0.listenersAlert = 1 }),
        ("slow.policy", false, { $0.slowPolicy = .disconnect }),
        ("slow.max_lag", true, { $0.maxLag = 1 }),
        ("slow.timeout", true, { $0.slowTimeout = 1 }),
        ("join", true, { $0.join = 1 }),
        ("fallback", true, { $0.fallback = "x" }),
        ("warm", true, { $0.warm.ceiling = 1 << 30 }),
    ]

    @Test func everyPartOfAStationIsToldByItsKey() {
        // And its name, by which it is known.
        #expect(Mirror(reflecting: Self.station("a")).children.count == Self.parts.count + 1)
        for part in Self.parts {
            let other = Self.station("a", part.change)
            let change = Self.change([Self.station("a")], [other])
            let expected = [ConfigurationChange.Station(options: other, keys: [part.key])]
            #expect(change.adjusted == (part.isLive ? expected : []), "\(part.key)")
            #expect(change.replaced == (part.isLive ? [] : expected), "\(part.key)")
            #expect(change.added.isEmpty && change.removed.isEmpty && change.applied.isEmpty)
        }
    }

    @Test func aWarmCacheThatBeginsOrEndsTakesAnotherStation() {
        let warm = Self.station("tv") { $0.format = .ts }
        let cold = Self.station("tv") {
            $0.format = .ts
            $0.warm.seconds = 0
        }
        let longer = Self.station("tv") {
            $0.format = .ts
            $0.warm.seconds = 20
        }
        #expect(Self.change([warm], [cold]).replaced.map(\.keys) == [["warm"]])
        #expect(Self.change([cold], [warm]).replaced.map(\.keys) == [["warm"]])
        #expect(Self.change([warm], [longer]).adjusted.map(\.keys) == [["warm"]])
    }

    @Test func everyKeyTakesEffectOrIsSaidToNeedARestart() throws {
        var former = Configuration()
        former.auth.adminToken = Secret("0123456789abcdef")
        for key in ConfigurationTable.configuration.keys where key.parse != nil {
            var next = former
            // Whatever the key's type is, one of these is another value of it.
            for text in [
                "sqlite:other.db", "/other", "error", "json", "127.0.0.1:1", "777", "77", "7", "77MiB", "10.0.0.0/8",
                "other.example", "none", "r2", "https://other.example", "classic", "always", "signed", "redis://other",
            ] {
                guard let parse = key.parse else { continue }
                var reader = ConfigurationReader(file: nil)
                var candidate = former
                reader.read(parse(text), key, from: .option("--x"), into: &candidate)
                if !reader.hasErrors, candidate != former { next = candidate }
            }
            try #require(next != former, "\(key.path)")
            let change = ConfigurationChange(from: former, to: next)
            let groups = ["storage.", "media.", "prewarm.", "telegram.", "downloads."]
            let fixed = ["listen", "data", "cache.dir", "database"]
            if fixed.contains(key.path) || groups.contains(where: key.path.hasPrefix) {
                #expect(change.pending == [key.path] && change.applied.isEmpty && change.isEmpty)
                #expect(change.result == former, "what runs stays as it is")
            } else {
                #expect(change.applied == [key.path] && change.pending.isEmpty)
                #expect(change.result == next)
            }
        }
    }

    @Test func anotherCertificateTakesEffectButToBeginOrEndHTTPSNeedsARestart() {
        let plain = Configuration()
        var secure = Configuration()
        secure.server.tls = ServerOptions.TLS(certificate: "/a.pem", key: "/a.key")
        var other = secure
        other.server.tls = ServerOptions.TLS(certificate: "/b.pem", key: "/b.key")
        let keys = ["tls.certificate", "tls.key"]
        #expect(ConfigurationChange(from: secure, to: other).applied == keys)
        #expect(ConfigurationChange(from: secure, to: other).result == other)
        for (former, next) in [(plain, secure), (secure, plain)] {
            let change = ConfigurationChange(from: former, to: next)
            #expect(change.pending == keys && change.isEmpty)
            #expect(change.result == former, "what runs stays as it is")
        }
    }

    @Test func anotherOrderIsAChangeOfItsOwn() {
        let (a, b, c) = (Self.station("a"), Self.station("b"), Self.station("c"))
        #expect(Self.change([a, b], [b, a]).applied == ["live.stations"])
        #expect(Self.change([a, b], [b, a]).stations.order == ["b", "a"])
        #expect(Self.change([a, b], [c, a, b]).applied == [])
        #expect(Self.change([a, b, c], [a, c]).applied == [])
        #expect(Self.change([a, b, c], [c, a]).applied == ["live.stations"])
    }

    /// Any two sets of stations: everything of the new one is kept, adjusted, replaced or added, once.
    @Test func randomDifferencesAreComplete() {
        let seed = UInt64.random(in: 1 ... .max)
        var random = Steps(state: seed)
        func set() -> [StationOptions] {
            ["a", "b", "c", "d", "e"].filter { _ in random.next() % 2 == 0 }.shuffled(using: &random).map { name in
                Self.station(name) {
                    for part in Self.parts where random.next() % 8 == 0 { part.change(&$0) }
                }
            }
        }
        for _ in 0..<500 {
            let (former, next) = (set(), set())
            let change = Self.change(former, next)
            let touched = change.added + (change.adjusted + change.replaced).map(\.options)
            let kept = former.filter { next.contains($0) }
            let names = (touched + kept).map(\.name)
            #expect(names.count == Set(names).count && Set(names) == Set(next.map(\.name)), "seed \(seed)")
            #expect(touched.allSatisfy { next.contains($0) && !former.contains($0) }, "seed \(seed)")
            #expect(Set(change.removed) == Set(former.map(\.name)).subtracting(next.map(\.name)), "seed \(seed)")
            #expect(change.stations.order == next.map(\.name) && change.result.stations == next, "seed \(seed)")
            let same = former == next
            #expect(change.isEmpty == same, "seed \(seed)")
        }
    }
}

/// Numbers that a seed brings back (Steele's SplitMix64).
private struct Steps: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
