//! The questions beside whole processes: products, shares of managed memory, state backends, buffers.
//!
//! Each question is answered as Headroom answers it and written in the form of the recorded answer, error included;
//! what is compared is therefore everything that Flink said.

use headroom::{
    budget::{
        Configuration, FlinkError, FlinkVersion, Origin, fraction, managed,
        network::{self, GateBuffers, PartitionBuffers, ResultType, ShuffleSettings},
        options::{SEGMENT_SIZE, state_backend::MANAGED_CONSUMER_WEIGHTS},
        rocksdb::{Ratios, SharedResources, arena_block},
    },
    bytes::Bytes,
};
use serde_json::{Value, json};

/// What an answer is: a result, or the exception.
type Answer = Result<Value, FlinkError>;

/// Every field in which Flink's answer and Headroom's differ.
///
/// # Errors
/// The line has no question that Flink was asked, or lacks one of its fields.
pub fn differences(vector: &Value) -> Result<Vec<String>, String> {
    let question = Question(vector);
    let answer = match question.text("op")? {
        "multiply" => product(question)?,
        "managed" => managed_share(question)?,
        "operatorShare" => operator_share(question)?,
        "rocksdb" => rocksdb(question)?,
        "resultPartition" => result_partition(question)?,
        "inputGate" => input_gate(question)?,
        "buffers" => buffers(question)?,
        other => return Err(format!("no question is called {other}")),
    };
    let mut differences = Vec::new();
    match (answer, vector.get("result"), vector.get("error")) {
        (Ok(ours), Some(theirs), _) if ours != *theirs => {
            differences.push(format!("Flink    {theirs}"));
            differences.push(format!("Headroom {ours}"));
        }
        (Ok(_), Some(_), _) => {}
        (Err(error), _, Some(theirs)) => {
            super::process::compare_error(&error, theirs, &mut differences)
        }
        (Ok(ours), None, theirs) => {
            differences.push(format!("Flink fails: {theirs:?}, Headroom {ours}"));
        }
        (Err(error), _, None) => differences.push(format!("Headroom fails: {error}")),
    }
    Ok(differences)
}

/// The fields of a question.
#[derive(Clone, Copy)]
struct Question<'a>(&'a Value);

impl<'a> Question<'a> {
    fn field(self, name: &str) -> Result<&'a Value, String> {
        self.0.get(name).ok_or_else(|| format!("no field {name}"))
    }

    fn text(self, name: &str) -> Result<&'a str, String> {
        let field = self.field(name)?;
        field.as_str().ok_or_else(|| format!("{name} is no text"))
    }

    fn count(self, name: &str) -> Result<u64, String> {
        let field = self.field(name)?;
        field
            .as_u64()
            .ok_or_else(|| format!("{name} is no whole number"))
    }

    fn bytes(self, name: &str) -> Result<Bytes, String> {
        self.count(name).map(Bytes)
    }

    /// A double, which the questions carry as text.
    fn double(self, name: &str) -> Result<f64, String> {
        let text = self.text(name)?;
        text.parse().map_err(|_| format!("{name} is no number"))
    }

    fn version(self) -> Result<FlinkVersion, String> {
        let text = self.text("flinkVersion")?;
        text.parse()
            .map_err(|error| format!("flinkVersion: {error}"))
    }

    fn result_type(self) -> Result<ResultType, String> {
        let name = self.text("type")?;
        ResultType::of_name(name).ok_or_else(|| format!("no result type is called {name}"))
    }
}

/// A double as Java writes it, for the numbers that the answers carry as text.
fn java_text(value: f64) -> Value {
    // Java writes an exponent below a thousandth already.
    let text = if value > 0.0 && value < 1e-3 {
        format!("{value:e}")
    } else {
        format!("{value:?}")
    };
    Value::String(match text.split_once('e') {
        Some((mantissa, exponent)) if mantissa.contains('.') => format!("{mantissa}E{exponent}"),
        Some((mantissa, exponent)) => format!("{mantissa}.0E{exponent}"),
        None => text,
    })
}

fn product(question: Question<'_>) -> Result<Answer, String> {
    let base = question.bytes("bytes")?;
    let fraction = fraction::parse(question.text("fraction")?)?;
    let overflow = || FlinkError {
        class: "java.lang.ArithmeticException",
        message: "long overflow".to_owned(),
        causes: Vec::new(),
    };
    let sizes = fraction::forward(base, fraction)
        .and_then(|product| Some((product, fraction::inverse(base, fraction)?)));
    Ok(sizes.ok_or_else(overflow).map(|(product, inverse)| {
        json!({
            "double": fraction::decimal_text(fraction),
            "product": product,
            "inverse": fraction::inverse_decimal_text(fraction),
            "inverseProduct": inverse,
        })
    }))
}

