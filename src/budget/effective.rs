//! Which written option counts: Flink's precedence among origins and spellings.
//!
//! `-D` wins over files and fields, the last of equals wins, and the proper key wins over its deprecated one
//! wherever either was written.

use super::{
    memory_size,
    options::{self, COUNT, Id},
    request::{Mode, Origin, Request, Role, Setting},
    reserves::{self, Reserve},
    startup,
    version::FlinkVersion,
};
use crate::bytes::Bytes;

/// The settings that count, one lookup per option.
pub(super) struct Options<'a> {
    pub request: &'a Request,
    proper: [Option<&'a Setting>; COUNT],
    deprecated: [Option<&'a Setting>; COUNT],
    /// Set when something was seen that a warning or a duplicate may come from.
    pub remarkable: bool,
    /// One bit for each option that stands in a typed field, or in the free map.
    typed: u32,
    free: u32,
    /// What the container holds beside the process.
    pub reserves: Vec<Reserve>,
    /// What the container leaves to the process after the reserves; `None` outside a container.
    pub room: Option<Bytes>,
    /// The same, where it takes the place of the process size.
    pub room_as_process_size: Option<Bytes>,
}

/// Where the legacy heap size comes from.
#[derive(Clone, Copy)]
pub(super) enum LegacyHeap<'a> {
    Environment(&'a str),
    Option(Id),
}

impl<'a> Options<'a> {
    pub fn new(request: &'a Request) -> Self {
        let mut options = Options {
            request,
            proper: [None; COUNT],
            deprecated: [None; COUNT],
            remarkable: false,
            typed: 0,
            free: 0,
            reserves: Vec::new(),
            room: None,
            room_as_process_size: None,
        };
        for setting in request.configuration.settings() {
            options.add(setting);
        }
        if let Some(limit) = request.container_limit {
            options.reserves = reserves::reserves_in_effect(request);
            options.room = Some(limit.saturating_sub(options.reserved()));
            if !options.uses_cutoff() && !options.determines_total() {
                options.room_as_process_size = options.room;
            }
        }
        options
    }

    fn add(&mut self, setting: &'a Setting) {
        let Some((id, is_deprecated)) = self.lookup(&setting.key) else {
            self.remarkable |= options::looks_like_memory_option(self.role(), &setting.key)
                || options::removed(self.role(), &setting.key).is_some();
            return;
        };
        self.remarkable |= is_deprecated || id.is_legacy() || id.is_of_cutoff();
        let index = id as usize;
        match setting.origin {
            Origin::Field(_) => self.typed |= 1 << index,
            Origin::FlinkConfiguration => self.free |= 1 << index,
            _ => {}
        }
        let chosen = if is_deprecated {
            &mut self.deprecated[index]
        } else {
            &mut self.proper[index]
        };
        let outranked = chosen.is_some_and(|other| {
            other.origin == Origin::CommandLine && setting.origin != Origin::CommandLine
        });
        if !outranked {
            *chosen = Some(setting);
        }
    }

    pub fn version(&self) -> FlinkVersion {
        self.request.flink_version
    }

    pub fn role(&self) -> Role {
        self.request.role
    }

    /// The proper key of an option of this process in this version.
    pub fn key(&self, id: Id) -> &'static str {
        let key = id.key(self.role());
        if id == Id::KubernetesCpu && !self.version().spells_kubernetes_cpu_out() {
            return id.deprecated_key(self.role()).unwrap_or(key);
        }
        key
    }

    /// Which option of this process a key names in this version and mode, and whether it is the deprecated spelling.
    pub fn lookup(&self, key: &str) -> Option<(Id, bool)> {
        let (id, is_deprecated) = options::lookup(self.role(), key)?;
        if !id.is_of_kubernetes() {
            return Some((id, is_deprecated));
        }
        if self.request.mode != Mode::Kubernetes {
            return None;
        }
        let is_proper = key == self.key(id);
        // Before 1.17 there is one spelling only.
        (is_proper || self.version().spells_kubernetes_cpu_out()).then_some((id, !is_proper))
    }

    /// The setting that counts for an option; nothing for an option that this version does not read.
    pub fn setting(&self, id: Id) -> Option<&'a Setting> {
        if id.is_legacy() && !self.version().reads_legacy_options() {
            return None;
        }
        self.proper[id as usize].or(self.deprecated[id as usize])
    }

    /// Whether some option stands in a typed field and in the free map, in any spelling.
    pub fn has_duplicates(&self) -> bool {
        self.typed & self.free != 0
    }

    /// Whether this option stands in a typed field and in the free map, in any spelling.
    pub fn is_duplicated(&self, id: Id) -> bool {
        self.typed & self.free & (1 << id as u32) != 0
    }

    pub fn is_set(&self, id: Id) -> bool {
        self.setting(id).is_some()
    }

    /// Whether the process has the memory model of Flink 1.9, as the JobManager of 1.10 still does.
    pub fn uses_cutoff(&self) -> bool {
        self.role() == Role::JobManager && self.version() == FlinkVersion::V1_10
    }

    /// The option that a legacy heap size stands for.
    pub fn legacy_target(&self) -> Id {
        match (self.request.mode, self.request.role) {
            (Mode::Kubernetes, _) => Id::ProcessSize,
            (Mode::Standalone, Role::TaskManager) => Id::FlinkSize,
            (Mode::Standalone, Role::JobManager) => Id::JvmHeapSize,
        }
    }

    /// The environment variable that a legacy heap size is read from first.
    pub fn heap_environment(&self) -> &'static str {
        match self.request.role {
            Role::TaskManager => options::HEAP_ENVIRONMENT,
            Role::JobManager => options::JOBMANAGER_HEAP_ENVIRONMENT,
        }
    }

    /// The value that feeds [`Options::legacy_target`] when that is not set itself.
    pub fn legacy_heap(&self) -> Option<LegacyHeap<'a>> {
        if !self.version().reads_legacy_options() || self.is_set(self.legacy_target()) {
            return None;
        }
        if let Some(value) = &self.request.legacy_heap_environment {
            return Some(LegacyHeap::Environment(value));
        }
        [Id::HeapSize, Id::HeapMb]
            .into_iter()
            .find_map(|id| self.is_set(id).then_some(LegacyHeap::Option(id)))
    }

    /// Whether network memory is given by a number of buffers.
    pub fn uses_number_of_buffers(&self) -> bool {
        self.is_set(Id::NumberOfBuffers)
            && ![Id::NetworkMin, Id::NetworkMax, Id::NetworkFraction]
                .into_iter()
                .any(|id| self.is_set(id))
    }

    /// What the reserves take from the container.
    pub fn reserved(&self) -> Bytes {
        reserves::total(&self.reserves)
    }

    /// The size of a segment; Flink's default where what was written is no size.
    pub fn segment_size(&self) -> Bytes {
        self.setting(Id::SegmentSize)
            .and_then(|setting| memory_size::parse(&setting.value).ok())
            .unwrap_or(startup::DEFAULT_SEGMENT_SIZE)
    }

    /// The number of slots; one where what was written is no positive number.
    pub fn slots(&self) -> u64 {
        self.setting(Id::NumberOfTaskSlots)
            .and_then(|setting| setting.value.parse().ok())
            .unwrap_or(1)
            .max(1)
    }

    /// Whether the options say how large the process is.
    pub fn determines_total(&self) -> bool {
        self.is_set(Id::ProcessSize)
            || self.is_set(Id::FlinkSize)
            || (self.is_set(Id::TaskHeapSize) && self.is_set(Id::ManagedSize))
            || self.is_set(Id::JvmHeapSize)
            || self.legacy_heap().is_some()
    }
}
