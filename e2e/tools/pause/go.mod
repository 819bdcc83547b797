// A program that waits: PID 1 of a node and of every pod's sandbox.
module proffer.dev/e2e/tools/pause

go 1.24
