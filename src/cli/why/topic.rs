//! What `headroom explain --why` can be asked about: every name of a number, and every option.

use crate::{
    budget::{Role, key_of_field, option_keys, proper_key},
    cli::{screen::harmless, text},
};

/// What was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Topic {
    /// A size, by its name in JSON.
    Number(&'static str),
    /// An option, by its proper key.
    Option(&'static str),
}

/// What may be asked about beside the names in JSON, and what it is.
const ALIASES: [(&str, &str); 10] = [
    ("jvmDirect", "directMemory"),
    ("-Xmx", "jvmHeap"),
    ("-Xms", "jvmHeap"),
    ("heap", "jvmHeap"),
    ("-XX:MaxDirectMemorySize", "directMemory"),
    ("direct", "directMemory"),
    ("-XX:MaxMetaspaceSize", "jvmMetaspace"),
    ("metaspace", "jvmMetaspace"),
    ("overhead", "jvmOverhead"),
    ("process", "totalProcess"),
];

/// Every number that there can be, in the order of the tree.
const NUMBERS: [&str; 20] = [
    "container",
    "totalProcess",
    "totalFlink",
    "jvmHeap",
    "frameworkHeap",
    "taskHeap",
    "offHeap",
    "managed",
    "directMemory",
    "frameworkOffHeap",
    "taskOffHeap",
    "network",
    "jvmMetaspace",
    "jvmOverhead",
    "cutoff",
    "nativeOvershoot",
    "pythonWorkers",
    "otherProcesses",
    "memoryVolumes",
    "unassigned",
];

impl Topic {
    /// What a text asks about: a number by its name, its title or its flag, or an option by its key or by the field that becomes it.
    ///
    /// # Errors
    /// What the nearest right names are.
    pub fn parse(text: &str) -> Result<Topic, String> {
        let plain = |text: &str| -> String {
            let letters = text.chars().filter(|letter| letter.is_alphanumeric());
            letters.flat_map(char::to_lowercase).collect()
        };
        let wanted = plain(text);
        let number = NUMBERS
            .into_iter()
            .find(|name| plain(name) == wanted || plain(&text::title(name)) == wanted)
            .or_else(|| {
                let alias = ALIASES
                    .into_iter()
                    .find(|(alias, _)| plain(alias) == wanted);
                alias.map(|(_, name)| name)
            });
        if let Some(number) = number {
            return Ok(Topic::Number(number));
        }
        let key = text.trim().trim_start_matches("-D").trim();
        let known = [Role::TaskManager, Role::JobManager]
            .into_iter()
            .find_map(|role| proper_key(role, key))
            .or_else(|| key_of_field(key));
        if let Some(key) = known {
            return Ok(Topic::Option(key));
        }
        Err(unknown(text, &wanted, plain))
    }

    /// Its right name.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Topic::Number(name) | Topic::Option(name) => name,
        }
    }
}

/// Why a text asks about nothing, with what it was probably meant to be.
fn unknown(text: &str, wanted: &str, plain: impl Fn(&str) -> String) -> String {
    const LONGEST: usize = 100;
    let names: Vec<&str> = NUMBERS
        .into_iter()
        .chain(option_keys(Role::TaskManager))
        .chain(option_keys(Role::JobManager))
        .collect();
    let mut near: Vec<(usize, &str)> = names
        .into_iter()
        .filter(|_| wanted.chars().count() <= LONGEST)
        .map(|name| {
            let known = plain(name);
            let distance = strsim::damerau_levenshtein(wanted, &known);
            // A key may be named by its end alone: `network.max`.
            let is_end = !wanted.is_empty() && known.ends_with(wanted);
            (if is_end { 0 } else { distance }, name)
        })
        .filter(|(distance, name)| *distance * 3 <= plain(name).chars().count())
        .collect();
    near.sort();
    let shown = harmless(text);
    match near.as_slice() {
        [] => format!(
            "no size or option is called {shown:?}; the sizes are {}, and an option is called by its key",
            NUMBERS.join(", ")
        ),
        near => {
            let nearest = near[0].0;
            let meant: Vec<&str> = near
                .iter()
                .take(3)
                .filter(|(distance, _)| *distance <= nearest + 2)
                .map(|(_, name)| *name)
                .collect();
            format!(
                "no size or option is called {shown:?}; did you mean {}?",
                meant.join(" or ")
            )
        }
    }
}
