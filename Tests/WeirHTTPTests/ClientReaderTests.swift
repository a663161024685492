import CCurl
import CLibuv
import CWeirHTTP
import Glibc
import Testing

/// The client's C interface, where its reader does what `ClientTransfer` never does.
@Suite("Readers in C")
struct ClientReaderTests {
    /// A transfer on a loop of its own, and what it has told.
    private final class Course {
        let loop = UnsafeMutablePointer<uv_loop_t>.allocate(capacity: 1)
        private let limit = UnsafeMutablePointer<uv_timer_t>.allocate(capacity: 1)
        private let told = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
        private var client: OpaquePointer?
        private(set) var transfer: OpaquePointer?

        init(_ url: String) throws {
            told.initialize(to: 0)
            uv_loop_init(loop)
            // It keeps the loop running, too; two minutes are for a machine that does a lot else.
            uv_timer_init(loop, limit)
            uv_timer_start(limit, { _ in }, 120_000, 0)
            let note: @convention(c) (UnsafeMutableRawPointer?, UInt32) -> Void = { data, events in
                data!.assumingMemoryBound(to: UInt32.self).pointee |= events
            }
            try #require(weir_client_open(loop, &client, 1, 0, note) == 0)
            var isSet: Int32 = 0
            transfer = weir_transfer_take(client, told, &isSet)
            let transfer = try #require(transfer)
            try #require(weir_transfer_set_text(transfer, CURLOPT_URL, url) == CURLE_OK)
            try #require(weir_transfer_body(transfer, nil, 0) == 0)
            try #require(weir_transfer_start(transfer) == CURLE_OK)
        }

        deinit {
            weir_transfer_release(transfer)
            weir_client_close(client, { _ in }, nil)
            limit.withMemoryRebound(to: uv_handle_t.self, capacity: 1) { uv_close($0, nil) }
            uv_run(loop, UV_RUN_DEFAULT)
            uv_loop_close(loop)
            loop.deallocate()
            limit.deallocate()
            told.deallocate()
        }

        /// Runs the loop until it tells this, and forgets it then; false when it never does.
        func waits(for event: Int) -> Bool {
            while told.pointee & UInt32(event) == 0 {
                guard uv_timer_get_due_in(limit) > 0 else { return false }
                uv_run(loop, UV_RUN_ONCE)
            }
            told.pointee &= ~UInt32(event)
            return true
        }

        /// Whether a descriptor wakes the loop, after turns in which what was ready could be dealt with.
        var isAwake: Bool {
            for _ in 0...WEIR_CLIENT_OVERLOOKED { uv_run(loop, UV_RUN_NOWAIT) }
            var descriptor = pollfd(fd: uv_backend_fd(loop), events: Int16(POLLIN), revents: 0)
            return poll(&descriptor, 1, 0) > 0
        }

        /// What is there, until there is nothing more.
        func read() -> String {
            var text = ""
            while true {
                let bytes = [UInt8](unsafeUninitializedCapacity: Int(WEIR_TRANSFER_READ)) { buffer, count in
                    count = weir_transfer_read(transfer, buffer.baseAddress, buffer.count)
                }
                if bytes.isEmpty { return text }
                text += String(decoding: bytes, as: UTF8.self)
            }
        }

        var isHeld: Bool {
            var state = weir_transfer_state_t()
            weir_transfer_state(transfer, &state)
            return state.is_held != 0
        }
    }

    @Test("who was told of bytes and does not read them is not told again: the loop sleeps, the peer is not blamed")
    func absent() throws {
        let gate = try Gate()
        let server = RawServer { connection in
            guard connection.head() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
            for text in ["hello", "world"] {
                guard gate.wait() else { return }
                connection.send(text)
            }
            connection.waitForEnd()
        }
        defer {
            gate.close()
            server.close()
        }
        let course = try Course(server.url())
        #expect(course.waits(for: WEIR_TRANSFER_HEADED))
        #expect(!course.isHeld)
        for text in ["hello", "world"] {
            weir_transfer_want(course.transfer)
            #expect(!course.isAwake)
            gate.open()
            #expect(course.waits(for: WEIR_TRANSFER_READABLE))
            #expect(!course.isAwake)
            #expect(course.isHeld)
            #expect(course.read() == text)
            #expect(!course.isHeld)
        }
        #expect(course.waits(for: WEIR_TRANSFER_DONE))
        var state = weir_transfer_state_t()
        weir_transfer_state(course.transfer, &state)
        #expect(state.result == CURLE_OK)
        #expect(state.received == 10)
    }
}
