//! The steps of the protocol, by name, so that a test can stop a process after each of them.
//!
//! A step is whatever another process could notice: each store and each exchange in the control file. The hook is a
//! type parameter whose usual value is empty, so that nothing of it is left in a program.

/// What a client, or the agent in its own name, has just done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// It told that it is in the middle of an operation.
    Entered,
    /// Acquire: its number stands in the owner word; the index still lies in its magazine.
    OwnerWritten,
    /// Acquire: the magazine's count is lowered.
    CountLowered,
    /// Release: the index lies above the magazine's count.
    IndexPut,
    /// Release: the magazine's count is raised; the owner word is still the client's.
    CountRaised,
    /// Release: the owner word is cleared.
    OwnerCleared,
    /// Adoption: the owner word is exchanged for its own.
    Adopted,
    /// Refill: it has a further slot with indexes in it.
    FilledTaken,
    /// Refill: the empty slot lies in the depot.
    EmptyGiven,
    /// Refill or flush: the depot tells where to look first.
    HintWritten,
    /// Flush: the full slot lies in the depot.
    FilledGiven,
    /// Flush: it has a further slot with room.
    RoomTaken,
    /// It told that the operation is over.
    Left,
    /// The agent granted a segment: it is in the client's name.
    Granted,
    /// The agent took a segment out of a dead client's name that lies in its slot.
    Freed,
    /// The agent put an index of a dead client's slot, or the number of those left there, in its place.
    Cleaned,
}

impl Step {
    /// The steps that a client makes.
    pub const ALL: [Self; 13] = [
        Self::Entered,
        Self::OwnerWritten,
        Self::CountLowered,
        Self::IndexPut,
        Self::CountRaised,
        Self::OwnerCleared,
        Self::Adopted,
        Self::FilledTaken,
        Self::EmptyGiven,
        Self::HintWritten,
        Self::FilledGiven,
        Self::RoomTaken,
        Self::Left,
    ];
}

/// Is told each step right after it was made.
pub trait Steps {
    /// `step` is made, and nothing after it.
    fn after(&self, step: Step);
}

/// Goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Undisturbed;

impl Steps for Undisturbed {
    #[inline(always)]
    fn after(&self, _: Step) {}
}

impl<F: Fn(Step)> Steps for F {
    fn after(&self, step: Step) {
        self(step);
    }
}
