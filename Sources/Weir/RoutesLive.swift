internal import CWeir
internal import WeirHTTP
internal import WeirLive
internal import WeirLoop

/// Listening to stations, and running them.
@LoopActor
struct LiveRoutes {
    /// Seconds after which a refused listener may try again.
    static let retryAfter = 5

    let stations: Stations
    let access: ListenerAccess

    func install(on router: Router) {
        // Addresses of listeners, and what children say: not for pages of other origins.
        router.get("/live", audience: .sameOrigin) { [stations] _ in
            // All that is asked of the stations is asked now: they may be gone when it has been written.
            let reports = stations.all.map(\.report)
            return Response(
                200, fields: ["Content-Type": "application/json", "Cache-Control": "no-store"],
                body: .bytes(try await LiveReport.bytes(reports)))
        }
        // Who was here is nobody's business but the operator's.
        router.get("/live/:station/ends", audience: .admin) { request in
            let station = try station(request.parameter("station"))
            return .json(LiveReport.ends(station.recentEnds, of: station.name))
        }
        router.get("/live/:station") { try await listen($0, to: $0.parameter("station")) }
        router.post("/live/:station/start") { try start(try station($0.parameter("station"))) }
        router.post("/live/:station/stop") { try stop(try station($0.parameter("station"))) }
        router.post("/live/:station/commit") { try commit(try station($0.parameter("station")), true) }
        router.post("/live/:station/uncommit") { try commit(try station($0.parameter("station")), false) }
        router.on(.delete, "/live/:station/listeners/:id") { try kick($0) }
        // For players written against the systems replaced: the first station.
        router.get("/stream.wav") { try await listen($0, to: try first().name + ".wav") }
        router.get("/stream") { try await listen($0, to: try first().name) }
        router.post("/streaming/start") { _ in try start(try first()) }
        router.post("/streaming/stop") { _ in try stop(try first()) }
    }

    // MARK: Listening

    private func listen(_ request: Request, to component: String) async throws -> Response {
        guard let (name, form) = Rendition.parse(component) else { throw LiveRoutes.unknown(component) }
        let station = try station(name)
        try access.check(request, station)
        if Relay.isLoop(request.fields.values("Via"), at: name) { throw LiveRoutes.loop(station) }
        let rendition = try LiveRoutes.rendition(form, request.query)
        let warm = try LiveRoutes.warm(request.query)
        let wrapping = try LiveRoutes.wrapping(request, station)
        do throws(JoinRefusal) {
            if request.isHead {
                let (body, join) = try station.look(rendition, warm: warm)
                return LiveRoutes.response(body, join: join, wrapping, station) { _ in }
            }
            let seat = try await station.join(
                rendition, warm: warm, address: request.remote.description, path: request.path)
            return LiveRoutes.response(seat.body, join: seat.join, wrapping, station) { takeover in
                try LiveRoutes.attach(seat, to: station, takeover, wrapping)
            }
        } catch {
            throw LiveRoutes.refusal(error, station)
        }
    }

    private static func attach(
        _ seat: Seat, to station: Station, _ takeover: Takeover, _ wrapping: Wrapping
    ) throws {
        let ticket = takeover.ticket
        do throws(CoreError) {
            _ = try station.attach(
                seat, descriptor: takeover.descriptor, sink: takeover.sink, head: takeover.head, wrapping: wrapping
            ) { listener, reason in
                ticket.release(bytes: listener.sentBytes, reason: reason)
            }
        } catch {
            throw HTTPError.unavailable(
                "NOT_ATTACHED", "the stream cannot be sent now: \(error)", retryAfter: retryAfter)
        }
    }

    private static func response(
        _ body: LiveBody, join: JoinPoint?, _ wrapping: Wrapping, _ station: Station,
        _ take: @escaping @LoopActor (Takeover) throws -> Void
    ) -> Response {
        var fields: Fields = [
            "Content-Type": body.contentType, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
        ]
        if let via = station.via { fields.append("Via", via) }
        var exposed: [String] = []
        if wrapping.hasTitles {
            fields.append("icy-name", station.displayName)
            if let rate = station.byteRate { fields.append("icy-br", String(Int(min(rate / 125, 1e9)))) }
            fields.append("icy-metaint", String(Wrapping.titleInterval))
            exposed += ["icy-name", "icy-br", "icy-metaint"]
        }
        if wrapping.isChunked { fields.append("Transfer-Encoding", "chunked") }
        if let join {
            exposed += ["X-Weir-Position", "X-Weir-Warm-Seconds"]
            fields.append("X-Weir-Position", String(join.position))
            fields.append("X-Weir-Warm-Seconds", String(decoding: join.seconds.rounded(to: 3).bytes, as: UTF8.self))
        }
        if !exposed.isEmpty { fields.append("Access-Control-Expose-Headers", exposed.joined(separator: ", ")) }
        return Response(200, fields: fields, body: .takeover(take))
    }

