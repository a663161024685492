internal import CLibuv
internal import CWeir
internal import Glibc
internal import WeirHTTP
internal import WeirLive
internal import WeirLoop

extension StationDraft {
    /// The longest window that `auto` may take, in milliseconds; a ring must hold two.
    static let autoWindowMost = 200

    /// Put together; nil when something that its source needs is missing.
    var station: StationOptions? {
        var station = options
        station.format =
            switch format {
            case .pcm: .pcm(pcm)
            case .ts: .ts
            case .raw: .raw
            }
        station.join = join ?? (format == .ts ? StationOptions.transportJoin : options.join)
        switch kind {
        case .exec:
            guard let command, command.first?.isEmpty == false else { return nil }
            station.source = .exec(command: command, directory: directory, environment: environment)
        case .tone: station.source = .tone
        case .file:
            guard let path else { return nil }
            station.source = .file(path: path, loop: loop)
        case .stdin: station.source = .stdin
        case .fifo:
            guard let path else { return nil }
            station.source = .fifo(path: path)
        case .udp:
            guard var address else { return nil }
            address.interface = interface
            address.sender = sender
            station.source = .udp(address)
        case .http:
            guard let url else { return nil }
            // The password follows when it is known which origin counts.
            let credentials = user.map { Credentials(user: $0, password: password?.text ?? "") }
            station.source = .http(HTTPOrigin(url: url, credentials: credentials, caFile: caFile))
        case .push:
            station.source = .push(PushAccess(user: user ?? PushAccess.standardUser, password: password?.text))
        case nil: return nil
        }
        return station
    }

    /// The longest window in milliseconds.
    var windowMost: Int {
        switch options.window {
        case .auto: Self.autoWindowMost
        case .fixed(let milliseconds): milliseconds
        }
    }
}

extension StationDraft.Kind {
    /// The keys of `source` that only some kinds have, and whether this one needs them.
    fileprivate var own: [(key: String, isRequired: Bool)] {
        switch self {
        case .exec: [("command", true), ("directory", false), ("environment", false)]
        case .file: [("path", true), ("loop", false)]
        case .fifo: [("path", true)]
        case .udp: [("address", true), ("interface", false), ("from", false)]
        case .http: [("url", true), ("ca", false), ("user", false), ("password", false), ("password_file", false)]
        case .push: [("user", false), ("password", false), ("password_file", false)]
        case .tone, .stdin: []
        }
    }

    fileprivate static let particular = [
        "command", "directory", "environment", "path", "loop", "address", "interface", "from", "url", "ca", "user",
        "password", "password_file",
    ]
}

extension ConfigurationReader {
    /// Most stations in a configuration.
    static var stationLimit: Int { 1000 }

    /// Reads `live.stations`; nil when something in it was refused.
    mutating func stations(_ node: Node, at path: String) -> [StationOptions]? {
        record(path, at: node.mark)
        let nodes: [Node]
        switch node.content {
        case .list(let list): nodes = list
        case .refused: return nil
        default:
            let expected = ConfigurationTable.configuration.key(path)?.expected ?? "a list"
            report("\(ConfigurationFault.of(node).wrong); expected \(expected)", at: path, origin(node.mark))
            return nil
        }
        guard nodes.count <= Self.stationLimit else {
            report("\(nodes.count) stations; expected at most \(Self.stationLimit)", at: path, origin(node.mark))
            return nil
        }
        var stations: [StationOptions] = []
        var names: [String: Origin] = [:]
        var reader: String?
        var places: [(path: String, origin: Origin)] = []
        for (index, node) in nodes.enumerated() {
            let path = "\(path)[\(index)]"
            var draft = StationDraft()
            read(node, .station, at: path, into: &draft)
            switch node.content {
            case .map, .scalar(_, .null): check(draft, at: path, node.mark)
            default: continue
            }
            if draft.kind == .push || draft.kind == .http {
                passwords.append(
                    StationPassword(
                        station: draft.options.name, key: "\(path).source.password", text: draft.password,
                        file: draft.passwordFile))
            }
            let name = draft.options.name
            let place = origin(of: "\(path).name", or: node.mark)
            if let first = names[name] {
                report(
                    "\(quoted(name)) is the name of another station (\(first.reference)); expected a name of its own",
                    at: "\(path).name", place)
            } else if !name.isEmpty {
                names[name] = place
            }
            if draft.kind == .stdin {
                if let reader {
                    report(
                        "standard input is read by \(reader) already; expected one station of kind `stdin`",
                        at: "\(path).source.kind", origin(of: "\(path).source.kind"))
                }
                reader = reader ?? (name.isEmpty ? path : "station \(quoted(name))")
            }
            if let station = draft.station {
                stations.append(station)
                places.append((path, origin(node.mark)))
            }
        }
        checkFallbacks(stations, nodes.count, places)
        return stations
    }

