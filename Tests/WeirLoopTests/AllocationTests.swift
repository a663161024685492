import Glibc
import Testing
import WeirLoop

/// Allocations are counted by a library that stands before the C library's `malloc` and its relatives: it is compiled
/// here and preloaded into the same program, which is run again for this test alone.
@Suite("Allocations of the loop")
struct AllocationTests {
    private static let counter = """
        #include <stddef.h>
        void *__libc_malloc(size_t);
        void *__libc_calloc(size_t, size_t);
        void *__libc_realloc(void *, size_t);
        void *__libc_memalign(size_t, size_t);
        static _Atomic long count;
        long weir_test_allocations(void) { return count; }
        void *malloc(size_t n) { count++; return __libc_malloc(n); }
        void *calloc(size_t n, size_t m) { count++; return __libc_calloc(n, m); }
        void *realloc(void *p, size_t n) { count++; return __libc_realloc(p, n); }
        void *aligned_alloc(size_t a, size_t n) { count++; return __libc_memalign(a, n); }
        int posix_memalign(void **p, size_t a, size_t n) {
          count++;
          *p = __libc_memalign(a, n);
          return *p == NULL ? 12 : 0;
        }
        """

    /// A sanitizer has an allocator of its own, which must come first.
    private static var isSanitized: Bool {
        dlsym(nil, "__asan_init") != nil || dlsym(nil, "__tsan_init") != nil
    }

    @Test("resuming a task and sleeping allocate nothing", .disabled(if: isSanitized, "a sanitizer's allocator"))
    func none() throws {
        if let symbol = dlsym(nil, "weir_test_allocations") {
            return try measure(unsafeBitCast(symbol, to: (@Sendable @convention(c) () -> Int).self))
        }
        try withDirectory { directory in
            let library = directory + "/count.so"
            let compiled = runProgram(
                ["cc", "-std=c11", "-O1", "-shared", "-fPIC", "-x", "c", "-o", library, "-"], input: Self.counter)
            try #require(compiled.status == 0, "\(compiled.output)")
            let run = runProgram(
                ["/proc/self/exe", "--testing-library", "swift-testing", "--filter", "AllocationTests"],
                environment: ["LD_PRELOAD=\(library)"])
            #expect(run.status == 0, "\(run.output)")
            let measured = run.output.split(separator: "\n").filter { $0.hasPrefix("loop:") }
            #expect(measured.count == 2, "\(run.output)")
            for line in measured { print(line) }
        }
    }

    private func measure(_ allocations: @escaping @Sendable @convention(c) () -> Int) throws {
        try LoopActor.runInTurn {
            let rounds = 10_000
            // What is allocated once is not what is asked about.
            _ = await LoopMeasurement.resumeToRun(rounds: 1000)
            let before = allocations()
            let resumed = await LoopMeasurement.resumeToRun(rounds: rounds)
            let resuming = allocations() - before
            print(
                "loop: resume to run \(Int(resumed.best)) ns (mean \(Int(resumed.mean))),",
                "\(resuming) allocations in \(20 * rounds)")
            // The other side's task, and printing; not one a round.
            #expect(resuming < 50)

            _ = await LoopMeasurement.sleep(rounds: 10)
            let asleep = allocations()
            let slept = await LoopMeasurement.sleep(rounds: 1000)
            let sleeping = allocations() - asleep
            print("loop: sleep to wake \(Int(slept)) ns, \(sleeping) allocations in 1000")
            #expect(sleeping < 50)
        }
    }
}
