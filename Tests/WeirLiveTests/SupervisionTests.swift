import Testing

@testable import WeirLive

@Suite struct SupervisionTests {
    private func supervision(
        _ autostart: StationOptions.Autostart = .always, restarts: Bool = true, comesByItself: Bool = false
    ) -> Supervision {
        Supervision(
            autostart: autostart, linger: 10,
            traits: .init(restartsWhenSilent: restarts, comesByItself: comesByItself))
    }

    /// A source that has delivered since second 0.
    private func live(_ autostart: StationOptions.Autostart = .always, restarts: Bool = true) -> Supervision {
        var machine = supervision(autostart, restarts: restarts)
        if autostart == .onDemand { _ = machine.handle(.demand(1), at: 0) } else { _ = machine.handle(.start, at: 0) }
        _ = machine.handle(.bytes, at: 0)
        #expect(machine.state == .live)
        return machine
    }

    @Test func `a source that was put off is asked again no sooner, and after 30 seconds at the latest`() {
        for (seconds, wait) in [(5.0, 5.0), (0, 0.5), (-1, 0.5), (1e9, 30)] {
            var machine = supervision()
            _ = machine.handle(.start, at: 0)
            let effects = machine.handle(.ended(.putOff("later", seconds)), at: 1, random: 1)
            #expect(effects == [.backoff(wait)], "\(seconds)")
            #expect(machine.state == .failed && machine.lastError == "later")
        }
    }

    @Test func `the state before anything happens`() {
        #expect(supervision(.always).state == .stopped)
        #expect(supervision(.manual).state == .stopped)
        #expect(supervision(.onDemand).state == .idle)
    }

    @Test func `a start opens the source, its first byte makes it live and lets joiners in`() {
        var machine = supervision()
        #expect(machine.handle(.start, at: 0) == [.open])
        #expect(machine.state == .starting)
        #expect(machine.handle(.bytes, at: 1) == [.admit])
        #expect(machine.state == .live)
        #expect(machine.handle(.start, at: 2).isEmpty)
    }

    @Test func `the first listener starts an on-demand source and the last one leaves it lingering`() {
        var machine = supervision(.onDemand)
        #expect(machine.handle(.demand(1), at: 0) == [.open])
        #expect(machine.handle(.bytes, at: 1) == [.admit])
        #expect(machine.handle(.demand(0), at: 2) == [.linger(10)])
        #expect(machine.state == .live)
        #expect(machine.handle(.lingerDue, at: 12) == [.close])
        #expect(machine.state == .idle)
        #expect(machine.handle(.closed, at: 13).isEmpty)
        #expect(machine.state == .idle)
        #expect(machine.handle(.demand(1), at: 14) == [.open])
    }

    @Test func `a listener who comes back in time ends the lingering`() {
        var machine = live(.onDemand)
        #expect(machine.handle(.demand(0), at: 2) == [.linger(10)])
        #expect(machine.handle(.demand(0), at: 3).isEmpty)
        #expect(machine.handle(.demand(1), at: 4) == [.cancelLinger])
        #expect(machine.handle(.lingerDue, at: 12).isEmpty)
        #expect(machine.state == .live)
    }

    @Test func `a listener who comes while the source is taken down gets it back`() {
        var machine = live(.onDemand)
        _ = machine.handle(.demand(0), at: 2)
        _ = machine.handle(.lingerDue, at: 12)
        #expect(machine.handle(.demand(1), at: 13).isEmpty)
        #expect(machine.state == .starting)
        #expect(machine.handle(.closed, at: 14) == [.open])
        #expect(machine.state == .starting)
    }

    @Test func `only demand for an on-demand source matters`() {
        for autostart in [StationOptions.Autostart.always, .manual] {
            var machine = live(autostart)
            #expect(machine.handle(.demand(0), at: 2).isEmpty)
            #expect(machine.handle(.demand(3), at: 3).isEmpty)
            #expect(machine.state == .live)
        }
        var manual = supervision(.manual)
        #expect(manual.handle(.demand(1), at: 0).isEmpty)
        #expect(manual.state == .stopped)
    }

