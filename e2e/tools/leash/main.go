// Command leash becomes another program that cannot outlive the process that started it.
//
// It asks the kernel to be killed when its parent ends, and then replaces itself with the program:
// process id, standard streams and process group stay. The request survives the replacement, so a
// test run that is killed with SIGKILL leaves no server behind. The harness starts every process
// this way because asking from a fork, before exec, takes unsafe code in Rust.
//
// Usage: leash PARENT_PID PROGRAM [ARGUMENT]...
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
)

func main() {
	if len(os.Args) < 3 {
		fail("usage: leash PARENT_PID PROGRAM [ARGUMENT]...")
	}
	parent, err := strconv.Atoi(os.Args[1])
	if err != nil {
		fail("leash: parent process id %q is not a number", os.Args[1])
	}
	program, err := exec.LookPath(os.Args[2])
	if err != nil {
		fail("leash: %v", err)
	}

	// The request belongs to the thread that makes it, so the same thread has to exec.
	runtime.LockOSThread()
	_, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0)
	if errno != 0 {
		fail("leash: failed to ask for the parent's death signal: %v", errno)
	}
	// A parent that died before the request was made sends no signal any more.
	if os.Getppid() != parent {
		fail("leash: parent process %d has ended already", parent)
	}
	if err := syscall.Exec(program, os.Args[2:], os.Environ()); err != nil {
		fail("leash: failed to run %s: %v", program, err)
	}
}

func fail(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
	os.Exit(127)
}
