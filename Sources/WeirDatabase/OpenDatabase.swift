internal import WeirLoop

/// Opens the database that a configuration names; on the loop. `directory` is the data directory, which is there.
///
/// SQLite makes its file, takes up what another version left, and waits for nothing: `.locked` when another engine has
/// it. PostgreSQL is asked for a first connection, and its schema is made or checked: what fails is thrown, so that a
/// mistake shows at the start. Later both recover by themselves.
@LoopActor
public func openDatabase(
    _ url: DatabaseURL, directory: String, options: DatabaseOptions = DatabaseOptions()
) async throws(DatabaseError) -> any Database {
    var options = options
    if options.node == nil { options.node = try await NodeIdentity.find(in: directory) }
    switch url.place {
    case .sqlite(_, let synchronous):
        #if SQLite
            return try await SQLiteDatabase.open(
                path: url.file(in: directory) ?? DatabaseURL.fileName, synchronous: synchronous, options: options)
        #else
            throw DatabaseError(.unsupported, "this Weir was built without SQLite")
        #endif
    case .postgresql(let url):
        #if PostgreSQL
            return try await PostgreSQLDatabase.open(url: url, options: options)
        #else
            throw DatabaseError(.unsupported, "this Weir was built without PostgreSQL")
        #endif
    }
}

/// Opens an index in Redis; on the loop. `directory` is the data directory, which is there.
///
/// A Redis that cannot be reached is no error here: its `state` says so, and it recovers by itself.
@LoopActor
public func openArtefactIndex(
    _ url: RedisURL, directory: String, options: RedisOptions = RedisOptions()
) async throws(DatabaseError) -> any ArtefactIndex {
    #if Redis
        let node = if let node = options.node { node } else { try await NodeIdentity.find(in: directory) }
        let index = RedisIndex(url, node: node, options: options)
        index.start()
        return index
    #else
        throw DatabaseError(.unsupported, "this Weir was built without Redis")
    #endif
}

/// The database libraries that are compiled in, with the versions that are linked now.
public enum DatabaseLibraries {
    public static var versions: [(name: String, version: String)] {
        var versions: [(name: String, version: String)] = []
        #if SQLite
            versions.append((name: "SQLite", version: SQLiteConnection.version))
        #endif
        #if PostgreSQL
            versions.append((name: "libpq", version: PostgreSQLConnection.version))
        #endif
        #if Redis
            versions.append((name: "hiredis", version: RedisConnection.version))
        #endif
        return versions
    }
}
