//! Resource versions, compared only as far as Kubernetes promises.
//!
//! Since Kubernetes 1.35 resource versions of one kind are decimal numbers that may be compared. Text
//! that is not such a number is equal to itself and otherwise of unknown order.

use std::cmp::Ordering;
use std::fmt;

/// The resource version of an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Version {
    /// A number: comparable.
    Number(u64),
    /// Anything else: comparable for equality only.
    Opaque(Box<str>),
}

impl Version {
    /// Reads a resource version; never fails.
    #[must_use]
    pub fn new(text: &str) -> Self {
        match text.parse::<u64>() {
            Ok(number) if number.to_string() == text => Self::Number(number),
            _ => Self::Opaque(text.into()),
        }
    }

    /// Whether `self` is known to be older than `other`.
    #[must_use]
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Less)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(formatter),
            Self::Opaque(text) => text.fmt(formatter),
        }
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(left), Self::Number(right)) => Some(left.cmp(right)),
            _ => (self == other).then_some(Ordering::Equal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_value_and_not_by_text() {
        assert!(Version::new("9").is_older_than(&Version::new("10")));
        assert!(!Version::new("10").is_older_than(&Version::new("9")));
        assert!(!Version::new("10").is_older_than(&Version::new("10")));
    }

    #[test]
    fn the_text_that_was_read_is_shown() {
        for text in ["1", "18446744073709551615", "18446744073709551616", "", "a"] {
            assert_eq!(Version::new(text).to_string(), text);
        }
    }

    #[test]
    fn other_text_is_only_equal_to_itself() {
        assert_eq!(Version::new("a"), Version::new("a"));
        assert!(!Version::new("a").is_older_than(&Version::new("b")));
        assert!(!Version::new("a").is_older_than(&Version::new("1")));
        assert!(!Version::new("1").is_older_than(&Version::new("a")));
    }
}
