//! The same work for many items on all processors, for files of thousands of documents.

use rayon::{ThreadPoolBuilder, prelude::*};

/// Fewer items than this are done sooner than threads are started.
const FEWEST: usize = 64;
/// As much as the main thread has: documents may be nested deeply.
const STACK_BYTES: usize = 8 << 20;

/// What `work` makes of each item, in the order of the items.
pub(super) fn map<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Send + Sync) -> Vec<R> {
    let processors = || ThreadPoolBuilder::new().stack_size(STACK_BYTES).build();
    if items.len() >= FEWEST
        && let Ok(processors) = processors()
    {
        return processors.install(|| items.into_par_iter().map(work).collect());
    }
    items.into_iter().map(work).collect()
}

#[cfg(test)]
mod tests {
    use super::map;

    #[test]
    fn results_stand_in_the_order_of_the_items() {
        for count in [0, 1, 63, 64, 1000] {
            let numbers: Vec<u32> = (0..count).collect();
            let squares: Vec<u32> = numbers.iter().map(|number| number * number).collect();
            assert_eq!(map(numbers, |number| number * number), squares, "{count}");
        }
    }
}
