public import WeirHTTP

/// How a stand-in behaves. Times are seconds.
public struct StandInOptions: Sendable {
    /// `127.0.0.1:0` picks a port.
    public var port: UInt16 = 0
    /// Tokens of bots that exist; nil for every well-formed one.
    public var tokens: Set<String>?
    /// Limits by which calls are answered with 429; nil for none.
    public var rates: StandInRates? = StandInRates()
    /// Before an answer, after the call was received; picked evenly.
    public var latency: ClosedRange<Double> = 0...0
    /// The part of calls that fail with 500, picked evenly.
    public var failureRate: Double = 0
    /// Picks latencies and failures: the same seed, the same ones.
    public var seed: UInt64 = 1
    /// Files come back without `file_unique_id`.
    public var omitsUniqueIDs = false
    /// Photos have to be JPEG, PNG, GIF or WebP; else any bytes will do.
    public var checksPhotos = false
    /// A photo's sizes come with the largest first, as nothing promises their order.
    public var reversesPhotoSizes = false
    /// The next calls that they fit are treated so.
    public var faults: [StandInFault] = []
    /// Bytes of what is uploaded, and fetched: those of api.telegram.org.
    public var sizes = StandInSizes()

    public init() {}
}

/// "10 MB max size for photos, 50 MB for other files", "5 MB max size for photos and 20 MB max for other types of content" by
/// URL.
public struct StandInSizes: Sendable {
    public var uploadedPhoto = 10_000_000
    public var uploadedFile = 50_000_000
    public var fetchedPhoto = 5_000_000
    public var fetchedFile = 20_000_000

    public init() {}
}

/// What is done to calls, as an exception.
public struct StandInFault: Sendable {
    public enum Action: Sendable {
        /// An error of the Bot API.
        case error(Int, String, [(String, JSON)] = [])
        /// Not the Bot API's: the body as it is.
        case page(Int, String)
        /// The connection is cut when so many bytes of the request's body have come.
        case cut(after: Int)
        /// The call is received, carried out, and the connection closed without an answer.
        case close
        /// The call is received, and never answered.
        case stall
        /// So many more seconds before the answer.
        case delay(Double)
    }

    /// In lower case; nil for each.
    public var method: String?
    /// As it was sent; nil for each. A cut does not wait for it to be known.
    public var chat: String?
    /// How often, at most.
    public var times = 1
    public var action: Action

    public init(_ action: Action, method: String? = nil, chat: String? = nil, times: Int = 1) {
        self.action = action
        self.method = method?.lowercased()
        self.chat = chat
        self.times = times
    }

    /// It is for the request's connection, before its parameters are known.
    var isEarly: Bool { if case .cut = action { true } else { false } }
}

extension StandInOptions {
    /// Changes what a JSON object names; the rest stays. Throws `HTTPError` when something in it is not understood.
    public mutating func change(_ json: JSON) throws {
        guard case .object(let members) = json else { throw HTTPError.badRequest("expected an object") }
        for (name, value) in members {
            switch name {
            case "latency":
                let bounds = try (value.items ?? [value]).map { try Self.number($0, name) }
                guard let low = bounds.first, let high = bounds.last, 0 <= low, low <= high, high <= 3600 else {
                    throw HTTPError.badRequest("latency is a number of seconds, or two of them")
                }
                latency = low...high
            case "failure_rate": failureRate = try Self.number(value, name)
            case "seed": seed = UInt64(try Self.number(value, name))
            case "omit_unique_ids": omitsUniqueIDs = try Self.flag(value, name)
            case "check_photos": checksPhotos = try Self.flag(value, name)
            case "reverse_photo_sizes": reversesPhotoSizes = try Self.flag(value, name)
            case "rates": rates = value == .null ? nil : try StandInRates(value)
            case "tokens":
                tokens = value == .null ? nil : Set((value.items ?? []).compactMap { $0.text })
            case "faults": faults = try (value.items ?? []).map { try StandInFault($0) }
            default: throw HTTPError.badRequest("\(name) is not known")
            }
        }
    }

    static func number(_ json: JSON, _ name: String) throws -> Double {
        let number: Double? =
            switch json {
            case .integer(let number): Double(number)
            case .number(let number): number
            default: nil
            }
        guard let number, number >= 0, number <= 1e9 else {
            throw HTTPError.badRequest("\(name): expected a number from 0 to 1e9")
        }
        return number
    }

    private static func flag(_ json: JSON, _ name: String) throws -> Bool {
        guard let flag = json.flag else { throw HTTPError.badRequest("\(name): expected true or false") }
        return flag
    }
}

extension StandInRates {
    init(_ json: JSON) throws {
        self.init()
        guard case .object(let members) = json else { throw HTTPError.badRequest("rates: expected an object") }
        for (name, value) in members {
            let number = try StandInOptions.number(value, name)
            guard number > 0 else { throw HTTPError.badRequest("\(name): expected more than 0") }
            switch name {
            case "chat": chat = number
            case "group": group = number
            case "bot": bot = number
            default: throw HTTPError.badRequest("rates: \(name) is not known")
            }
        }
    }
}

extension StandInFault {
    init(_ json: JSON) throws {
        let words: String? = json["description"]?.text
        let action: Action
        switch json["do"]?.text {
        case "error":
            var parameters: [(String, JSON)] = []
            if case .object(let members)? = json["parameters"] { parameters = members }
            action = .error(Int(json["status"]?.whole ?? 500), words ?? "Internal Server Error", parameters)
        case "page": action = .page(Int(json["status"]?.whole ?? 502), words ?? "<html>Bad Gateway</html>")
        case "cut": action = .cut(after: Int(json["after"]?.whole ?? 0))
        case "close": action = .close
        case "stall": action = .stall
        case "delay": action = .delay(try StandInOptions.number(json["seconds"] ?? 1, "seconds"))
        default: throw HTTPError.badRequest("a fault's `do` is error, page, cut, close, stall or delay")
        }
        let chat = json["chat"].flatMap { $0.text ?? $0.whole.map { String($0) } }
        self.init(action, method: json["method"]?.text, chat: chat, times: Int(json["times"]?.whole ?? 1))
    }
}
