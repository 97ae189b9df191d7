//! From the shape of a job to the buffers of its worst TaskManager.
//!
//! Mirrors how `VertexInputInfoComputationUtils` connects subtasks and how the default scheduler shares slots: a slot
//! holds at most one subtask of each vertex of its slot sharing group. Where subtasks end up is not known before
//! they run, so every number is that of the TaskManager that comes off worst: what is enough for it is enough for
//! all. Sums only grow with slots and with the parallelism of a shuffle.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{GateBuffers, PartitionBuffers, ResultType, ShuffleSettings, memory_of};
use crate::bytes::Bytes;

/// More subtasks of one vertex than Flink schedules: 2^15, the most key groups.
pub const MOST_SUBTASKS: u32 = 1 << 15;

/// How the subtasks of two vertices are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Distribution {
    /// Each subtask with its counterpart, or with its part of the counterparts: forward and rescale.
    Pointwise,
    /// Every subtask with every one: hash, rebalance, broadcast and the others.
    AllToAll,
}

/// Subtasks that run the same operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vertex {
    /// What people call it.
    pub name: String,
    /// How many subtasks there are, from 1 to [`MOST_SUBTASKS`].
    pub parallelism: u32,
    /// The slot sharing group, where the job names one.
    pub slot_sharing_group: Option<String>,
}

/// Data that goes from one vertex to another. Vertices are named by their place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The producer.
    pub from: usize,
    /// The consumer.
    pub to: usize,
    /// How subtasks are connected.
    pub distribution: Distribution,
    /// How data is handed over.
    pub result_type: ResultType,
}

/// Why vertices and exchanges make no job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobShapeError {
    /// There is nothing to run.
    #[error("the job has no vertices")]
    Empty,
    /// A vertex without subtasks, or with more than Flink schedules.
    #[error("vertex {name:?} has parallelism {parallelism}; expected 1 to {MOST_SUBTASKS}")]
    Parallelism {
        /// The vertex.
        name: String,
        /// Its parallelism.
        parallelism: u32,
    },
    /// An exchange that begins or ends at no vertex.
    #[error("an exchange names vertex {vertex}, and there are {vertices}")]
    UnknownVertex {
        /// The place that was named, from 0.
        vertex: usize,
        /// How many vertices there are.
        vertices: usize,
    },
}

/// The vertices of a job and what they exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobShape {
    vertices: Vec<Vertex>,
    exchanges: Vec<Exchange>,
}

/// Where the job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// Slots of a TaskManager, at least 1.
    pub slots_per_taskmanager: u32,
    /// How many TaskManagers there are, where that is known.
    pub taskmanagers: Option<u32>,
    /// Whether slots are spread evenly over the TaskManagers, instead of filling one after the other.
    pub spreads_slots: bool,
}

/// A job that runs as a whole needs more slots than there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the job needs {needed} slots at once, and {taskmanagers} TaskManagers with {slots_per_taskmanager} slots have \
     {available}"
)]
pub struct TooFewSlots {
    /// Slots that the job needs.
    pub needed: u64,
    /// Slots that there are.
    pub available: u64,
    /// TaskManagers.
    pub taskmanagers: u32,
    /// Slots of each.
    pub slots_per_taskmanager: u32,
}

/// What one subtask of a vertex needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VertexBuffers {
    /// What people call the vertex.
    pub name: String,
    /// How many subtasks there are.
    pub parallelism: u32,
    /// How many of them one TaskManager may have.
    pub subtasks: u64,
    /// Input channels of a subtask, all gates together.
    pub input_channels: u64,
    /// Subpartitions that a subtask writes, all partitions together.
    pub subpartitions: u64,
    /// Buffers that a subtask requires.
    pub required: u64,
    /// Buffers with which a subtask never waits.
    pub target: u64,
    /// Buffers beyond, which its outputs may borrow where any are free.
    pub overdraft: u64,
}

/// What a job needs of one TaskManager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobBuffers {
    /// One for each vertex, in the order of the job.
    pub vertices: Vec<VertexBuffers>,
    /// Slots that the whole job takes where all of it runs at once.
    pub slots: u64,
    /// Slots of the worst TaskManager that the job takes.
    pub slots_on_taskmanager: u64,
    /// Buffers without which a task fails.
    pub required: u64,
    /// Buffers with which no task waits for one.
    pub target: u64,
    /// The target and all that outputs may borrow.
    pub with_overdraft: u64,
    /// Whether every exchange stays inside one TaskManager, so that no channel has exclusive buffers.
    pub is_local: bool,
}

