//! A network pool whose pages are all there from its start, or that is refused before anything is touched.
#![cfg(target_os = "linux")]

use std::{num::NonZeroUsize, ops::ControlFlow, time::Duration};

use headroom::{
    bytes::Bytes,
    pool::{
        mapping::{
            PopulateError, Progress, STEP_BYTES,
            huge_pages::{HugePageOutcome, HugePages},
            limit::{MemoryLimit, OverLimit},
        },
        network_pool::{NetworkBufferPool, NetworkPoolError, Population, PopulationError},
    },
};

use crate::mapping::present_pages;

const SEGMENT_BYTES: usize = 32 << 10;
const TIMEOUT: Duration = Duration::from_secs(30);
const UNLIMITED: MemoryLimit = MemoryLimit {
    limit: None,
    used: Bytes::ZERO,
};

fn ordinary(limit: &MemoryLimit) -> Population<'_> {
    Population {
        limit,
        huge_pages: HugePages::No,
        threads: NonZeroUsize::new(2).unwrap(),
    }
}

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// More than one step, by more than one thread: every page of every segment is there and 0, and progress ends with the
/// whole.
#[test]
fn every_page_is_there() {
    let number = STEP_BYTES / SEGMENT_BYTES + 3;
    let mut seen = Vec::new();
    let network = NetworkBufferPool::populated(
        number,
        SEGMENT_BYTES,
        TIMEOUT,
        ordinary(&UNLIMITED),
        |progress| {
            assert_eq!(progress.total_bytes, number * SEGMENT_BYTES);
            seen.push(progress.populated_bytes);
            ControlFlow::Continue(())
        },
    )
    .unwrap();
    assert_eq!((seen.len(), seen[1]), (2, number * SEGMENT_BYTES));
    assert_eq!(network.number_of_segments(), number);
    assert_eq!(network.huge_page_outcome(), HugePageOutcome::NotWished);
    let page = rustix::param::page_size();
    let segments: Vec<_> = std::iter::from_fn(|| network.request_pooled_segment()).collect();
    assert_eq!(segments.len(), number);
    for segment in &segments {
        let start = segment.as_ptr().addr();
        assert_eq!(present_pages(start, SEGMENT_BYTES), SEGMENT_BYTES / page);
        assert!(segment.iter().all(|byte| *byte == 0));
    }
    // The other constructor leaves them to their first use.
    let bare = NetworkBufferPool::new(number, SEGMENT_BYTES, TIMEOUT).unwrap();
    let segment = bare.request_pooled_segment().unwrap();
    assert_eq!(present_pages(segment.as_ptr().addr(), SEGMENT_BYTES), 0);
}

/// One byte too little, the pool's books included, is a refusal that names the three numbers; and it comes before the
/// first step.
#[test]
fn a_pool_above_the_limit_is_refused_before_it_is_touched() {
    let wanted = Bytes(100 * (SEGMENT_BYTES as u64 + 72));
    let limit = |left: u64| MemoryLimit {
        limit: Some(Bytes(left + 5)),
        used: Bytes(5),
    };
    let make = |limit: &MemoryLimit| {
        NetworkBufferPool::populated(100, SEGMENT_BYTES, TIMEOUT, ordinary(limit), go_on)
    };
    let error = make(&limit(wanted.get() - 1)).unwrap_err();
    let PopulationError::OverLimit(OverLimit {
        wanted: told,
        used: Bytes(5),
        ..
    }) = error
    else {
        panic!("{error}")
    };
    assert_eq!(told, wanted);
    assert_eq!(
        make(&limit(wanted.get())).unwrap().number_of_segments(),
        100
    );
    // A petabyte is no kill.
    let machine = MemoryLimit::of_machine("/proc/meminfo".as_ref()).unwrap();
    let error = NetworkBufferPool::populated(1 << 20, 1 << 30, TIMEOUT, ordinary(&machine), |_| {
        unreachable!("no step")
    });
    assert!(matches!(error, Err(PopulationError::OverLimit(_))));
}

/// Sizes that cannot be, memory that cannot be mapped, and a caller that stops it are told apart; a pool of nothing is
/// one.
#[test]
fn what_else_can_be_in_the_way() {
    let make = |number, bytes| {
        NetworkBufferPool::populated(number, bytes, TIMEOUT, ordinary(&UNLIMITED), go_on)
    };
    for (number, bytes) in [(1, 0), (usize::MAX, 1), (1, usize::MAX)] {
        assert!(matches!(
            make(number, bytes),
            Err(PopulationError::Pool(
                NetworkPoolError::InvalidArgument { .. }
            ))
        ));
    }
    assert!(matches!(
        make(1 << 20, 1 << 30),
        Err(PopulationError::Pool(NetworkPoolError::OutOfMemory { .. }))
    ));
    let stopped = NetworkBufferPool::populated(
        2 * STEP_BYTES / SEGMENT_BYTES,
        SEGMENT_BYTES,
        TIMEOUT,
        Population {
            threads: NonZeroUsize::MIN,
            ..ordinary(&UNLIMITED)
        },
        |_| ControlFlow::Break(()),
    );
    assert!(matches!(
        stopped,
        Err(PopulationError::Populate(PopulateError::Stopped {
            populated_bytes: STEP_BYTES,
            ..
        }))
    ));
    assert_eq!(make(0, SEGMENT_BYTES).unwrap().number_of_segments(), 0);
}

/// The wish for huge pages changes nothing but the pages, and what came of it is told.
#[test]
fn huge_pages_may_be_wished_for() {
    let how = Population {
        huge_pages: HugePages::Wished,
        ..ordinary(&UNLIMITED)
    };
    let network = NetworkBufferPool::populated(100, SEGMENT_BYTES, TIMEOUT, how, go_on).unwrap();
    assert_ne!(network.huge_page_outcome(), HugePageOutcome::NotWished);
    network.huge_page_bytes().unwrap();
    let mut segment = network.request_pooled_segment().unwrap();
    segment.fill(1);
    assert_eq!(network.number_of_available_segments(), 99);
}
