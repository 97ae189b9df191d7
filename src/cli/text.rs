//! The answers as text for people: sizes both human and exact, sentences, headings.

mod conflicts;

pub(super) use self::conflicts::{Telling, conflicts, push_fixes, push_joint, statement};
use super::{
    answer::{Answer, Subject},
    question::Answers,
    screen::{FIXED_SPACE, Screen, Tone, columns, harmless, visible_columns, wrapped},
};
use crate::{
    budget::{
        Budget, Code, Component, Mode, Origin, Profile, ProfileInEffect, Reserve, ReserveSource,
        Role, Source,
    },
    bytes::Bytes,
};

/// A size for people, `3.35 GiB`; the exact count of bytes always stands beside it.
pub(super) fn size(bytes: Bytes) -> String {
    let text = bytes.to_string();
    match text.split_once(" (") {
        Some((rounded, _)) => rounded.to_owned(),
        None => text,
    }
}

/// A size for people with its exact count of bytes, `3.35 GiB (3597035110)`; a whole number of a unit needs none.
pub(super) fn exact(bytes: Bytes) -> String {
    let text = bytes.to_string();
    match text.split_once(" (") {
        Some((rounded, _)) => format!("{rounded} ({})", bytes.get()),
        None => text,
    }
}

/// What people call a component that JSON calls `frameworkOffHeap`.
pub(super) fn title(name: &str) -> String {
    match name {
        "cutoff" => "heap cut-off".to_owned(),
        "frameworkOffHeap" => "framework off-heap".to_owned(),
        "taskOffHeap" => "task off-heap".to_owned(),
        "jvmMetaspace" => "JVM metaspace".to_owned(),
        "jvmOverhead" => "JVM overhead".to_owned(),
        "totalFlink" => "total Flink memory".to_owned(),
        "totalProcess" => "total process memory".to_owned(),
        "jvmHeap" => "JVM heap".to_owned(),
        "offHeap" => "off-heap".to_owned(),
        other => other
            .chars()
            .flat_map(|character| {
                let space = character.is_uppercase().then_some(' ');
                space.into_iter().chain(character.to_lowercase())
            })
            .collect(),
    }
}

/// The size that conflicts of this kind are about, where they are about one alone.
pub(super) fn subject(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::NetworkOutOfRange | Code::NetworkTooSmall => "network",
        Code::OverheadOutOfRange => "jvmOverhead",
        Code::MetaspaceTooSmall => "jvmMetaspace",
        Code::LimitTooSmall | Code::ProcessExceedsLimit => "totalProcess",
        _ => return None,
    })
}

/// Where a size comes from, in a few words.
pub(super) fn origin(component: &Component) -> String {
    match profile(component) {
        Some(profile) => format!("{}, profile {profile}", origin_of_size(component)),
        None => origin_of_size(component),
    }
}

fn origin_of_size(component: &Component) -> String {
    match &component.source {
        Source::Configured {
            origin: Origin::Profile(profile),
            ..
        } => format!("profile {profile}"),
        Source::Configured { option, origin } => origin.path(option),
        Source::Default { .. } => "default".to_owned(),
        Source::ContainerLimit => "limit of the container".to_owned(),
        Source::Fraction {
            fraction,
            of,
            inverse: false,
            ..
        } => {
            format!("fraction {fraction} of {}", size(*of))
        }
        Source::Fraction {
            fraction,
            inverse: true,
            ..
        } => format!("fraction {fraction}"),
        Source::ClampedToMinimum { fraction, .. } => {
            format!("minimum; fraction {fraction} gives less")
        }
        Source::ClampedToMaximum { fraction, .. } => {
            format!("maximum; fraction {fraction} gives more")
        }
        Source::BufferCount {
            buffers,
            segment_size,
            ..
        } => {
            format!("{buffers} buffers of {}", size(*segment_size))
        }
        Source::Remainder { .. } => "rest".to_owned(),
        Source::Sum { .. } => "sum".to_owned(),
    }
}

/// Where the size of a reserve comes from, in a few words.
pub(super) fn origin_of_reserve(reserve: &Reserve) -> String {
    match &reserve.source {
        ReserveSource::Configured { .. } => unbroken(&reserve.path()),
        ReserveSource::Profile { profile } => format!("profile {profile}"),
        ReserveSource::Zero => "nothing asks for it".to_owned(),
    }
}

/// Why a reserve is what it is.
pub(super) fn reason_of_reserve(reserve: &Reserve) -> String {
    format!(
        "reserved beside the process, by {}",
        origin_of_reserve(reserve)
    )
}

