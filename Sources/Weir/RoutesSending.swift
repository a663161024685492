internal import WeirHTTP
internal import WeirLive
internal import WeirLoop

/// Sending a stream to a station, and saying what is played.
@LoopActor
struct SendingRoutes {
    /// Bytes of a request that says a title.
    static let titleLimit = 16384

    /// Seconds without a byte after which a client that sends until it closes may be waiting for its answer. Those that wait
    /// before they send wait so much longer; those that do not read their answer at all (FFmpeg's `-legacy_icecast 1`)
    /// have no reset to lose their last bytes to.
    static let patience = 0.5

    let live: LiveRoutes
    var clock = LoopClock.monotonic

    func install(on router: Router) {
        // Whoever sends has credentials of its own: the routes look at them.
        for method in [Method.put, .source] {
            router.on(method, "/live/:station", audience: .sameOrigin, bodyLimit: .max) { try send($0) }
        }
        router.post("/live/:station/metadata", bodyLimit: SendingRoutes.titleLimit) { request in
            let station = try live.station(request.parameter("station"))
            return try await setTitle(of: station, request)
        }
        router.get("/admin/metadata", audience: .sameOrigin) { try update($0) }
    }

    // MARK: Sending

    private func send(_ request: Request) throws -> Response {
        let component = request.parameter("station")
        let station = try station(in: component)
        guard case .push(let access) = station.options.source else {
            throw SendingRoutes.refusal(.unsuitable(kind: station.options.source.kind), station)
        }
        try SendingRoutes.authorize(request, access)
        try SendingRoutes.check(request, component, station)
        do throws(SenderRefusal) {
            try station.lookForSender()
        } catch {
            throw SendingRoutes.refusal(error, station)
        }
        return Response(200, body: .takeover { try take($0, request, station) })
    }

    /// The station in `/live/NAME` or `/live/NAME.EXTENSION`, as clients of Icecast name what they send.
    private func station(in component: String) throws -> Station {
        try live.station(String(component.prefix { $0 != "." }))
    }

    private func take(_ takeover: Takeover, _ request: Request, _ station: Station) throws {
        let framing: Source.Body.Framing =
            request.isOpenEnded ? .close : request.body.length.map { .length($0) } ?? .chunked
        let sender = Sender(
            address: takeover.label, agent: request.fields["User-Agent"], name: request.fields["ice-name"],
            audio: request.fields["ice-audio-info"])
        let ticket = takeover.ticket
        // Who sends until it closes is answered when it waits for that; others at the end of the body.
        let isOpenEnded = framing == .close && !request.expectsContinue
        do throws(SenderRefusal) {
            let reply: LateReply
            do throws(CoreError) {
                reply = try LateReply(takeover, clock: clock)
            } catch {
                throw SenderRefusal.failed(error)
            }
            let body = Source.Body(
                descriptor: takeover.descriptor, prefix: takeover.pending, framing: framing, tls: takeover.tls)
            do throws(SenderRefusal) {
                try station.send(body, from: sender) { ending, bytes in
                    ticket.release(bytes: bytes, reason: ending.name)
                    reply.finish(reply.hasAnswered ? nil : SendingRoutes.response(ending, bytes, station))
                }
            } catch {
                reply.giveBack()
                throw error
            }
            if request.method == .source || isOpenEnded {
                let answer = request.method == .source ? Array("HTTP/1.0 200 OK\r\n\r\n".utf8) : takeover.head
                reply.send(answer, afterSilence: SendingRoutes.patience) { station.receivedBytes }
            } else if request.expectsContinue && takeover.pending.isEmpty {
                reply.sendGoOn()
            }
        } catch {
            throw SendingRoutes.refusal(error, station)
        }
    }

    private static func response(_ ending: SenderEnding, _ bytes: UInt64, _ station: Station) -> Response {
        switch ending {
        case .finished, .reset:
            .json(.object([("name", .string(station.name)), ("bytes", .unsigned(bytes))]))
        case .lost(let why): .error(.badRequest(why, code: "BODY_ABORTED"))
        case .refused(let why): .error(HTTPError(415, "STREAM_UNSUITABLE", why))
        case .malformed(let why): .error(.badRequest(why, code: "BAD_CHUNK"))
        case .silent(let why): .error(HTTPError(408, "REQUEST_TIMEOUT", why))
        case .stopped: .error(.unavailable("STATION_STOPPED", "this station is off the air"))
        }
    }

    private static func authorize(_ request: Request, _ access: PushAccess) throws {
        if request.isAdmin { return }
        if let password = access.password, let given = Credentials(authorization: request.fields["Authorization"]),
            given.match(Credentials(user: access.user, password: password))
        {
            return
        }
        throw HTTPError(
            401, "UNAUTHORIZED", "this needs the station's user and password, or the admin token",
            fields: ["WWW-Authenticate": "Basic realm=\"weir\", charset=\"UTF-8\""])
    }

