import Testing
import WeirDatabase

@testable import Weir

@Suite struct ConfigurationDatabaseTests {
    @Test func theDatabaseIsAFileUnlessItSaysOtherwise() throws {
        #expect(try load("{}", named: "weir.json").configuration?.database == .sqlite)
        let file = try load("{ \"database\": \"sqlite:state.db?synchronous=normal\" }", named: "weir.json")
        #expect(file.configuration?.database.place == .sqlite(path: "state.db", synchronous: .normal))
        let url = "postgres://weir:hackme@db.example/weir?sslmode=require"
        let shared = try load("{ \"database\": \"\(url)\" }", named: "weir.json")
        #expect(shared.configuration?.database.place == .postgresql(url))
    }

    @Test(arguments: [
        "mysql://me:hackme@host/x", "sqlite:", "sqlite:x?synchronous=off", "postgres://me:hackme@host:port/x",
        "postgres://me:hackme@host/x?nonsense=1",
    ])
    func whatCannotBeIsRefusedInItsPlaceAndWithoutThePassword(text: String) throws {
        let lines = try load("{ \"database\": \"\(text)\" }", named: "weir.json").lines
        try #require(lines.count == 1)
        #expect(lines[0].hasPrefix("weir.yml:1:15: database: "), "\(lines)")
        #expect(lines[0].contains("; expected ") && !lines[0].contains("hackme"), "\(lines)")
    }
}
