import Testing

@testable import WeirDatabase

@Suite("The database's URL")
struct DatabaseURLTests {
    @Test("SQLite by name, by path, with its durability")
    func sqlite() throws {
        let files = try ["sqlite", "sqlite:state.db", "sqlite:/var/lib/weir.db", "sqlite:x.db?synchronous=normal"].map {
            try DatabaseURL(parsing: $0).file(in: "/data")
        }
        #expect(files == ["/data/weir.db", "/data/state.db", "/var/lib/weir.db", "/data/x.db"])
        #expect(try DatabaseURL(parsing: "sqlite").place == .sqlite(path: nil, synchronous: .full))
        #expect(try DatabaseURL(parsing: "sqlite?synchronous=normal").place == .sqlite(path: nil, synchronous: .normal))
        #expect(try DatabaseURL(parsing: "sqlite:x.db?synchronous=full").description == "sqlite:x.db")
    }

    @Test("PostgreSQL, shown without what is secret", arguments: ["postgres", "postgresql"])
    func postgresql(_ scheme: String) throws {
        let text = "\(scheme)://weir:geheim@db.example:5433/weir?sslmode=require&password=geheim"
        let url = try DatabaseURL(parsing: text)
        #expect(url.place == .postgresql(text))
        #expect(url.description == "\(scheme)://weir@db.example:5433/weir")
        #expect(url.file(in: "/data").isAbsent)
        #expect(try DatabaseURL(parsing: "\(scheme)://h/d").description == "\(scheme)://h/d")
    }

    @Test(
        "what cannot be is refused with what was expected, and without a password",
        arguments: [
            ("mysql://u:geheim@h/d", "unknown database \"mysql\""), ("", "unknown database \"\""),
            ("SQLITE", "unknown database \"SQLITE\""), ("sqlite:", "without a path"),
            ("sqlite:x?sync=off", "unknown parameter \"sync\""), ("sqlite?synchronous=off", "synchronous is \"off\""),
            ("sqlite?synchronous", "synchronous is \"\""), ("sqlite\0", "NUL"),
            ("postgres://u:geheim@h:port:5/d", "postgres://"), ("postgres://u:geheim@h/d?sslmod=require", "sslmod"),
            ("postgres://u:geheim@[::1/d", "postgres://"), ("postgres://u:ge%ZZheim@h/d", "percent"),
        ])
    func refusals(_ text: String, _ expected: String) throws {
        let error = try #require(throws: DatabaseError.self) { try DatabaseURL(parsing: text) }
        #expect(error.kind == .url)
        #expect(error.description.contains(expected), "\(error)")
        #expect(error.description.contains("expected "))
        #expect(!error.description.contains("heim"), "\(error)")
    }
}