    @Test func `failures are retried on the schedule of the backoff`() {
        var machine = supervision()
        _ = machine.handle(.start, at: 0)
        for (failures, delay) in [0.5, 1, 2, 4, 8, 16, 30, 30].enumerated() {
            #expect(machine.handle(.ended(.failed("exit status 1")), at: 0, random: 1) == [.backoff(delay)])
            #expect(machine.state == .failed)
            #expect(machine.lastError == "exit status 1")
            #expect(machine.restarts == UInt64(failures))
            #expect(machine.handle(.backoffDue, at: 0) == [.open])
            #expect(machine.state == .starting)
        }
    }

    @Test func `a minute of health forgives the failures before`() {
        var machine = supervision()
        _ = machine.handle(.start, at: 0)
        for _ in 0..<4 {
            _ = machine.handle(.ended(.failed("")), at: 0, random: 1)
            _ = machine.handle(.backoffDue, at: 0)
        }
        _ = machine.handle(.bytes, at: 100)
        #expect(machine.handle(.ended(.failed("")), at: 159, random: 1) == [.backoff(8)])
        _ = machine.handle(.backoffDue, at: 170)
        _ = machine.handle(.bytes, at: 200)
        #expect(machine.handle(.ended(.failed("")), at: 260, random: 1) == [.backoff(0.5)])
    }

    @Test func `a silent child is taken down and started again`() {
        var machine = live()
        machine.note(error: "no byte for 10 s")
        #expect(machine.handle(.silence, at: 30) == [.close])
        #expect(machine.state == .stalled)
        #expect(machine.handle(.silence, at: 31).isEmpty)
        #expect(machine.handle(.closed, at: 32, random: 1) == [.backoff(0.5)])
        #expect(machine.state == .failed)
        #expect(machine.lastError == "no byte for 10 s")
        #expect(machine.handle(.backoffDue, at: 33) == [.open])
        #expect(machine.restarts == 1)
    }

    @Test func `a child that ends while it is taken down counts once`() {
        var machine = live()
        _ = machine.handle(.silence, at: 30)
        #expect(machine.handle(.ended(.failed("signal 15")), at: 31, random: 1) == [.backoff(0.5)])
        #expect(machine.handle(.closed, at: 32).isEmpty)
        #expect(machine.state == .failed)
    }

    @Test func `a silent pipe is waited for, and is live again with its next byte`() {
        var machine = live(restarts: false)
        #expect(machine.handle(.silence, at: 30).isEmpty)
        #expect(machine.state == .stalled)
        #expect(machine.handle(.bytes, at: 40) == [.admit])
        #expect(machine.state == .live)
        #expect(machine.restarts == 0)
    }

    @Test func `a pipe that has no writer is starting, then stalled, which is no failure`() {
        var machine = live(restarts: false)
        #expect(machine.handle(.writerLeft, at: 5).isEmpty)
        #expect(machine.state == .starting)
        #expect(machine.handle(.silence, at: 60).isEmpty)
        #expect(machine.state == .stalled)
        #expect(machine.handle(.bytes, at: 70) == [.admit])
        #expect(machine.state == .live)
        #expect(machine.restarts == 0)
        #expect(machine.backoff.failures == 0)
        #expect(machine.lastError == nil)
    }

    @Test func `a client that sends is idle while it is away, and never failed`() {
        var machine = supervision(restarts: false, comesByItself: true)
        #expect(machine.handle(.writerCame, at: 0).isEmpty)
        #expect(machine.state == .stopped)
        #expect(machine.handle(.start, at: 0) == [.open])
        #expect(machine.handle(.writerLeft, at: 0).isEmpty)
        for visit in 1...3 {
            let now = Double(visit) * 100
            #expect(machine.state == .idle)
            #expect(machine.isPromising)
            #expect(machine.handle(.silence, at: now).isEmpty)
            #expect(machine.handle(.bytes, at: now).isEmpty)
            #expect(machine.state == .idle)
            #expect(machine.handle(.writerCame, at: now).isEmpty)
            #expect(machine.state == .starting)
            if visit != 2 {
                #expect(machine.handle(.bytes, at: now + 1) == [.admit])
                #expect(machine.state == .live)
            }
            #expect(machine.handle(.writerLeft, at: now + 2).isEmpty)
        }
        #expect(machine.handle(.start, at: 500).isEmpty)
        #expect(machine.handle(.stop, at: 501) == [.close, .refuse, .endListeners])
        #expect(machine.handle(.writerCame, at: 501).isEmpty)
        #expect(machine.state == .stopped)
        #expect(machine.restarts == 0 && machine.backoff.failures == 0 && machine.lastError == nil)
    }

