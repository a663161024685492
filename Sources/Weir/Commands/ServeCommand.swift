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
        ] + logOptions,
        notes: [
            """
            Without a configuration there is a station `demo` that plays a tone.
            Each key has a variable: http.send_timeout is WEIR_HTTP_SEND_TIMEOUT.
            Options override variables, variables the file, the file the defaults.
            """
        ])

    /// Of every command that reads a configuration.
    static let logOptions: [Command.Option] = [
        .init(name: "log-level", value: "LEVEL", about: "debug, info, warning or error (info)"),
        .init(name: "log-format", value: "FORMAT", about: "text or json (text)"),
    ]

    /// The configuration that a command line asks for.
    static func source(_ invocation: Invocation, environment: [String: String]) -> ConfigurationSource {
        let variable = environment[ConfigurationSource.fileVariable]
        let file = invocation.value("config") ?? variable.flatMap { $0.isEmpty ? nil : $0 }
        return ConfigurationSource(file: file, environment: environment, options: overrides(invocation))
    }

    /// The keys that stand on a command line.
    static func overrides(_ invocation: Invocation) -> [ConfigurationSource.Option] {
        [("listen", "listen"), ("data", "data"), ("log-level", "log.level"), ("log-format", "log.format")].compactMap {
            (name, key) in
            invocation.values[name].map { .init(name: "--\(name)", key: key, values: $0) }
        }
    }
}
