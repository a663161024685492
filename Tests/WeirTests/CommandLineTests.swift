import Testing
import WeirHTTP

@testable import Weir

/// What a command wrote.
final class Recording: @unchecked Sendable {
    // Written by the one thread that runs the test.
    var output = ""
    var errors = ""

    var console: Console { Console(output: { self.output += $0 }, errors: { self.errors += $0 }) }
}

@Suite struct CommandLineTests {
    static let command = Command(
        name: "try", about: "Tries", arguments: [.init(name: "FILE", about: "A file")],
        options: [
            .init(name: "config", value: "FILE", about: "A file"),
            .init(name: "listen", value: "ADDRESS", about: "An address", repeats: true),
            .init(name: "json", value: nil, about: "JSON"),
        ])

    @Test(arguments: [
        ["--config", "a.yml", "--json", "x"], ["--config=a.yml", "x", "--json"], ["x", "--json", "--config=a.yml"],
        ["--json", "--config", "a.yml", "--", "x"],
    ])
    func optionsStandAnywhereBeforeTwoDashes(words: [String]) throws {
        let invocation = try Self.command.parse(words)
        #expect(invocation == Invocation(values: ["config": ["a.yml"]], flags: ["json"], arguments: ["x"]))
    }

    @Test func afterTwoDashesEverythingIsAnArgument() throws {
        #expect(try Self.command.parse(["--", "--json"]).arguments == ["--json"])
        #expect(try Self.command.parse(["-"]).arguments == ["-"])
    }

    @Test func valuesMayBeEmptyOrHoldEqualsSigns() throws {
        #expect(try Self.command.parse(["--config=", "x"]).value("config") == "")
        #expect(try Self.command.parse(["--config=a=b", "x"]).value("config") == "a=b")
        #expect(try Self.command.parse(["--listen", "a", "--listen=b", "x"]).values["listen"] == ["a", "b"])
    }

    @Test(arguments: [
        (["x", "y"], "unexpected argument \"y\""), ([], "missing FILE"),
        (["--confg", "a"], "unknown option --confg; did you mean `--config`?"),
        (["--config"], "--config has no value; expected --config FILE"), (["--json=1", "x"], "--json takes no value"),
        (["--config=a", "--config=b", "x"], "--config is given twice"), (["-x"], "unknown option -x"),
        (["-json", "x"], "unknown option -json; did you mean `--json`?"), (["--=", "x"], "unknown option --"),
    ])
    func wrongUsageSaysWhatIsWrong(words: [String], message: String) {
        #expect(throws: UsageError(message: message)) { try Self.command.parse(words) }
    }

    static func run(_ words: String...) -> (code: Int32, output: String, errors: String) {
        let recording = Recording()
        let code = Program.run(words, environment: [:], console: recording.console)
        return (code, recording.output, recording.errors)
    }

    @Test func helpIsEverywhere() {
        let help = Self.run("--help")
        #expect(help.code == 0 && help.errors.isEmpty)
        #expect(Self.run("-h").output == help.output && Self.run("help").output == help.output)
        for command in Program.commands {
            #expect(help.output.contains("  \(command.name) "))
            let own = Self.run(command.name, "--help")
            #expect(own.code == 0 && own.errors.isEmpty)
            #expect(own.output.hasPrefix("\(command.about).\n\nUsage: weir \(command.name)"))
            #expect(own.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
            for option in command.options { #expect(own.output.contains("  --\(option.name)")) }
            #expect(Self.run("help", command.name).output == own.output)
            #expect(Self.run(command.name, "x", "-h").code == (command.arguments.isEmpty && !command.passesOn ? 2 : 0))
        }
    }

    @Test func noCommandIsWrongUsageAndPrintsTheHelp() {
        let none = Self.run()
        #expect(none.code == 2 && none.output.isEmpty && none.errors == Self.run("--help").output)
    }

    @Test func aMisspeltCommandIsWrongUsageWithASuggestion() {
        let misspelt = Self.run("srve")
        #expect(misspelt.code == 2 && misspelt.output.isEmpty)
        #expect(misspelt.errors == "weir: unknown command \"srve\"; did you mean `serve`?\nSee `weir --help`.\n")
        #expect(Self.run("--verison").errors.hasPrefix("weir: unknown option \"--verison\""))
        #expect(Self.run("help", "chekc").errors == "weir: no help for \"chekc\"; did you mean `check`?\n")
        #expect(
            Self.run("serve", "--lisen=x").errors.hasPrefix(
                "weir serve: unknown option --lisen; did you mean `--listen`?"))
        #expect(Self.run("serve", "--lisen=x").code == 2)
    }

