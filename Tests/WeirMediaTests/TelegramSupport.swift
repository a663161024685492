import Glibc
import TelegramStandIn
import Testing
import WeirHTTP
import WeirLoop

@testable import WeirMedia

let botToken = "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"

/// Runs a stand-in on a loop of its own, and `body` beside it with a client of a bot of it.
func withTelegram(
    _ change: (inout StandInOptions) -> Void = { _ in }, clock: LoopClock = .monotonic,
    poolClock: LoopClock = .monotonic,
    pool changePool: @escaping @Sendable (inout ClientPoolOptions) -> Void = { _ in },
    _ body: @escaping @LoopActor (TelegramStandIn, TelegramClient) async throws -> Void
) throws {
    var options = StandInOptions()
    options.rates = nil
    change(&options)
    try LoopActor.runInTurn { [options] in
        let standIn = try TelegramStandIn(options, clock: clock)
        var poolOptions = TelegramClient.poolOptions
        changePool(&poolOptions)
        let pool = ClientPool(name: "telegram", options: poolOptions, clock: poolClock)
        let client = try TelegramClient(token: botToken, api: standIn.api, pool: pool)
        do {
            try await body(standIn, client)
        } catch {
            await pool.close()
            await standIn.close()
            throw error
        }
        await pool.close()
        await standIn.close()
    }
}

struct NoError: Error {}

/// The error that a call ends with.
@LoopActor
func telegramError<Value: Sendable>(
    _ body: @LoopActor () async throws(TelegramError) -> Value, location: SourceLocation = #_sourceLocation
) async throws -> TelegramError {
    do throws(TelegramError) {
        _ = try await body()
    } catch {
        return error
    }
    Issue.record("no error", sourceLocation: location)
    throw NoError()
}

/// Waits until something outside has made `condition` true; two minutes at most.
@LoopActor
func eventually(_ what: Comment, _ condition: @LoopActor () -> Bool, location: SourceLocation = #_sourceLocation)
    async throws
{
    let end = LoopClock.monotonic.deadline(after: 240)
    while !condition() {
        guard LoopClock.monotonic.now < end else {
            Issue.record(what, sourceLocation: location)
            return
        }
        try await LoopClock.monotonic.sleep(for: 0.001)
    }
}

/// Bytes that are different at every position, near enough; of another seed, others.
func pattern(_ count: Int, seed: Int = 0) -> [UInt8] {
    let start = seed & 0xFFFF
    var bytes = Array(block.dropFirst(start).prefix(count))
    while bytes.count < count { bytes += block.prefix(count - bytes.count) }
    return bytes
}

private let block: [UInt8] = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) }

/// In hexadecimal, by the stand-in's digest.
func sha256(_ bytes: [UInt8]) -> String {
    let digest = StandInDigest()
    digest.update(bytes[...])
    return digest.finish()
}

/// A file that has no name any more; closed in the end.
struct Scratch: ~Copyable {
    let descriptor: Int32

    init(_ bytes: [UInt8]) throws {
        descriptor = open(
            "/tmp", O_RDWR | O_CLOEXEC | 0x410000 /* O_TMPFILE, a macro that Swift does not see */, 0o600)
        try #require(descriptor >= 0)
        try #require(bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) } == bytes.count)
    }

    deinit { close(descriptor) }
}
