/// What claims and settles jobs, as text: a benchmark's raw limit runs the very same statements without the rest.
package enum QueueStatements {
    /// In the order in which a round of a claim and its settlement runs them. SQLite: `aged` and `best` pick, then `take`
    /// for each job; `ready` for each. PostgreSQL: `claim`, `settle`.
    package static func of(_ url: DatabaseURL) -> [(name: String, text: String)] {
        switch url.place {
        case .sqlite:
            #if SQLite
                return SQLiteJobs.round
            #else
                return []
            #endif
        case .postgresql:
            #if PostgreSQL
                return [
                    (name: "claim", text: PostgreSQLJobs.claimBest.text),
                    (name: "settle", text: PostgreSQLJobs.settle.text),
                ]
            #else
                return []
            #endif
        }
    }
}
