//! Memory from the kernel: limits are asked first, files are reserved before they are mapped, sizes stay fixed.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use headroom::bytes::Bytes;
use headroom::pool::mapping::Mapping;
use headroom::pool::mapping::directory::{DirectoryError, MemoryDirectory};
use headroom::pool::mapping::huge_pages::{HugePageOutcome, HugePages};
use headroom::pool::mapping::limit::{Admission, LimitError, MemoryLimit};
use headroom::pool::mapping::memory_file::{MemoryFile, MemoryFileError};
use headroom::pool::mapping::{PopulateError, Populated};

const MIB: usize = 1 << 20;

/// A directory of this test's own that goes when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(parent: &Path, name: &str) -> Self {
        let path = parent.join(format!("headroom-mapping-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).expect("a directory of one's own");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).expect("permissions");
        Self(path)
    }

    /// Below the memory-backed volume every Linux machine has; `None`, and a line that says so, where it is missing.
    fn in_memory(name: &str) -> Option<Self> {
        let volume = Path::new("/dev/shm");
        if volume.is_dir() {
            return Some(Self::new(volume, name));
        }
        println!("skipped: /dev/shm is not mounted");
        None
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn admitted(length: usize) -> Admission {
    let limit = MemoryLimit {
        limit: None,
        used: Bytes::ZERO,
    };
    limit.admit(Bytes(length as u64)).expect("no limit")
}

fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).expect("at least one")
}

/// How many pages of a range are present, by the kernel's page table.
pub fn present_pages(start: usize, length: usize) -> usize {
    let page = rustix::param::page_size();
    let (first, last) = (start / page, (start + length).div_ceil(page));
    let table = File::open("/proc/self/pagemap").expect("the kernel's page table");
    let mut entries = vec![0; (last - first) * 8];
    table
        .read_exact_at(&mut entries, first as u64 * 8)
        .expect("the range's entries");
    entries
        .chunks_exact(8)
        .filter(|entry| entry[7] & 0x80 != 0)
        .count()
}

/// How many pages of a mapping are present.
fn present(mapping: &Mapping) -> usize {
    present_pages(mapping.start().as_ptr().addr(), mapping.length())
}

#[allow(unsafe_code)]
fn write(mapping: &Mapping, index: usize, value: u8) {
    assert!(index < mapping.length() && mapping.is_writable());
    // SAFETY: the byte lies inside the mapping, and each test uses its mappings alone, from one thread.
    unsafe { mapping.start().as_ptr().add(index).write_volatile(value) }
}

#[allow(unsafe_code)]
fn read(mapping: &Mapping, index: usize) -> u8 {
    assert!(index < mapping.length());
    // SAFETY: as for writing.
    unsafe { mapping.start().as_ptr().add(index).read_volatile() }
}

#[test]
fn a_limit_that_is_too_small_refuses_with_all_numbers() {
    let limit = MemoryLimit {
        limit: Some(Bytes(1000)),
        used: Bytes(400),
    };
    assert_eq!(
        limit
            .admit(Bytes(600))
            .expect("all that is left")
            .admitted(),
        Bytes(600)
    );
    let refusal = limit.admit(Bytes(601)).expect_err("one more");
    assert_eq!(
        refusal.to_string(),
        "cannot hold 601 bytes more: of the memory limit of 1000 bytes, 400 are in use and 600 are left"
    );
    let full = MemoryLimit {
        used: Bytes(1001),
        ..limit
    };
    assert!(
        full.admit(Bytes(1)).is_err(),
        "above the limit nothing is left"
    );
    assert!(full.admit(Bytes::ZERO).is_ok());
}

