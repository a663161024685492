import WeirLoop
