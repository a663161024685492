import Testing
import WeirHTTP
import WeirLoop

@testable import Weir
@testable import WeirLive

@Suite struct LiveReportTests {
    private static func station(_ name: String, listeners: Int) -> StationReport {
        StationReport(
            name: name, format: .raw, kind: "tone", autostart: .always, access: .open, state: .live, position: 7,
            bitrate: nil, restarts: 0, lastError: nil,
            listeners: (0..<listeners).map { index in
                ListenerReport(
                    id: UInt64(index), address: "a", path: "/", since: 0, seconds: 0, position: 0, lagBytes: 0,
                    lagSeconds: nil, skippedBytes: 0, skips: 0, sentBytes: 0)
            }, listenersMax: 10, listenersAlert: 5, ends: [("closed", 2), ("lag", 0)], window: 0)
    }

    private static func listener(_ id: Int) -> String {
        #"{"id":\#(id),"address":"a","path":"/","since":"1970-01-01T00:00:00.000Z","position":0,"lag_bytes":0,"#
            + #""lag_seconds":null,"skips":0,"skipped_bytes":0,"sent_bytes":0}"#
    }

    private static func text(_ name: String, listeners: Int) -> String {
        #"{"name":"\#(name)","format":"raw","kind":"tone","autostart":"always","access":"open","#
            + #""state":"live","position":7,"bitrate":null,"restarts":0,"#
            + #""last_error":null,"window_ms":0,"listeners_max":10,"ends":{"closed":2,"lag":0},"#
            + #""listeners":[\#((0..<listeners).map(listener).joined(separator: ","))]}"#
    }

    @Test(arguments: [[], [0], [1], [2, 0, 3], [LiveReport.slice], [LiveReport.slice - 1, LiveReport.slice + 2]])
    func `slices come together as one document`(counts: [Int]) throws {
        try LoopActor.runInTurn {
            let stations = counts.enumerated().map { Self.station("s\($0)", listeners: $1) }
            let expected = counts.enumerated().map { Self.text("s\($0)", listeners: $1) }.joined(separator: ",")
            let text = String(decoding: try await LiveReport.bytes(stations), as: UTF8.self)
            #expect(text == #"{"stations":[\#(expected)]}"#)
        }
    }

    @Test func `the loop turns between slices`() throws {
        try LoopActor.runInTurn {
            let writing = spawn { try? await LiveReport.bytes([Self.station("s", listeners: 4 * LiveReport.slice)]) }
            var turns = 0
            let timer = LoopTimer()
            timer.schedule(every: 100_000, from: LoopClock.monotonic.now) { _ in turns += 1 }
            _ = await writing.value
            timer.close()
            #expect(turns >= 4)
        }
    }
}
