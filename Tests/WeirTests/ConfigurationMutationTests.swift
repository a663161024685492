import Testing

@testable import Weir

/// A small generator with a seed, so that a failure can be repeated (SplitMix64, Steele et al. 2014).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }
}

/// Damaged configurations are read without a crash, and either have an error or give a configuration.
@Suite struct ConfigurationMutationTests {
    static let json = """
        { "listen": ["127.0.0.1:8080", "[::1]:0", "unix:/run/weir.sock"], "data": "./weir\\u00e9\\ud83d\\ude00",
          "shutdown": { "grace": 1.5e1 }, "http": { "max_connections": "auto", "trusted_proxies": ["10.0.0.0/8"] },
          "limits": { "memory": "1.5GiB" },
          "live": { "stations": [ { "name": "a", "pcm": { "sample": "f32le" }, "join": 0.5, "window": "20ms",
            "source": { "kind": "exec", "command": ["true", "-"], "environment": { "A": "b" } } } ] } }
        """

    /// One to eight small damages: bytes changed, removed, doubled, moved, or replaced by what readers stumble over.
    static func mutate(_ original: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        let tokens = [
            "\t", "{", "}", "[", "]", ": ", "- ", "&a ", "*a", "<<: ", "!!x ", "\"", "'", "|", ">", "#", "\n", "\r",
            "---\n",
            "...", "%", "\u{0}", "\u{FEFF}", "\u{2028}", "1e999", "-", "99999999999999999999", "null", "? ", "\\u",
            "\\ud800",
        ].map { Array($0.utf8) }
        var bytes = original
        for _ in 0..<Int.random(in: 1...8, using: &generator) {
            let at = Int.random(in: 0...bytes.count, using: &generator)
            let end = min(bytes.count, at + Int.random(in: 0...20, using: &generator))
            switch Int.random(in: 0..<7, using: &generator) {
            case 0: if at < bytes.count { bytes[at] = UInt8.random(in: 0...255, using: &generator) }
            case 1: bytes.removeSubrange(at..<end)
            case 2: bytes.insert(contentsOf: bytes[at..<end], at: at)
            case 3: bytes.insert(contentsOf: tokens.randomElement(using: &generator) ?? [], at: at)
            case 4: bytes.replaceSubrange(at..<end, with: tokens.randomElement(using: &generator) ?? [])
            case 5:
                let cut = Array(bytes[at..<end])
                bytes.removeSubrange(at..<end)
                bytes.insert(contentsOf: cut, at: Int.random(in: 0...bytes.count, using: &generator))
            default:
                let token = tokens.randomElement(using: &generator) ?? []
                let count = Int.random(in: 1...60, using: &generator)
                bytes.insert(contentsOf: repeatElement(token, count: count).joined(), at: at)
            }
        }
        return bytes
    }

    static func read(_ bytes: [UInt8], named name: String) -> ConfigurationReader {
        var reader = ConfigurationReader(file: name)
        var configuration = Configuration()
        reader.read(document: bytes, named: name, into: &configuration)
        if !reader.hasErrors {
            configuration.limits.memory = 1 << 30
            _ = Check.report(configuration, ConfigurationCaps(of: configuration, connections: 1000))
        }
        return reader
    }

    @Test(arguments: ["weir.yml", "weir.json"])
    func damagedFilesNeverCrashTheReader(name: String) throws {
        let original = name.hasSuffix(".json") ? Array(Self.json.utf8) : try Project.bytes("weir.example.yml")
        #if YAML
            #expect(Self.read(original, named: name).problems == [])
        #endif
        var generator = SeededGenerator(state: 20_260_101)
        var refused = 0
        for _ in 0..<2000 {
            let bytes = Self.mutate(original, &generator)
            let reader = Self.read(bytes, named: name)
            if reader.hasErrors { refused += 1 }
            let lines = bytes.count + 2
            for problem in reader.problems {
                guard case .place(_, let mark) = problem.origin else { continue }
                #expect((1...lines).contains(mark.line) && (1...lines).contains(mark.column))
            }
        }
        #expect(refused > 1000)
    }

    @Test func damagedValuesNeverCrashTheEnvironment() {
        var generator = SeededGenerator(state: 7)
        let samples = ConfigurationSourceTests.samples.sorted { $0.key < $1.key }
        for _ in 0..<2000 {
            guard let (name, sample) = samples.randomElement(using: &generator) else { continue }
            let value = String(decoding: Self.mutate(Array(sample.value.utf8), &generator), as: UTF8.self)
            let (_, problems) = ConfigurationSourceTests.read([name: value])
            #expect(problems.allSatisfy { $0.hasPrefix("\(name): ") })
        }
    }
}
