//! Who holds managed memory: owners, what they hold, and the report of what was not given back.

use std::{fmt, sync::Arc, time::Duration};

use crate::bytes::Bytes;

/// How many holders an error names.
pub(super) const TOP: usize = 5;

/// An owner of managed memory at one manager. Flink takes any object for it.
///
/// An id is never used again, and one of another manager is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerId {
    /// Unique among all managers of the process.
    pub(super) serial: u64,
    /// Where the manager keeps the owner.
    pub(super) index: u32,
}

/// What somebody holds of a manager's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The owner's name for people.
    pub label: Arc<str>,
    /// How it is held.
    pub kind: HoldingKind,
    /// Pages.
    pub pages: u32,
    /// Their bytes.
    pub page_bytes: Bytes,
    /// Bytes that are reserved without pages.
    pub reserved: Bytes,
    /// How long the oldest of it has been held; `None` without a clock. A reservation counts from when the owner had
    /// none.
    pub age: Option<Duration>,
}

/// In what way memory is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldingKind {
    /// By an owner that has it.
    Held,
    /// Pages that were taken away from their owner while somebody accessed them; they return when the access ends.
    StillPinned,
    /// A reservation that nobody had released when the manager was shut down, and nobody can any more.
    LostAtShutdown,
}

impl Holder {
    /// All that is held.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.page_bytes.saturating_add(self.reserved)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (", self.label)?;
        if self.pages > 0 {
            let plural = if self.pages == 1 { "" } else { "s" };
            write!(
                formatter,
                "{} page{plural}, {}",
                self.pages, self.page_bytes
            )?;
        }
        if self.reserved > Bytes::ZERO {
            let separator = if self.pages > 0 { ", and " } else { "" };
            write!(formatter, "{separator}{} reserved", self.reserved)?;
        }
        match self.kind {
            HoldingKind::Held => {}
            HoldingKind::StillPinned => formatter.write_str(", released but still accessed")?,
            HoldingKind::LostAtShutdown => {
                formatter.write_str(", not released before the shutdown")?
            }
        }
        if let Some(age) = self.age {
            write!(formatter, ", for {age:?}")?;
        }
        formatter.write_str(")")
    }
}

/// The holders that an error names, those of most bytes first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopHolders {
    /// At most five.
    pub named: Vec<Holder>,
    /// How many more there are.
    pub others: usize,
}

impl TopHolders {
    /// Those of all holders that are named.
    pub(super) fn of(mut holders: Vec<Holder>) -> Self {
        holders.sort_by_key(|holder| std::cmp::Reverse(holder.bytes()));
        let others = holders.len().saturating_sub(TOP);
        holders.truncate(TOP);
        Self {
            named: holders,
            others,
        }
    }
}

impl fmt::Display for TopHolders {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.named.is_empty() {
            return formatter.write_str("held by nobody");
        }
        formatter.write_str("held by ")?;
        for (index, holder) in self.named.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(formatter, "{separator}{holder}")?;
        }
        if self.others > 0 {
            write!(formatter, " and {} others", self.others)?;
        }
        Ok(())
    }
}

/// Managed memory that was not given back. Flink only says that there is some.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{held} of {total} of managed memory were not released: {}", TopHolders::of(holders.clone()))]
pub struct LeakReport {
    /// All there is.
    pub total: Bytes,
    /// What was not given back.
    pub held: Bytes,
    /// Everyone who holds some, those of most bytes first.
    pub holders: Vec<Holder>,
}
