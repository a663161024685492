import Glibc
internal import WeirLoop

// Answering: from a request to the last byte of its response.
extension Connection {
    func serve(_ request: Request, keepAlive: Bool) async throws(Ending) -> Bool {
        let started = server.clock.now
        handle()
        body = request.body
        var event = AccessEvent(request)
        defer { request.body.detach() }
        var response = await server.respond(
            to: request, local: { [descriptor] in Listener.localAddress(of: descriptor) })
        if case .takeover(let take) = response.body, !request.isHead {
            event.status = response.status
            do {
                try handOver(response, take, event: event, started: started)
                return false
            } catch {
                response = server.response(to: error)
            }
        }
        // What is left of the body decides whether another request can follow.
        let left = request.body.remaining
        // Of a body that ends with the connection everything is left.
        let isOpenEnded = request.isOpenEnded
        let drains =
            !isOpenEnded && !request.body.isExpected && !request.body.hasFailed && (left ?? 0) <= Server.drainLimit
        let persists =
            keepAlive && drains && !response.closes && !server.isStopping && !hasPeerLeft
            && interruption == nil
        event.status = response.status
        phase = .transfer
        do {
            let (bytes, framed) = try await send(response, to: request, persists: persists)
            event.bytes = bytes
            server.finished(event, started: started)
            guard framed, persists else {
                if isOpenEnded || !request.body.isComplete || hasPending { await linger() }
                return false
            }
        } catch {
            event.bytes = sentBytes
            event.reason = (error as? Ending)?.rawValue ?? "error"
            if error as? Ending == .timeout { server.counters.sendTimeouts += 1 }
            server.finished(event, started: started)
            if !(error is Ending) { server.onFailure?(error) }
            // The peer must not take what it has for the whole.
            reset()
            throw error as? Ending ?? .closed
        }
        return try await drain(request.body)
    }

    /// Sends a response; how many bytes of body that was, and whether its end is known without closing.
    func send(_ response: Response, to request: Request, persists: Bool) async throws -> (UInt64, Bool) {
        sentBytes = 0
        defer { server.counters.bytesSent += sentBytes }
        let bodiless = ResponseHead.isBodiless(response.status)
        var length = ResponseHead.Length.unstated
        var writing: ResponseWriter.Framing?
        switch response.body {
        case .none:
            if !bodiless { length = .bytes(0) }
        case .bytes(let bytes):
            if !bodiless { length = .bytes(UInt64(bytes.count)) }
        case .takeover:
            writing = .close
        case .stream(let announced, let framing, _):
            if let announced {
                length = .bytes(announced)
                writing = .length(announced)
            } else if case .chunked = framing, request.minor >= 1 {
                length = .chunked
                writing = .chunked
            } else {
                writing = .close
            }
        }
        var framed = true
        if case .close = writing { framed = false }
        let persistence: ResponseHead.Persistence =
            !persists || !framed ? .close : request.minor == 0 ? .keepAlive : .implied
        let head = ResponseHead.render(
            status: response.status, fields: response.fields, length: length, persistence: persistence,
            date: server.date.now())
        let sendsBody = !bodiless && !request.isHead
        switch response.body {
        case .bytes(let bytes) where sendsBody && !bytes.isEmpty:
            try await send([head, bytes])
            sentBytes = UInt64(bytes.count)
        case .stream(_, _, let body) where sendsBody:
            try await send([head])
            let writer = ResponseWriter(self, framing: writing ?? .close)
            do {
                try await body(writer)
                sentBytes = writer.written
                try await writer.finish()
            } catch {
                sentBytes = writer.written
                throw error
            }
        default:
            try await send([head])
        }
        return (sentBytes, framed)
    }

    /// Answers what cannot be served, and closes.
    func refuse(_ status: Int, _ code: String, _ message: String) async throws(Ending) {
        let response = Response.error(HTTPError(status, code, message))
        guard case .bytes(let body) = response.body else { return }
        let head = ResponseHead.render(
            status: status, fields: response.fields, length: .bytes(UInt64(body.count)), persistence: .close,
            date: server.date.now())
        phase = .transfer
        try await send([head, body])
        var event = AccessEvent(
            remote: peer, method: "-", target: "-", status: status, bytes: UInt64(body.count), seconds: 0,
            reason: "done")
        if status == 408 { event.reason = "timeout" }
        server.finished(event, started: server.clock.now)
        await linger()
    }

    func sendContinue() async throws(Ending) {
        let before = phase
        try await send([Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)])
        phase = before
    }

    /// Gives the socket away. Throws what the taker throws; the connection goes on then.
    func handOver(
        _ response: Response, _ take: @LoopActor (Takeover) throws -> Void, event: AccessEvent, started: UInt64
    ) throws {
        let head = ResponseHead.render(
            status: response.status, fields: response.fields, length: .unstated, persistence: .close,
            date: server.date.now())
        // libuv knows one watcher for a descriptor; the next is the taker's.
        poll.close()
        let ticket = ConnectionTicket(place: place, event: event, started: started)
        do {
            try take(
                Takeover(
                    descriptor: descriptor, tls: tls, head: head, label: event.remote.description,
                    pending: pending, ticket: ticket))
        } catch {
            ticket.revoke()
            poll = try Poll(descriptor: descriptor)
            throw error
        }
        tls = nil
        descriptor = -1
        server.counters.takenOver += 1
    }
}

extension AccessEvent {
    fileprivate init(_ request: Request) {
        self.init(
            remote: request.remote, method: request.method.rawValue,
            target: AccessEvent.shown(request.rawTarget),
            status: 0, bytes: 0, seconds: 0, reason: "done")
    }

    private static func shown(_ target: String) -> String {
        let target = SignedLink.redacted(target)
        if target.utf8.count <= targetLimit { return target }
        return String(decoding: target.utf8.prefix(targetLimit), as: UTF8.self)
    }
}