    @Test func versionNamesFeaturesAndLibraries() {
        let version = Self.run("version")
        #expect(version.code == 0 && version.output == Self.run("--version").output)
        let lines = version.output.split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines.first?.hasPrefix("weir 0.") == true)
        #expect(version.output.contains("libraries  libuv 1."))
        var features: [String] = []
        #if YAML
            features.append("YAML")
            #expect(version.output.contains(", libyaml 0."))
        #endif
        #if SQLite
            features.append("SQLite")
            #expect(version.output.contains(", SQLite 3."))
        #endif
        #if PostgreSQL
            features.append("PostgreSQL")
            #expect(version.output.contains(", libpq "))
        #endif
        #if Redis
            features.append("Redis")
            #expect(version.output.contains(", hiredis 0.") || version.output.contains(", hiredis 1."))
        #endif
        let named = features.isEmpty ? "none" : features.joined(separator: " ")
        #expect(version.output.contains("features   \(named)\n"))
    }

    @Test func checkSaysWhoMayListen() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write(
            "weir.json",
            """
            { "data": "/d", "live": { "stations": [
              { "name": "a", "access": "signed", "source": { "kind": "tone" } } ] } }
            """)
        let check = Self.run("check", file)
        #expect(check.code == 0)
        #expect(check.output.contains("  link key     generated into /d/link-key\n"))
        #expect(check.output.contains("ring 1 MiB = 5.46 s; by signed links; at most 10 listeners"))
    }

    @Test func checkPrintsTheCapsOfAValidFile() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write(
            "weir.json",
            """
            { "http": { "max_connections": 100 }, "limits": { "memory": "64MiB" },
              "live": { "stations": [ { "name": "a", "source": { "kind": "tone" }, "listeners": { "max": 30 } },
                                      { "name": "b", "format": "raw", "source": { "kind": "stdin" }, "ring": "64KiB" } ] } }
            """)
        let check = Self.run("check", file)
        #expect(check.code == 0 && check.errors.isEmpty)
        #expect(
            check.output == """
                \(file): valid
                  listen       127.0.0.1:8080
                  admin token  generated into ./weir-data/admin.token
                  station      a: tone, pcm s16le 48000 Hz 2 ch, 192 kB/s; ring 1 MiB = 5.46 s; at most 30 listeners, \
                send buffer 112.5 KiB each
                  station      b: stdin, raw; ring 64 KiB; at most 10 listeners, send buffer 64 KiB each
                  listeners    at most 40: stations 40, limits.listeners 1000, connections 100
                  memory       rings 1.1 MiB, listeners 80 KiB at most; limits.memory 64 MiB
                  kernel       send buffers 3.9 MiB at most
                  downloads    hybrid, small below 100 MiB; at most 10 GiB of files in ./weir-data/downloads, 256 MiB of \
                memory; index in database

                """)
    }

    @Test func checkPrintsWhatIsKeptOfATransportStream() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write(
            "weir.json",
            """
            { "data": "/srv/weir", "limits": { "memory": "64MiB" }, "http": { "max_connections": 100 },
              "live": { "stations": [ { "name": "tv", "format": "ts",
                                        "source": { "kind": "udp", "address": "127.0.0.1:5004" } } ] } }
            """)
        let check = Self.run("check", file)
        #expect(check.code == 0)
        #expect(
            check.output.hasSuffix(
                """
                  station      tv: udp, ts; ring 1 MiB; warm 6 s in 54 MiB of files at most; at most 10 listeners, \
                send buffer 64 KiB each
                  listeners    at most 10: stations 10, limits.listeners 1000, connections 100
                  memory       rings 1 MiB, file buffers 2.8 MiB, listeners 20 KiB at most; limits.memory 64 MiB
                  kernel       send buffers 640 KiB at most
                  disk         warm caches 54 MiB at most, in /srv/weir/cache; cache.budget 2 GiB
                  downloads    hybrid, small below 100 MiB; at most 10 GiB of files in /srv/weir/downloads, 256 MiB of \
                memory; index in database

                """))
    }

    @Test func checkPrintsEveryProblemAndFails() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("weir.json", "{ \"dta\": 1,\n \"log\": { \"level\": 2 } }")
        let check = Self.run("check", file)
        #expect(check.code == 1 && check.errors.isEmpty)
        #expect(
            check.output == """
                \(file):1:3: dta: unknown key; expected listen, data, shutdown, log, auth, http, tls, limits, cache, live, storage, database, downloads, media, \
                prewarm or telegram; \
                did you mean `data`?
                \(file):2:20: log.level: "2" is unknown; expected debug, info, warning or error
                \(file): 2 errors

                """)
        #expect(Self.run("check").code == 2)
    }

    @Test func checkTakesTheOptionsOfTheLog() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("weir.json", "{}")
        #expect(Self.run("check", file, "--log-level=debug", "--log-format", "json").code == 0)
        let wrong = Self.run("check", "--log-level", "loud", file)
        #expect(wrong.code == 1)
        #expect(wrong.output.hasPrefix("--log-level: \"loud\" is unknown; expected debug, info, warning or error"))
    }

    @Test func aRepeatedOptionIsAListWhateverItsCommas() throws {
        let words = ["--listen", "unix:/tmp/a,b.sock", "--listen=127.0.0.1:0"]
        let source = Serve.source(try Serve.command.parse(words), environment: [:])
        let configuration = try #require(source.load().configuration)
        #expect(
            configuration.server.addresses == [.unix(path: "/tmp/a,b.sock"), .internet(host: "127.0.0.1", port: 0)])
        #expect(Self.run("serve", "--listen", "127.0.0.1:0", "--listen", "").code == 2)
    }

    @Test func serveDoesNotStartWithAnError() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("weir.json", "{ \"dta\": 1 }")
        let serve = Self.run("serve", "--config", file)
        #expect(serve.code == 1 && serve.output.isEmpty)
        #expect(serve.errors.hasSuffix("weir serve: 1 error in the configuration; not started\n"))
        let option = Self.run("serve", "--listen", "8080")
        #expect(option.code == 2)
        #expect(option.errors.hasPrefix("--listen: \"8080\" has no port; expected an address such as"))
    }

    @Test func serveTakesItsConfigurationFromOptionsAndVariables() throws {
        let words = [
            "--listen", "127.0.0.1:0", "--listen=[::1]:0", "--data", "/srv", "--log-level=debug", "--log-format",
            "json",
        ]
        let source = Serve.source(try Serve.command.parse(words), environment: ["WEIR_CONFIG": "a.yml"])
        #expect(source.file == "a.yml")
        let configuration = try #require(
            ConfigurationSource(options: source.options).load().configuration)
        #expect(
            configuration.server.addresses == [.internet(host: "127.0.0.1", port: 0), .internet(host: "::1", port: 0)])
        #expect(configuration.data == "/srv")
        #expect(configuration.log.level == .debug && configuration.log.format == .json)
        let named = try Serve.command.parse(["--config=b.yml"])
        #expect(Serve.source(named, environment: ["WEIR_CONFIG": "a.yml"]).file == "b.yml")
        #expect(Serve.source(try Serve.command.parse([]), environment: ["WEIR_CONFIG": ""]).file == nil)
    }
}
