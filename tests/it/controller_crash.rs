//! Crash after every write, lost replies, errors and hangs: the final state is that of an undisturbed run.