#[test]
fn both_versions_of_control_groups_are_read() {
    let scratch = Scratch::new(&std::env::temp_dir(), "limits");
    let root = &scratch.0;
    assert!(matches!(
        MemoryLimit::read(root),
        Err(LimitError::NoControlGroup { .. })
    ));
    let write = |name: &str, text: &str| std::fs::write(root.join(name), text).expect("a file");

    std::fs::create_dir(root.join("memory")).expect("a directory");
    write("memory/memory.limit_in_bytes", "9223372036854771712\n");
    write("memory/memory.usage_in_bytes", "5000\n");
    write(
        "memory/memory.stat",
        "cache 900\ntotal_inactive_file 1000\n",
    );
    let version_1 = MemoryLimit {
        limit: None,
        used: Bytes(4000),
    };
    assert_eq!(MemoryLimit::read(root).expect("version 1"), version_1);
    assert_eq!(
        MemoryLimit::read(&root.join("memory")).expect("the controller itself"),
        version_1
    );
    write("memory/memory.limit_in_bytes", "67108864\n");
    assert_eq!(
        MemoryLimit::read(root).expect("version 1").limit,
        Some(Bytes(67_108_864))
    );

    write("memory.current", "70\n");
    write("memory.stat", "anon 1\ninactive_file 100\n");
    let nothing = MemoryLimit {
        limit: None,
        used: Bytes::ZERO,
    };
    assert_eq!(MemoryLimit::read(root).expect("the root group"), nothing);
    write("memory.max", "max\n");
    assert_eq!(MemoryLimit::read(root).expect("no limit"), nothing);
    write("memory.max", "4096\n");
    assert_eq!(
        MemoryLimit::read(root).expect("a limit").limit,
        Some(Bytes(4096))
    );
    write("memory.max", "much\n");
    let error = MemoryLimit::read(root).expect_err("no number");
    assert!(
        error
            .to_string()
            .ends_with("memory.max holds no number of bytes: \"much\""),
        "{error}"
    );
    std::fs::remove_file(root.join("memory.stat")).expect("a file that was there");
    write("memory.max", "4096\n");
    assert!(matches!(
        MemoryLimit::read(root),
        Err(LimitError::Read { .. })
    ));
}

/// Where no container has a limit, the machine has one; the tighter of two limits is the one that leaves less.
#[test]
fn a_machine_is_a_limit_too() {
    let scratch = Scratch::new(&std::env::temp_dir(), "machine");
    let file = scratch.0.join("meminfo");
    let told = |text: &str| {
        std::fs::write(&file, text).expect("a file");
        MemoryLimit::of_machine(&file)
    };
    let machine = told("MemTotal:  1000 kB\nMemFree:  1 kB\nMemAvailable:   400 kB\n");
    let machine = machine.expect("both numbers");
    let expected = MemoryLimit {
        limit: Some(Bytes(1000 << 10)),
        used: Bytes(600 << 10),
    };
    assert_eq!(machine, expected);
    let container = |limit, used| MemoryLimit {
        limit: Some(Bytes(limit)),
        used: Bytes(used),
    };
    let none = MemoryLimit {
        limit: None,
        used: Bytes(7),
    };
    assert_eq!(none.tighter(machine), machine);
    assert_eq!(machine.tighter(none), machine);
    assert_eq!(none.tighter(none), none);
    // More than the machine has, and less left.
    let large = container(5000 << 10, 4700 << 10);
    assert_eq!(machine.tighter(large), large);
    assert_eq!(large.tighter(machine), large);
    assert_eq!(machine.tighter(container(500 << 10, 0)), machine);

    // Both read at once: the machine alone without a control group, and a group that cannot be read is no excuse.
    let group = scratch.0.join("group");
    let both = || MemoryLimit::of_process(&group, &file);
    assert_eq!(both().expect("no control group"), machine);
    std::fs::create_dir(&group).expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(group.join(name), text).expect("a file");
    write("memory.current", "4096\n");
    assert!(matches!(both(), Err(LimitError::Read { .. })));
    write("memory.stat", "anon 4096\n");
    assert_eq!(both().expect("no limit"), machine);
    write("memory.max", "8192\n");
    assert_eq!(both().expect("a limit"), container(8192, 4096));

    for text in [
        "",
        "MemTotal: 1000 kB\n",
        "MemTotal: 1000\nMemAvailable: 400 kB\n",
        "MemTotal: x kB\nMemAvailable: 400 kB\n",
        "MemTotal: 18446744073709551615 kB\nMemAvailable: 400 kB\n",
    ] {
        let error = told(text).expect_err(text);
        assert!(matches!(error, LimitError::NoNumber { .. }), "{error}");
    }
    let here = MemoryLimit::of_machine(Path::new("/proc/meminfo")).expect("the kernel tells");
    assert!(here.limit.is_some_and(|limit| limit > here.used));
}

