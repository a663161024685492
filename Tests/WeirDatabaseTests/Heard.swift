import Testing
import WeirLoop

@testable import WeirDatabase

/// What an index told of others' invalidations.
@LoopActor
final class Heard {
    private(set) var keys: [String] = []
    /// How often it said that something may be missing.
    private(set) var losses = 0

    init(_ index: any ArtefactIndex) {
        index.onInvalidation = { [weak self] in
            if let keys = $0 { self?.keys += keys } else { self?.losses += 1 }
        }
    }

    func wait(
        location: SourceLocation = #_sourceLocation, _ condition: @LoopActor (Heard) -> Bool
    ) async { await Heard.wait(location: location) { condition(self) } }

    /// Until something holds that others bring about.
    static func wait(
        location: SourceLocation = #_sourceLocation, _ condition: @LoopActor () async -> Bool
    ) async {
        let deadline = LoopClock.monotonic.deadline(after: 240)
        while !(await condition()) {
            guard LoopClock.monotonic.now < deadline else {
                Issue.record("it does not come", sourceLocation: location)
                return
            }
            try? await LoopClock.monotonic.sleep(for: 0.005)
        }
    }
}