    /// What a fallback is, only all of the stations together can say; of stations that are sound, when all are.
    private mutating func checkFallbacks(
        _ stations: [StationOptions], _ count: Int, _ places: [(path: String, origin: Origin)]
    ) {
        guard stations.count == count else { return }
        for problem in StationOptions.fallbackProblems(stations) {
            let (path, place) = places[problem.index]
            let key = "\(path).fallback"
            guard isSound(key, "\(path).format", "\(path).pcm.sample", "\(path).pcm.rate", "\(path).pcm.channels")
            else {
                continue
            }
            report(problem.text, at: key, given[key] ?? place)
        }
    }

    /// What no key of a station can say alone.
    private mutating func check(_ draft: StationDraft, at path: String, _ mark: Mark) {
        func key(_ name: String) -> String { "\(path).\(name)" }
        if given[key("name")] == nil {
            report("missing; expected a name, for the routes /live/NAME", at: key("name"), origin(mark))
        }
        checkSource(draft, at: path, mark)
        checkFile(draft, at: "\(path).source.path")
        if draft.format == .raw, draft.kind == .tone || draft.kind == .file, isSound(key("format"), key("source.kind"))
        {
            report(
                "`raw` has no rate at which to play a \(draft.kind == .tone ? "tone" : "file"); expected `pcm`",
                at: key("format"), origin(of: key("format"), or: mark))
        }
        if draft.format != .pcm, let pcm = given[key("pcm")] {
            report("has no meaning for format `\(draft.format.rawValue)`; remove it", at: key("pcm"), pcm)
        }
        checkTransport(draft, at: path, mark)
        if draft.format == .raw, draft.options.slowPolicy == .disconnect, let lag = given[key("slow.max_lag")] {
            report(
                "format `raw` has no rate to tell it by, and a listener is ended when the ring is full; remove it",
                at: key("slow.max_lag"), lag)
        }
        if draft.options.slowPolicy == .pause, draft.kind == .tone || draft.kind == .udp {
            report(
                "`pause` needs a source that can wait, and \(draft.kind == .tone ? "a tone" : "udp") cannot;"
                    + " expected `skip` or `disconnect`",
                at: key("slow.policy"), origin(of: key("slow.policy"), or: mark))
        }
        if draft.format == .pcm,
            isSound(key("format"), key("pcm.sample"), key("pcm.rate"), key("pcm.channels"), key("ring"))
        {
            checkRing(draft, at: path, mark)
        }
    }