/// Buffers as network memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkSizes {
    /// The smallest network memory with which the job starts; one segment at least, without which no TaskManager
    /// does.
    pub starts: Bytes,
    /// The smallest with which it runs without waiting for buffers.
    pub runs_freely: Bytes,
    /// The smallest with which outputs can also borrow all that they may.
    pub with_overdraft: Bytes,
}

impl JobShape {
    /// A job of these vertices and exchanges.
    ///
    /// # Errors
    /// No vertex, a parallelism outside 1 to [`MOST_SUBTASKS`], an exchange of a vertex that is not there.
    pub fn new(vertices: Vec<Vertex>, exchanges: Vec<Exchange>) -> Result<Self, JobShapeError> {
        if vertices.is_empty() {
            return Err(JobShapeError::Empty);
        }
        for Vertex {
            name, parallelism, ..
        } in &vertices
        {
            if !(1..=MOST_SUBTASKS).contains(parallelism) {
                return Err(JobShapeError::Parallelism {
                    name: name.clone(),
                    parallelism: *parallelism,
                });
            }
        }
        let ends = exchanges
            .iter()
            .flat_map(|exchange| [exchange.from, exchange.to]);
        if let Some(vertex) = ends.into_iter().find(|vertex| *vertex >= vertices.len()) {
            return Err(JobShapeError::UnknownVertex {
                vertex,
                vertices: vertices.len(),
            });
        }
        Ok(Self {
            vertices,
            exchanges,
        })
    }

    /// The vertices, in order.
    #[must_use]
    pub fn vertices(&self) -> &[Vertex] {
        &self.vertices
    }

    /// The exchanges.
    #[must_use]
    pub fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// The buffers that the job needs of the TaskManager that comes off worst.
    ///
    /// # Errors
    /// A job that has to run as a whole has more subtasks than the TaskManagers have slots.
    pub fn buffers(
        &self,
        settings: &ShuffleSettings,
        cluster: &Cluster,
    ) -> Result<JobBuffers, TooFewSlots> {
        let groups = self.groups();
        let slots_of = |group: usize| {
            let members = self.vertices.iter().zip(&groups);
            members
                .filter(|(_, member)| **member == group)
                .map(|(vertex, _)| u64::from(vertex.parallelism))
                .max()
                .unwrap_or(0)
        };
        let group_count = groups.iter().max().map_or(0, |last| last + 1);
        let slots: u64 = (0..group_count).map(slots_of).sum();
        let per_taskmanager = u64::from(cluster.slots_per_taskmanager.max(1));
        if let Some(taskmanagers) = cluster.taskmanagers
            && self.runs_as_a_whole()
        {
            let available = per_taskmanager.saturating_mul(taskmanagers.into());
            if available < slots {
                return Err(TooFewSlots {
                    needed: slots,
                    available,
                    taskmanagers,
                    slots_per_taskmanager: cluster.slots_per_taskmanager,
                });
            }
        }
        let taskmanagers = cluster
            .taskmanagers
            .map_or(slots.div_ceil(per_taskmanager), u64::from)
            .max(1);
        let slots_on_taskmanager = if cluster.spreads_slots {
            slots.div_ceil(taskmanagers).min(per_taskmanager)
        } else {
            slots.min(per_taskmanager)
        };
        let is_local = cluster.taskmanagers == Some(1);
        let vertices: Vec<VertexBuffers> = (0..self.vertices.len())
            .map(|index| self.vertex(index, settings, slots_on_taskmanager, is_local))
            .collect();
        let worst = |demand: &dyn Fn(&VertexBuffers) -> u64| {
            worst_slots(&vertices, &groups, slots_on_taskmanager, demand)
        };
        Ok(JobBuffers {
            slots,
            slots_on_taskmanager,
            required: worst(&|vertex| vertex.required),
            target: worst(&|vertex| vertex.target),
            with_overdraft: worst(&|vertex| vertex.target.saturating_add(vertex.overdraft)),
            is_local,
            vertices,
        })
    }

    /// Whether all vertices have to run at the same time, as those of a streaming job.
    #[must_use]
    pub fn runs_as_a_whole(&self) -> bool {
        let mut exchanges = self.exchanges.iter();
        exchanges.all(|exchange| exchange.result_type.is_pipelined())
    }