fn managed_share(question: Question<'_>) -> Result<Answer, String> {
    let version = question.version()?;
    let mut configuration = Configuration::new();
    if let Some(weights) = question.field("weights")?.as_str() {
        configuration.push(
            MANAGED_CONSUMER_WEIGHTS,
            weights,
            Origin::FlinkConfiguration,
        );
    }
    let use_case = |name: &str| {
        let known = managed::UseCase::ALL;
        known
            .into_iter()
            .find(|use_case| use_case.as_str() == name)
            .ok_or_else(|| format!("no use case is called {name}"))
    };
    let mut present = Vec::new();
    for name in question
        .field("allUseCases")?
        .as_array()
        .into_iter()
        .flatten()
    {
        present.push(use_case(name.as_str().unwrap_or_default())?);
    }
    let is_managed = question
        .field("stateBackendUsesManaged")?
        .as_bool()
        .unwrap_or_default();
    let consumers = managed::Consumers::new(&present, is_managed);
    let use_case = use_case(question.text("useCase")?)?;
    let of_use_case = question.double("fractionOfUseCase")?;
    let (bytes, page) = (
        question.bytes("slotManagedBytes")?,
        question.bytes("pageSize")?,
    );
    let answer = || -> Answer {
        // A state backend that uses no managed memory has no share, and nobody reads the weights.
        let share = if use_case == managed::UseCase::StateBackend && !is_managed {
            0.0
        } else {
            let weights = managed::ConsumerWeights::of(version, &configuration)?;
            managed::share_of_slot(&weights, &consumers, use_case, of_use_case)
        };
        let slot = managed::SlotMemory::new(bytes, page)?;
        Ok(json!({
            "fraction": java_text(share),
            "bytes": slot.bytes_of(share)?,
            "pages": slot.pages_of(share)?,
        }))
    };
    Ok(answer())
}

fn operator_share(question: Question<'_>) -> Result<Answer, String> {
    let share = managed::operator_share(question.count("weight")?, question.count("groupWeight")?);
    let share = share.ok_or("the group has no weight")?;
    Ok(Ok(json!({ "fraction": java_text(share) })))
}

fn rocksdb(question: Question<'_>) -> Result<Answer, String> {
    let ratios = Ratios {
        write_buffer: question.double("writeBufferRatio")?,
        high_priority_pool: question.double("highPriorityPoolRatio")?,
    };
    let write_buffer = question.bytes("writeBufferSize")?;
    let configured = question.field("arenaBlockSizeConfigured")?.as_u64();
    let shared = SharedResources::of(question.bytes("totalBytes")?, ratios.write_buffer);
    let block = arena_block(write_buffer, configured.map(Bytes));
    // Flink was asked for the sizes first and made to check the ratios as a program's after that.
    Ok(ratios
        .check_range()
        .and_then(|()| ratios.check())
        .map(|()| {
            json!({
                "cacheCapacity": shared.cache,
                "writeBufferManagerCapacity": shared.write_buffers,
                "defaultArenaBlockSize": arena_block(write_buffer, None),
                "mutableLimit": shared.mutable_limit,
                "arenaBlockFits": shared.arena_block_fits(block),
            })
        }))
}

/// The settings of the version with those that the question names.
fn settings(question: Question<'_>) -> Result<ShuffleSettings, String> {
    let mut settings = ShuffleSettings::default_of(question.version()?);
    settings.buffers_per_channel = question.count("buffersPerChannel")?;
    settings.floating_buffers_per_gate = question.count("floatingBuffersPerGate")?;
    Ok(settings)
}

fn result_partition(question: Question<'_>) -> Result<Answer, String> {
    let settings = ShuffleSettings {
        sort_shuffle_min_parallelism: question.count("sortShuffleMinParallelism")?,
        sort_shuffle_min_buffers: question.count("sortShuffleMinBuffers")?,
        ..settings(question)?
    };
    let subpartitions = question.count("subpartitions")?;
    let buffers = PartitionBuffers::of(&settings, question.result_type()?, subpartitions);
    let unbounded = u64::from(i32::MAX.unsigned_abs());
    Ok(Ok(json!({
        "min": buffers.required,
        "max": buffers.maximum.unwrap_or(unbounded),
    })))
}

fn input_gate(question: Question<'_>) -> Result<Answer, String> {
    let settings = ShuffleSettings {
        required_buffers_per_gate_max: question.field("maxRequiredPerGate")?.as_u64(),
        ..settings(question)?
    };
    let gate = GateBuffers::of(
        &settings,
        question.result_type()?,
        question.count("channels")?,
    );
    Ok(Ok(json!({
        "exclusivePerChannel": gate.exclusive_per_channel,
        "requiredFloating": gate.required_floating,
        "totalFloating": gate.total_floating,
        "targetTotal": gate.target,
    })))
}

fn buffers(question: Question<'_>) -> Result<Answer, String> {
    let configuration = Configuration::new().with(
        SEGMENT_SIZE,
        question.text("segmentSize")?,
        Origin::FlinkConfiguration,
    );
    let network = question.bytes("networkBytes")?;
    Ok(network::segment_size(&configuration)
        .and_then(|segment| network::segments(network, segment))
        .map(|buffers| json!({ "buffers": buffers })))
}
