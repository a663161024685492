internal import CWeir

/// The `weir` program: commands and their exit codes.
public enum Program {
    /// Runs the command line and returns the exit code: 0 done, 1 failed, 2 wrong usage.
    public static func run(_ arguments: [String]) -> Int32 {
        guard arguments.dropFirst().first == "version" else {
            print("usage: weir version")
            return 2
        }
        print("weir \(String(cString: weir_version_string()))")
        return 0
    }
}