/// What comes from a profile, one sentence for each value.
pub(super) fn profile_values(profile: &ProfileInEffect) -> Vec<String> {
    let name = profile.profile;
    if profile.values.is_empty() {
        return vec![format!(
            "Profile {name} sets nothing here that is not written or that nothing asks for."
        )];
    }
    let values = profile.values.iter();
    values
        .map(|value| {
            format!(
                "Profile {name}: {} is {}: {} ({}).",
                value.name, value.value, value.reason, value.source
            )
        })
        .collect()
}

/// The sentence that explains [`short`].
pub(super) const fn short_keys(role: Role) -> &'static str {
    match role {
        Role::TaskManager => "… stands for taskmanager.memory.",
        Role::JobManager => "… stands for jobmanager.memory.",
    }
}

/// An option's key in a table, where the whole key would leave no room for what is said about it.
fn short(key: &str) -> String {
    let rest = key
        .strip_prefix("taskmanager.memory.")
        .or_else(|| key.strip_prefix("jobmanager.memory."));
    match rest {
        Some(rest) => format!("…{rest}"),
        None => key.to_owned(),
    }
}

/// The place of an option, which a line is not broken in.
pub(super) fn unbroken(path: &str) -> String {
    path.replace(' ', &FIXED_SPACE.to_string())
}

/// How options are written in a sentence.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Keys {
    /// In full, for programs and for copying.
    Whole,
    /// Without what all memory options begin with; [`short_keys`] explains it.
    Short,
}

/// The profile behind the fraction or the bound of a size.
fn profile(component: &Component) -> Option<Profile> {
    match component.source {
        Source::Fraction { profile, .. } | Source::ClampedToMinimum { profile, .. } => profile,
        _ => None,
    }
}

/// Why a size is what it is: the rule and its inputs.
pub(super) fn reason(component: &Component, keys: Keys) -> String {
    match profile(component) {
        Some(profile) => format!("{}, of profile {profile}", rule(component, keys)),
        None => rule(component, keys),
    }
}

fn rule(component: &Component, keys: Keys) -> String {
    let named = |key: &str| match keys {
        Keys::Whole => key.to_owned(),
        Keys::Short => short(key),
    };
    let product = |fraction: &f32, of: &Bytes, inverse: &bool| {
        if *inverse {
            format!("{fraction} / (1 − {fraction}) × {}", exact(*of))
        } else {
            format!("{fraction} × {}", exact(*of))
        }
    };
    match &component.source {
        Source::Configured { option, origin } => match origin {
            // The path of a typed field does not say which option of Flink it is.
            Origin::Field(path) => format!("set by {path} ({})", named(option)),
            Origin::Profile(profile) => format!("{} of profile {profile}", named(option)),
            _ => format!("set by {}", unbroken(&origin.path(option))),
        },
        Source::Default { option } => format!("default of {}", named(option)),
        Source::ContainerLimit => "as large as the container may be".to_owned(),
        Source::Fraction {
            option,
            fraction,
            of,
            inverse,
            ..
        } => {
            format!("{}, by {}", product(fraction, of, inverse), named(option))
        }
        Source::ClampedToMinimum {
            option,
            fraction_option,
            fraction,
            of,
            inverse,
            derived,
            ..
        } => format!(
            "raised to {}, because {} by {} is only {}",
            named(option),
            product(fraction, of, inverse),
            named(fraction_option),
            exact(*derived)
        ),
        Source::ClampedToMaximum {
            option,
            fraction_option,
            fraction,
            of,
            inverse,
            derived,
            ..
        } => format!(
            "lowered to {}, because {} by {} is {}",
            named(option),
            product(fraction, of, inverse),
            named(fraction_option),
            exact(*derived)
        ),
        Source::BufferCount {
            option,
            buffers,
            segment_size,
        } => {
            format!("{buffers} buffers of {}, by {option}", exact(*segment_size))
        }
        Source::Remainder { of, taken } => {
            format!(
                "rest: {} − {} for the other parts",
                exact(*of),
                exact(*taken)
            )
        }
        Source::Sum { of } => {
            let parts: Vec<String> = of.iter().map(|name| title(name)).collect();
            format!("sum: {}", parts.join(" + "))
        }
    }
}

