import WeirHTTP
import WeirLoop
