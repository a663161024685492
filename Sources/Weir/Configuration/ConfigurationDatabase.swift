internal import WeirDatabase

extension ConfigurationTable where Target == Configuration {
    /// The key `database`.
    static let databaseKeys = [
        ConfigurationKey(
            "database", .database, \.database, in: Configuration(),
            "Where media and their jobs are kept: `sqlite` is the file `DATA/weir.db`, `sqlite:PATH` another;"
                + " `postgres://USER@HOST/DATABASE?sslmode=…` is shared by several nodes. With `?synchronous=normal`"
                + " SQLite answers before the disk has it")
    ]
}

extension ConfigurationType where Value == DatabaseURL {
    /// No message shows the URL, which may have a password in it.
    static var database: Self {
        Self(
            noun: "database", expected: DatabaseURL.expected, kinds: [.text], quotes: true,
            write: { $0.description },
            convert: { text throws(ConfigurationFault) in
                do throws(DatabaseError) {
                    return try DatabaseURL(parsing: text)
                } catch {
                    throw ConfigurationFault(wrong: error.message, expected: error.expected)
                }
            })
    }
}
