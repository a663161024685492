import CWeir
import Glibc
import Testing
import WeirLoop

@Suite("Descriptors and signals")
struct PollTests {
    private func pair() -> (Int32, Int32) {
        var ends: [Int32] = [0, 0]
        precondition(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0, &ends) == 0)
        return (ends[0], ends[1])
    }

    @Test("a task waits until there is something to read, and again")
    func waits() throws {
        try LoopActor.runInTurn { [self] in
            let (mine, theirs) = pair()
            let poll = try Poll(descriptor: mine)
            for round in 0..<3 {
                let reader = spawn { await poll.wait(for: .readable) }
                await LoopActor.settle()
                var byte = UInt8(round)
                #expect(write(theirs, &byte, 1) == 1)
                #expect(await reader.value == .readable)
                var got: UInt8 = 99
                #expect(read(mine, &got, 1) == 1)
                #expect(got == byte)
            }
            #expect(await poll.wait(for: .writable) == .writable)
            poll.close()
            close(mine)
            close(theirs)
        }
    }

    @Test("interrupt and close wake the task with no event")
    func interrupted() throws {
        try LoopActor.runInTurn { [self] in
            let (mine, theirs) = pair()
            let poll = try Poll(descriptor: mine)
            let first = spawn { await poll.wait(for: .readable) }
            await LoopActor.settle()
            #expect(poll.isWaitedFor)
            poll.interrupt()
            #expect(await first.value == [])
            let second = spawn { await poll.wait(for: .readable) }
            await LoopActor.settle()
            poll.close()
            #expect(await second.value == [])
            #expect(await poll.wait(for: .readable) == [])
            close(mine)
            close(theirs)
        }
    }

    @Test("what becomes ready while nobody waits does not spin, and is seen by the next to wait")
    func nobodyWaits() throws {
        try LoopActor.runInTurn { [self] in
            let (mine, theirs) = pair()
            let poll = try Poll(descriptor: mine)
            var byte: UInt8 = 1
            let first = spawn { await poll.wait(for: .readable) }
            await LoopActor.settle()
            write(theirs, &byte, 1)
            _ = await first.value
            // Not read: still readable, and nobody waits.
            let before = LoopActor.entries
            try await LoopClock.monotonic.sleep(for: 0.02)
            #expect(LoopActor.entries - before < 8)
            #expect(await poll.wait(for: .readable) == .readable)
            poll.close()
            close(mine)
            close(theirs)
        }
    }

    @Test("a regular file cannot be polled")
    func regularFile() throws {
        try LoopActor.runInTurn {
            let descriptor = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
            #expect(throws: CoreError(errno: EPERM)) { _ = try Poll(descriptor: descriptor) }
            close(descriptor)
        }
    }

    @Test("a signal reaches the loop, and keeps its former meaning afterwards")
    func signals() throws {
        try LoopActor.runInTurn {
            var watch: SignalWatch?
            await withUnsafeContinuation { (done: UnsafeContinuation<Void, Never>) in
                watch = try? SignalWatch(SIGUSR2) { done.resume() }
                kill(getpid(), SIGUSR2)
            }
            watch?.close()
            var action = sigaction()
            sigaction(SIGUSR2, nil, &action)
            #expect(action.__sigaction_handler.sa_handler == nil)
            #expect(throws: CoreError.invalid) { _ = try SignalWatch(SIGKILL) {} }
        }
    }
}