#[test]
fn populating_makes_every_page_present_and_tells_each_64_mebibytes() {
    let mapping = Mapping::anonymous(130 * MIB).expect("130 MiB");
    let mut seen = Vec::new();
    let outcome = mapping.populate(&admitted(130 * MIB), threads(2), |progress| {
        assert_eq!(progress.total_bytes, 130 * MIB);
        seen.push(progress.populated_bytes);
        ControlFlow::Continue(())
    });
    assert!(
        matches!(outcome, Ok(Populated::OnDemand | Populated::ByTouch)),
        "{outcome:?}"
    );
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(seen.last(), Some(&(130 * MIB)));
    assert!(seen.is_sorted());
    let all = mapping.length() / rustix::param::page_size();
    assert_eq!(present(&mapping), all);
}

#[test]
fn populating_more_than_was_admitted_touches_nothing() {
    let mapping = Mapping::anonymous(MIB).expect("1 MiB");
    let outcome = mapping.populate(&admitted(MIB - 1), threads(1), |_| unreachable!("no step"));
    let error = outcome.expect_err("one byte short");
    assert_eq!(
        error.to_string(),
        "cannot populate 1048576 bytes: only 1048575 bytes were admitted"
    );
    assert_eq!(present(&mapping), 0);
}

#[test]
fn populating_stops_when_it_is_told_to() {
    let mapping = Mapping::anonymous(130 * MIB).expect("130 MiB");
    let admission = admitted(130 * MIB);
    let outcome = mapping.populate(&admission, threads(1), |_| ControlFlow::Break(()));
    let Err(PopulateError::Stopped {
        populated_bytes, ..
    }) = outcome
    else {
        panic!("{outcome:?}");
    };
    assert_eq!(populated_bytes, 64 * MIB);
    let pages = 64 * MIB / rustix::param::page_size();
    assert_eq!(present(&mapping), pages);
}

#[test]
fn a_file_is_mapped_when_all_its_pages_exist() {
    let file = MemoryFile::anonymous("pool", MIB, HugePages::No).expect("1 MiB");
    let error = file.map().expect_err("no page exists");
    assert_eq!(
        error.to_string(),
        "cannot map a file of 1048576 bytes of which only 0 are reserved"
    );
    assert!(matches!(
        file.reserve(&admitted(MIB - 1)),
        Err(MemoryFileError::NotAdmitted { .. })
    ));
    assert_eq!(file.reserved_bytes().expect("a count"), 0);
    file.reserve(&admitted(MIB)).expect("1 MiB");
    assert_eq!(file.reserved_bytes().expect("a count"), MIB as u64);

    let (first, second) = (file.map().expect("once"), file.map().expect("again"));
    write(&first, MIB - 1, 7);
    assert_eq!(read(&second, MIB - 1), 7, "both are the same memory");
    let readable = file.map_read_only().expect("for reading");
    assert!(!readable.is_writable());
    assert_eq!(read(&readable, MIB - 1), 7);
    for mapping in [&second, &readable] {
        mapping
            .populate(&admitted(MIB), threads(1), |_| ControlFlow::Continue(()))
            .expect("all pages");
        assert_eq!(present(mapping), MIB / rustix::param::page_size());
    }
    assert_eq!(read(&second, MIB - 1), 7, "populating changes nothing");
}

