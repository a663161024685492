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

    func install(on router: Router) {
        // Addresses of listeners, and what children say: not for pages of other origins.
        router.get("/live", audience: .sameOrigin) { [stations] _ in
            // All that is asked of the stations is asked now: they may be gone when it has been written.
            let reports = stations.all.map(\.report)
            return Response(
                200, fields: ["Content-Type": "application/json", "Cache-Control": "no-store"],
                body: .bytes(try await LiveReport.bytes(reports)))
        }
        router.get("/live/:station") { try await listen($0, to: $0.parameter("station")) }
        router.post("/live/:station/start") { try start(try station($0.parameter("station"))) }
        router.post("/live/:station/stop") { try stop(try station($0.parameter("station"))) }
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
        let rendition = try LiveRoutes.rendition(form, request.query)
        let warm = try LiveRoutes.warm(request.query)
        do throws(JoinRefusal) {
            if request.isHead {
                let body = try station.look(rendition)
                return LiveRoutes.response(body, join: nil) { _ in }
            }
            let seat = try await station.join(
                rendition, warm: warm, address: request.remote.description, path: request.path)
            return LiveRoutes.response(seat.body, join: seat.join) { takeover in
                try LiveRoutes.attach(seat, to: station, takeover)
            }
        } catch {
            throw LiveRoutes.refusal(error, station)
        }
    }

    private static func attach(_ seat: Seat, to station: Station, _ takeover: Takeover) throws {
        let ticket = takeover.ticket
        do throws(CoreError) {
            _ = try station.attach(seat, descriptor: takeover.descriptor, head: takeover.head) { listener, reason in
                ticket.release(bytes: listener.sentBytes, reason: reason)
            }
        } catch {
            throw HTTPError.unavailable(
                "NOT_ATTACHED", "the stream cannot be sent now: \(error)", retryAfter: retryAfter)
        }
    }

    private static func response(
        _ body: LiveBody, join: JoinPoint?, _ take: @escaping @LoopActor (Takeover) throws -> Void
    ) -> Response {
        var fields: Fields = [
            "Content-Type": body.contentType, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
        ]
        if let join {
            fields.append("X-Weir-Position", String(join.position))
            fields.append("X-Weir-Warm-Seconds", String(decoding: join.seconds.rounded(to: 3).bytes, as: UTF8.self))
            fields.append("Access-Control-Expose-Headers", "X-Weir-Position, X-Weir-Warm-Seconds")
        }
        return Response(200, fields: fields, body: .takeover(take))
    }

    private static func rendition(_ form: Rendition, _ query: Target.Query) throws -> Rendition {
        guard case .pcm = form, let text = query["endian"] else { return form }
        guard let endian = Rendition.Endian(rawValue: text) else {
            throw HTTPError.badRequest("endian is le or be", code: "BAD_ENDIAN")
        }
        return .pcm(endian: endian)
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

    private func station(_ name: String) throws -> Station {
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

    private func kick(_ request: Request) throws -> Response {
        let station = try station(request.parameter("station"))
        guard let id = UInt64(request.parameter("id")), station.kick(id) else {
            throw HTTPError(404, "NO_LISTENER", "this station has no such listener")
        }
        return Response(204)
    }
}

/// `GET /live`.
@LoopActor
enum LiveReport {
    /// Listeners that are written in one turn of the loop: about a millisecond.
    nonisolated static let slice = 250
    /// Seconds that the loop has in between.
    nonisolated static let pause = 0.001

    /// Written in slices: ten thousand listeners in one turn would make all of them wait for their bytes.
    static func bytes(_ stations: [StationReport]) async throws -> [UInt8] {
        var bytes = Array("{\"stations\":[".utf8)
        var written = 0
        for (index, station) in stations.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            head(station).write(to: &bytes)
            bytes.removeLast()
            bytes.append(contentsOf: ",\"listeners\":[".utf8)
            for (index, listener) in station.listeners.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                json(listener).write(to: &bytes)
                written += 1
                if written % slice == 0 { try await LoopClock.monotonic.sleep(for: pause) }
            }
            bytes.append(contentsOf: "]}".utf8)
        }
        bytes.append(contentsOf: "]}".utf8)
        return bytes
    }

    /// A station without its listeners.
    private static func head(_ station: StationReport) -> JSON {
        .object([
            ("name", .string(station.name)), ("format", .string(station.format.name)),
            ("state", .string(station.state.rawValue)), ("position", .unsigned(station.position)),
            ("bitrate", station.bitrate.map { .number($0.rounded()) } ?? .null),
            ("restarts", .unsigned(station.restarts)),
            ("last_error", station.lastError.map { .string($0) } ?? .null),
        ])
    }

    private static func json(_ listener: ListenerReport) -> JSON {
        .object([
            ("id", .unsigned(listener.id)), ("address", .string(listener.address)),
            ("since", .string(WallClock.text(listener.since))), ("position", .unsigned(listener.position)),
            ("lag_bytes", .unsigned(listener.lagBytes)),
            ("lag_seconds", listener.lagSeconds.map { $0.rounded(to: 3) } ?? .null),
            ("skipped_bytes", .unsigned(listener.skippedBytes)), ("sent_bytes", .unsigned(listener.sentBytes)),
        ])
    }
}