/// What was written where a size was taken that is nearer to what solves.
pub(super) fn adjustment(answer: &Answer, component: &Component) -> Option<String> {
    let Source::Configured { option, origin } = &component.source else {
        return None;
    };
    let path = origin.path(option);
    let adjusted = answer
        .adjustments
        .iter()
        .find(|adjustment| adjustment.path == path)?;
    Some(format!("adjusted from {}", adjusted.current.as_deref()?))
}

/// How many segments there are in network and managed memory.
pub(super) fn segments(budget: &Budget) -> String {
    format!(
        "Segments of {}: {} in network memory, {} in managed memory.",
        size(budget.segment_size),
        budget.network_segments(),
        budget.managed_segments()
    )
}

/// The fraction behind a size, if one is.
pub(super) fn fraction(component: &Component) -> Option<f32> {
    match component.source {
        Source::Fraction { fraction, .. }
        | Source::ClampedToMinimum { fraction, .. }
        | Source::ClampedToMaximum { fraction, .. } => Some(fraction),
        _ => None,
    }
}

/// The line that an answer begins with.
pub(super) fn heading(subject: &Subject, screen: &Screen) -> String {
    let mut line = String::new();
    if let Some(name) = &subject.name {
        line.push_str(&screen.paint(Tone::Title, &harmless(name)));
        if let Some(namespace) = &subject.namespace {
            line.push_str(&format!(" in {}", harmless(namespace)));
        }
        line.push_str(", ");
    }
    match &subject.other {
        Some(other) => {
            let role = subject.role.as_str();
            line.push_str(&format!("{role} of {}, ", harmless(&other.kind)));
        }
        None if (subject.role, subject.mode) != (Role::TaskManager, Mode::Standalone) => {
            line.push_str(&format!("{}, ", subject.role.as_str()));
        }
        None => {}
    }
    line.push_str(&format!("Flink {}", harmless(&subject.flink_version)));
    if subject.mode == Mode::Kubernetes && subject.other.is_none() {
        line.push_str(", native Kubernetes");
    }
    if let Some(other) = &subject.other {
        line.push_str(&format!(" by {}", harmless(&other.version_from)));
    }
    if let Some(source) = &subject.source {
        line.push_str(&screen.paint(Tone::Faint, &format!("  {source}")));
    }
    line.push('\n');
    line
}

/// A heading inside an answer.
pub(super) fn section(heading: &str, screen: &Screen) -> String {
    format!("\n{}\n", screen.paint(Tone::Strong, heading))
}

/// Appends text that is broken between words, with one indentation for its first line and one for the others.
pub(super) fn push_wrapped(
    text: &mut String,
    first: &str,
    others: &str,
    content: &str,
    screen: &Screen,
) {
    let width = screen.width.saturating_sub(columns(others)).max(20);
    // What the first line begins with beyond the indentation takes room too, its colours do not.
    let head = visible_columns(first).saturating_sub(columns(others));
    let content = format!(
        "{}{}",
        FIXED_SPACE.to_string().repeat(head),
        harmless(content)
    );
    for (index, line) in wrapped(&content, width).iter().enumerate() {
        text.push_str(if index == 0 { first } else { others });
        text.extend(line.chars().skip(if index == 0 { head } else { 0 }));
        text.push('\n');
    }
}

/// What could not be read, one line each, and the count of other documents; for standard error.
pub(super) fn remarks(answers: &Answers, is_verbose: bool, screen: &Screen) -> String {
    let mut text = String::new();
    for problem in &answers.problems {
        text.push_str(&format!(
            "{} {problem}\n",
            screen.paint(Tone::Error, "error:")
        ));
    }
    for warning in &answers.warnings {
        text.push_str(&format!(
            "{} {}\n",
            screen.paint(Tone::Warning, "warning:"),
            harmless(warning)
        ));
    }
    if answers.passed_over > 0 && is_verbose {
        text.push_str(&format!(
            "passed over {}\n",
            counted(
                answers.passed_over,
                "document of other kinds",
                "documents of other kinds"
            )
        ));
    }
    text
}

/// A count with its noun.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_for_people_and_exact_beside() {
        assert_eq!(size(Bytes(3_597_035_110)), "3.35 GiB");
        assert_eq!(exact(Bytes(3_597_035_110)), "3.35 GiB (3597035110)");
        assert_eq!(exact(Bytes::GIBI), "1 GiB");
        assert_eq!(exact(Bytes(1000)), "1000 bytes");
    }

    #[test]
    fn titles_are_words() {
        assert_eq!(title("frameworkHeap"), "framework heap");
        assert_eq!(title("taskOffHeap"), "task off-heap");
        assert_eq!(title("managed"), "managed");
    }
}