    /// The slot sharing group of each vertex, numbered from 0.
    ///
    /// Without a name, the vertices of a streaming job share one group. In a batch job those share one that have to
    /// run at the same time, because pipelined exchanges connect them.
    fn groups(&self) -> Vec<usize> {
        let mut regions: Vec<usize> = if self.runs_as_a_whole() {
            vec![0; self.vertices.len()]
        } else {
            (0..self.vertices.len()).collect()
        };
        for exchange in &self.exchanges {
            let (from, to) = (regions[exchange.from], regions[exchange.to]);
            if exchange.result_type.is_pipelined() {
                for region in &mut regions {
                    if *region == to {
                        *region = from;
                    }
                }
            }
        }
        let mut numbers: BTreeMap<(Option<&str>, usize), usize> = BTreeMap::new();
        self.vertices
            .iter()
            .zip(regions)
            .map(|(vertex, region)| {
                let key = match vertex.slot_sharing_group.as_deref() {
                    Some(name) => (Some(name), 0),
                    None => (None, region),
                };
                let next = numbers.len();
                *numbers.entry(key).or_insert(next)
            })
            .collect()
    }

    fn vertex(
        &self,
        index: usize,
        settings: &ShuffleSettings,
        slots: u64,
        is_local: bool,
    ) -> VertexBuffers {
        let vertex = &self.vertices[index];
        let mut buffers = VertexBuffers {
            name: vertex.name.clone(),
            parallelism: vertex.parallelism,
            subtasks: slots.min(vertex.parallelism.into()),
            input_channels: 0,
            subpartitions: 0,
            required: 0,
            target: 0,
            overdraft: 0,
        };
        for exchange in &self.exchanges {
            let producers = u64::from(self.vertices[exchange.from].parallelism);
            let consumers = u64::from(self.vertices[exchange.to].parallelism);
            if exchange.to == index {
                let channels = connections(exchange.distribution, producers, consumers);
                let gate = GateBuffers::of(settings, exchange.result_type, channels);
                let remote = if is_local { 0 } else { channels };
                buffers.input_channels += channels;
                buffers.required = buffers.required.saturating_add(gate.required(remote));
                buffers.target = buffers.target.saturating_add(if is_local {
                    gate.total_floating
                } else {
                    gate.target
                });
            }
            if exchange.from == index {
                let subpartitions = connections(exchange.distribution, consumers, producers);
                let partition = PartitionBuffers::of(settings, exchange.result_type, subpartitions);
                buffers.subpartitions += subpartitions;
                buffers.required = buffers.required.saturating_add(partition.required);
                buffers.target = buffers.target.saturating_add(partition.target);
                buffers.overdraft = buffers
                    .overdraft
                    .saturating_add(settings.max_overdraft_buffers_per_gate);
            }
        }
        buffers
    }
}

/// How many of `others` one of `own` is connected to at most.
fn connections(distribution: Distribution, others: u64, own: u64) -> u64 {
    match distribution {
        Distribution::AllToAll => others,
        Distribution::Pointwise => others.div_ceil(own.max(1)),
    }
}

/// The largest sum of demands that so many slots can hold.
///
/// The first slot of a group is at its worst with a subtask of every vertex, the next one with a subtask of every
/// vertex that has two, and so on: within a group demands only fall, so the largest ones of all groups together
/// are always there to be taken.
fn worst_slots(
    vertices: &[VertexBuffers],
    groups: &[usize],
    slots: u64,
    demand: &dyn Fn(&VertexBuffers) -> u64,
) -> u64 {
    // Slots of a group with equal demand, as (demand, how many); a group has as many kinds as its vertices have
    // different parallelisms.
    let mut kinds: Vec<(u64, u64)> = Vec::new();
    let group_count = groups.iter().max().map_or(0, |last| last + 1);
    for group in 0..group_count {
        let mut members: Vec<&VertexBuffers> = vertices
            .iter()
            .zip(groups)
            .filter(|(_, member)| **member == group)
            .map(|(vertex, _)| vertex)
            .collect();
        members.sort_by_key(|vertex| vertex.parallelism);
        let mut former = 0_u64;
        for (index, vertex) in members.iter().enumerate() {
            let parallelism = u64::from(vertex.parallelism);
            if parallelism > former {
                let sum = members[index..]
                    .iter()
                    .fold(0_u64, |sum, vertex| sum.saturating_add(demand(vertex)));
                kinds.push((sum, parallelism - former));
                former = parallelism;
            }
        }
    }
    kinds.sort_unstable_by_key(|(demand, _)| std::cmp::Reverse(*demand));
    let mut left = slots;
    let mut sum = 0_u64;
    for (demand, count) in kinds {
        let taken = count.min(left);
        sum = sum.saturating_add(demand.saturating_mul(taken));
        left -= taken;
    }
    sum
}

