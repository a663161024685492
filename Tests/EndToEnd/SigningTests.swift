import Testing

@Suite("Signing")
struct SigningTests {
    /// Counts allocations, and says how many at the end.
    private static let counter = """
        #include <stddef.h>
        #include <stdio.h>
        void *__libc_malloc(size_t);
        void *__libc_calloc(size_t, size_t);
        void *__libc_realloc(void *, size_t);
        void *__libc_memalign(size_t, size_t);
        static _Atomic long count;
        void *malloc(size_t n) { count++; return __libc_malloc(n); }
        void *calloc(size_t n, size_t m) { count++; return __libc_calloc(n, m); }
        void *realloc(void *p, size_t n) { count++; return __libc_realloc(p, n); }
        void *aligned_alloc(size_t a, size_t n) { count++; return __libc_memalign(a, n); }
        int posix_memalign(void **p, size_t a, size_t n) {
          count++;
          *p = __libc_memalign(a, n);
          return *p == NULL ? 12 : 0;
        }
        __attribute__((destructor)) static void tell(void) { printf("%ld\\n", count); }
        """

    @Test(
        "a signature with a key that is kept allocates its result and nothing else",
        .enabled(if: Peer.has("cc")), .disabled(if: Pace.isSanitized, "a sanitizer's allocator"),
        arguments: ["header", "presign"])
    func allocations(kind: String) throws {
        let scratch = try Scratch()
        let (source, library) = (scratch.path + "/count.c", scratch.path + "/count.so")
        try Disk.write(source, Array(Self.counter.utf8))
        try Peer.demand("cc", "-std=c11", "-O1", "-shared", "-fPIC", "-o", library, source)
        func count(_ rounds: Int) throws -> Int {
            let words = ["bench", "sign", "--only", kind, "--requests", "\(rounds)"]
            let result = try Peer.run(["env", "LD_PRELOAD=\(library)", Daemon.program] + words)
            try #require(result.exit == .code(0), "\(result.errors)")
            return try #require(Int(result.text.split(separator: "\n").last ?? ""))
        }
        let each = Double(try count(2000) - count(1000)) / 1000
        // Without optimisation a context more of a closure lies on the heap.
        #if DEBUG
            #expect(each <= 2, "\(each)")
        #else
            #expect(each == 1, "\(each)")
        #endif
    }
}
