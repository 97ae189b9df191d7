//! What can be asked of a local pool.

use std::sync::Arc;

use super::LocalCore;
use crate::pool::{
    availability::AvailableFuture, network_pool::Holder, redistribution::UNBOUNDED,
    sync::atomic::Ordering,
};

impl LocalCore {
    pub(in crate::pool::local_pool) fn set_max_overdraft(&self, max_overdraft: usize) {
        self.state.lock().max_overdraft = max_overdraft;
    }

    pub(in crate::pool::local_pool) fn future(&self) -> AvailableFuture {
        if self.is_available() {
            return AvailableFuture::available();
        }
        self.state.lock().availability.future()
    }

    pub(in crate::pool::local_pool) fn is_available(&self) -> bool {
        self.available.load(Ordering::Acquire)
    }

    pub(in crate::pool::local_pool) fn is_destroyed(&self) -> bool {
        self.destroyed.has_happened()
    }

    pub(in crate::pool::local_pool) fn label(&self) -> &Arc<str> {
        &self.label
    }

    pub(in crate::pool) fn required(&self) -> usize {
        self.required
    }

    pub(in crate::pool) fn max(&self) -> usize {
        self.max
    }

    pub(in crate::pool) fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    /// How many segments the pool holds, how many of them lie in it, and how many may be taken beyond its size.
    pub(in crate::pool::local_pool) fn figures(&self) -> (usize, usize, usize) {
        let state = self.state.lock();
        // What is handed from thread to thread at this moment may be counted twice.
        let lying = state.lying.len().min(state.requested);
        (state.requested, lying, state.max_overdraft)
    }

    /// The most segments that were out at once since this was asked before.
    pub(in crate::pool::local_pool) fn take_peak_out(&self) -> usize {
        let mut state = self.state.lock();
        let now = state.number_out();
        std::mem::replace(&mut state.peak_out, now).max(now)
    }

    pub(in crate::pool::local_pool) fn segments_in_magazines(&self) -> usize {
        self.state.lock().lying.in_magazines()
    }

    /// How many segments the pool would like to have.
    pub(in crate::pool) fn estimated_demand(&self) -> usize {
        if self.max == UNBOUNDED {
            self.required.saturating_mul(2)
        } else {
            self.max
        }
    }

    pub(in crate::pool) fn holder(&self) -> Holder {
        Holder {
            label: self.label.to_string(),
            required: self.required,
            held: self.state.lock().requested,
        }
    }
}