    private static func refusal(_ refusal: SenderRefusal, _ station: Station) -> HTTPError {
        let name: (String, JSON) = ("station", .string(station.name))
        var error: HTTPError
        switch refusal {
        case .unsuitable(let kind):
            error = HTTPError(
                409, "NOT_SENT_TO", "nothing can be sent to this station: its source is of kind \(kind)",
                detail: [name, ("kind", .string(kind))])
        case .taken(let sender):
            error = HTTPError(
                409, "SOURCE_CONNECTED", "somebody sends to this station already",
                detail: [
                    name, ("address", .string(sender.address)), ("since", .string(WallClock.text(sender.since))),
                ])
        case .stopped:
            error = .unavailable("STATION_STOPPED", "this station is off the air", retryAfter: LiveRoutes.retryAfter)
            error.detail = [name]
        case .failed(let reason):
            error = .unavailable(
                "NOT_ATTACHED", "the stream cannot be taken now: \(reason)", retryAfter: LiveRoutes.retryAfter)
        }
        return error
    }

    // MARK: What is sent

    /// Types and endings under which a station's format may be sent. PCM is little-endian here, which `audio/L16` is not.
    private static func accepted(by format: StationOptions.Format) -> (types: [String], endings: [String])? {
        switch format {
        case .pcm:
            (
                [
                    "audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave", "audio/x-raw", "audio/pcm",
                    "application/octet-stream",
                ], ["wav", "pcm"]
            )
        case .ts: (["video/mp2t", "video/mpegts", "audio/mp2t", "application/octet-stream"], ["ts"])
        case .raw: nil
        }
    }

    private static func check(_ request: Request, _ component: String, _ station: Station) throws {
        if request.body.length == 0 && !request.isOpenEnded {
            throw HTTPError.badRequest("there is nothing in this body", code: "EMPTY_BODY")
        }
        guard let accepted = accepted(by: station.format) else { return }
        let expected = accepted.types.joined(separator: ", ")
        func refuse(_ what: String) -> HTTPError {
            HTTPError(
                415, "TYPE_UNSUITABLE", "this station is \(station.format.name): \(what); expected \(expected)",
                detail: [("station", .string(station.name)), ("format", .string(station.format.name))])
        }
        let type = request.fields["Content-Type"]?.prefix { $0 != ";" && $0 != " " }.lowercased()
        if let type, !type.isEmpty, !accepted.types.contains(type) { throw refuse("it cannot be sent \(type)") }
        if let dot = component.firstIndex(of: ".") {
            let ending = String(component[dot...].dropFirst())
            guard accepted.endings.contains(ending.lowercased()) else { throw refuse("it has no .\(ending)") }
        }
    }

    // MARK: Titles

    /// `POST /live/NAME/metadata` with JSON, a form, or `?title=`.
    private func setTitle(of station: Station, _ request: Request) async throws -> Response {
        let bytes = try await request.body.collect()
        let type = request.fields["Content-Type"]?.prefix { $0 != ";" && $0 != " " }.lowercased() ?? ""
        var title = request.query["title"]
        if type == "application/json" {
            title = try SendingRoutes.title(json: bytes)
        } else if !bytes.isEmpty {
            guard let form = Target.Query(form: bytes) else { throw SendingRoutes.badTitle }
            title = form["title"] ?? form["song"]
        }
        guard let title else { throw SendingRoutes.badTitle }
        station.setTitle(title)
        return .json(
            .object([("name", .string(station.name)), ("title", station.title.map { .string($0) } ?? .null)]))
    }

    private static let badTitle = HTTPError.badRequest(
        "expected a title: {\"title\": \"...\"}, or a form with title", code: "BAD_TITLE")

    private static func title(json bytes: [UInt8]) throws -> String {
        do throws(DocumentFault) {
            let node = try JSONReader.read(try DocumentText(bytes))
            switch node["title"]?.content {
            case .scalar(let text, .text): return text
            case .scalar(_, .null): return ""
            default: break
            }
        } catch {
            throw HTTPError.badRequest(error.message, code: "BAD_JSON")
        }
        throw badTitle
    }

    /// Icecast's `GET /admin/metadata?mount=/live/NAME&mode=updinfo&song=…`.
    private func update(_ request: Request) throws -> Response {
        guard let mount = request.query["mount"], mount.hasPrefix("/live/") else {
            throw HTTPError.badRequest("mount is /live/NAME", code: "BAD_MOUNT")
        }
        let station = try station(in: String(mount.dropFirst("/live/".count)))
        var access = PushAccess()
        if case .push(let given) = station.options.source { access = given }
        try SendingRoutes.authorize(request, access)
        guard request.query["mode"] == "updinfo" else {
            throw HTTPError.badRequest("mode is updinfo", code: "BAD_MODE")
        }
        let parts = [request.query["artist"], request.query["title"]].compactMap { $0 }
        guard let song = request.query["song"] ?? (parts.isEmpty ? nil : parts.joined(separator: " - ")) else {
            throw SendingRoutes.badTitle
        }
        station.setTitle(song)
        return .text(
            "<?xml version=\"1.0\"?>\n<iceresponse><message>Metadata update successful</message>"
                + "<return>1</return></iceresponse>\n", type: "text/xml; charset=utf-8")
    }
}
