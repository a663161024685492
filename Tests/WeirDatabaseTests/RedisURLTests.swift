import Testing

@testable import WeirDatabase

@Suite("The address of a Redis")
struct RedisURLTests {
    @Test("what it says is understood, and shown without the password")
    func understood() throws {
        let plain = try RedisURL(parsing: "redis://cache")
        #expect(plain.place == .host("cache", port: 6379) && plain.database == 0)
        #expect(plain.user == nil && plain.password == nil && plain.description == "redis://cache:6379/0")
        let full = try RedisURL(parsing: "redis://me%40x:p%3a%2Fw@[::1]:7000/12")
        #expect(full.place == .host("::1", port: 7000) && full.database == 12)
        #expect(full.user == "me@x" && full.password == "p:/w" && full.description == "redis://[::1]:7000/12")
        let secret = try RedisURL(parsing: "redis://:secret@10.0.0.1/")
        #expect(secret.user == nil && secret.password == "secret" && secret.description == "redis://10.0.0.1:6379/0")
        let socket = try RedisURL(parsing: "unix:///run/redis.sock?db=2")
        #expect(socket.place == .socket("/run/redis.sock") && socket.description == "unix:///run/redis.sock?db=2")
    }

    @Test(
        "what is none is refused, with what was expected",
        arguments: [
            "", "redis", "redis://", "redis://:6379", "redis://h:0", "redis://h:x", "redis://h:65536", "redis://h/x",
            "redis://h/-1", "redis://h/1?db=2", "redis://secret@h", "redis://u:%zz@h", "redis://u:%4@h",
            "redis://u:%ff@h",
            "rediss://h", "unix://relative", "unix:///s?x=1", "http://h", "redis://h\u{0}", "redis://[::1",
        ])
    func refused(_ text: String) throws {
        do throws(DatabaseError) {
            let url = try RedisURL(parsing: text)
            Issue.record("\(text) is \(url)")
        } catch {
            #expect(error.kind == .url && error.expected == RedisURL.expected)
            #expect(!error.description.contains("secret"))
        }
    }
}
