import Glibc
import TelegramStandIn
import WeirHTTP
import WeirLoop

let help = """
    telegram-stand-in [--port N] [--virtual-clock] [--control JSON]

    A stand-in for Telegram's Bot API on 127.0.0.1, for tests and benchmarks. Its first line is its base URL. It ends when
    its standard input does, or by SIGTERM.

      --port N          0, the default, picks one
      --virtual-clock   limits and latencies go by a clock that POST /clock?advance=SECONDS moves
      --control JSON    as the body of POST /control: latency, failure_rate, seed, rates (or null), tokens, faults,
                        omit_unique_ids, check_photos, reverse_photo_sizes

    GET /calls?after=N   the calls so far      GET /counts      how many of each
    POST /control        changes options       POST /forget     makes every file_id wrong
    """

/// A line, at once.
func say(_ text: String, to descriptor: Int32 = 1) {
    let line = Array("\(text)\n".utf8)
    _ = write(descriptor, line, line.count)
}

func fail(_ message: String) -> Never {
    say("telegram-stand-in: \(message)", to: 2)
    exit(2)
}

var options = StandInOptions()
var clock = LoopClock.monotonic
var arguments = CommandLine.arguments.dropFirst()
while let argument = arguments.popFirst() {
    switch argument {
    case "--help":
        say(help)
        exit(0)
    case "--port":
        guard let port = arguments.popFirst().flatMap({ UInt16($0) }) else { fail("--port: expected a number") }
        options.port = port
    case "--virtual-clock": clock = .manual()
    case "--control":
        guard let text = arguments.popFirst() else { fail("--control: expected JSON") }
        do {
            try options.change(JSON(reading: Array(text.utf8)))
        } catch let error as HTTPError {
            fail("--control: \(error.message)")
        } catch {
            fail("--control: \(error)")
        }
    default: fail("\(argument) is not known; see --help")
    }
}

try LoopActor.run { [options, clock] in
    let standIn = try TelegramStandIn(options, clock: clock)
    say(standIn.api)
    let ending = Ending()
    let signals = try [SIGTERM, SIGINT].map { try SignalWatch($0) { ending.come() } }
    // Whoever started it has gone. What cannot be watched, such as a file, says nothing.
    let input = try? Poll(descriptor: 0)
    input?.start(.readable) { _ in
        var block = [UInt8](repeating: 0, count: 4096)
        if read(0, &block, block.count) == 0 { ending.come() }
    }
    await ending.wait()
    input?.close()
    for signal in signals { signal.close() }
    await standIn.close()
}

/// What the program waits for.
@LoopActor
final class Ending {
    private var hasCome = false
    private var waiter: UnsafeContinuation<Void, Never>?

    nonisolated init() {}

    func come() {
        hasCome = true
        waiter?.resume()
        waiter = nil
    }

    func wait() async { if !hasCome { await withUnsafeContinuation { waiter = $0 } } }
}
