#if Redis
    internal import CHiredis

    /// What Redis answers (RESP 2).
    enum RedisReply: Sendable {
        case none
        case integer(Int64)
        case text(String)
        case list([RedisReply])
        case error(String)

        /// Copies hiredis's, whose depth it has bounded.
        init(_ reply: UnsafePointer<redisReply>) {
            let reply = reply.pointee
            switch reply.type {
            case REDIS_REPLY_INTEGER: self = .integer(reply.integer)
            case REDIS_REPLY_STRING, REDIS_REPLY_STATUS: self = .text(RedisReply.string(reply))
            case REDIS_REPLY_ERROR: self = .error(RedisReply.string(reply))
            case REDIS_REPLY_ARRAY:
                self = .list(
                    (0..<reply.elements).map { index in
                        reply.element[index].map { RedisReply(UnsafePointer($0)) } ?? .none
                    })
            default: self = .none
            }
        }

        private static func string(_ reply: redisReply) -> String {
            guard let start = reply.str else { return "" }
            return String(decoding: UnsafeRawBufferPointer(start: start, count: reply.len), as: UTF8.self)
        }

        var text: String? { if case .text(let text) = self { text } else { nil } }

        var list: [RedisReply] { if case .list(let list) = self { list } else { [] } }

        /// A number, or one that is written out as hashes keep them.
        var integer: Int64? {
            switch self {
            case .integer(let number): number
            case .text(let text): Int64(text)
            default: nil
            }
        }
    }

    extension DatabaseError {
        /// Of an error that Redis answered: `WRONGPASS invalid username-password pair`.
        init(redis text: String) {
            let code = String(text.prefix { $0 != " " })
            let kind: Kind =
                switch code {
                case "NOAUTH", "WRONGPASS", "NOPERM": .denied
                case "LOADING", "MASTERDOWN", "CLUSTERDOWN": .unavailable
                case "BUSY", "TRYAGAIN": .busy
                case "OOM", "MISCONF": .diskFull
                case "READONLY": .file
                default: text.hasPrefix("ERR invalid password") ? .denied : .refused
                }
            self.init(kind, code: code, "Redis: \(text)")
        }
    }
#endif
