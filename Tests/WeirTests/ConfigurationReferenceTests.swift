import Glibc
import Testing
import WeirLive

@testable import Weir

/// What is written about the keys agrees with the table of keys.
@Suite struct ConfigurationReferenceTests {
    /// Every key, with a station's as `live.stations[].ring` and a bot's as `telegram.bots[].slug`.
    static let paths =
        ConfigurationTable.configuration.keys.map(\.path)
        + ConfigurationTable.station.keys.map { "live.stations[].\($0.path)" }
        + ConfigurationTable.bot.keys.map { "telegram.bots[].\($0.path)" }

    /// The reference's rows of one table.
    static func rows<Target>(_ table: ConfigurationTable<Target>) -> [String] {
        ["| Key | Value | Default | |", "|---|---|---|---|"]
            + table.keys.map { key in
                let standard = key.standard.isEmpty || key.standard.contains(" ") || key.standard == "required"
                return
                    "| `\(key.path)` | \(key.noun) | \(standard ? key.standard : "`\(key.standard)`") | \(key.about) |"
            }
    }

    @Test func theReferenceIsTheTable() throws {
        let path = "docs/configuration.md"
        var lines = try Project.text(path).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let written = lines
        let tables = [
            ("keys", Self.rows(.configuration)), ("station keys", Self.rows(.station)), ("bot keys", Self.rows(.bot)),
        ]
        for (name, rows) in tables {
            let start = try #require(lines.firstIndex(of: "<!-- \(name) -->"))
            let end = try #require(lines.firstIndex(of: "<!-- /\(name) -->"))
            lines.replaceSubrange((start + 1)..<end, with: rows)
        }
        if getenv("WEIR_WRITE_REFERENCE") != nil {
            let file = try #require(fopen("\(Project.root)/\(path)", "w"))
            fputs(lines.joined(separator: "\n"), file)
            fclose(file)
        } else {
            #expect(written == lines, "docs/configuration.md is not what the table of keys says")
        }
    }

    @Test func everyKeySaysWhatItIs() {
        #expect(Set(Self.paths).count == Self.paths.count)
        for (about, noun) in ConfigurationTable.configuration.keys.map({ ($0.about, $0.noun) })
            + ConfigurationTable.station.keys.map({ ($0.about, $0.noun) })
            + ConfigurationTable.bot.keys.map({ ($0.about, $0.noun) })
        {
            #expect(!noun.isEmpty && !about.isEmpty && !about.hasSuffix(".") && !about.contains("|"))
        }
    }

    #if YAML
        /// Reads a document without judging it as a whole, and says what was given.
        static func read(_ text: String) -> (configuration: Configuration, problems: [String], given: Set<String>) {
            var reader = ConfigurationReader(file: "weir.yml")
            var configuration = Configuration()
            reader.read(document: Array(text.utf8), named: "weir.yml", into: &configuration)
            let given = reader.given.keys.map { path in
                // live.stations[1].ring is live.stations[].ring.
                String(path.filter { !("0"..."9").contains($0) || !path.contains("[") })
            }
            return (configuration, reader.problems.map(\.description), Set(given))
        }

        @Test func theExampleStatesTheDefaults() throws {
            let outcome = ConfigurationSource(file: "\(Project.root)/weir.example.yml").load()
            var expected = Configuration()
            expected.stations = [.init(name: "demo")]
            #expect(outcome == ConfigurationOutcome(configuration: expected, problems: []))
        }

        @Test func theExampleHasEveryKeyAndNothingWrongWhenUncommented() throws {
            let text = try Project.text("weir.example.yml").split(separator: "\n", omittingEmptySubsequences: false).map
            { line in
                let indent = line.prefix { $0 == " " }
                let rest = line.dropFirst(indent.count)
                return rest.hasPrefix("#") && !rest.hasPrefix("# ") && rest != "#" ? indent + rest.dropFirst() : line
            }
            let read = Self.read(text.joined(separator: "\n"))
            #expect(read.problems == [])
            #expect(Set(Self.paths).subtracting(read.given) == [])
            #expect(read.configuration.stations.map(\.source.kind) == ["tone", "exec", "file", "push", "http", "udp"])
        }
    #endif
}
