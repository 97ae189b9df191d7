//! Pages of 2 MiB: wished for, never required, and what came of the wish told as a value.
//!
//! There are two kinds. Those of the node's pool are set aside beforehand and are certain; the kernel gives the other
//! kind when it can, to memory that was advised so, and only [`Mapping::huge_page_bytes`] tells how much it gave.

use std::io;

use rustix::mm::{Advice, MapFlags, madvise};

use super::{Mapping, MappingError};

/// The size of a huge page.
pub const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Whether huge pages are wished for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HugePages {
    /// Ordinary pages.
    No,
    /// From the node's pool where it has enough, else by advice.
    Wished,
}

/// What came of the wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HugePageOutcome {
    /// It was not uttered.
    NotWished,
    /// All pages come from the node's pool.
    FromPool,
    /// The pool had too few; the kernel was advised to use huge pages where it can.
    Advised {
        /// Why the pool was of no use.
        pool: io::ErrorKind,
    },
    /// Neither is to be had.
    Refused {
        /// Why the pool was of no use.
        pool: io::ErrorKind,
        /// Why the advice was refused.
        advice: io::ErrorKind,
    },
}

impl Mapping {
    /// Maps `length` bytes of private memory, of huge pages where that is wished for and can be;
    /// [`huge_page_outcome`](Self::huge_page_outcome) tells what it came to.
    ///
    /// # Errors
    /// The kernel's refusal to map ordinary pages; a lack of huge pages is no error.
    pub fn anonymous_with(length: usize, huge_pages: HugePages) -> Result<Self, MappingError> {
        if huge_pages == HugePages::No {
            return Self::anonymous(length);
        }
        // Without `NORESERVE` the kernel sets the pages aside now or refuses, so that touching them cannot fail.
        let flags = MapFlags::HUGETLB | MapFlags::HUGE_2MB;
        match Self::map_anonymous(length, round_up(length), flags) {
            Ok(mut mapping) => {
                mapping.huge_pages = HugePageOutcome::FromPool;
                Ok(mapping)
            }
            Err(MappingError { source, .. }) => {
                let mut mapping = Self::anonymous(length)?;
                mapping.advise_huge_pages(source.kind());
                Ok(mapping)
            }
        }
    }

    /// What came of the wish for huge pages.
    #[must_use]
    pub fn huge_page_outcome(&self) -> HugePageOutcome {
        self.huge_pages
    }

    /// Advises the kernel to use huge pages, after the pool was found to be of no use.
    #[allow(unsafe_code)]
    pub(super) fn advise_huge_pages(&mut self, pool: io::ErrorKind) {
        // SAFETY: the range is this mapping's own, and the advice changes no byte of it.
        let advised = unsafe {
            madvise(
                self.start.as_ptr().cast(),
                self.mapped,
                Advice::LinuxHugepage,
            )
        };
        self.huge_pages = match advised {
            Ok(()) => HugePageOutcome::Advised { pool },
            Err(advice) => HugePageOutcome::Refused {
                pool,
                advice: advice.kind(),
            },
        };
    }

    /// How many bytes of this mapping lie in huge pages now, by the kernel's own account of this process.
    ///
    /// The kernel may keep account of neighbouring mappings together; then the answer is theirs together.
    ///
    /// # Errors
    /// When `/proc/self/smaps` cannot be read.
    pub fn huge_page_bytes(&self) -> io::Result<u64> {
        if self.mapped == 0 {
            return Ok(0);
        }
        Ok(huge_page_bytes(
            &std::fs::read_to_string("/proc/self/smaps")?,
            self.start.as_ptr().addr(),
        ))
    }
}

/// The length in whole huge pages; one that cannot be rounded stays, for the kernel to refuse.
pub(super) fn round_up(length: usize) -> usize {
    length
        .checked_next_multiple_of(HUGE_PAGE_BYTES)
        .unwrap_or(length)
}

/// Sums the kinds of huge pages in the entry that holds `address`.
fn huge_page_bytes(smaps: &str, address: usize) -> u64 {
    const KINDS: [&str; 5] = [
        "AnonHugePages",
        "ShmemPmdMapped",
        "FilePmdMapped",
        "Shared_Hugetlb",
        "Private_Hugetlb",
    ];
    let mut inside = false;
    let mut kibibytes: u64 = 0;
    for line in smaps.lines() {
        let Some(first) = line.split_ascii_whitespace().next() else {
            continue;
        };
        if let Some((name, value)) = line.split_once(':').filter(|_| first.ends_with(':')) {
            if inside && KINDS.contains(&name) {
                let amount = value.trim().trim_end_matches("kB").trim_end();
                kibibytes = kibibytes.saturating_add(amount.parse().unwrap_or(0));
            }
        } else if let Some((start, end)) = first.split_once('-') {
            let bound = |text| usize::from_str_radix(text, 16);
            inside = matches!((bound(start), bound(end)), (Ok(start), Ok(end)) if (start..end).contains(&address));
        }
    }
    kibibytes.saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::{HUGE_PAGE_BYTES, HugePageOutcome, HugePages, Mapping, huge_page_bytes, round_up};

    #[test]
    fn only_the_mapping_that_was_asked_for_is_counted() {
        let smaps = "\
7f0000000000-7f0000400000 rw-p 00000000 00:00 0 \n\
Size:               4096 kB\n\
AnonHugePages:      2048 kB\n\
Shared_Hugetlb:        0 kB\n\
Private_Hugetlb:    4096 kB\n\
VmFlags: rd wr mr mw me ac hg\n\
7f0000400000-7f0000600000 rw-s 00000000 00:01 3 /memfd:pool (deleted)\n\
AnonHugePages:         0 kB\n\
ShmemPmdMapped:     2048 kB\n";
        assert_eq!(huge_page_bytes(smaps, 0x7f00_0000_0000), 6144 << 10);
        assert_eq!(huge_page_bytes(smaps, 0x7f00_005f_ffff), 2048 << 10);
        assert_eq!(huge_page_bytes(smaps, 0x7f00_0060_0000), 0);
        assert_eq!(huge_page_bytes("", 0), 0);
    }

    #[test]
    fn lengths_are_rounded_to_whole_huge_pages() {
        assert_eq!(round_up(1), HUGE_PAGE_BYTES);
        assert_eq!(round_up(HUGE_PAGE_BYTES), HUGE_PAGE_BYTES);
        assert_eq!(round_up(usize::MAX), usize::MAX);
    }

    #[test]
    fn what_came_of_the_wish_is_told_and_the_memory_is_there_in_any_case() {
        let mapping = Mapping::anonymous_with(3 << 20, HugePages::Wished).expect("3 MiB");
        assert_eq!(mapping.length(), 3 << 20);
        assert_ne!(mapping.huge_page_outcome(), HugePageOutcome::NotWished);
        mapping.huge_page_bytes().expect("the kernel's account");
        let mapping = Mapping::anonymous_with(4096, HugePages::No).expect("one page");
        assert_eq!(mapping.huge_page_outcome(), HugePageOutcome::NotWished);
        assert_eq!(mapping.huge_page_bytes().expect("the kernel's account"), 0);
    }
}
