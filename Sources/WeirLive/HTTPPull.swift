import Glibc
import WeirHTTP
import WeirLoop

/// One connection to an origin: the request, its answer's head, and a socket in which the body comes, moved without Swift.
@LoopActor
final class HTTPPull {
    private let origin: HTTPOrigin
    private let pool: ClientPool
    private var stream: ClientStream?

    /// `pool` is the origin's own: nobody else asks through it.
    init(_ origin: HTTPOrigin, _ pool: ClientPool) {
        self.origin = origin
        self.pool = pool
    }

    /// Asks, and returns what came and the socket, which is the caller's to close. Throws a sentence with the URL in it.
    func open(
        for station: String, _ format: StationOptions.Format
    ) async throws(Problem) -> (answer: OriginAnswer, descriptor: Int32) {
        let stream: ClientStream
        do {
            // There is no room for titles between the packets of a transport stream.
            let request = origin.request(for: station, asksForTitles: format != .ts)
            stream = try await pool.stream(request)
        } catch {
            throw Problem(error.description)
        }
        do throws(Problem) {
            let answer = try OriginAnswer(
                status: stream.status, fields: stream.fields, location: stream.effectiveURL, for: format)
            if Relay.isLoop(answer.via, at: station) { throw Problem("it plays what this station sends out") }
            self.stream = stream
            return (answer, stream.takeDescriptor())
        } catch {
            stream.close()
            throw Problem("\(origin): \(error)", retryAfter: error.retryAfter)
        }
    }

    /// Why the body is over, once its socket has ended.
    func ending() async -> String {
        do throws(ClientError) {
            try await stream?.ended()
        } catch {
            return error.description
        }
        return "\(origin): the stream has ended"
    }

    /// Takes the request back, and closes its connection: the next run makes one of its own.
    func close() {
        stream?.close()
        pool.clear()
    }
}