    @Test func `a pipe that never had a writer is stalled, and can be given up`() {
        var machine = supervision(.onDemand, restarts: false)
        _ = machine.handle(.demand(1), at: 0)
        #expect(machine.handle(.silence, at: 10).isEmpty)
        #expect(machine.state == .stalled)
        #expect(machine.handle(.demand(0), at: 11) == [.linger(10)])
        #expect(machine.handle(.lingerDue, at: 21) == [.close])
        #expect(machine.state == .idle)
        var failing = supervision(restarts: false)
        _ = failing.handle(.start, at: 0)
        _ = failing.handle(.silence, at: 100)
        // It had not delivered: a long silence forgives nothing.
        #expect(failing.handle(.ended(.finished), at: 200, random: 1) == [.backoff(0.5)])
        #expect(failing.lastError == "the source ended before its first byte")
    }

    @Test func `a file at its end stops, and an on-demand one can be started by the next listener`() {
        var always = live(.always)
        #expect(always.handle(.ended(.finished), at: 5) == [.refuse, .endListeners])
        #expect(always.state == .stopped)
        var onDemand = live(.onDemand)
        #expect(onDemand.handle(.ended(.finished), at: 5) == [.refuse, .endListeners])
        #expect(onDemand.state == .idle)
        #expect(onDemand.handle(.demand(0), at: 6).isEmpty)
        #expect(onDemand.handle(.demand(1), at: 7) == [.open])
    }

    @Test func `an empty file is a failure, not the end of a programme`() {
        var machine = supervision()
        _ = machine.handle(.start, at: 0)
        #expect(machine.handle(.ended(.finished), at: 0, random: 1) == [.backoff(0.5)])
        #expect(machine.lastError == "the source ended before its first byte")
    }

    @Test func `standard input that has ended is never tried again`() {
        for autostart in StationOptions.Autostart.allCases {
            var machine = live(autostart)
            #expect(machine.handle(.ended(.exhausted("standard input has ended")), at: 5) == [.refuse, .endListeners])
            #expect(machine.state == .stopped)
            #expect(machine.lastError == "standard input has ended")
        }
    }

    @Test(arguments: StationOptions.Autostart.allCases)
    func `a stop holds until a start`(autostart: StationOptions.Autostart) {
        var machine = live(autostart)
        #expect(machine.handle(.stop, at: 5) == [.close, .refuse, .endListeners])
        #expect(machine.state == .stopped)
        #expect(!machine.isPromising)
        #expect(machine.handle(.demand(0), at: 5).isEmpty)
        #expect(machine.handle(.closed, at: 6).isEmpty)
        #expect(machine.handle(.demand(1), at: 7).isEmpty)
        #expect(machine.state == .stopped)
        #expect(machine.handle(.start, at: 8) == [.open])
        #expect(machine.state == .starting)
    }

    @Test func `a start while the source is taken down opens it again afterwards`() {
        var machine = live()
        _ = machine.handle(.stop, at: 5)
        #expect(machine.handle(.start, at: 6).isEmpty)
        #expect(machine.state == .starting)
        #expect(machine.handle(.closed, at: 7) == [.open])
    }

    @Test func `a stop during a backoff ends it`() {
        var machine = supervision()
        _ = machine.handle(.start, at: 0)
        _ = machine.handle(.ended(.failed("x")), at: 0)
        #expect(machine.handle(.stop, at: 0) == [.cancelBackoff, .refuse, .endListeners])
        #expect(machine.handle(.backoffDue, at: 1).isEmpty)
        #expect(machine.state == .stopped)
        #expect(machine.lastError == nil)
    }

    @Test func `an operator's start does not wait for the backoff`() {
        var machine = supervision()
        _ = machine.handle(.start, at: 0)
        for _ in 0..<6 {
            _ = machine.handle(.ended(.failed("x")), at: 0)
            _ = machine.handle(.backoffDue, at: 0)
        }
        _ = machine.handle(.ended(.failed("x")), at: 0)
        #expect(machine.handle(.start, at: 1) == [.cancelBackoff, .open])
        #expect(machine.handle(.ended(.failed("x")), at: 1, random: 1) == [.backoff(0.5)])
    }