impl JobBuffers {
    /// The buffers as network memory; `None` where that is above 2^63 − 1 bytes.
    #[must_use]
    pub fn sizes(&self, segment_size: Bytes) -> Option<NetworkSizes> {
        Some(NetworkSizes {
            starts: memory_of(self.required.max(1), segment_size)?,
            runs_freely: memory_of(self.target.max(1), segment_size)?,
            with_overdraft: memory_of(self.with_overdraft.max(1), segment_size)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::version::FlinkVersion;

    fn vertex(name: &str, parallelism: u32, group: Option<&str>) -> Vertex {
        Vertex {
            name: name.to_owned(),
            parallelism,
            slot_sharing_group: group.map(str::to_owned),
        }
    }

    fn exchange(
        from: usize,
        to: usize,
        distribution: Distribution,
        result_type: ResultType,
    ) -> Exchange {
        Exchange {
            from,
            to,
            distribution,
            result_type,
        }
    }

    fn cluster(slots_per_taskmanager: u32) -> Cluster {
        Cluster {
            slots_per_taskmanager,
            taskmanagers: None,
            spreads_slots: false,
        }
    }

    fn shuffle(producers: u32, consumers: u32, result_type: ResultType) -> JobShape {
        JobShape::new(
            vec![
                vertex("source", producers, None),
                vertex("sink", consumers, None),
            ],
            vec![exchange(0, 1, Distribution::AllToAll, result_type)],
        )
        .unwrap()
    }

    #[test]
    fn a_shuffle_needs_a_buffer_for_each_consumer_and_two_for_each_producer() {
        let settings = ShuffleSettings::default_of(FlinkVersion::V2_1);
        let (producers, consumers) = (40, 100);
        let job = shuffle(producers, consumers, ResultType::PipelinedBounded);
        let buffers = job.buffers(&settings, &cluster(4)).unwrap();
        let (p, q, slots) = (u64::from(producers), u64::from(consumers), 4);
        assert_eq!(buffers.required, slots * (q + 1) + slots * (2 * p + 1));
        assert_eq!(buffers.target, slots * (2 * q + 8) + slots * (2 * p + 8));
        assert_eq!(buffers.with_overdraft, buffers.target + slots * 20);
        assert_eq!((buffers.slots, buffers.slots_on_taskmanager), (100, 4));
        let sizes = buffers.sizes(Bytes(32 << 10)).unwrap();
        assert_eq!(sizes.starts, Bytes(buffers.required * 32768));
    }

    #[test]
    fn a_blocking_shuffle_runs_one_side_at_a_time() {
        let settings = ShuffleSettings::default_of(FlinkVersion::V1_20);
        let job = shuffle(300, 300, ResultType::Blocking);
        let buffers = job.buffers(&settings, &cluster(4)).unwrap();
        // A consumer requires more than a producer, so at worst all slots consume.
        assert_eq!(buffers.vertices[0].required, 512);
        assert_eq!(buffers.vertices[1].required, 601);
        assert_eq!(buffers.required, 4 * 601);
        assert_eq!(buffers.slots, 600);
        // It runs in whatever slots there are.
        let one = Cluster {
            taskmanagers: Some(1),
            ..cluster(4)
        };
        assert!(job.buffers(&settings, &one).is_ok());
        assert!(
            shuffle(8, 8, ResultType::PipelinedBounded)
                .buffers(&settings, &one)
                .is_err()
        );
    }

    #[test]
    fn subtasks_that_are_forwarded_to_see_only_their_part() {
        let settings = ShuffleSettings::default_of(FlinkVersion::V2_1);
        let job = JobShape::new(
            vec![
                vertex("a", 2, None),
                vertex("b", 5, None),
                vertex("c", 5, None),
            ],
            vec![
                exchange(0, 1, Distribution::Pointwise, ResultType::PipelinedBounded),
                exchange(1, 2, Distribution::Pointwise, ResultType::PipelinedBounded),
            ],
        )
        .unwrap();
        let buffers = job.buffers(&settings, &cluster(1)).unwrap();
        let counts: Vec<_> = buffers
            .vertices
            .iter()
            .map(|vertex| (vertex.input_channels, vertex.subpartitions, vertex.required))
            .collect();
        assert_eq!(counts, [(0, 3, 4), (1, 1, 3 + 2), (1, 0, 3)]);
    }

    #[test]
    fn the_worst_taskmanager_has_the_most_demanding_slots() {
        let settings = ShuffleSettings::default_of(FlinkVersion::V2_1);
        let job = |group: Option<&str>| {
            JobShape::new(
                vec![vertex("a", 2, None), vertex("b", 4, group)],
                vec![exchange(
                    0,
                    1,
                    Distribution::AllToAll,
                    ResultType::PipelinedBounded,
                )],
            )
            .unwrap()
        };
        let shared = job(None).buffers(&settings, &cluster(3)).unwrap();
        // a requires 5, b requires 5: two slots with both, one with b alone.
        assert_eq!((shared.slots, shared.required), (4, 25));
        let apart = job(Some("own")).buffers(&settings, &cluster(3)).unwrap();
        assert_eq!((apart.slots, apart.required), (6, 15));
        let spread = Cluster {
            taskmanagers: Some(3),
            spreads_slots: true,
            ..cluster(3)
        };
        assert_eq!(
            job(Some("own"))
                .buffers(&settings, &spread)
                .unwrap()
                .slots_on_taskmanager,
            2
        );
    }

    /// Slots with a subtask of each of three vertices, of two of them, and of one.
    #[test]
    fn a_slot_holds_a_subtask_of_each_vertex_that_has_enough() {
        let settings = ShuffleSettings::default_of(FlinkVersion::V2_1);
        let pipelined = |from, to| {
            exchange(
                from,
                to,
                Distribution::AllToAll,
                ResultType::PipelinedBounded,
            )
        };
        let vertices = vec![
            vertex("a", 1, None),
            vertex("b", 3, None),
            vertex("c", 9, None),
        ];
        let exchanges = vec![pipelined(0, 1), pipelined(1, 2)];
        let job = JobShape::new(vertices.clone(), exchanges.clone()).unwrap();
        assert_eq!(job.vertices(), vertices);
        assert_eq!(job.exchanges(), exchanges);
        let buffers = job.buffers(&settings, &cluster(5)).unwrap();
        let required: Vec<u64> = buffers
            .vertices
            .iter()
            .map(|vertex| vertex.required)
            .collect();
        let [a, b, c] = required[..] else {
            panic!("{required:?}")
        };
        assert_eq!(buffers.required, (a + b + c) + 2 * (b + c) + 2 * c);
    }

    /// In a batch job only what a pipelined exchange connects shares slots.
    #[test]
    fn vertices_behind_a_blocking_exchange_have_slots_of_their_own() {
        let settings = ShuffleSettings::default_of(FlinkVersion::V2_1);
        let all_to_all =
            |from, to, result_type| exchange(from, to, Distribution::AllToAll, result_type);
        let job = JobShape::new(
            vec![
                vertex("a", 1, None),
                vertex("b", 5, None),
                vertex("c", 4, None),
            ],
            vec![
                all_to_all(0, 1, ResultType::Blocking),
                all_to_all(1, 2, ResultType::PipelinedBounded),
            ],
        )
        .unwrap();
        assert_eq!(job.buffers(&settings, &cluster(4)).unwrap().slots, 1 + 5);
    }

    #[test]
    fn one_taskmanager_needs_no_exclusive_buffers() {
        let settings = ShuffleSettings::default_of(FlinkVersion::V2_1);
        let alone = Cluster {
            taskmanagers: Some(1),
            ..cluster(4)
        };
        let job = shuffle(4, 4, ResultType::PipelinedBounded);
        let buffers = job.buffers(&settings, &alone).unwrap();
        assert_eq!(buffers.required, 4 * 5 + 4);
        assert_eq!(buffers.target, 4 * 16 + 4 * 8);
    }

    #[test]
    fn a_shape_that_is_no_job_is_refused() {
        assert_eq!(
            JobShape::new(Vec::new(), Vec::new()),
            Err(JobShapeError::Empty)
        );
        let error = JobShape::new(vec![vertex("a", 0, None)], Vec::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "vertex \"a\" has parallelism 0; expected 1 to 32768"
        );
        let stray = exchange(0, 1, Distribution::AllToAll, ResultType::Blocking);
        assert!(JobShape::new(vec![vertex("a", 1, None)], vec![stray]).is_err());
    }
}
