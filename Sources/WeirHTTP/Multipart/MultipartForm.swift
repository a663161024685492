public import WeirLoop

/// A request's form, part by part, at the pace of whoever reads it.
@LoopActor
public final class MultipartForm {
    private let body: RequestBody
    private var parser: MultipartParser
    private var isInPart = false

    /// - Throws: `HTTPError` 400 when the request's `Content-Type` is not that of a form.
    public init(_ request: Request) throws {
        body = request.body
        do throws(MultipartError) {
            parser = try MultipartParser(contentType: request.fields["Content-Type"])
        } catch {
            throw error.response
        }
    }

    /// The next part; nil behind the last. What was not read of the one before is passed over.
    ///
    /// - Throws: `HTTPError` 400 when this is no form, and as `RequestBody.next` does.
    public func nextPart() async throws -> MultipartPart? {
        while isInPart { _ = try await next() }
        switch try await step() {
        case .part(let part):
            isInPart = true
            return part
        case .end:
            // What follows has no meaning, and is taken, so that the next request is found behind it.
            while try await body.next() != nil {}
            return nil
        case .more, .bytes, .partEnd: return nil
        }
    }

    /// The next bytes of the part, not empty; nil at its end. Throws as `nextPart`.
    public func next() async throws -> [UInt8]? {
        guard isInPart else { return nil }
        if case .bytes(let bytes) = try await step() { return bytes }
        isInPart = false
        return nil
    }

    /// The rest of the part, at most `limit` bytes.
    /// - Throws: `HTTPError` 413 above the limit.
    public func collect(limit: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let piece = try await next() {
            guard bytes.count + piece.count <= limit else { throw HTTPError.bodyTooLarge(limit) }
            bytes += piece
        }
        return bytes
    }

    /// What comes next, once it is there.
    private func step() async throws -> MultipartParser.Step {
        while true {
            do throws(MultipartError) {
                let step = try parser.next()
                if step != .more { return step }
            } catch {
                throw error.response
            }
            if let piece = try await body.next() {
                parser.append(piece)
            } else {
                do throws(MultipartError) { try parser.finish() } catch { throw error.response }
                return .end
            }
        }
    }
}