    @Test func `an operator's start of an on-demand source lingers when nobody comes`() {
        var machine = supervision(.onDemand)
        #expect(machine.handle(.start, at: 0) == [.open, .linger(10)])
        #expect(machine.handle(.lingerDue, at: 10) == [.close])
        #expect(machine.state == .idle)
    }

    @Test func `an operator's start while an on-demand source is taken down lingers when nobody comes`() {
        var machine = live(.onDemand)
        _ = machine.handle(.demand(0), at: 2)
        #expect(machine.handle(.lingerDue, at: 12) == [.close])
        #expect(machine.handle(.start, at: 13).isEmpty)
        #expect(machine.state == .starting)
        #expect(machine.handle(.closed, at: 14) == [.open, .linger(10)])
        #expect(machine.handle(.bytes, at: 15) == [.admit])
        #expect(machine.handle(.lingerDue, at: 24) == [.close])
        #expect(machine.state == .idle)
    }

    @Test func `an operator's stop and start of an on-demand source lingers when its listeners have gone`() {
        var machine = live(.onDemand)
        #expect(machine.handle(.stop, at: 5) == [.close, .refuse, .endListeners])
        #expect(machine.handle(.demand(0), at: 5).isEmpty)
        #expect(machine.handle(.start, at: 6).isEmpty)
        #expect(machine.handle(.ended(.failed("signal 15")), at: 7) == [.open, .linger(10)])
        #expect(machine.handle(.demand(1), at: 8) == [.cancelLinger])
    }

    @Test func `joiners who give up and come back do not shorten the backoff`() {
        var machine = supervision(.onDemand)
        _ = machine.handle(.demand(1), at: 0)
        for _ in 0..<6 {
            _ = machine.handle(.ended(.failed("x")), at: 0, random: 1)
            _ = machine.handle(.backoffDue, at: 0)
        }
        #expect(machine.handle(.ended(.failed("x")), at: 0, random: 1) == [.backoff(30)])
        #expect(machine.handle(.demand(0), at: 5) == [.cancelBackoff])
        #expect(machine.state == .idle)
        #expect(machine.handle(.demand(1), at: 6) == [.backoff(24)])
        #expect(machine.state == .failed)
        #expect(machine.handle(.backoffDue, at: 30) == [.open])
    }

    @Test func `whatever comes in whatever order, effects fit the state`() {
        var generator = SystemRandomNumberGenerator()
        let events: [Supervision.Event] = [
            .start, .stop, .demand(0), .demand(1), .bytes, .silence, .writerLeft, .writerCame, .ended(.finished),
            .ended(.failed("x")), .ended(.exhausted("x")), .closed, .backoffDue, .lingerDue,
        ]
        for autostart in StationOptions.Autostart.allCases {
            for (restarts, comesByItself) in [(false, false), (true, false), (false, true)] {
                var machine = supervision(autostart, restarts: restarts, comesByItself: comesByItself)
                // What a station would have: a source between open and its end, timers that run.
                var isOpen = false
                var isClosing = false
                var lingers = false
                var demand = 0
                for step in 0..<5000 {
                    let event = events.randomElement(using: &generator)!
                    switch event {
                    case .bytes, .silence, .writerLeft, .writerCame: if !isOpen { continue }
                    case .ended where isOpen, .closed where isClosing:
                        isOpen = false
                        isClosing = false
                    case .ended, .closed: continue
                    case .lingerDue where !lingers: continue
                    case .lingerDue: lingers = false
                    case .demand(let count): demand = count
                    default: break
                    }
                    for effect in machine.handle(event, at: Double(step)) {
                        switch effect {
                        case .open:
                            #expect(!isOpen, "opened twice by \(event)")
                            isOpen = true
                        case .close:
                            #expect(isOpen && !isClosing, "closed what is not open by \(event)")
                            isClosing = true
                        case .linger: lingers = true
                        case .cancelLinger: lingers = false
                        case .backoff(let seconds): #expect(seconds > 0 && seconds <= 30)
                        default: break
                        }
                    }
                    if machine.state == .live { #expect(isOpen) }
                    if autostart == .onDemand && demand == 0 && isOpen && !isClosing {
                        #expect(lingers, "runs on for nobody after \(event)")
                    }
                }
            }
        }
    }
}
