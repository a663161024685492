/// The command line of `weir serve`.
extension Serve {
    static let command = Command(
        name: "serve", about: "Runs the daemon",
        options: [
            .init(name: "config", value: "FILE", about: "The configuration, YAML or JSON (WEIR_CONFIG)"),
            .init(
                name: "listen", value: "ADDRESS", about: "127.0.0.1:8080, [::1]:0 or unix:PATH; may be repeated",
                repeats: true),
            .init(name: "data", value: "DIR", about: "The directory of everything that Weir keeps (./weir-data)"),
            .init(name: "log-level", value: "LEVEL", about: "debug, info, warning or error (info)"),
            .init(name: "log-format", value: "FORMAT", about: "text or json (text)"),
        ],
        notes: [
            """
            Without a configuration there is a station `demo` that plays a tone.
            Each key has a variable: http.send_timeout is WEIR_HTTP_SEND_TIMEOUT.
            Options override variables, variables the file, the file the defaults.
            """
        ])

    /// The configuration that a command line asks for.
    static func source(_ invocation: Invocation, environment: [String: String]) -> ConfigurationSource {
        var options: [ConfigurationSource.Option] = []
        if let addresses = invocation.values["listen"] {
            options.append(.init(name: "--listen", key: "listen", value: addresses.joined(separator: ",")))
        }
        for (name, key) in [("data", "data"), ("log-level", "log.level"), ("log-format", "log.format")] {
            if let value = invocation.value(name) { options.append(.init(name: "--\(name)", key: key, value: value)) }
        }
        let variable = environment[ConfigurationSource.fileVariable]
        let file = invocation.value("config") ?? variable.flatMap { $0.isEmpty ? nil : $0 }
        return ConfigurationSource(file: file, environment: environment, options: options)
    }
}
