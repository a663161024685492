#if Redis
    import Testing
    import WeirLoop

    @testable import WeirDatabase

    @Suite("An index in Redis", .enabled(if: RedisServer.isThere))
    struct RedisTests {
        private static let nodes = ["00000000000000000000000000000001", "00000000000000000000000000000002"]

        /// Runs `body` with a Redis of its own, on a loop of its own.
        private static func run(
            _ options: [String] = [], _ body: @escaping @LoopActor (RedisServer) async throws -> Void
        ) throws {
            let server = try RedisServer(options: options)
            defer { server.end() }
            try LoopActor.runInTurn { try await body(server) }
        }

        @LoopActor
        private static func open(_ url: RedisURL, node: Int = 0, command: Double = 240) async throws
            -> any ArtefactIndex
        {
            var options = RedisOptions()
            options.node = nodes[node]
            // A busy machine is no reason to fail.
            options.connect = 240
            options.command = command
            return try await openArtefactIndex(url, directory: "/nowhere", options: options)
        }

        @Test("it does what the databases do")
        func behaviour() throws {
            try RedisTests.run { server in
                let index = try await RedisTests.open(server.url)
                try await ArtefactIndexTests.rows(of: index)
                try await ArtefactIndexTests.pages(of: index)
                for row in try await index.rows(after: nil, limit: 100) { _ = try await index.remove(row.key) }
                try await ArtefactIndexTests.invalidation(of: index)
                #expect(index.state == .ok)
                await index.close()
                let closed = try await kind { _ = try await index.find(Sample.digest(1)) }
                #expect(closed == .closed)
            }
        }

        @Test("an invalidation removes every node's rows, and tells each which were its own")
        func nodes() throws {
            try RedisTests.run { server in
                let one = try await RedisTests.open(server.url)
                let two = try await RedisTests.open(server.url, node: 1)
                let heard = Heard(two)
                let alone = Heard(one)
                await heard.wait { $0.losses >= 1 }
                await alone.wait { $0.losses >= 1 }
                let count = 2500
                for number in 0..<count {
                    try await two.record(ArtefactIndexTests.row(number, chapters: ["a", "\(number)"]))
                }
                try await one.record(ArtefactIndexTests.row(1, chapters: ["a"]))
                try await two.record(ArtefactIndexTests.row(count, chapters: ["b"]))

                #expect(try await one.invalidate(.chapters(["a"])) == [Sample.digest(1)])
                await heard.wait { $0.keys.count == count }
                #expect(Set(heard.keys) == Set((0..<count).map { Sample.digest($0) }))
                #expect(try await two.rows(after: nil, limit: 10).map(\.key) == [Sample.digest(count)])
                #expect(try await one.rows(after: nil, limit: 10).isEmpty)
                #expect(alone.keys.isEmpty)
                // Nothing is left of them.
                let connection = try await RedisConnection.connect(server.url, within: 240)
                #expect(try await connection.run([["DBSIZE"]], within: 240).first?.integer == 4)
                connection.close()
                await one.close()
                await two.close()
            }
        }

        @Test(
            "without a server calls fail at once with a reason; it comes back by itself, and says what may be missing")
        func outage() throws {
            try RedisTests.run { server in
                let index = try await RedisTests.open(server.url)
                let heard = Heard(index)
                try await index.record(ArtefactIndexTests.row(1, chapters: ["a"]))
                await heard.wait { $0.losses >= 1 }
                try server.stop()
                let down = try await kind { for _ in 0..<1000 { _ = try await index.find(Sample.digest(1)) } }
                #expect(down == .unavailable)
                let isFailing = if case .failing = index.state { true } else { false }
                #expect(isFailing)
                try server.start()
                await heard.wait { $0.losses >= 2 }
                await Heard.wait { (try? await index.rows(after: nil, limit: 1)) != nil }
                #expect(index.state == .ok)
                try await index.record(ArtefactIndexTests.row(2, chapters: ["a"]))
                #expect(try await index.rows(after: nil, limit: 9).map(\.key) == [Sample.digest(2)])
                await index.close()
            }
        }

        @Test("a server that answers nothing is given up in time, and used again when it does")
        func silence() throws {
            try RedisTests.run { server in
                let index = try await RedisTests.open(server.url, command: 0.2)
                // (Of a busy machine's slowness it must recover as well.)
                await Heard.wait { (try? await index.rows(after: nil, limit: 1)) != nil }
                try server.hold()
                let silent = try await kind { _ = try await index.find(Sample.digest(1)) }
                #expect(silent == .timeout)
                let isFailing = if case .failing = index.state { true } else { false }
                #expect(isFailing)
                try server.go()
                await Heard.wait { (try? await index.rows(after: nil, limit: 1)) != nil }
                #expect(index.state == .ok)
                await index.close()
            }
        }

        @Test("users, passwords and databases are those of the URL")
        func access() throws {
            try RedisTests.run(["--requirepass", "p@ss:w/rd"]) { server in
                let without = try await RedisTests.open(server.url)
                let denied = try await kind { _ = try await without.find(Sample.digest(1)) }
                #expect(denied == .denied)
                await without.close()
                guard case .socket(let path) = server.url.place else { throw NothingThrown() }
                let right = RedisURL(place: .socket(path), user: "default", password: "p@ss:w/rd", database: 3)
                let index = try await RedisTests.open(right)
                try await index.record(ArtefactIndexTests.row(1, chapters: ["a"]))
                await index.close()
                let other = RedisURL(place: .socket(path), user: nil, password: "p@ss:w/rd", database: 4)
                let empty = try await RedisTests.open(other)
                #expect(try await empty.rows(after: nil, limit: 9).isEmpty)
                await empty.close()
            }
        }

        @Test("what cannot be reached is a state, and no reason not to start")
        func unreachable() throws {
            try LoopActor.runInTurn {
                let folder = Folder()
                let index = try await RedisTests.open(try RedisURL(parsing: "unix://\(folder("none"))"))
                let refused = try await kind { _ = try await index.find(Sample.digest(1)) }
                #expect(refused == .unavailable)
                await index.close()
            }
        }
    }
#endif
