import Glibc
import Testing
import WeirHTTP
import WeirLive

@testable import Weir

@Suite struct LogTests {
    /// 2024-05-17T08:30:00.125Z
    private let time: Int64 = 1_715_934_600_125_000_000

    private func line(
        _ fields: [LogLine.Field], _ format: LogOptions.Format, level: LogOptions.Level = .info
    ) -> String {
        String(
            decoding: LogLine(level: level, message: "listener left", fields: fields, time: time).bytes(format),
            as: UTF8.self)
    }

    @Test func `a line of text for people`() {
        #expect(
            line([("station", "vinyl"), ("bytes", 12), ("seconds", 1.5), ("error", nil)], .text)
                == "2024-05-17T08:30:00.125Z info    listener left station=vinyl bytes=12 seconds=1.5 error=null\n")
        #expect(line([], .text, level: .warning) == "2024-05-17T08:30:00.125Z warning listener left\n")
    }

    @Test func `a line of JSON for programs`() {
        #expect(
            line([("station", "vinyl"), ("bytes", 12)], .json)
                == #"{"time":"2024-05-17T08:30:00.125Z","level":"info","message":"listener left","station":"vinyl","bytes":12}"#
                + "\n")
    }

    @Test(arguments: ["a b", "", "a=b", "a\"b", "a\\b", "a\nb", "a\u{1b}[31m", "é"])
    func `what a client sent cannot become a field, a line or a colour`(value: String) {
        let text = line([("target", .string(value))], .text)
        #expect(text.utf8.count(where: { $0 == UInt8(ascii: "\n") }) == 1)
        #expect(!text.utf8.contains(0x1B))
        #expect(text.contains("target=\""))
    }

    @Test func `a value without end is cut`() {
        let text = line([("target", .string(String(repeating: "x", count: 100_000)))], .json)
        #expect(text.utf8.count < LogLine.valueLimit + 200)
    }

    // MARK: The writer

    private struct Pipe {
        let read: Int32
        let write: Int32

        init() {
            var ends: [Int32] = [0, 0]
            precondition(pipe(&ends) == 0)
            (read, write) = (ends[0], ends[1])
        }

        /// Until the other end is closed.
        func text() -> String {
            var bytes: [UInt8] = []
            var block = [UInt8](repeating: 0, count: 65536)
            while case let count = Glibc.read(read, &block, block.count), count > 0 {
                bytes.append(contentsOf: block[..<count])
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    @Test func `lines come out in their order, and only those of the level`() {
        let pipe = Pipe()
        var options = LogOptions()
        options.level = .info
        let log = LogWriter(options, descriptor: pipe.write)
        for number in 0..<100 {
            log.info("line", [("number", .integer(Int64(number)))])
            log.debug("not this one")
        }
        log.close(within: 240)
        close(pipe.write)
        let lines = pipe.text().split(separator: "\n")
        #expect(lines.count == 100)
        for (number, line) in lines.enumerated() { #expect(line.hasSuffix("line number=\(number)")) }
        close(pipe.read)
    }

    @Test func `a pipe that nobody reads blocks nothing, and what was dropped is said`() {
        let pipe = Pipe()
        let log = LogWriter(LogOptions(), descriptor: pipe.write, limit: 4096)
        // The pipe holds 64 KiB and the writer 4 KiB: this is more.
        for number in 0..<10_000 { log.info("line", [("number", .integer(Int64(number)))]) }
        let dropped = log.droppedLines
        #expect(dropped > 5000)
        log.close(within: 0.01)
        // What is read now makes room for what still waits, and for the word about the rest.
        let flags = fcntl(pipe.read, F_GETFL)
        _ = fcntl(pipe.read, F_SETFL, flags | O_NONBLOCK)
        var seen = ""
        func reported() -> UInt64 {
            seen.split(separator: "\n").reduce(0) { sum, line in
                guard let range = line.firstRange(of: "log lines dropped lines=") else { return sum }
                return sum + (UInt64(line[range.upperBound...]) ?? 0)
            }
        }
        let end = Glibc.time(nil) + 240
        while reported() < dropped, Glibc.time(nil) < end {
            var ready = pollfd(fd: pipe.read, events: Int16(POLLIN), revents: 0)
            if poll(&ready, 1, 1000) == 1 { seen += pipe.text() }
        }
        #expect(reported() == dropped)
        close(pipe.read)
        close(pipe.write)
    }

    @Test func `a reader who left is not the end of the program`() {
        let pipe = Pipe()
        close(pipe.read)
        let log = LogWriter(LogOptions(), descriptor: pipe.write)
        for _ in 0..<100 { log.info("line") }
        log.close(within: 240)
        close(pipe.write)
    }
}
