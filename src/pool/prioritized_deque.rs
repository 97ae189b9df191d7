//! A queue in which some elements overtake the others.
//!
//! Mirrors `PrioritizedDeque`: what has priority comes before all that has none, and behind what had priority before
//! it.

use std::collections::VecDeque;

/// A queue of which a first part has priority.
#[derive(Debug)]
pub(super) struct PrioritizedDeque<T> {
    elements: VecDeque<T>,
    /// How many of the first elements have priority.
    with_priority: usize,
}

impl<T> PrioritizedDeque<T> {
    pub(super) fn new() -> Self {
        Self {
            elements: VecDeque::new(),
            with_priority: 0,
        }
    }

    pub(super) fn push(&mut self, element: T) {
        self.elements.push_back(element);
    }

    pub(super) fn push_with_priority(&mut self, element: T) {
        self.elements.insert(self.with_priority, element);
        self.with_priority += 1;
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        self.with_priority = self.with_priority.saturating_sub(1);
        self.elements.pop_front()
    }

    pub(super) fn front(&self) -> Option<&T> {
        self.elements.front()
    }

    pub(super) fn front_mut(&mut self) -> Option<&mut T> {
        self.elements.front_mut()
    }

    pub(super) fn back(&self) -> Option<&T> {
        self.elements.back()
    }

    pub(super) fn len(&self) -> usize {
        self.elements.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// How many elements have priority.
    pub(super) fn with_priority(&self) -> usize {
        self.with_priority
    }

    /// Takes everything out.
    pub(super) fn take_all(&mut self) -> VecDeque<T> {
        self.with_priority = 0;
        std::mem::take(&mut self.elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priority_overtakes_what_has_none_and_nothing_else() {
        let mut deque = PrioritizedDeque::new();
        deque.push(3);
        deque.push_with_priority(1);
        deque.push(4);
        deque.push_with_priority(2);
        assert_eq!((deque.len(), deque.with_priority()), (4, 2));
        assert_eq!((deque.front(), deque.back()), (Some(&1), Some(&4)));
        let taken: Vec<_> = std::iter::from_fn(|| deque.pop()).collect();
        assert_eq!(taken, [1, 2, 3, 4]);
        assert_eq!(deque.with_priority(), 0);
        deque.push_with_priority(5);
        assert_eq!(deque.take_all(), [5]);
        assert!(deque.is_empty());
        deque.push(6);
        deque.push_with_priority(0);
        assert_eq!(deque.front_mut(), Some(&mut 0));
    }
}