#[test]
fn a_sealed_file_keeps_its_size_and_an_unsealed_one_is_watched() {
    let file = MemoryFile::anonymous("pool", MIB, HugePages::No).expect("1 MiB");
    file.reserve(&admitted(MIB)).expect("1 MiB");
    let other = File::from(file.as_fd().try_clone_to_owned().expect("a descriptor"));
    other.set_len(4096).expect("it is not sealed yet");
    let error = file.check_length().expect_err("somebody cut it");
    assert_eq!(
        error.to_string(),
        "expected a file of 1048576 bytes, found one of 4096 bytes"
    );
    assert!(matches!(
        file.map(),
        Err(MemoryFileError::WrongLength { .. })
    ));
    other.set_len(MIB as u64).expect("it is not sealed yet");
    file.reserve(&admitted(MIB)).expect("1 MiB");

    assert!(!file.is_size_sealed());
    file.seal_size().expect("a file without a name");
    assert!(file.is_size_sealed());
    assert!(other.set_len(4096).is_err());
    assert!(other.set_len(2 * MIB as u64).is_err());
    assert!(file.seal_size().is_err(), "further seals are refused");
    assert!(file.check_length().is_ok());
}

#[test]
fn a_descriptor_is_taken_over_when_it_is_the_file_that_was_agreed_on() {
    let file = MemoryFile::anonymous("pool", MIB, HugePages::No).expect("1 MiB");
    file.reserve(&admitted(MIB)).expect("1 MiB");
    let duplicate = || file.as_fd().try_clone_to_owned().expect("a descriptor");
    let taken = MemoryFile::from_descriptor(duplicate(), MIB).expect("the same file");
    write(&file.map().expect("a mapping"), 0, 9);
    assert_eq!(read(&taken.map().expect("a mapping"), 0), 9);
    assert!(matches!(
        MemoryFile::from_descriptor(duplicate(), MIB + 1),
        Err(MemoryFileError::WrongLength {
            expected: 1_048_577,
            found: 1_048_576
        })
    ));
    let directory = File::open("/").expect("a directory").into();
    assert!(matches!(
        MemoryFile::from_descriptor(directory, MIB),
        Err(MemoryFileError::NotAFile { .. })
    ));

    let readable = file.read_only_descriptor().expect("a second descriptor");
    let readable = MemoryFile::from_descriptor(readable, MIB).expect("the same file");
    assert!(matches!(readable.map(), Err(MemoryFileError::Map(_))));
    assert_eq!(read(&readable.map_read_only().expect("for reading"), 0), 9);
}

#[test]
fn a_file_of_huge_pages_is_there_in_any_case_and_says_what_it_is() {
    let file = MemoryFile::anonymous("pool", 3 * MIB, HugePages::Wished).expect("3 MiB");
    file.reserve(&admitted(3 * MIB)).expect("3 MiB");
    let mapping = file.map().expect("a mapping");
    assert_eq!(mapping.length(), 3 * MIB);
    assert_ne!(mapping.huge_page_outcome(), HugePageOutcome::NotWished);
    write(&mapping, 3 * MIB - 1, 1);
    let copy = file.as_fd().try_clone_to_owned().expect("a descriptor");
    let taken = MemoryFile::from_descriptor(copy, 3 * MIB).expect("the same file");
    assert_eq!(read(&taken.map().expect("a mapping"), 3 * MIB - 1), 1);
}

