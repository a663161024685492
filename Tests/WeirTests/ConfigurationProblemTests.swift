import Glibc
import Testing

@testable import Weir

/// `Tests/Configurations` holds broken configurations. The lines at the end of each that begin with `#: ` are what is
/// reported about it: all of it, in order.
@Suite struct ConfigurationProblemTests {
    static let broken: [String] = {
        var names: [String] = []
        guard let directory = opendir("\(Project.root)/Tests/Configurations") else { return [] }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasSuffix(".yml") { names.append(name) }
        }
        return names.sorted()
    }()

    @Test func thereAreTwentyAndMore() {
        #expect(Self.broken.count >= 20)
    }

    #if YAML
        @Test(arguments: broken)
        func everyProblemHasItsPlaceItsKeyAndWhatWasExpected(name: String) throws {
            let path = "Tests/Configurations/\(name)"
            let file = "\(Project.root)/\(path)"
            let expected = try Project.text(path).split(separator: "\n").filter { $0.hasPrefix("#: ") }
                .map { "\(file):\($0.dropFirst(3))" }
            let outcome = ConfigurationSource(file: file).load()
            #expect(outcome.problems.map(\.description) == expected)
            #expect(outcome.configuration == nil)
            #expect(!expected.isEmpty)
        }
    #endif

    @Test func jsonIsReportedLikeYAML() throws {
        let outcome = try load(
            """
            {
              "listne": "127.0.0.1:8080",
              "log": { "level": "infoo" },
              "http": { "cors": null, "max_connections": "10", "max_connections": 10 },
              "live": { "stations": [ { "name": true, "source": { "kind": "tone" } } ] }
            }
            """, named: "weir.json")
        #expect(
            outcome.lines == [
                "weir.yml:2:3: listne: unknown key; expected listen, data, shutdown, log, auth, http, tls, limits, cache, live, storage, database, downloads, media, prewarm or telegram;"
                    + " did you mean `listen`?",
                "weir.yml:3:21: log.level: \"infoo\" is unknown; expected debug, info, warning or error; did you mean `info`?",
                "weir.yml:4:13: http.cors: has no value; expected `*`, an origin such as https://radio.example.org, or none",
                "weir.yml:4:46: http.max_connections: \"10\" is text; expected `auto` or a whole number from 1 to 1000000;"
                    + " remove the quotes",
                "weir.yml:4:52: http.max_connections: stands twice; expected once (first on line 4)",
                "weir.yml:5:37: live.stations[0].name: `true` is a boolean; expected 1 to 64 of a-z A-Z 0-9 _ -;"
                    + " put it in quotes",
            ])
    }

    @Test func severalHundredProblemsAreCut() throws {
        let keys = (0..<500).map { "\"key\($0)\": 1" }.joined(separator: ",\n")
        let outcome = try load("{\(keys)}", named: "weir.json")
        #expect(outcome.problems.count == ConfigurationReader.problemLimit + 1)
        #expect(outcome.problems.contains { $0.message == "more problems, which are not listed" })
    }

    @Test func aFileThatCannotBeReadSaysWhy() throws {
        #expect(
            ConfigurationSource(file: "/nonexistent/weir.yml").load().problems.map(\.description) == [
                "/nonexistent/weir.yml: cannot be read: No such file or directory"
            ])
        #expect(
            ConfigurationSource(file: "/tmp").load().problems.map(\.description) == [
                "/tmp: cannot be read: Is a directory"
            ])
    }

    @Test func aFileOfMoreThanAMebibyteIsRefused() throws {
        let atLimit = "{}" + String(repeating: " ", count: (1 << 20) - 2)
        #expect(try load(atLimit, named: "weir.json").configuration == Configuration())
        #expect(try load(atLimit + " ", named: "weir.json").lines == ["weir.yml: is larger than 1MiB"])
    }

    @Test func aByteOrderMarkIsSkipped() throws {
        #expect(try load("\u{FEFF}{ \"data\": \"/srv\" }", named: "weir.json").configuration?.data == "/srv")
    }

    #if YAML
        @Test(arguments: ["", "# nothing\n", "---\n", "\u{FEFF}---\nlive:\n", "null\n", "{}", "live:\r\nhttp:\r\n"])
        func anEmptyFileIsTheDefaults(text: String) throws {
            let outcome = try load(text)
            #expect(outcome == ConfigurationOutcome(configuration: Configuration(), problems: []))
        }

        @Test func manyAliasesTakeNoTimeAndNoMemory() throws {
            // Each level would be nine times the one before: 9^20 in all.
            var text = "a0: &a0 [x, x, x]\n"
            for level in 1...20 {
                let aliases = Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ")
                text += "a\(level): &a\(level) [\(aliases)]\n"
            }
            let outcome = try load(text)
            #expect(outcome.configuration == nil)
            #expect(outcome.problems.contains { $0.message == "alias *a0 is not supported; write the value out" })
        }

        @Test func deepNestingIsRefusedBeforeItIsRead() throws {
            let text = "data: " + String(repeating: "[", count: 100_000)
            #expect(try load(text).lines == ["weir.yml:1:38: nested too deeply; expected at most 32 levels"])
        }
    #else
        @Test func yamlIsRefusedByName() throws {
            #expect(
                try load("data: /srv\n").lines == [
                    "weir.yml:1:1: this build of Weir does not read YAML (trait YAML is off); expected JSON, in a file named .json"
                ])
        }
    #endif

    @Test func aSecretIsInNoMessage() throws {
        let outcome = try load("{ \"auth\": { \"admin_token\": \"very secret\" } }", named: "weir.json")
        #expect(outcome.configuration == nil)
        #expect(!outcome.lines.joined().contains("very"))
        var configuration = Configuration()
        configuration.auth.adminToken = Secret("hunter2hunter2")
        var dumped = ""
        dump(configuration, to: &dumped)
        #expect(!dumped.contains("hunter2"))
        #expect(!"\(configuration)".contains("hunter2"))
        #expect(!String(reflecting: configuration).contains("hunter2"))
    }
}
