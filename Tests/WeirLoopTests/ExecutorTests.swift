import CWeir
import Glibc
import Synchronization
import Testing
import WeirLoop

@Suite("The executor")
struct ExecutorTests {
    @Test("jobs of the loop's thread run in the order in which they became ready")
    func order() throws {
        let seen = try LoopActor.runInTurn {
            var seen: [Int] = []
            var tasks: [Task<Void, Never>] = []
            for number in 0..<5000 { tasks.append(spawn { seen.append(number) }) }
            for task in tasks { await task.value }
            return seen
        }
        #expect(seen == Array(0..<5000))
    }

    @Test("a task from another thread wakes the loop and runs on its thread")
    func otherThreads() throws {
        let (mine, theirs) = try LoopActor.runInTurn {
            let mine = UInt(pthread_self())
            var theirs: [UInt] = []
            await withUnsafeContinuation { (done: UnsafeContinuation<Void, Never>) in
                let note: @LoopActor () -> Void = {
                    theirs.append(UInt(pthread_self()))
                    if theirs.count == 1000 { done.resume() }
                }
                onThread {
                    for _ in 0..<1000 { spawn { note() } }
                }
            }
            return (mine, theirs)
        }
        #expect(theirs.count == 1000)
        #expect(Set(theirs) == [mine])
    }

    @Test("children of a task group and of async let stay on the loop")
    func children() throws {
        try LoopActor.runInTurn {
            let mine = UInt(pthread_self())
            async let one = UInt(pthread_self())
            let others = await withTaskGroup(of: UInt.self) { group in
                for _ in 0..<10 { group.addTask { UInt(pthread_self()) } }
                var seen: Set<UInt> = []
                for await thread in group { seen.insert(thread) }
                return seen
            }
            #expect(await one == mine)
            #expect(others == [mine])
        }
    }

    @Test("jobs without end do not keep timers from firing")
    func fairness() throws {
        let turns = try LoopActor.runInTurn {
            let flag = Flag()
            let timer = LoopTimer()
            let spinner = spawn {
                var turns = 0
                while !flag.isSet {
                    await Task.yield()
                    turns += 1
                    // Not before the loop has had to turn while there were jobs.
                    guard turns == 2 * LoopExecutor.budget else { continue }
                    timer.schedule(at: timer.clock.deadline(after: 0.001)) { flag.isSet = true }
                }
                return turns
            }
            let turns = await spinner.value
            timer.close()
            return turns
        }
        #expect(turns > 2 * LoopExecutor.budget)
    }

    @Test("jobs that become ready while no loop is attached run on the next loop")
    func betweenLoops() throws {
        try LoopActor.inTurn {
            let ran = Flag()
            try LoopActor.run {}
            let early = spawn {
                ran.isSet = true
                return UInt(pthread_self())
            }
            usleep(1000)
            #expect(!ran.isSet)
            let (there, here) = try LoopActor.run { (await early.value, UInt(pthread_self())) }
            #expect(ran.isSet)
            #expect(there == here)
        }
    }

    @Test("a task that is suspended when its loop ends goes on, on the next loop, when what it waits for happens")
    func acrossLoops() throws {
        try LoopActor.inTurn {
            let gate = Mutex<UnsafeContinuation<Void, Never>?>(nil)
            let task = try LoopActor.run {
                let task = spawn {
                    await withUnsafeContinuation { continuation in gate.withLock { $0 = continuation } }
                    return UInt(pthread_self())
                }
                await LoopActor.settle()
                return task
            }
            gate.withLock { $0 }!.resume()
            let (there, here) = try LoopActor.run { (await task.value, UInt(pthread_self())) }
            #expect(there == here)
        }
    }

    @Test("a second loop is refused while there is one, and the refusal changes nothing")
    func busy() throws {
        try LoopActor.runInTurn {
            #expect(throws: CoreError.busy) { try LoopActor.run {} }
            #expect(LoopActor.isAttached)
            let slept = spawn { try? await LoopClock.monotonic.sleep(for: 0.001) }
            await slept.value
        }
    }

    @Test("a hundred loops one after the other, each closed without a handle left")
    func again() throws {
        for round in 0..<100 {
            let value = try LoopActor.runInTurn {
                try await LoopClock.monotonic.sleep(for: 0.0001)
                return round
            }
            #expect(value == round)
        }
    }

    @Test("a handle that was not closed is named when the loop ends")
    func handlesLeft() throws {
        nonisolated(unsafe) var forgotten: LoopTimer?
        let error = #expect(throws: HandlesLeft.self) {
            try LoopActor.runInTurn {
                let timer = LoopTimer()
                timer.schedule(at: .max) {}
                forgotten = timer
            }
        }
        #expect(error?.types == ["timer"])
        // Its loop is gone: the object must not touch it any more.
        _ = Unmanaged.passRetained(forgotten!)
    }

    @Test("a timer that is dropped, on the loop or on another thread, takes its handle with it")
    func dropped() throws {
        try LoopActor.runInTurn {
            do {
                let timer = LoopTimer()
                timer.schedule(at: .max) {}
            }
            await withUnsafeContinuation { (done: UnsafeContinuation<Void, Never>) in
                let timer = LoopTimer()
                timer.schedule(at: .max) {}
                let box = Mutex<LoopTimer?>(timer)
                onThread {
                    box.withLock { $0 = nil }
                    spawn { done.resume() }
                }
            }
        }
    }
}

@Suite("On a host's loop")
struct HostLoopTests {
    @Test("the engine does not keep the loop alive, its waiting jobs do, and it lets go cleanly")
    func host() throws {
        // In a turn of its own: no other test has a loop meanwhile.
        try LoopActor.inTurn {
            var loop = uv_loop_t()
            #expect(uv_loop_init(&loop) == 0)
            try LoopActor.attach(to: &loop)
            #expect(uv_run(&loop, UV_RUN_DEFAULT) == 0)

            let flag = Flag()
            spawn {
                await Task.yield()
                flag.isSet = true
                LoopTimer().schedule(at: .max) {}
            }
            #expect(uv_run(&loop, UV_RUN_DEFAULT) == 0)
            #expect(flag.isSet)

            let detached = Flag()
            LoopActor.detach { detached.isSet = true }
            #expect(uv_run(&loop, UV_RUN_DEFAULT) == 0)
            #expect(detached.isSet)
            #expect(!LoopActor.isAttached)
            #expect(LoopActor.openHandles(of: &loop) == [])
            #expect(uv_loop_close(&loop) == 0)
        }
    }

    @Test("a loop that runs C code only does not enter Swift")
    func noEntries() throws {
        try LoopActor.runInTurn {
            // The loop turns all the time, and only this callback runs.
            let handle = UnsafeMutablePointer<uv_idle_t>.allocate(capacity: 1)
            uv_idle_init(LoopActor.loop, handle)
            turns = 0
            uv_idle_start(handle, countTurn)
            let timer = LoopTimer()
            let before = LoopActor.entries
            try await timer.sleep(until: timer.clock.deadline(after: 0.05))
            let during = LoopActor.entries - before
            uv_idle_stop(handle)
            UnsafeMutableRawPointer(handle).withMemoryRebound(to: uv_handle_t.self, capacity: 1) {
                uv_close($0, freeHandle)
            }
            timer.close()
            #expect(turns > 100)
            // One for the timer, one for the drain, one for the job; a drain that is under way counted before.
            #expect(during <= 4)
        }
    }
}

private nonisolated(unsafe) var turns = 0
private let countTurn: uv_idle_cb = { _ in turns += 1 }
private let freeHandle: uv_close_cb = { UnsafeMutableRawPointer($0)!.deallocate() }