    private mutating func checkSource(_ draft: StationDraft, at path: String, _ mark: Mark) {
        let source = "\(path).source"
        guard let kind = draft.kind else {
            if isSound("\(source).kind", source) {
                let kinds = alternatives(StationDraft.Kind.allCases.map { $0.rawValue })
                report("missing; expected \(kinds)", at: "\(source).kind", origin(of: source, or: mark))
            }
            return
        }
        for name in StationDraft.Kind.particular {
            let own = kind.own.first { $0.key == name }
            if let place = given["\(source).\(name)"] {
                if own == nil {
                    report("has no meaning for kind `\(kind.rawValue)`; remove it", at: "\(source).\(name)", place)
                }
            } else if own?.isRequired == true {
                let expected = ConfigurationTable.station.key("source.\(name)")?.expected ?? "a value"
                report(
                    "missing for kind `\(kind.rawValue)`; expected \(expected)", at: "\(source).\(name)",
                    origin(of: source, or: mark))
            }
        }
        if kind == .push, draft.options.autostart == .onDemand, let place = given["\(source).autostart"] {
            report(
                "`on-demand` has no meaning for kind `push`, whose client comes by itself; expected `always` or"
                    + " `manual`", at: "\(source).autostart", place)
        }
        if kind == .http { checkOrigin(draft, at: source) }
        if kind == .exec, let command = draft.command, command.first?.isEmpty ?? true {
            let wrong = command.isEmpty ? "is empty" : "has an empty program"
            report(
                "\(wrong); expected the program and its arguments", at: "\(source).command",
                origin(of: "\(source).command"))
        }
    }

    /// Who Weir says it is.
    private mutating func checkOrigin(_ draft: StationDraft, at source: String) {
        let password = given["\(source).password"] ?? given["\(source).password_file"]
        if let password, draft.user == nil, isSound("\(source).user") {
            report("missing beside the password; expected text without a colon", at: "\(source).user", password)
        }
        if let place = given["\(source).user"], password == nil {
            report("missing beside the user; expected a password or password_file", at: "\(source).password", place)
        }
        if let place = given["\(source).user"] ?? password, let url = draft.url,
            (try? ClientURL(url).hasUserinfo) == true
        {
            report("has a user in it, and there is source.user; expected one of the two", at: "\(source).url", place)
        }
    }

    /// What stands at the path now and cannot be a source of the kind. It may change before it is needed.
    private mutating func checkFile(_ draft: StationDraft, at key: String) {
        var status = stat()
        guard let path = draft.path, let place = given[key], stat(path, &status) == 0 else { return }
        let type = status.st_mode & S_IFMT
        let wrong: String
        switch draft.kind {
        case .fifo where type != S_IFIFO: wrong = "is not a named pipe now; expected one, as mkfifo makes it"
        case .file where type == S_IFDIR: wrong = "is a directory now; expected a file"
        case .file where type == S_IFIFO: wrong = "is a named pipe now; expected a file, or kind `fifo`"
        case .file where type != S_IFREG: wrong = "is not a regular file now; expected one"
        default: return
        }
        report("\(quoted(path)) \(wrong)", at: key, place, severity: .warning)
    }

    private mutating func checkRing(_ draft: StationDraft, at path: String, _ mark: Mark) {
        let options = draft.options
        let rate = draft.pcm.byteRate
        let seconds = Units.round(seconds: Double(options.ring) / Double(rate))
        let ring = "\(path).ring"
        if isSound("\(path).window") {
            let windows = 2 * draft.windowMost * rate / 1000
            let least = max(draft.pcm.frameBytes, windows)
            if options.ring < least {
                let what = least == windows ? "two windows of \(draft.windowMost)ms" : "a frame"
                let place = given[ring] ?? given["\(path).pcm"]
                report(
                    "\(Units.write(bytes: options.ring)) holds \(seconds) of \(draft.pcm);"
                        + " expected at least \(Units.round(bytes: least)), \(what)", at: ring, place ?? origin(mark))
                return
            }
        }
        if isSound("\(path).join"), let join = draft.join, join * Double(rate) > Double(options.ring) {
            report(
                "\(Units.write(seconds: join)) is further back than the ring reaches;"
                    + " expected at most \(seconds), or a larger ring", at: "\(path).join", origin(of: "\(path).join"))
        }
        if options.slowPolicy == .disconnect, let place = given["\(path).slow.max_lag"],
            isSound("\(path).slow.max_lag"), options.maxLag * Double(rate) > Double(options.ring)
        {
            report(
                "the ring holds \(seconds): a listener is ended at that lag", at: "\(path).slow.max_lag", place,
                severity: .warning)
        }
    }
}
