public import WeirLoop

/// The registry: which media there are, and by which `file_id` they are sent.
///
/// All calls are on the loop and wait without blocking it. What they throw is a `DatabaseError`; after one nothing has
/// changed, unless `outcomeIsUnknown` says otherwise.
@LoopActor
public protocol MediaRegistry: AnyObject, Sendable {
    /// Records a medium and enqueues its warming, both or neither. See `Addition` for what happens when it is there.
    ///
    /// Throws `.backlogFull` when that many jobs are warming already.
    func add(_ medium: Medium, priority: JobPriority) async throws(DatabaseError) -> Addition

    /// One medium; nil when there is none.
    func entry(_ key: MediaKey) async throws(DatabaseError) -> MediaEntry?

    /// The one with this job; nil when there is none.
    func entry(id: Int64) async throws(DatabaseError) -> MediaEntry?

    /// The kinds under which a bot has these bytes, in the order of their names.
    func entries(bot: String, sha256: String) async throws(DatabaseError) -> [MediaEntry]

    /// Whether any medium has this object, of whatever bot and kind.
    func isUsed(object key: String) async throws(DatabaseError) -> Bool

    /// The read path of sending: the `file_id`, if it is ready. Never waits for writers.
    func readyFile(_ key: MediaKey) async throws(DatabaseError) -> CachedFile?

    /// A page of media, in the order of their keys.
    func list(_ query: MediaQuery) async throws(DatabaseError) -> MediaPage

    /// Forgets a medium and its job. Whoever is uploading it finds its lease lost. Nil when there was none.
    func remove(_ key: MediaKey) async throws(DatabaseError) -> Removal?

    /// Telegram refused `fileID`: if it still is the medium's, the medium is warming again, with attempts from zero.
    /// False when it has another by now, or is gone.
    func refuse(_ fileID: String, of key: MediaKey, priority: JobPriority) async throws(DatabaseError) -> Bool
}

/// What `add` found.
public struct Addition: Sendable, Hashable {
    public enum Outcome: Sendable, Hashable {
        /// It was new, and is queued.
        case added
        /// It was warming already; of two scores the higher one stays.
        case merged
        /// It had failed: queued again, with attempts from zero.
        case revived
        /// It is ready: nothing changed.
        case ready
    }

    public let outcome: Outcome
    /// As it is now.
    public let entry: MediaEntry
}

/// What `remove` removed.
public struct Removal: Sendable, Hashable {
    public let medium: Medium
    /// No other medium has the object: it may be deleted.
    public let objectIsUnused: Bool
}
