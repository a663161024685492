import Glibc
import Testing
import WeirHTTP
import WeirLoop

/// HTTP/1 knows a response by its place alone: what a server sends while nothing is asked must not be in it.
@Suite("Kept connections")
struct ClientKeptTests {
    /// Answers what is asked with the connection's number and the request's, and sends something more when it is told to.
    private final class Strayer: Sendable {
        let server: RawServer
        /// Responses that nobody asked for.
        let strayed = Flag.Count()
        /// What was asked over all connections: heads, and bodies of the length they say.
        let asked = Flag.Count()
        private let answers: Gate
        private let strays: Gate

        static let stray = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"

        /// The first `spoiled` connections send it once, behind their first response; both when they are let through.
        init(spoiled: Int) throws {
            let (numbers, asked, strayed) = (Flag.Count(), asked, strayed)
            let (answers, strays) = (try Gate(), try Gate())
            self.answers = answers
            self.strays = strays
            server = RawServer { connection in
                let number = numbers.next()
                var isSpoiled = number <= spoiled
                while let head = connection.head() {
                    let length = head.split(separator: "\r\n").first { $0.hasPrefix("Content-Length: ") }
                    let body = connection.read(length.flatMap { Int($0.dropFirst(16)) } ?? 0)
                    asked.add(1)
                    let text = "\(number) \(head.prefix { $0 != " " }) \(String(decoding: body, as: UTF8.self))"
                    if isSpoiled && !answers.wait() { return }
                    connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)")
                    if isSpoiled {
                        guard strays.wait() else { return }
                        connection.send(Self.stray)
                        strayed.add(1)
                        isSpoiled = false
                    }
                }
            }
        }

        /// Lets so many of these connections answer.
        func answer(_ count: Int) { answers.open(count) }

        /// Returns when so many more have sent it, and it lies at the other end: loopback does not delay.
        @LoopActor
        func stray(_ count: Int) async throws {
            let all = strayed.value + count
            strays.open(count)
            try await eventually("\(count) connections send something unasked") { strayed.value == all }
        }

        func close() {
            answers.close()
            strays.close()
            server.close()
        }
    }

    @Test("what a server sends unasked is not taken for the next response: another connection asks")
    func stray() throws {
        let strayer = try Strayer(spoiled: 1)
        defer { strayer.close() }
        try withPoolAlone { pool in
            strayer.answer(1)
            #expect(try await pool.text(strayer.server.url()) == "1 GET ")
            try await strayer.stray(1)
            #expect(try await pool.text(strayer.server.url()) == "2 GET ")
            #expect(try await pool.text(strayer.server.url()) == "2 GET ")
            #expect(strayer.server.accepted.value == 2)
            #expect(strayer.asked.value == 3)
            #expect(pool.metrics.open == 1)
            #expect(pool.metrics.errors == [:])
            #expect(pool.metrics.completed == 3)
            try await eventually("the first connection is closed") { strayer.server.ended.value == 1 }
        }
    }

    @Test("of many such connections none is used, though libcurl itself tries again five times only")
    func strays() throws {
        let count = 12
        let strayer = try Strayer(spoiled: count)
        defer { strayer.close() }
        try withPoolAlone {
            $0.connections = count
        } _: { pool in
            let url = strayer.server.url()
            let first = (0..<count).map { _ in spawn { try await pool.text(url) } }
            try await eventually("each has a connection") { strayer.asked.value == count }
            strayer.answer(count)
            for task in first { _ = try await task.value }
            try await strayer.stray(count)
            #expect(pool.metrics.idle == count)
            #expect(try await pool.text(url) == "\(count + 1) GET ")
            #expect(strayer.asked.value == count + 1)
            #expect(pool.metrics.errors == [:])
        }
    }

    @Test("a body goes out once, whole, over the connection that is taken instead")
    func bodies() throws {
        let strayer = try Strayer(spoiled: 2)
        defer { strayer.close() }
        try withPoolAlone { pool in
            let url = strayer.server.url()
            strayer.answer(1)
            #expect(try await pool.text(url) == "1 GET ")
            try await strayer.stray(1)
            strayer.answer(1)
            let bytes = try await pool.send(ClientRequest(.post, url, body: .bytes(Array("twelve bytes".utf8))))
            #expect(try await bytes.collect(limit: 100) == Array("2 POST twelve bytes".utf8))
            try await strayer.stray(1)
            let body = ClientRequest.Body.stream(length: 6) { upload in
                try await upload.write(Array("str".utf8))
                try await upload.write(Array("eam".utf8))
            }
            let stream = try await pool.send(ClientRequest(.put, url, body: body))
            #expect(try await stream.collect(limit: 100) == Array("3 PUT stream".utf8))
            #expect(strayer.asked.value == 3)
            #expect(pool.metrics.sentBytes == 18)
        }
    }

    @Test("a redirect to such a connection is not followed twice: what led there is asked once")
    func redirected() throws {
        let strayer = try Strayer(spoiled: 1)
        defer { strayer.close() }
        let moved = Flag.Count()
        let target = strayer.server.url("/target")
        let front = RawServer { connection in
            while let head = connection.head() {
                _ = connection.read(head.contains("Content-Length: 4\r\n") ? 4 : 0)
                moved.add(1)
                connection.send("HTTP/1.1 307 Moved\r\nLocation: \(target)\r\nContent-Length: 0\r\n\r\n")
            }
        }
        defer { front.close() }
        try withPoolAlone { pool in
            strayer.answer(1)
            #expect(try await pool.text(strayer.server.url()) == "1 GET ")
            try await strayer.stray(1)
            let request = ClientRequest(.post, front.url(), body: .bytes(Array("once".utf8)))
            let response = try await pool.send(request)
            #expect(try await response.collect(limit: 100) == Array("2 POST once".utf8))
            #expect(response.effectiveURL == target)
            #expect(moved.value == 1)
            #expect(strayer.asked.value == 2)
        }
    }
}
