internal import WeirHTTP
internal import WeirLive
internal import WeirLoop

/// What came of reading the configuration again.
@LoopActor
final class ReloadCounters {
    var applied: UInt64 = 0
    var refused: UInt64 = 0
}

/// Reads the configuration again when it is told to, and has the engine apply what differs. A configuration with errors
/// changes nothing.
@LoopActor
final class Reloader {
    private let engine: Engine
    private let source: ConfigurationSource
    private let manager: ServiceManager
    private let log: LogWriter
    private var isWanted = false
    private var task: Task<Void, Never>?

    init(engine: Engine, source: ConfigurationSource, manager: ServiceManager, log: LogWriter) {
        self.engine = engine
        self.source = source
        self.manager = manager
        self.log = log
    }

    /// Once, or once more when it is at it: what was written meanwhile may not have been read.
    func reload() {
        isWanted = true
        if task != nil { return }
        task = spawn {
            while self.isWanted && !self.engine.isStopping {
                self.isWanted = false
                await self.readAgain()
            }
            self.task = nil
        }
    }

    /// Returns when nothing is under way any more.
    func close() async { await task?.value }

    private func readAgain() async {
        manager.reloading()
        let problem = await apply()
        if engine.isStopping { return }
        if let problem {
            engine.reloads.refused += 1
            log.error("configuration not applied", [("error", .string(problem))])
            manager.ready("The configuration was not applied: \(problem)")
        } else {
            engine.reloads.applied += 1
            manager.ready(engine.summary)
        }
    }

    /// What is wrong; nil when it was applied.
    private func apply() async -> String? {
        do {
            let outcome = try await onPool { [source] in source.load(again: true) }
            for problem in outcome.problems {
                log.write(
                    problem.severity == .error ? .error : .warning, "configuration",
                    [("problem", .string(problem.description))])
            }
            guard let configuration = outcome.configuration else {
                let count = outcome.errors.count
                return "\(count) \(count == 1 ? "error" : "errors")"
            }
            report(try await engine.reload(configuration))
            return nil
        } catch {
            return "\(error)"
        }
    }

    private func report(_ change: ConfigurationChange) {
        func names(_ names: [String]) -> JSON { .array(names.map { .string($0) }) }
        for key in change.pending {
            log.warning("a changed key needs a restart", [("key", .string(key))])
        }
        for (message, stations) in [("station adjusted", change.adjusted), ("station replaced", change.replaced)] {
            for station in stations {
                log.info(message, [("station", .string(station.options.name)), ("keys", names(station.keys))])
            }
        }
        for options in change.added { log.info("station added", [("station", .string(options.name))]) }
        for name in change.removed { log.info("station removed", [("station", .string(name))]) }
        log.info(
            "configuration applied",
            [
                ("added", .integer(Int64(change.added.count))), ("removed", .integer(Int64(change.removed.count))),
                ("replaced", .integer(Int64(change.replaced.count))),
                ("adjusted", .integer(Int64(change.adjusted.count))), ("keys", names(change.applied)),
            ])
    }
}
