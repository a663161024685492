import Glibc

/// Many listeners at once, all read from one thread.
final class Audience {
    struct Listener {
        fileprivate let client: Client
        let form: Form
        /// Of the stream, where the body begins: `X-Weir-Position`.
        let position: Int
        /// After what precedes the stream's own bytes.
        fileprivate(set) var body: [UInt8]
        var ending: Client.Ending? { client.ending }
    }

    /// How a listener asks for the stream.
    enum Form: CaseIterable {
        case wav, little, big, own

        func target(_ station: String) -> String {
            switch self {
            case .wav: "/live/\(station).wav"
            case .little: "/live/\(station).pcm?endian=le"
            case .big: "/live/\(station).pcm?endian=be"
            case .own: "/live/\(station)"
            }
        }
    }

    private(set) var listeners: [Listener] = []

    /// `header` is the length of what a WAV listener gets before the frames.
    func join(_ weir: Daemon, _ station: String, _ form: Form, header: Int = 44) throws {
        let (client, head) = try weir.listen(form.target(station))
        guard let position = head["X-Weir-Position"].flatMap({ Int($0) }) else { throw Failure("no X-Weir-Position") }
        if form == .wav {
            let start = try client.receive(header)
            guard start.starts(with: "RIFF".utf8), start.suffix(8).starts(with: "data".utf8) else {
                throw Failure("not a WAV header of \(header) bytes")
            }
        }
        listeners.append(Listener(client: client, form: form, position: position, body: []))
    }

    /// Takes what comes until the moment has come, or everyone's connection has ended.
    func listen(until deadline: Deadline) {
        while !deadline.hasPassed {
            var ready = listeners.filter { $0.ending == nil }.map {
                pollfd(fd: $0.client.descriptor, events: Int16(POLLIN), revents: 0)
            }
            if ready.isEmpty && !listeners.isEmpty { return }
            poll(&ready, nfds_t(ready.count), deadline.milliseconds)
            for index in listeners.indices {
                while true {
                    let bytes = listeners[index].client.take()
                    if bytes.isEmpty { break }
                    listeners[index].body.append(contentsOf: bytes)
                }
            }
        }
    }
}