#[test]
fn a_file_on_a_volume_is_found_again_with_its_bytes() {
    let Some(scratch) = Scratch::in_memory("found") else {
        return;
    };
    let path = scratch.0.join("pools");
    let directory = MemoryDirectory::open_or_create(&path).expect("a directory of our own");
    assert_eq!(
        path.metadata().expect("it is there").permissions().mode() & 0o777,
        0o700
    );
    let file = directory.create_file("network", MIB).expect("a file");
    assert_eq!(
        path.join("network")
            .metadata()
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    assert!(
        directory.create_file("network", MIB).is_err(),
        "it is taken"
    );
    file.reserve(&admitted(MIB)).expect("1 MiB");
    write(&file.map().expect("a mapping"), 5, 3);
    drop((file, directory));

    let directory = MemoryDirectory::open_or_create(&path).expect("it is there");
    let file = directory.open_file("network", MIB).expect("the file");
    assert_eq!(read(&file.map().expect("a mapping"), 5), 3);
    assert!(file.seal_size().is_err() && !file.is_size_sealed());
    let error = directory
        .open_file("network", 2 * MIB)
        .expect_err("another size");
    assert!(
        error
            .to_string()
            .ends_with("network: expected a file of 2097152 bytes, found one of 1048576 bytes"),
        "{error}"
    );
    directory.remove_file("network").expect("it is there");
    assert!(directory.open_file("network", MIB).is_err(), "it is gone");
}

#[test]
fn a_volume_that_is_too_small_is_an_error_and_not_a_signal() {
    let Some(scratch) = Scratch::in_memory("small") else {
        return;
    };
    let directory = MemoryDirectory::open(&scratch.0).expect("a directory");
    let volume = rustix::fs::statvfs(&scratch.0).expect("the volume's size");
    let length = usize::try_from(volume.f_blocks * volume.f_frsize).expect("a size") + MIB;
    let file = directory
        .create_file("pool", length)
        .expect("a sparse file");
    let error = file.reserve(&admitted(length)).expect_err("too much");
    assert!(
        matches!(error, MemoryFileError::VolumeTooSmall { wanted, .. } if wanted == length as u64),
        "{error}"
    );
    assert_eq!(file.reserved_bytes().expect("a count"), 0);
    assert!(file.map().is_err());
}

#[test]
fn what_others_could_exchange_is_not_used() {
    let Some(scratch) = Scratch::in_memory("others") else {
        return;
    };
    let directory = MemoryDirectory::open(&scratch.0).expect("a directory");
    let permit = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("permissions");
    };

    symlink("/etc/passwd", scratch.0.join("link")).expect("a link");
    assert!(directory.open_file("link", MIB).is_err());
    std::fs::create_dir(scratch.0.join("directory")).expect("a directory");
    assert!(directory.open_file("directory", MIB).is_err());
    for name in ["", ".", "..", "a/b", "/etc/passwd", "a\0b"] {
        assert!(
            matches!(
                directory.create_file(name, MIB),
                Err(DirectoryError::NotAName { .. })
            ),
            "{name:?}"
        );
    }
    drop(directory.create_file("pool", MIB).expect("a file"));
    permit(&scratch.0.join("pool"), 0o620);
    assert!(matches!(
        directory.open_file("pool", MIB),
        Err(DirectoryError::WritableByOthers { mode: 0o620, .. })
    ));

    permit(&scratch.0, 0o777);
    assert!(matches!(
        MemoryDirectory::open(&scratch.0),
        Err(DirectoryError::WritableByOthers { mode: 0o777, .. })
    ));
    permit(&scratch.0, 0o1777);
    assert!(MemoryDirectory::open(&scratch.0).is_ok());
    symlink(&scratch.0, scratch.0.join("to-directory")).expect("a link");
    assert!(MemoryDirectory::open(&scratch.0.join("to-directory")).is_err());
    let error = MemoryDirectory::open(Path::new("/proc")).expect_err("not in memory");
    assert!(
        error
            .to_string()
            .starts_with("/proc is not on a memory-backed volume"),
        "{error}"
    );
    if rustix::process::geteuid().is_root() {
        let theirs = scratch.0.join("theirs");
        std::fs::create_dir(&theirs).expect("a directory");
        std::os::unix::fs::chown(&theirs, Some(4711), None).expect("root may give away");
        let error = MemoryDirectory::open(&theirs).expect_err("somebody else's");
        assert!(
            error
                .to_string()
                .ends_with("belongs to user 4711, not to user 0"),
            "{error}"
        );
    }
}