    /// Its source would wait for bytes of its own.
    private static func loop(_ station: Station) -> HTTPError {
        HTTPError(
            508, "LOOP", "this station is asked for by its own source", detail: [("station", .string(station.name))])
    }

    private static func rendition(_ form: Rendition, _ query: Target.Query) throws -> Rendition {
        guard case .pcm = form, let text = query["endian"] else { return form }
        guard let endian = Rendition.Endian(rawValue: text) else {
            throw HTTPError.badRequest("endian is le or be", code: "BAD_ENDIAN")
        }
        return .pcm(endian: endian)
    }

    /// A transport stream has no room for titles between its packets.
    private static func wrapping(_ request: Request, _ station: Station) throws -> Wrapping {
        let chunked = request.query["chunked"] ?? "0"
        guard chunked == "0" || chunked == "1" else {
            throw HTTPError.badRequest("chunked is 0 or 1", code: "BAD_CHUNKED")
        }
        return Wrapping(
            hasTitles: request.fields["Icy-MetaData"] == "1" && station.format != .ts,
            // HTTP/1.0 has no chunks (RFC 9112 §7).
            isChunked: chunked == "1" && request.minor >= 1)
    }

    private static func warm(_ query: Target.Query) throws -> Warm? {
        guard let text = query["warm"] else { return nil }
        guard let warm = Warm(text) else {
            throw HTTPError.badRequest("warm is max, or seconds such as 2, 1.5s or 500ms", code: "BAD_WARM")
        }
        return warm
    }

    private static func refusal(_ refusal: JoinRefusal, _ station: Station) -> HTTPError {
        let name: (String, JSON) = ("station", .string(station.name))
        var error: HTTPError
        switch refusal {
        case .full(let limit):
            error = .unavailable(
                "STATION_FULL", "this station has all the listeners it may have", retryAfter: retryAfter)
            error.detail = [name, ("limit", .integer(Int64(limit)))]
        case .allFull(let limit):
            error = .unavailable(
                "LISTENERS_FULL", "there are as many listeners as there may be", retryAfter: retryAfter)
            error.detail = [("limit", .integer(Int64(limit)))]
        case .stopped:
            error = .unavailable("STATION_STOPPED", "this station is off the air", retryAfter: retryAfter)
            error.detail = [name]
        case .silent(let state, _):
            error = .unavailable("STATION_SILENT", "this station's source delivers nothing", retryAfter: retryAfter)
            error.detail = [name, ("state", .string(state.rawValue))]
        case .unsuitable(let format, let ending):
            error = HTTPError(
                404, "FORM_UNSUITABLE", "this station is \(format): it has no \(ending)",
                detail: [name, ("format", .string(format))])
        }
        return error
    }

    // MARK: Running

    private func first() throws -> Station {
        guard let first = stations.first else { throw HTTPError(404, "NO_STATION", "there is no station") }
        return first
    }

    func station(_ name: String) throws -> Station {
        guard let station = stations[name] else { throw LiveRoutes.unknown(name) }
        return station
    }

    private static func unknown(_ name: String) -> HTTPError {
        HTTPError(
            404, "NO_STATION", "there is no such station", detail: [("station", .string(String(name.prefix(80))))])
    }

    private func start(_ station: Station) throws -> Response {
        station.start()
        return LiveRoutes.state(station)
    }

    private func stop(_ station: Station) throws -> Response {
        station.stop()
        return LiveRoutes.state(station)
    }

    private static func state(_ station: Station) -> Response {
        .json(.object([("name", .string(station.name)), ("state", .string(station.state.rawValue))]))
    }

    private func commit(_ station: Station, _ committed: Bool) throws -> Response {
        guard station.setCommitted(committed) else {
            throw HTTPError(
                409, "NOT_KEPT", "nothing of this station is kept in files",
                detail: [("station", .string(station.name))])
        }
        return .json(.object([("name", .string(station.name)), ("committed", .bool(station.isCommitted))]))
    }

    private func kick(_ request: Request) throws -> Response {
        let station = try station(request.parameter("station"))
        guard let id = UInt64(request.parameter("id")), station.kick(id) else {
            throw HTTPError(404, "NO_LISTENER", "this station has no such listener")
        }
        return Response(204)
    }
}
