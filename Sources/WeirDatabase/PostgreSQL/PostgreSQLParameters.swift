#if PostgreSQL
    internal import CPostgreSQL
    internal import Glibc
    internal import WeirLoop

    /// What a connection is made with: the URL's parameters, and Weir's where it has none.
    struct PostgreSQLParameters: Sendable {
        /// Detects within a minute that the server's machine is gone; of a busy connection as well (`tcp_user_timeout`).
        private static let defaults = [
            "application_name": "weir", "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3",
            "tcp_user_timeout": "60000",
        ]

        private var values: [String: String]
        /// The URL as it may be shown.
        let shown: String

        /// Throws `.url`: what libpq finds wrong, without the password.
        init(url: String, statementTimeout: Double) throws(DatabaseError) {
            values = PostgreSQLParameters.defaults
            values.merge(try PostgreSQLParameters.parse(url)) { _, given in given }
            values["client_encoding"] = "UTF8"
            // The server ends what takes too long; the URL's own word comes later, and wins.
            let timeout = "-c statement_timeout=\(DatabaseClock.milliseconds(statementTimeout))"
            values["options"] = [timeout, values["options"] ?? ""].filter { !$0.isEmpty }.joined(separator: " ")
            shown = DatabaseURL.redacted(url)
        }

        static func parse(_ url: String) throws(DatabaseError) -> [String: String] {
            var message: UnsafeMutablePointer<CChar>?
            guard let options = PQconninfoParse(url, &message) else {
                let text = message.map { String(cString: $0) } ?? "out of memory"
                PQfreemem(message)
                // It quotes the URL, or some of it.
                let reason = text.prefix { $0 != ":" && $0 != "\n" }
                throw refusal(url, String(reason))
            }
            defer { PQconninfoFree(options) }
            var values: [String: String] = [:]
            var option = options
            while let keyword = option.pointee.keyword {
                if let value = option.pointee.val { values[String(cString: keyword)] = String(cString: value) }
                option += 1
            }
            // libpq would say so when it connects.
            for port in (values["port"] ?? "").split(separator: ",") where !(1...65535).contains(Int(port) ?? 0) {
                throw refusal(url, "\"\(port)\" is no port")
            }
            return values
        }

        private static func refusal(_ url: String, _ reason: String) -> DatabaseError {
            DatabaseError(
                .url, "\(DatabaseURL.redacted(url)): \(reason)",
                expected: "postgres://USER@HOST:PORT/DATABASE?sslmode=…")
        }

        /// With the addresses of its hosts, looked up on the pool: libpq would look them up on the loop.
        @LoopActor
        func resolved() async throws(DatabaseError) -> PostgreSQLParameters {
            guard values["hostaddr"] == nil, let hosts = values["host"] ?? PostgreSQLParameters.environment("PGHOST")
            else { return self }
            let ports = values["port"] ?? PostgreSQLParameters.environment("PGPORT") ?? ""
            let found: Result<[Address], any Error>
            do {
                found = .success(try await onPool { PostgreSQLParameters.addresses(hosts, ports) })
            } catch {
                found = .failure(error)
            }
            guard case .success(let addresses) = found, !addresses.isEmpty else {
                throw DatabaseError(.unavailable, "\(shown): no address of \(hosts)")
            }
            var copy = self
            copy.values["host"] = addresses.map(\.host).joined(separator: ",")
            copy.values["hostaddr"] = addresses.map(\.address).joined(separator: ",")
            copy.values["port"] = addresses.map(\.port).joined(separator: ",")
            return copy
        }

        private struct Address: Sendable {
            let host: String
            /// Empty for a socket of the file system.
            let address: String
            let port: String
        }

        /// Blocks. Every address of every host, in the order given.
        private static func addresses(_ hosts: String, _ ports: String) -> [Address] {
            let ports = ports.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            var found: [Address] = []
            for (index, host) in hosts.split(separator: ",", omittingEmptySubsequences: false).enumerated() {
                let port = ports.count == 1 ? ports[0] : index < ports.count ? ports[index] : ""
                let isSocket = host.isEmpty || host.hasPrefix("/") || host.hasPrefix("@")
                if isSocket {
                    found.append(Address(host: String(host), address: "", port: port))
                } else {
                    found += numbers(String(host)).map { Address(host: String(host), address: $0, port: port) }
                }
            }
            return found
        }

        private static func numbers(_ host: String) -> [String] {
            var hints = addrinfo()
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
            var list: UnsafeMutablePointer<addrinfo>?
            guard getaddrinfo(host, nil, &hints, &list) == 0 else { return [] }
            defer { freeaddrinfo(list) }
            var numbers: [String] = []
            var next = list
            while let entry = next {
                var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
                let info = entry.pointee
                if getnameinfo(
                    info.ai_addr, info.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0
                {
                    numbers.append(text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) })
                }
                next = info.ai_next
            }
            return numbers
        }

        private static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

        /// Begins a connection; nil when there is no memory.
        func begin() -> OpaquePointer? {
            let list = values.sorted { $0.key < $1.key }
            return CStrings.with(list.map(\.key)) { keywords in
                CStrings.with(list.map(\.value)) { values in PQconnectStartParams(keywords, values, 0) }
            }
        }
    }

    /// Texts as C wants them, with a NULL behind the last.
    enum CStrings {
        static func with<Value>(
            _ texts: [String?], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Value
        ) -> Value {
            let copies = texts.map { $0.flatMap { strdup($0) } }
            defer { for copy in copies { free(copy) } }
            let pointers = copies.map { UnsafePointer<CChar>($0) } + [nil]
            return pointers.withUnsafeBufferPointer { body($0.baseAddress!) }
        }
    }
#endif
