//! Random steps on the memory manager of a slot.

use super::{Generator, Phase};
use crate::pool_diff::{
    manager::Manager,
    step::{Label, SharedSize, Step},
};

/// Owners of one manager.
const OWNERS: Label = 4;

impl Generator {
    /// A memory manager to begin with: mostly a small one that runs out, sometimes one that is not allowed.
    pub(super) fn manager(&mut self) -> Step {
        let page = match self.random.u32(0..12) {
            0 => self.random.choice([0, 1, 2048, 5000, 12288]).unwrap_or(0),
            1 => 65536,
            _ => 4096,
        };
        let size = match self.random.u32(0..12) {
            // More pages than a Java `int` counts.
            0 => page << self.random.u32(31..34),
            1 => 0,
            2 => self.random.u64(0..10_000),
            _ => page * self.random.u64(1..40) + self.random.u64(0..3) * 100,
        };
        Step::Manager { size, page }
    }

    /// A step that gives back something, or shuts the manager down when nothing is left.
    pub(super) fn end_of_manager(&mut self, manager: &Manager) -> Option<Step> {
        let is_shut_down = manager.manager()?.is_shut_down();
        if let Some(page) = self.one_of(manager.pages()) {
            return Some(Step::Release(page));
        }
        if is_shut_down {
            return None;
        }
        if let Some(lease) = self.one_of(manager.leases()) {
            return Some(Step::Close(lease));
        }
        Some(match self.random.u32(0..4) {
            0 => Step::Shutdown,
            _ => Step::ReleaseAllBytes(self.owner()),
        })
    }

    /// A step, which is perhaps one that the two sides mean something else by.
    pub(super) fn manager_step(&mut self, manager: &Manager) -> Option<Step> {
        let (total, available) = manager.manager().map_or((0, 0), |manager| {
            (manager.total_pages(), manager.available_memory().get())
        });
        let (take, give) = match self.phase {
            Phase::Take => (55, 75),
            Phase::Return => (20, 75),
            Phase::Mixed => (40, 75),
        };
        Some(match self.random.u32(0..100) {
            draw if draw < take => match self.random.u32(0..10) {
                0..5 => {
                    let number = match self.random.u32(0..10) {
                        0 => total + 1 + self.random.u32(0..2),
                        1 => total,
                        2 => 0,
                        _ => self.random.u32(0..=total / 3 + 1),
                    };
                    // More than there are come to nothing, and need no labels.
                    let labels = number.min(total) as usize;
                    Step::Allocate {
                        owner: self.owner(),
                        number,
                        page: self.label(labels),
                    }
                }
                _ => Step::ReserveBytes {
                    owner: self.owner(),
                    bytes: self.bytes(available),
                },
            },
            draw if draw < give => match self.random.u32(0..10) {
                0..3 => Step::Release(self.one_of(manager.pages())?),
                3..5 => {
                    let mut pages: Vec<Label> = manager.pages().collect();
                    self.random.shuffle(&mut pages);
                    pages.truncate(self.random.usize(1..8));
                    if pages.is_empty() {
                        return None;
                    }
                    Step::ReleaseList(pages)
                }
                5 => Step::ReleaseAll(self.owner()),
                6 => Step::ReleaseAllBytes(self.owner()),
                _ => Step::ReleaseBytes {
                    owner: self.owner(),
                    bytes: self.bytes(available),
                },
            },
            75..79 => Step::PagesOf(self.fraction()),
            79..83 => Step::BytesOf(self.fraction()),
            83..91 => Step::Shared {
                name: self.random.u32(0..3),
                size: if self.random.u32(0..4) == 0 {
                    SharedSize::External(self.random.u64(0..100_000))
                } else {
                    SharedSize::Fraction(self.fraction())
                },
                is_refused: self.random.u32(0..5) == 0,
                lease: self.label(1),
            },
            91..99 => Step::Close(self.one_of(manager.leases())?),
            _ if self.random.bool() => Step::Shutdown,
            _ => return None,
        })
    }

    fn owner(&mut self) -> Label {
        self.random.u32(1..=OWNERS)
    }

    /// Mostly a part of what is left, sometimes just all of it, or a little more.
    fn bytes(&mut self, available: u64) -> u64 {
        match self.random.u32(0..10) {
            0 => available,
            1 => available + 1,
            2 => 0,
            _ => self.random.u64(0..=available / 2 + 1000),
        }
    }

    /// Mostly a share, in hundredths.
    fn fraction(&mut self) -> f64 {
        match self.random.u32(0..20) {
            0 => 0.0,
            1 => 1.0,
            2 => 1.01,
            3 => -0.1,
            _ => f64::from(self.random.u32(1..100)) / 100.0,
        }
    }
}
