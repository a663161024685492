import Testing
import WeirLoop

@Suite("The lint for tasks")
struct LintTests {
    /// The script, beside the package that this file belongs to.
    private let script = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/packaging/lint-tasks"

    private func lint(_ source: String) throws -> (status: Int32, output: String) {
        try withDirectory { directory in
            try LoopFile.writeNow(directory + "/Planted.swift", Array(source.utf8))
            return runProgram([script, directory])
        }
    }

    @Test(
        "a task that would leave the loop is found, with its file and line",
        arguments: [
            "Task { await work() }", "Task{ }", "let task = Task { 1 }", "Task.detached { }",
            "try await Task.sleep(for: x)",
            "Task(priority: .high) { }", "Task<Void, Never> { }", "Task<Void, any Error>.detached { }",
            "Task(executorPreference: other) { }", "return Task.init { }", "Task.immediate { }",
            "start(task: Task { })", "    Task  {",
        ])
    func planted(line: String) throws {
        let (status, output) = try lint("import WeirLoop\n\(line)\n")
        #expect(status == 1)
        #expect(output.contains("/Planted.swift:2: use spawn()"))
        #expect(output.split(separator: "\n").count == 1)
    }

    @Test("what stays on the loop is let through")
    func allowed() throws {
        let (status, output) = try lint(
            """
            // Task { } in a comment
            /// Task.sleep is banned
            spawn { await work() } // not Task { }
            let task: Task<Void, Never>? = nil
            func start() -> Task<Void, any Error> {
            var task: Task<Void, Never> {
            Task(executorPreference: LoopActor.executor, operation: operation)
            await Task.yield()
            if Task.isCancelled { return }
            await withTaskGroup(of: Void.self) { group in group.addTask { } }
            try Task.checkCancellation()
            """)
        #expect(status == 0)
        #expect(output == "")
    }

    @Test("the sources of this package pass")
    func sources() {
        let (status, output) = runProgram([script])
        #expect(status == 0)
        #expect(output == "")
    }
}
