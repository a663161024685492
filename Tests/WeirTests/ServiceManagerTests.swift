import Testing

@testable import Weir

/// What a service manager's variables say.
@Suite struct ServiceManagerTests {
    @Test func aSocketIsAPathOrAnAbstractName() {
        #expect(ServiceManager.address("/run/notify") == Array("/run/notify".utf8))
        #expect(ServiceManager.address("@weir/x") == [0] + Array("weir/x".utf8))
        let longest = "/" + String(repeating: "x", count: 106)
        #expect(ServiceManager.address(longest).count == 107)
        for wrong in ["", "@", "/", "notify", "vsock:2:1", longest + "x"] {
            #expect(ServiceManager.address(wrong) == [], "\(wrong)")
        }
    }

    @Test func theWatchdogIsFedTwiceInItsTime() {
        func interval(_ environment: [String: String]) -> UInt64? {
            ServiceManager.watchdogInterval(environment, process: 42)
        }
        #expect(interval(["WATCHDOG_USEC": "30000000"]) == 15_000_000_000)
        #expect(interval(["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"]) == 15_000_000_000)
        #expect(interval(["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "43"]) == nil)
        for wrong in ["", "0", "1", "-5", "x", "18446744073709551615", "99999999999999999999"] {
            #expect(interval(["WATCHDOG_USEC": wrong]) == nil, "\(wrong)")
        }
        #expect(interval([:]) == nil)
    }

    @Test func socketsAreForOneProcess() throws {
        func sockets(_ environment: [String: String]) throws -> [Int32] {
            try ServiceManager.sockets(environment, process: 42)
        }
        #expect(try sockets(["LISTEN_PID": "42", "LISTEN_FDS": "3"]) == [3, 4, 5])
        #expect(try sockets(["LISTEN_PID": "42", "LISTEN_FDS": "0"]) == [])
        #expect(try sockets(["LISTEN_PID": "43", "LISTEN_FDS": "3"]) == [])
        #expect(try sockets(["LISTEN_PID": "x", "LISTEN_FDS": "3"]) == [])
        #expect(try sockets(["LISTEN_FDS": "3"]) == [])
        #expect(try sockets(["LISTEN_PID": "42"]) == [])
        for wrong in ["-1", "65", "", "two"] {
            #expect(throws: ServeError.self) { try sockets(["LISTEN_PID": "42", "LISTEN_FDS": wrong]) }
        }
    }
}
