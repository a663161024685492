import Testing

@testable import WeirLive

@Suite struct UserinfoTests {
    @Test(arguments: [
        ("", ""),
        ("no URL, me@example.org", "no URL, me@example.org"),
        ("http://host/path", "http://host/path"),
        ("http://host/a@2x.png?b@c#d@e", "http://host/a@2x.png?b@c#d@e"),
        ("http://host, write to me@example.org", "http://host, write to me@example.org"),
        ("rtsp://user:secret@host:554/x: 401", "rtsp://host:554/x: 401"),
        ("'icecast://source:p@ss@[::1]:8000/a' failed", "'icecast://[::1]:8000/a' failed"),
        ("https://token@host", "https://host"),
        ("http://:secret@", "http://"),
        ("a://u:p@h/1 b://v:q@i/2", "a://h/1 b://i/2"),
        ("concat:http://u:p@h/1|http://u:p@h/2", "concat:http://h/1|http://h/2"),
        ("http://ü:ß@höst/", "http://höst/"),
        ("http://u:p@://v:q@h", "http://://h"),
        ("://", "://"),
    ])
    func `user and password of a URL are left out`(line: String, expected: String) {
        #expect(line.withoutUserinfo == expected)
    }

    @Test func `a long line takes no long time`() {
        let line = String(repeating: "://", count: 4000) + "@"
        #expect(line.withoutUserinfo == String(repeating: "://", count: 4000))
    }
}
