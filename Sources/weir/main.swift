import Glibc
import Weir

exit(Program.run(CommandLine.arguments))
